"""One family of refusals: a code for programs, a sentence for people, a status for HTTP; rendered once per edge."""

from typing import Any, ClassVar


class ConversationError(Exception):
    """Something that may not be done now. The message says what to do instead, in the reader's words."""

    code: ClassVar[str] = "refused"
    http_status: ClassVar[int] = 409
    message: ClassVar[str] = "This cannot be done now."

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.message)


class NotFound(ConversationError):
    """Also what somebody gets who may not see it: the two look the same."""

    code = "not_found"
    http_status = 404
    message = "There is no such case, or it is not yours to see."


class NotAllowed(ConversationError):
    code = "not_allowed"
    http_status = 403
    message = "Your role does not allow this."


class CaseMoved(ConversationError):
    code = "case_moved"
    message = "This case has just changed. Look again before you go on."


class CaseTaken(ConversationError):
    code = "case_taken"
    message = "Somebody took this case before you."


class CaseClosed(ConversationError):
    code = "case_closed"
    message = "This case is closed. A new message from the customer opens a new one."


class NotReachable(ConversationError):
    code = "not_reachable"
    message = "This person does not accept direct messages from us. Reply in public and ask for a message first."


class NotSummoned(ConversationError):
    code = "not_summoned"
    message = "X lets us reply only to people who named us. This post did not."


class AlreadyReplied(ConversationError):
    code = "already_replied"
    message = "We have answered this post. X allows one reply to a post: wait until they write again."


class OptedOut(ConversationError):
    code = "opted_out"
    message = "They asked us to stop writing. They can write START. The secure chat goes on."


class SendingStopped(ConversationError):
    code = "sending_stopped"
    message = "Sending is stopped. Nothing leaves until a supervisor resumes it; secure chat goes on."


class OverCap(ConversationError):
    """Pressed more often than a cap allows: `cap` is agent, brand or recipient, `about` whom it is counted for."""

    code = "over_cap"
    http_status = 429
    message = "This is more than may be sent now. Wait."

    def __init__(self, message: str = "", *, cap: str = "", about: str = "") -> None:
        super().__init__(message)
        self.cap, self.about = cap, about


class BadText(ConversationError):
    """Text that may not leave: empty, too long, private details, foreign links, an unfilled variable.

    `at`: where in the text as it was typed, in code points; None where the whole of it is meant.
    """

    code = "bad_text"
    http_status = 422
    message = "This text cannot be sent."

    def __init__(self, message: str = "", *, start: int | None = None, end: int | None = None) -> None:
        super().__init__(message)
        self.at = None if start is None or end is None else (start, end)


class TooLate(ConversationError):
    code = "too_late"
    message = "It has left already."


class DeadInvitation(ConversationError):
    """One sentence for unknown, expired, used, revoked and not yours: the difference would be an oracle.

    `reason` is for the trail alone, and so is the case, where it is known.
    """

    code = "dead_link"
    http_status = 404
    message = "This link does not open anything any more. Sign in to the bank, or write to us again."

    def __init__(self, reason: str = "dead_link", *, case: Any = None) -> None:
        super().__init__()
        self.reason = reason
        self.case = case


class NoConsent(ConversationError):
    code = "no_consent"
    http_status = 422
    message = "Nothing is linked before you agree to it. Go back, read what will be linked, and press the button there."


class TooManyTries(ConversationError):
    """Too many wrong codes; `seconds` until there is a try again."""

    code = "too_many_tries"
    http_status = 429

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        minutes = -(-seconds // 60)
        super().__init__(
            f"These were too many wrong codes. Wait {minutes} {'minute' if minutes == 1 else 'minutes'}, then try "
            "again. The link in the message still works, and so does signing in to “My conversations”."
        )


class WrongHandle(ConversationError):
    code = "wrong_handle"
    http_status = 403
    message = "You signed in to X as another account. Use the one we wrote to."


class WrongAccount(ConversationError):
    code = "wrong_account"
    http_status = 403
    message = "Another account than this one was signed in on the network. Nothing was kept. Sign in there as this one."


class ChatNotOpen(ConversationError):
    code = "chat_not_open"
    message = "The secure chat opens when the customer has signed in and confirmed the handle."


class SurveyOver(ConversationError):
    code = "survey_over"
    http_status = 404
    message = "This question has been answered or is over. Thank you."
