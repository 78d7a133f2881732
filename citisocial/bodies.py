"""Takes a request's body as it comes, leaves it to the site, or ends one that is longer than anything we take.

Django collects a body on disk before it asks any view, so whoever may not even sign in could fill the disk with one.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

App = Callable[[Any, Any, Any], Awaitable[None]]
MEGABYTE = 1024 * 1024
AROUND = MEGABYTE  # what a form has besides its file


def bounded(app: App) -> App:
    """The same, for bodies of at most one file's size; 413 for longer ones, announced or not."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        most = settings.ATTACHMENT_MB * MEGABYTE + AROUND
        if _announced(scope) > most:
            await _refuse(send)
            return
        had = 0

        async def counted() -> Any:
            nonlocal had
            message = await receive()
            had += len(message.get("body", b""))
            return message if had <= most else {"type": "http.disconnect"}

        await app(scope, counted, send)
        if had > most:  # the site believes that nobody is there any more, and has answered nothing
            await _refuse(send)

    return answer


def _announced(scope: Any) -> int:
    """What the request says about itself; a server lets at most one number through."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


async def _refuse(send: Any) -> None:
    words = _("This is more than we take at once: at most %(size)d MB.") % {"size": settings.ATTACHMENT_MB}
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})
