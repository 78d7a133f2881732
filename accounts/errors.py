"""What may be refused about people; each with the code and the HTTP status that the edges answer."""

from django.utils.translation import gettext as _


class AccountError(Exception):
    """Something about a person stands against it; the text is a sentence for the reader."""

    code = "account_error"
    http_status = 409


class HandleTaken(AccountError):
    """Another customer has proven this network account. Nothing is decided here: a person looks at it."""

    code = "handle_taken"


class SecondFactorMissing(AccountError):
    """Somebody of the bank is signed in with less than a passkey or an authenticator's code."""

    code = "second_factor"
    http_status = 403

    def __init__(self) -> None:
        super().__init__(_("This needs your second factor. Open the workspace in a browser and use it there."))


class StepUp(AccountError):
    """The second factor was used too long ago for this."""

    code = "step_up"
    http_status = 403

    def __init__(self) -> None:
        super().__init__(
            _(
                "Sending in the bank’s name needs your second factor once a shift. Confirm it in the menu under your"
                " name, then press again: your text stays here."
            )
        )
