"""What may be refused about people; each with the code and the HTTP status that the edges answer."""


class AccountError(Exception):
    """Something about a person stands against it; the text is a sentence for the reader."""

    code = "account_error"
    http_status = 409


class HandleTaken(AccountError):
    """Another customer has proven this network account. Nothing is decided here: a person looks at it."""

    code = "handle_taken"
