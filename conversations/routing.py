"""Takes a socket's address, leaves its consumer."""

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path

from conversations.consumers import CaseConsumer, InboxConsumer


def socket(consumer: type[AsyncWebsocketConsumer]) -> Any:
    """Any: Django's stubs know only views that answer HTTP, and these are ASGI applications."""
    return consumer.as_asgi()


websocket_urlpatterns: list[Any] = [
    path("ws/inbox/", socket(InboxConsumer)),
    path("ws/case/<uuid:case_id>/", socket(CaseConsumer)),
]
