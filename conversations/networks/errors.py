"""Takes what went wrong at a network, leaves one family of errors that says what is known and what to do.

The question each class answers is "did it happen?", because a bank prefers one missing message to two:
`Unreachable`, `RateLimited` and `Refused` are definite (it did not), `Undetermined` is not, `Unavailable` is
about reads.
"""

from typing import Literal, get_args

Reason = Literal["not_reachable", "not_summoned", "duplicate", "too_long", "auth", "scope", "invalid", "gone"]
REASONS: tuple[Reason, ...] = get_args(Reason)

_SENTENCES: dict[Reason, str] = {
    "not_reachable": "The network does not let us write to this person. Answer in public, or wait for them.",
    "not_summoned": "The network only lets us answer people who named or quoted us. Wait until they do.",
    "duplicate": "The network has this very text from us already. Change the wording.",
    "too_long": "The text is too long for the network. Shorten it.",
    "auth": "The network does not accept our credentials. Connect the account again.",
    "scope": "The account was connected without permission for this. Connect it again and allow all of it.",
    "invalid": "The network does not understand the request. Check the text and the account's settings.",
    "gone": "The post or the person is not there any more. Nothing can be sent to it.",
}


class NetworkError(Exception):
    """The family's root.

    `permanent`: trying again cannot help; `retry_after`: seconds to wait before the next try.
    """

    def __init__(self, message: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class Unreachable(NetworkError):
    """The request never left (refused connection, TLS): it did not happen and may be tried again."""


class RateLimited(NetworkError):
    """The network wants us to wait: it did not happen; `retry_after` says how long."""


class Refused(NetworkError):
    """A definite no, for a reason an agent can be told: it did not happen, and trying again cannot help."""

    def __init__(self, reason: Reason, message: str | None = None) -> None:
        super().__init__(message or _SENTENCES[reason], permanent=True)
        self.reason: Reason = reason


class Undetermined(NetworkError):
    """A write that may have happened (timeout, reset, 5xx): look it up on the network before trying again."""


class Forged(NetworkError):
    """Something was pushed to us that the network did not sign: nothing of it may be believed."""

    def __init__(self) -> None:
        super().__init__("This was not signed by the network.", permanent=True)


class Unavailable(NetworkError):
    """A read that failed or made no sense; may be tried again."""
