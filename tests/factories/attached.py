"""Takes a side's browser, leaves files sent into a case's chat, what the disk has of them, and what a refusal says."""

import io
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from conversations.models import Attachment, Message
from tests.factories.invited import World

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF"
JSON = {"accept": "application/json"}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><image href="http://169.254.169.254/"/></svg>'


def picture(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 40), (220, 20, 30)).save(file, kind)
    return file.getvalue()


def send(
    client: Client,
    world: World,
    data: bytes,
    name: str = "photo.png",
    *,
    text: str = "",
    client_id: UUID | None = None,
    side: str = "chat",
    headers: dict[str, str] | None = JSON,
) -> Any:
    where = "chat" if side == "chat" else "workspace/cases"
    fields = {"file": SimpleUploadedFile(name, data), "text": text, "client_id": str(client_id or uuid4())}
    return client.post(f"/{where}/{world.case.public_id}/files/", fields, headers=headers)


def on_disk() -> list[Path]:
    return [path for path in Path(settings.ATTACHMENTS).rglob("*") if path.is_file()]


def refused(answer: Any, status: int, code: str) -> str:
    """Its sentence; and nothing is there."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert not Attachment.objects.exists()
    assert not Message.objects.exists()
    assert on_disk() == []
    sentence: str = answer.json()["error"]["message"]
    return sentence


def opened(client: Client, attachment: Attachment) -> Any:
    return client.get(f"/files/{attachment.public_id}/")
