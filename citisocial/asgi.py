"""Takes a connection, leaves it where it belongs: HTTP to Django, WebSockets of our own origin to the consumers."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "citisocial.settings")

from django.core.asgi import get_asgi_application

site = get_asgi_application()  # sets Django up: what imports models comes after this line

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import OriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.handlers.exception import convert_exception_to_response  # noqa: E402

from accounts.checks import insist  # noqa: E402
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


async def http(scope: Any, receive: ASGIReceiveCallable, send: Any) -> None:
    """What networks push has a way of its own; everything else is the site's."""
    door = hooks if scope["path"].startswith("/hooks/") else site
    await door(scope, receive, send)


async def lifespan(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer the server's start and stop; Django's own handler has no such entry."""
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


application = ProtocolTypeRouter(
    {
        "http": http,
        # Scheme, host and port: a list of hosts would let any port and any scheme of the same host in.
        "websocket": OriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)), [settings.SITE_URL]),
        "lifespan": lifespan,
    }
)
