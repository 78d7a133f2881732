"""Takes sockets of a chat, leaves each text stored and with everybody there, as one writes it first with Channels.

A project of its own, for comparison: the consumer of the tutorials, the faster of the two Redis channel layers, one
INSERT by the ORM for each message, in a table of its own in the database that DATABASE_URL names. Nobody signs in,
nothing is checked; the connection to the database is kept. It listens on /<case>/<side>.
"""

import os
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

WHERE = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for comparison",
    USE_TZ=True,
    INSTALLED_APPS=["channels"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": WHERE.path.lstrip("/"),
            "USER": WHERE.username,
            "PASSWORD": WHERE.password or "",
            "HOST": WHERE.hostname or parse_qs(WHERE.query)["host"][0],
            "PORT": WHERE.port or "",
            "CONN_MAX_AGE": 3600,
        }
    },
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]], "prefix": "stock"},
        }
    },
)
django.setup()

from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402


class Message(models.Model):
    """As the house's own table has it."""

    objects: models.Manager["Message"]
    case_id = models.BigIntegerField()
    seq = models.PositiveIntegerField()
    client_id = models.UUIDField()
    kind = models.CharField(max_length=8, default="said")
    about = models.PositiveIntegerField(null=True)
    side = models.CharField(max_length=8)
    agent_id = models.BigIntegerField(null=True)
    customer_id = models.BigIntegerField(null=True)
    text = models.TextField()
    masked = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField()

    class Meta:
        app_label = "stock"
        constraints = [
            models.UniqueConstraint(fields=["case_id", "seq"], name="stock_seq_once"),
            models.UniqueConstraint(fields=["case_id", "client_id"], name="stock_client_id_once"),
        ]

    def __str__(self) -> str:
        return f"message {self.pk}"


seqs: defaultdict[int, int] = defaultdict(int)  # a favour: whoever asks the database for the next number pays for it


class Chat(AsyncJsonWebsocketConsumer):
    """One socket of one side of one case."""

    async def connect(self) -> None:
        self.case: int = self.scope["url_route"]["kwargs"]["case"]
        self.side: str = self.scope["url_route"]["kwargs"]["side"]
        self.room = f"case.{self.case}"
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive_json(self, content: dict[str, Any], **_: Any) -> None:
        if content["type"] == "resume":
            await self.send_json({"type": "caught_up", "seq": seqs[self.case], "status": "CONNECTED"})
            return
        seqs[self.case] += 1
        message = await Message.objects.acreate(
            case_id=self.case,
            seq=seqs[self.case],
            client_id=content["client_id"],
            side=self.side,
            agent_id=self.case if self.side == "agent" else None,
            customer_id=self.case if self.side == "customer" else None,
            text=content["text"],
            sent_at=timezone.now(),
        )
        line = {
            "type": "message",
            "seq": message.seq,
            "client_id": content["client_id"],
            "kind": message.kind,
            "side": message.side,
            "name": "Somebody",
            "text": message.text,
            "at": message.sent_at.isoformat(),
            "masked": False,
            "about": None,
            "changed": "",
            "link": "",
        }
        await self.channel_layer.group_send(self.room, {"type": "chat.message", "line": line})

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send_json(event["line"])


def here(request: HttpRequest) -> HttpResponse:
    """Whoever asks is answered that we are here."""
    return HttpResponse()


urlpatterns = [path("", here)]
with connection.schema_editor() as editor:
    editor.create_model(Message)
connection.close()
application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("<int:case>/<str:side>", Chat.as_asgi())]),  # type: ignore[arg-type, list-item]
    }
)
