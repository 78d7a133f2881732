"""Pictures as strangers send them, and what becomes of one that is made anew."""

import io
from tempfile import TemporaryFile
from typing import Any

import pytest
from PIL import Image

from conversations import reencoding
from conversations.reencoding import Made, NotMade

PIXELS = 25_000_000
SIZE = 10 * 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n"


def drawn(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """Red at its left half, blue at its right."""
    image = Image.new("RGB", size, (220, 20, 30))
    image.paste((20, 30, 220), (size[0] // 2, 0, size[0], size[1]))
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def remade(data: bytes, *, kind: Any = None, pixels: int = PIXELS, size: int = SIZE) -> tuple[Made, bytes]:
    kind = kind or reencoding.kind_of(data[:16])
    assert kind is not None
    with TemporaryFile() as source, TemporaryFile() as target:
        source.write(data)
        source.seek(0)
        made = reencoding.remade(source, target, kind=kind, pixels=pixels, size=size)
        target.seek(0)
        return made, target.read()


def refused(data: bytes, **options: Any) -> str:
    with pytest.raises(NotMade) as refusal:
        remade(data, **options)
    return refusal.value.why
