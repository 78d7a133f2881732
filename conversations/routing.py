"""Takes a socket's address, leaves its consumer."""

from typing import Any, cast

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path, re_path

from conversations.consumers.case import CaseConsumer
from conversations.consumers.inbox import InboxConsumer


def socket(consumer: type[AsyncWebsocketConsumer]) -> Any:
    """Any: Django's stubs know only views that answer HTTP, and these are ASGI applications."""
    return consumer.as_asgi()


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """The handshake is answered with 403: without a thread, because whoever is refused may well come often."""
    await receive()
    await send({"type": "websocket.close"})


websocket_urlpatterns: list[Any] = [
    path("ws/inbox/", socket(InboxConsumer)),
    path("ws/case/<uuid:case_id>/", socket(CaseConsumer)),
    re_path("", cast(Any, refuse)),  # a scanner's guess is no error of ours
]
