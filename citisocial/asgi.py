"""Takes a connection, leaves it where it belongs: HTTP to Django, WebSockets of our own origin to the consumers."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "citisocial.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()  # sets Django up: what imports models comes after this line

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import OriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402

from accounts.checks import insist  # noqa: E402
from conversations.routing import websocket_urlpatterns  # noqa: E402

insist()  # a server does not run system checks by itself: an unsafe production must not start


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
