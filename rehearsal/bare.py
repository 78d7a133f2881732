"""Takes any request, leaves the answer of the link host and nothing else: what a redirect costs at the least."""

from collections.abc import Awaitable, Callable
from typing import Any

START: dict[str, Any] = {
    "type": "http.response.start",
    "status": 302,
    "headers": [
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-robots-tag", b"noindex"),
        (
            b"content-security-policy",
            b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (b"location", b"http://localhost:8000/welcome/0123456789abc/"),
        (b"content-length", b"0"),
    ],
}
BODY = {"type": "http.response.body", "body": b""}


async def application(scope: Any, receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """HTTP alone."""
    await send(START)
    await send(BODY)
