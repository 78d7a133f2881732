"""Takes an answer of X that is not a yes, leaves the error of our family that it means.

What X documents is told apart by status and problem type. The wording of its 403s is not documented, so those
go by endpoint: what is not about our own credentials is, on a direct message, a person who cannot be written
to, and on a reply, a person who did not summon us. X's own words are read, never shown: they may quote what
we sent.
"""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum

from conversations.networks.errors import NetworkError, RateLimited, Refused, Unavailable, Undetermined
from conversations.networks.x import wire


class Doing(Enum):
    """What was asked, as far as it changes what a refusal means."""

    READ = "read"
    SETTING = "setting"  # changes rules, webhooks and the like: repeating it is harmless
    REFRESH = "refresh"
    DIRECT_MESSAGE = "direct message"
    REPLY = "reply"

    @property
    def writes(self) -> bool:
        """An answer that got lost leaves a doubt. A refresh token is a write too: X may have used it up."""
        return self in {Doing.REFRESH, Doing.DIRECT_MESSAGE, Doing.REPLY}


# Limits, each with its own three headers; the daily ones are only sent on posts and direct messages.
LIMITS = ("x-rate-limit", "x-user-limit-24hour", "x-app-limit-24hour")
_NO_RESET_KNOWN = 60.0
_NO_CREDITS = 900.0


def failure(status: int, headers: Mapping[str, str], body: bytes, *, doing: Doing) -> NetworkError:
    """The error that an answer other than 2xx means. `headers` must be indifferent to case."""
    problem = wire.problem(body)
    if status == 402 or problem.kind in {"usage-capped", "credits"}:
        # Somebody can buy credits or the month can turn: a wait, and no refusal of this text or person.
        return RateLimited(
            "X says that the app's credits or its cap are used up. Add credits in X's developer console.",
            retry_after=_NO_CREDITS,
        )
    if status == 429 or "over daily status update limit" in problem.words:
        wait = seconds_to_reset(headers)
        wait = _NO_RESET_KNOWN if wait is None else wait
        return RateLimited(f"X's limit is used up; it opens again in {wait:.0f} s.", retry_after=wait)
    if status >= 500 or status == 408:
        if doing.writes:
            return Undetermined(f"X answered {status}. It may have happened: look it up there before sending again.")
        return Unavailable(f"X answered {status}. Wait: it is tried again.")
    if 300 <= status < 400:
        return Refused("invalid", f"X answered with a redirect ({status}). Check the API address in the settings.")
    if status == 401 or doing is Doing.REFRESH:
        return Refused("auth")
    if status == 403:
        return _forbidden(problem, doing)
    if status in {404, 410}:
        return Refused("gone")
    return _bad_request(status, problem, doing)


def _forbidden(problem: wire.Problem, doing: Doing) -> NetworkError:
    words = problem.words
    # A bare "Forbidden", and no word more, is how X answers a token that lacks a scope.
    if problem.bare or "scope" in words or "oauth1-permissions" in problem.kind or "app permissions" in words:
        return Refused("scope")
    if problem.kind in {"client-forbidden", "unsupported-authentication"} or _account_blocked(words):
        return Refused("auth")
    if doing is Doing.DIRECT_MESSAGE:
        return Refused("not_reachable")
    if doing is Doing.REPLY:
        return _refused_text(words) or Refused("not_summoned")
    return Refused("auth", "X does not let this app or account do this. Check its access in X's developer console.")


def _account_blocked(words: str) -> bool:
    """Our own account is suspended or locked (the other person's being so makes them merely unreachable)."""
    return "temporarily locked" in words or ("your account" in words and ("suspended" in words or "locked" in words))


def _refused_text(words: str) -> Refused | None:
    if "duplicate" in words:
        return Refused("duplicate")
    if "too long" in words or "maximum length" in words:
        return Refused("too_long")
    if "deleted or not visible" in words or "does not exist" in words:
        return Refused("gone")
    return None


def _bad_request(status: int, problem: wire.Problem, doing: Doing) -> NetworkError:
    if doing.writes and (refused := _refused_text(problem.words)):
        return refused
    named = ", ".join(sorted(problem.parameters)) or problem.kind or "no parameter named"
    return Refused("invalid", f"X does not understand the request ({status}, {named}). Check text and settings.")


def seconds_to_reset(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds until the limit that stopped us opens again, at least 1; None when X names no time to come.

    By the clock of the answer itself: ours may be wrong.
    """
    if now is None:
        now = server_time(headers) or time.time()
    used_up = [limit for limit in LIMITS if headers.get(f"{limit}-remaining") == "0"]
    resets = [number(headers.get(f"{limit}-reset")) for limit in used_up or LIMITS[:1]]
    latest = max((reset for reset in resets if reset), default=None)
    if latest is not None:
        return max(latest - now, 1.0) if latest > now else None
    return number(headers.get("retry-after"))


def server_time(headers: Mapping[str, str]) -> float | None:
    """When the answer was made by the clock of who made it, in seconds since 1970."""
    said = headers.get("date", "")
    try:
        # A proxy may add a date of its own; joined with a comma, the last one is whole.
        return parsedate_to_datetime(said[-29:]).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def number(value: str | None) -> float | None:
    """A header that should be a number; None when it is none."""
    try:
        return float(value) if value else None
    except ValueError:
        return None
