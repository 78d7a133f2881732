"""Takes a connection, leaves it where it belongs: HTTP to Django, WebSockets of our own origin to the consumers."""

import asyncio
import gc
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "citisocial.settings")

from django.core.asgi import get_asgi_application

site = get_asgi_application()  # sets Django up: what imports models comes after this line

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.sessions import CookieMiddleware  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.handlers.exception import convert_exception_to_response  # noqa: E402

from accounts.checks import insist  # noqa: E402
from citisocial import draining  # noqa: E402
from citisocial.bodies import bounded  # noqa: E402
from citisocial.origins import OwnOrigin  # noqa: E402
from conversations.realtime import direct  # noqa: E402
from conversations.routing import websocket_urlpatterns  # noqa: E402

insist()  # a server does not run system checks by itself: an unsafe production must not start


class Hooks(ASGIHandler):
    """Django without middleware, for what networks push: no session, cookie, language or form is in it.

    Most of the middleware is synchronous and costs each request a dozen changes of thread, at fifty events a second
    more than all the rest of the web process does.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        """None: the view is called as it is."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        view = self._get_response_async  # type: ignore[attr-defined]  # Django's own, unknown to its stubs
        self._middleware_chain = convert_exception_to_response(view)


hooks = Hooks()


# A server that comes back has all its pages before the door at once: more of them than this wait in the event loop, and
# not each in a thread of its own for one of a few connections to the database.
tickets = asyncio.Semaphore(8)


def bodiless(scope: Any) -> bool:
    """Whether nothing follows the headers."""
    said = dict(scope["headers"])
    return b"transfer-encoding" not in said and said.get(b"content-length", b"0") == b"0"


async def http(scope: Any, receive: ASGIReceiveCallable, send: Any) -> None:
    """What networks push has a way of its own; everything else is the site's."""
    if scope["path"].startswith("/hooks/"):
        await hooks(scope, receive, send)
    elif scope["path"].startswith("/tickets/") and bodiless(scope):  # who sends one slowly would hold the place
        async with tickets:
            await site(scope, receive, send)
    else:
        await site(scope, receive, send)


def settle() -> None:
    """What was imported stays: without this the collector looks through all of Django for each few thousand frames,
    and takes more of the processor than the chat does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def lifespan(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer the server's start and stop; Django's own handler has no such entry."""
    settle()
    draining.install()
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await direct.close()
    await send({"type": "lifespan.shutdown.complete"})


application = ProtocolTypeRouter(
    {
        "http": bounded(http),
        # Whose it is and that the session lives says the ticket (conversations.tickets), in one statement.
        "websocket": OwnOrigin(CookieMiddleware(URLRouter(websocket_urlpatterns)), settings.SITE_URL),
        "lifespan": lifespan,
    }
)
