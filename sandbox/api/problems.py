"""Takes a reason to refuse, leaves it in the shape and words that X refuses in."""

from collections.abc import Mapping, Sequence
from typing import Any

TYPES = "https://api.x.com/2/problems/"


class Problem(Exception):
    """A refusal: the HTTP status and X's JSON. `why` is for the log, where X itself says less."""

    def __init__(self, status: int, body: dict[str, Any], *, why: str = "") -> None:
        self.status = status
        self.body = body
        self.why = why or str(body.get("detail", ""))
        super().__init__(self.why)


def plain(status: int, title: str, detail: str = "", *, why: str = "") -> Problem:
    """A refusal without a type of its own."""
    return Problem(
        status, {"title": title, "detail": detail or title, "type": "about:blank", "status": status}, why=why
    )


def invalid(message: str, parameters: Mapping[str, Sequence[str]] | None = None) -> Problem:
    """400: X names the parameters and says what is wrong with them."""
    error: dict[str, Any] = {"message": message}
    if parameters is not None:
        error = {"parameters": {name: list(values) for name, values in parameters.items()}} | error
    body = {
        "errors": [error],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": TYPES + "invalid-request",
    }
    return Problem(400, body, why=message)


def unauthorized(why: str) -> Problem:
    """401: no token, or none that counts."""
    return plain(401, "Unauthorized", why=why)


def forbidden(detail: str = "Forbidden", *, why: str = "") -> Problem:
    """403 in X's words; a missing scope is only said to be forbidden."""
    return plain(403, "Forbidden", detail, why=why)


def unsupported_authentication(used: str, supported: Sequence[str]) -> Problem:
    """403: this endpoint does not take this kind of token."""
    body = {
        "title": "Unsupported Authentication",
        "detail": f"Authenticating with {used} is forbidden for this endpoint.  "
        f"Supported authentication types are [{', '.join(supported)}].",
        "type": TYPES + "unsupported-authentication",
        "status": 403,
    }
    return Problem(403, body)


def too_many_requests() -> Problem:
    """429: a window is used up."""
    return plain(429, "Too Many Requests")


def connection_exception(status: int, detail: str, issue: str) -> Problem:
    """A stream that cannot be opened."""
    body = {
        "title": "ConnectionException",
        "detail": detail,
        "connection_issue": issue,
        "type": TYPES + "streaming-connection",
    }
    return Problem(status, body)


def not_found(kind: str, parameter: str, value: str) -> dict[str, str]:
    """An entry of `errors` in an answer of 200: what was asked for is not there."""
    return {
        "value": value,
        "detail": f"Could not find {kind} with {parameter}: [{value}].",
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
        "type": TYPES + "resource-not-found",
    }
