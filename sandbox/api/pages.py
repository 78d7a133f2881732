"""Takes a place in a list, leaves the token that pages on from it, and the other way round."""

import re

from sandbox.api import problems
from sandbox.api.calls import Call

_PREFIX = "7140"
_TOKEN = re.compile(_PREFIX + r"([0-9a-z]{13})")


def token(last: int) -> str:
    """The token for what is older than this id; 17 characters, never expires."""
    digits = ""
    while last:
        last, digit = divmod(last, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return _PREFIX + digits.rjust(13, "0")


def before(call: Call, *names: str) -> int | None:
    """The id that the asked page begins below; None for the first page."""
    given = [(name, call.query[name]) for name in names if name in call.query]
    if not given:
        return None
    name, value = given[0]
    match = _TOKEN.fullmatch(value)
    if match is None or len(given) > 1:
        raise problems.invalid(f"The `{name}` query parameter value [{value}] is not valid", {name: [value]})
    return int(match.group(1), 36)
