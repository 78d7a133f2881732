"""What is not taken, the sentence that says so, and how much is taken in an hour."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image

from conversations import attachments, reencoding
from conversations.models import Attachment
from tests.factories.attached import PDF, SVG, on_disk, picture, refused, send
from tests.factories.invited import World, signed_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("avatar.svg", SVG),
        ("avatar.png", SVG),
        ("avatar.svg", b'<?xml version="1.0"?>' + SVG),
        ("avatar.svgz", b"\x1f\x8b\x08\x00" + b"\x00" * 30),
    ],
)
@pytest.mark.parametrize("side", ["chat", "workspace"])
def test_svg_is_refused_everywhere(name: str, data: bytes, side: str, world: World) -> None:
    """Chatwoot CVE-2021-3741 (script in an avatar) and CVE-2021-3742 (requests to inner addresses by one)."""
    client = signed_in((world.maria if side == "chat" else world.maya).user)
    assert "PNG, JPEG, WebP, GIF" in refused(send(client, world, data, name, side=side), 422, "bad_file")


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("page.html", b"<!doctype html><script>alert(1)</script>", "of this kind"),
        ("page.pdf", b"<!doctype html><script>alert(1)</script>", "of this kind"),
        ("photo.png", b"GIF89a/*\x00\x00\x00\x00\x00*/=1;alert(1)//", "cannot be read"),
        ("late.pdf", b"\n" + PDF, "of this kind"),
        ("late.pdf", b"<script>alert(1)</script>" + PDF, "of this kind"),
        ("archive.zip", b"PK\x03\x04" + b"\x00" * 40, "of this kind"),
        ("photo.heic", b"\x00\x00\x00\x18ftypheic" + b"\x00" * 40, "of this kind"),
        ("photo.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, "cannot be read"),
        ("photo.png", b"", "is empty"),
        ("large.pdf", b"%PDF-" + b"\x00" * (2 * 1024 * 1024), "has 3 MB"),
    ],
)
def test_a_refusal_says_what_is_taken(
    name: str, data: bytes, why: str, world: World, maria: Client, settings: Any
) -> None:
    settings.ATTACHMENT_MB = 2
    sentence = refused(send(maria, world, data, name), 422, "bad_file")
    assert why in sentence
    assert sentence.endswith("PDF files, each of at most 2 MB.")
    assert "25 megapixels" in sentence


def test_a_picture_of_too_many_pixels_is_refused_and_noted(world: World, maria: Client, settings: Any) -> None:
    settings.ATTACHMENT_MEGAPIXELS = 1
    file = io.BytesIO()
    Image.new("1", (1001, 1000)).save(file, "PNG")
    assert "at most 1 megapixels" in refused(send(maria, world, file.getvalue()), 422, "bad_file")
    event = world.case.trail.get(verb="file_refused")
    assert (event.user, event.actor) == (world.maria.user, "customer")
    assert event.data == {"kind": "PNG", "why": "pixels", "bytes": len(file.getvalue())}


@pytest.mark.parametrize(
    ("why", "status", "words"),
    [
        ("slow", 422, "too long"),
        ("broken", 422, "damaged"),
        ("busy", 503, "in a minute"),
        ("full", 503, "not be stored"),
    ],
)
def test_a_process_that_fails_is_a_refusal_and_no_error(
    why: Any, status: int, words: str, world: World, maria: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise reencoding.NotMade(why)

    monkeypatch.setattr(reencoding, "remade", fails)
    answer = send(maria, world, picture())
    assert words in refused(answer, status, "bad_file" if status == 422 else "not_stored")


def test_a_crash_of_the_process_is_a_refusal(
    world: World, maria: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "crash.py"
    script.write_text("import os; os.write(1, b'half a picture'); os.abort()", encoding="utf-8")
    monkeypatch.setattr(reencoding, "SCRIPT", script)
    assert "damaged" in refused(send(maria, world, picture()), 422, "bad_file")


def test_twenty_an_hour_and_refused_ones_count(world: World, maria: Client, maya: Client, settings: Any) -> None:
    settings.ATTACHMENTS_PER_HOUR = 2
    assert send(maria, world, picture()).status_code == 200
    assert send(maria, world, b"\x89PNG\r\n\x1a\nbroken").status_code == 422
    answer = send(maria, world, picture())
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_files")
    assert "2 files in an hour" in answer.json()["error"]["message"]
    assert send(maya, world, picture(), side="workspace").status_code == 200, "the agent has an hour of their own"
    assert Attachment.objects.count() == len(on_disk()) == 2


def test_an_hour_later_there_is_room_again(world: World, maria: Client, settings: Any) -> None:
    settings.ATTACHMENTS_PER_HOUR = 1
    send(maria, world, picture())
    Attachment.objects.update(at=Attachment.objects.get().at - attachments.HOUR)
    assert send(maria, world, picture()).status_code == 200
