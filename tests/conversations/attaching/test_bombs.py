"""A picture that is something else as well, or much more than it looks: refused, or made harmless."""

import io
import os
import resource
import struct
import time
import zipfile
import zlib

import pytest
from PIL import Image, __version__, features

from conversations import reencoding
from conversations.reencoding import pictures
from tests.factories.pictured import PNG, drawn, refused, remade, saved

SCRIPT = b"<script>alert(1)</script>"


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *more: bytes, pixels: bytes | None = None) -> bytes:
    """One bit a pixel, all black, as small as it gets."""
    rows = zlib.compress(b"\x00" * ((width + 7) // 8 + 1) * height, 9) if pixels is None else pixels
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return PNG + header + b"".join(more) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "beginning",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<?xml version='1.0'?><svg/>",
        b"\xef\xbb\xbf<svg/>",
        b"<!doctype html>",
        b"BM6\x00",
        b"II*\x00",
        b"PK\x03\x04",
        b"\x00\x00\x00 ftypheic",
        b"\x00\x00\x00 ftypavif",
        b"%!PS-Adobe",
        b" %PDF-1.7",
        b"\n\x89PNG\r\n\x1a\n",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"GIF88a",
        b"",
    ],
)
def test_other_kinds_are_not_looked_at(beginning: bytes) -> None:
    assert reencoding.kind_of(beginning) is None


def test_a_gif_that_is_a_script_as_well_is_refused_or_only_a_picture() -> None:
    """Its "width" is a comment's beginning: <script src> ran such files where they were served as they came."""
    assert refused(b"GIF89a/*" + b"\x00" * 20 + b"*/=1;alert(1)//") == "broken"
    wide = b"GIF89a/*" + saved(drawn("P"), "GIF")[8:]
    made, clean = remade(wide + b"*/=1;alert(1)//")
    assert (made.kind, made.width) == ("PNG", int.from_bytes(b"/*", "little"))
    assert b"alert" not in clean
    hidden = saved(drawn("P"), "GIF", comment=b"*/=1;alert(1);/*")
    _, clean = remade(hidden + SCRIPT)
    assert b"alert" not in clean


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_what_hangs_behind_a_picture_is_dropped(kind: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("evil.html", SCRIPT)
    data = saved(drawn(), kind) + archive.getvalue() + SCRIPT
    assert zipfile.is_zipfile(io.BytesIO(data))
    _, clean = remade(data)
    assert not zipfile.is_zipfile(io.BytesIO(clean))
    assert b"<script" not in clean
    assert b"PK\x03\x04" not in clean


@pytest.mark.parametrize("really", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "TGA", "ICO", "PCX", "MPO"])
def test_a_file_is_decoded_as_what_it_begins_like_and_as_nothing_else(really: str) -> None:
    """Pillow would find the right one of its forty parsers by itself (CVE-2026-40192 was in the one for FITS)."""
    claimed = "GIF" if really == "PNG" else "PNG"
    assert refused(saved(drawn(), really), kind=claimed) == "broken"


MUCH, MEGABYTE = (zlib.compress(b"\x00" * size) for size in (60_000_000, 1_000_000))
BOMBS = {
    "9,000 x 9,000 in a few KiB, which Pillow itself opens without a word": (png(9000, 9000), "pixels"),
    "a PNG of four milliards of pixels": (png(65535, 65535, pixels=b""), "pixels"),
    "a PNG that is longer than it says": (png(64, 64, pixels=MUCH), None),
    "text that unpacks to 60 MB": (
        png(8, 8, chunk(b"zTXt", b"a\x00\x00" + MUCH)),
        "broken",
    ),
    "text that unpacks to 60 MB, international": (
        png(8, 8, chunk(b"iTXt", b"a\x00\x01\x00\x00\x00" + MUCH)),
        "broken",
    ),
    "a colour profile that unpacks to 60 MB": (
        png(8, 8, chunk(b"iCCP", b"a\x00\x00" + MUCH)),
        "broken",
    ),
    "a hundred texts that unpack to 1 MB each": (
        png(8, 8, *[chunk(b"zTXt", b"a%d\x00\x00" % n + MEGABYTE) for n in range(100)]),
        "broken",
    ),
    "a GIF with a small screen and a frame of 65,535 x 65,535": (
        b"GIF89a\x08\x00\x08\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
        b"\x2c\x00\x00\x00\x00\xff\xff\xff\xff\x00\x08\x02\x44\x01\x00\x3b",
        "pixels",
    ),
    "a GIF of 100,000 frames": (
        b"GIF89a\x08\x00\x08\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
        + b"\x2c\x00\x00\x00\x00\x08\x00\x08\x00\x00\x02\x07\x84\x8f\xa9\xcb\xed\x0f\x63\x2b\x00" * 100_000
        + b"\x3b",
        None,
    ),
    "a JPEG of 65,500 x 65,500": (
        saved(drawn(), "JPEG").replace(struct.pack(">HH", 40, 60), struct.pack(">HH", 65500, 65500), 1),
        "pixels",
    ),
    "a WebP of 16,383 x 16,383": (
        b"RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xfe\x3f\x00\xfe\x3f\x00" + b"\x00" * 8,
        "pixels",
    ),
    "a picture that ends after its head": (saved(drawn(), "JPEG")[:300], "broken"),
    "a PNG that stops in the middle": (saved(drawn(), "PNG")[:90], "broken"),
    "nothing behind the first bytes": (PNG, "broken"),
    "noise": (PNG + os.urandom(5000), "broken"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_or_come_out_small(name: str) -> None:
    data, why = BOMBS[name]
    assert len(data) < 4_000_000
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if why is not None:
        assert refused(data) == why
    else:
        made, clean = remade(data)
        assert made.width * made.height <= 64 * 64
        assert len(clean) < 10_000
    assert time.monotonic() - began < reencoding.SECONDS + 2
    # Of all processes that this one has waited for, a test's browser among them: none of these had more.
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert most == before or most * 1024 <= pictures.MEMORY


def test_a_picture_that_would_unpack_to_more_than_its_output_may_have_is_refused() -> None:
    noise = Image.effect_noise((400, 400), 90).convert("RGB")
    assert refused(saved(noise, "PNG"), size=10_000) == "pixels"


def test_pillow_is_new_enough() -> None:
    """CVE-2026-40192 (12.2), CVE-2026-54059 and CVE-2026-55379 (12.3), and what came with them."""
    assert tuple(int(n) for n in __version__.split(".")[:2]) >= (12, 3)
    assert all(features.check(name) for name in ("webp", "jpg", "zlib"))
