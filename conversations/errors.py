"""One family of refusals: a code for programs, a sentence for people, a status for HTTP; rendered once per edge."""

from datetime import timedelta
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


class SignedOut(NotAllowed):
    code = "signed_out"
    http_status = 401
    message = "You were signed out. Sign in again."


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


class BadFile(ConversationError):
    """A file that nobody may send here; the message says what is taken."""

    code = "bad_file"
    http_status = 422
    message = "This file cannot be sent."


class TooManyFiles(ConversationError):
    code = "too_many_files"
    http_status = 429
    message = "These were many files. Wait a while, then send the next."


class NotStored(ConversationError):
    code = "not_stored"
    http_status = 503
    message = "The file could not be stored just now, and nothing was sent. Try again later, or say it in words."


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


class NobodyAnswers(ConversationError):
    code = "nobody_answers"
    message = "Nobody answers calls now. Choose a time at which we call you, or write to us in this chat."


class TooManyCalls(ConversationError):
    code = "too_many_calls"
    http_status = 429
    message = "You have asked for several calls in the last hour. Write to us in this chat, or ask again later."


class CallTaken(ConversationError):
    code = "call_taken"
    message = "Somebody has taken this call."


class CallOver(ConversationError):
    code = "call_over"
    message = "This call is over, or was taken back."


class WrongCode(ConversationError):
    """One sentence for unknown, over, used and not of this agent's brands."""

    code = "wrong_code"
    http_status = 422
    message = "No call waits with this code. Ask for it once more, digit by digit."


class TooManyCodes(ConversationError):
    """An agent typed too many wrong codes of calls; `wait` until there is a try again."""

    code = "too_many_tries"
    http_status = 429

    def __init__(self, wait: timedelta) -> None:
        minutes = max(1, -(-wait // timedelta(minutes=1)))
        super().__init__(
            f"These were too many wrong codes. Wait {minutes} {'minute' if minutes == 1 else 'minutes'}, then try "
            "again. Meanwhile the caller can write in the chat."
        )


class WrongHandle(ConversationError):
    code = "wrong_handle"
    http_status = 403
    message = "You signed in to X as another account. Use the one we wrote to."


class WrongAccount(ConversationError):
    code = "wrong_account"
    http_status = 403
    message = "Another account than this one was signed in on the network. Nothing was kept. Sign in there as this one."


class Overtaken(ConversationError):
    """Somebody spoke since the writer last looked: nothing was stored, and the same goes out once confirmed."""

    code = "overtaken"
    message = "New messages came in while you wrote. Read them, then send it or change it."


class TooFast(ConversationError):
    code = "too_fast"
    http_status = 429
    message = "These are many messages at once. This one goes out in some seconds."


class TryAgain(ConversationError):
    """Whether it was stored is not known; the same client_id again is harmless, and clients send it by themselves."""

    code = "try_again"
    http_status = 503
    message = "This could not be saved just now. It is sent again."


class ChatNotOpen(ConversationError):
    code = "chat_not_open"
    message = "The secure chat opens when the customer has signed in and confirmed the handle."


class AlreadyAsked(ConversationError):
    code = "already_asked"
    message = "This was asked already."


class DetailGone(ConversationError):
    """A detail that cannot be given, taken back or read any more; the sentence says why."""

    code = "detail_gone"
    message = "There is nothing here any more. Nothing is kept."


class NotAsked(ConversationError):
    code = "not_asked"
    message = "Nobody asks you to prove anything now. Go back to your conversation."


class NotProven(ConversationError):
    code = "not_proven"
    message = "We have not seen your second factor since you were asked. Use it once more, then come back here."


class SurveyOver(ConversationError):
    code = "survey_over"
    http_status = 404
    message = "This question has been answered or is over. Thank you."


class TransferOver(ConversationError):
    """Somebody or the clock was faster; the message says how the transfer ended."""

    code = "transfer_over"
    message = "This offer is over. Look at the case again."


class NobodyHere(ConversationError):
    code = "nobody_here"
    message = (
        "Nobody else is here now. Your agent reads what you write when they are back. You may close this page: the "
        "conversation stays as it is."
    )
