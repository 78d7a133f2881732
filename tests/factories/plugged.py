"""Sockets as pages open them: a ticket by POST, then the handshake with it, our origin and the session's cookie."""

from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from citisocial.asgi import application


async def ticket(path: str, client: Client) -> str:
    """What the server gives for this socket's path; empty when it refuses."""
    answer = await sync_to_async(client.post)(path.replace("/ws/", "/tickets/"), headers={"accept": "application/json"})
    return answer.json()["ticket"] if answer.status_code == 200 else ""


async def socket(
    path: str, client: Client | None, origin: str | None = None, protocols: list[str] | None = None
) -> WebsocketCommunicator:
    """Not connected yet. `protocols` instead of a ticket of one's own."""
    headers = [(b"origin", (settings.SITE_URL if origin is None else origin).encode()), (b"host", b"localhost:8000")]
    if client is not None:
        if protocols is None:
            protocols = ["chat.v1", f"ticket.{await ticket(path, client)}"]
        cookies = "; ".join(f"{key}={morsel.value}" for key, morsel in client.cookies.items())
        headers.append((b"cookie", cookies.encode()))
    communicator = WebsocketCommunicator(application, path, headers=headers, subprotocols=protocols or ["chat.v1"])
    communicator.scope["client"] = ("127.0.0.1", 50000)  # as every server says it
    return communicator
