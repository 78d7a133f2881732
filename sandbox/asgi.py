"""Takes ASGI connections, leaves them with Django, all database work in one thread of one process."""

import os
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "sandbox.settings"

import django

django.setup(set_prefix=False)

from django.core.handlers.asgi import ASGIHandler  # noqa: E402 - needs the apps to be loaded

from sandbox.courier import courier  # noqa: E402
from sandbox.edge import guarded  # noqa: E402


class OneThreadHandler(ASGIHandler):
    """Django's handler without its thread (and so its database connection) per request.

    Django opens a thread-sensitive context per request, which costs a new connection each time. Without it, all
    synchronous code runs in one shared thread: one connection stays open, and two requests never race for the
    same row. A search that looks at many posts does hold up the others; for a sandbox that is the better bargain.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one HTTP connection; take part in the server's start and stop."""
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                if message["type"] == "lifespan.startup":
                    courier.start()
                else:
                    await courier.stop()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        if scope["type"] != "http":
            raise ValueError(f"The sandbox answers HTTP only, not {scope['type']}.")
        await guarded(self.handle)(scope, receive, send)


application = OneThreadHandler()
