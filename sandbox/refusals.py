"""Takes a refusal, leaves one line of log: status, call, caller and reason, never a token, text or query."""

import logging

from django.http import HttpRequest

log = logging.getLogger("sandbox.refused")


def record(status: int, request: HttpRequest, why: str, *, who: str = "nobody") -> None:
    """Log a refusal. Callers choose paths and parameters, so line breaks and the like are escaped."""
    line = f"{status} {request.method} {request.path} by {who}: {why}"
    log.info("%s", line.encode("unicode_escape").decode("ascii")[:500])
