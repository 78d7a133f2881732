"""Takes GET or HEAD of /<slug> on the link host, leaves one Click and a redirect; a raw ASGI application.

It stands in front of Django's request cycle: no session, no cookie, no template, nothing that opening a link
could change. Scanners and previews open links too, so a click is recorded and means nothing.
"""

import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from typing import Any

import django
from django.apps import apps
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "citisocial.link_settings")
if not apps.ready:
    django.setup()

from django.core.checks import run_checks
from django.db import Error as DatabaseFault

from links.clicks import Clicks, visitor
from links.lookups import Lookups

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

logger = logging.getLogger(__name__)

links = Lookups()
clicks = Clicks()
LONGEST_NAME = 1000  # bytes; a server takes headers of 64 kB
PATIENCE = 4.0  # seconds at the end in which the database must have taken the last clicks

DEAD = "This link does not open anything any more. Sign in to the bank, or write to us again."
BUSY = "This link cannot be opened just now. Nothing is lost: try it again in a minute."
METHOD = "A short link can only be opened."
ALWAYS: Headers = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex"),
    (
        b"content-security-policy",
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
]


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """One request, one socket (refused), or the life of the process."""
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "http":
        status, headers, body = await answer(scope)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
    else:
        await send({"type": "websocket.close", "code": 4404})


async def live(receive: Receive, send: Send) -> None:
    """Refuse to start unsafely; at the end write the clicks that were heard."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            wrong = [str(problem) for problem in run_checks(tags=["safety"])]
            if wrong:
                await send({"type": "lifespan.startup.failed", "message": "\n".join(wrong)})
                return
            # A server's access log writes paths, and here every path is somebody's slug.
            logging.getLogger("uvicorn.access").disabled = True
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await clicks.close(PATIENCE)
            links.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def answer(scope: Message) -> tuple[int, Headers, bytes]:
    """Status, headers and body for one request. Dead links answer alike, whatever they died of."""
    method, path = scope["method"], scope["path"]
    if method not in {"GET", "HEAD"}:
        return page(405, METHOD, [(b"allow", b"GET, HEAD")])
    if path == "/healthz":
        return 200, [*ALWAYS, (b"content-type", b"text/plain"), (b"content-length", b"2")], b"ok"
    try:
        live = await links.find(path[1:])
    except DatabaseFault as error:
        logger.error("a link could not be looked up: the database does not answer (%s)", type(error).__name__)
        return page(503, BUSY, [(b"retry-after", b"30")])
    if live is None:
        return page(404, DEAD)
    if clicks.full:
        return page(503, BUSY, [(b"retry-after", b"30")])
    clicks.add(live.link, visitor(method, user_agent(scope)))
    return 302, [*ALWAYS, (b"location", live.location), (b"content-length", b"0")], b""


def user_agent(scope: Message) -> bytes:
    """What the visitor calls itself, as far as it matters, or nothing."""
    for name, value in scope["headers"]:
        if name == b"user-agent":
            said: bytes = value[:LONGEST_NAME]
            return said
    return b""


def page(status: int, sentence: str, headers: Headers | None = None) -> tuple[int, Headers, bytes]:
    """A page of one sentence and the bank's own address."""
    address = escape(settings.SITE_URL)
    body = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(settings.SITE_URL.partition('://')[2])}</title>"
        f'<main><p>{escape(sentence)}</p><p><a href="{address}/">{address}</a></p></main></html>'
    ).encode()
    described: Headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    return status, [*ALWAYS, *described, *(headers or [])], body
