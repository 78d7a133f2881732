"""Takes GET or HEAD of /<slug> on the link host, leaves one Click and a redirect; a raw ASGI application.

It stands in front of Django's request cycle: no session, no cookie, no template, nothing that opening a link
could change. Scanners and previews open links too, so a click is recorded and means nothing.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import Any

import django
from django.apps import apps
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "citisocial.settings")
# What the link host stands on and nothing else: it starts in half the time, and holds no code that knows of cases.
ROOMS = {"django.contrib.auth", "django.contrib.contenttypes", "accounts", "links"}
if not apps.ready:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app in ROOMS]
    django.setup()

from django.core.checks import run_checks  # noqa: E402
from django.db import Error as DatabaseFault  # noqa: E402
from django.db import InterfaceError, OperationalError, connection  # noqa: E402

from links import shortener  # noqa: E402
from links.errors import DeadLink  # noqa: E402

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

logger = logging.getLogger(__name__)

# Each thread keeps one connection to the database: this is also how many connections the link host holds.
threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="click")

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
    """Refuse to start unsafely; at the end let the clicks that are under way be written."""
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
            threads.shutdown(wait=True)
            await send({"type": "lifespan.shutdown.complete"})
            return


async def answer(scope: Message) -> tuple[int, Headers, bytes]:
    """Status, headers and body for one request. Dead links answer alike, whatever they died of."""
    method, path = scope["method"], scope["path"]
    if method not in {"GET", "HEAD"}:
        return page(405, METHOD, [(b"allow", b"GET, HEAD")])
    if path == "/healthz":
        return 200, [*ALWAYS, (b"content-type", b"text/plain"), (b"content-length", b"2")], b"ok"
    loop = asyncio.get_running_loop()
    try:
        address = await loop.run_in_executor(threads, click, path.removeprefix("/"), method, user_agent(scope))
    except DeadLink:
        return page(404, DEAD)
    except DatabaseFault as error:
        logger.error("a click could not be recorded: the database does not answer (%s)", type(error).__name__)
        return page(503, BUSY, [(b"retry-after", b"30")])
    return 302, [*ALWAYS, (b"location", address.encode("ascii")), (b"content-length", b"0")], b""


def click(slug: str, method: str, agent: str) -> str:
    """Runs in a thread: record the click over the thread's connection, over a new one if that has died."""
    try:
        return shortener.click(slug, method=method, user_agent=agent)
    except (OperationalError, InterfaceError):
        connection.close()
        return shortener.click(slug, method=method, user_agent=agent)


def user_agent(scope: Message) -> str:
    """What the visitor calls itself, or nothing."""
    for name, value in scope["headers"]:
        if name == b"user-agent":
            said: bytes = value
            return said.decode("latin-1")
    return ""


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
