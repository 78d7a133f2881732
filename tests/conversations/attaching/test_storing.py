"""Nothing half done: whatever fails on the way, no file stays without its row, and no row without its file."""

import io
import logging
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image

from conversations import attachments, ledger
from conversations.models import Attachment, Message
from tests.factories.attached import PDF, on_disk, picture, refused, send
from tests.factories.invited import World

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("stage", ["append", "record"])
def test_a_transaction_that_is_rolled_back_leaves_no_file(
    stage: str, world: World, maria: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def fails(*_: Any, **__: Any) -> None:
        seen.append(len(on_disk()))
        raise RuntimeError("the database went away")

    monkeypatch.setattr(*{"append": (ledger, "append"), "record": (attachments.audit, "record")}[stage], fails)
    with pytest.raises(RuntimeError):
        send(maria, world, picture())
    assert seen == [1], "it was whole on disk before its row"
    assert on_disk() == []
    assert not Attachment.objects.exists()
    assert not Message.objects.exists()


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """Files of this process cannot grow beyond that: the kernel refuses in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("data", [PDF + b"\x00" * 300_000, None], ids=["pdf", "picture"])
def test_a_disk_that_takes_no_more_is_a_sentence(
    data: bytes | None, world: World, maria: Client, caplog: pytest.LogCaptureFixture
) -> None:
    if data is None:
        noise = io.BytesIO()
        Image.effect_noise((500, 500), 90).save(noise, "PNG")
        data = noise.getvalue()
    with caplog.at_level(logging.ERROR), small_disk(100_000):
        answer = send(maria, world, data, "private name.pdf")
    assert "could not be stored" in refused(answer, 503, "not_stored")
    assert "a file could not be stored (File too large)" in caplog.text
    assert "private name" not in caplog.text


@pytest.mark.parametrize("step", ["fsync", "rename", "open"])
def test_no_step_leaves_half_a_file(step: str, world: World, maria: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    stock = getattr(os, step)

    def refuses(*args: Any, **kwargs: Any) -> Any:
        if step == "open" and not str(args[0]).startswith(str(attachments.settings.ATTACHMENTS)):
            return stock(*args, **kwargs)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(attachments.os, step, refuses)
    answer = send(maria, world, PDF, "terms.pdf")
    monkeypatch.undo()
    assert answer.status_code == 503
    assert not Attachment.objects.exists()
    assert on_disk() == []


def test_a_place_that_cannot_be_used_is_a_sentence(world: World, maria: Client, tmp_path: Path, settings: Any) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for place in ("", str(tmp_path / "file"), str(tmp_path / "file" / "below"), str(tmp_path / "not" / "there")):
        settings.ATTACHMENTS = place
        answer = send(maria, world, PDF, "terms.pdf")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_stored")
    assert not Message.objects.exists()


def test_what_a_killed_process_left_is_swept_away(world: World, maria: Client, settings: Any) -> None:
    assert attachments.tidy() == 0
    send(maria, world, picture())
    incoming = Path(settings.ATTACHMENTS) / "incoming"
    old, fresh = incoming / "old", incoming / "fresh"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3700,) * 2)
    assert attachments.tidy() == 1
    assert not old.exists()
    assert fresh.exists()
    assert len(on_disk()) == 2
