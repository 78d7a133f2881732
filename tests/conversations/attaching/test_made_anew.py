"""A stranger's picture, made anew: the same to look at, with nothing left of what it told about itself."""

import io
import struct

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from conversations import reencoding
from conversations.reencoding import Made
from tests.factories.pictured import PIXELS, PNG, drawn, remade, saved


def chunks_of(data: bytes) -> set[bytes]:
    """The names of a PNG's chunks, and that nothing stands behind the last."""
    names, place = set(), len(PNG)
    while place < len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        names.add(name)
        place += 12 + length
    assert place == len(data)
    return names


def markers_of(data: bytes) -> set[int]:
    """A JPEG's segments up to its pixels, and that it ends with its end."""
    found, place = set(), 2
    while data[place + 1] != 0xDA:
        found.add(data[place + 1])
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    assert data.endswith(b"\xff\xd9")
    return found


@pytest.mark.parametrize(
    ("kind", "mode", "becomes"),
    [
        ("PNG", "RGB", "PNG"),
        ("PNG", "RGBA", "PNG"),
        ("PNG", "P", "PNG"),
        ("PNG", "L", "PNG"),
        ("PNG", "LA", "PNG"),
        ("PNG", "1", "PNG"),
        ("PNG", "I;16", "PNG"),
        ("JPEG", "RGB", "JPEG"),
        ("JPEG", "L", "JPEG"),
        ("JPEG", "CMYK", "JPEG"),
        ("WEBP", "RGB", "JPEG"),
        ("WEBP", "RGBA", "PNG"),
        ("GIF", "P", "PNG"),
    ],
)
def test_every_kind_that_we_take_comes_out_as_the_same_picture(kind: str, mode: str, becomes: str) -> None:
    image = drawn("RGBA") if mode == "RGBA" else drawn("L").convert(mode) if mode == "I;16" else drawn(mode)
    if mode == "RGBA":
        image.putalpha(120)
    if mode == "I;16":
        image = image.point(lambda grey: grey * 256)
    made, data = remade(saved(image, kind))
    assert made == Made(becomes, 60, 40)
    assert reencoding.kind_of(data[:16]) == becomes
    opened = Image.open(io.BytesIO(data))
    left, right = (opened.convert("RGB").getpixel(place) for place in ((5, 20), (55, 20)))
    wanted = [image.convert("RGB").getpixel(place) for place in ((5, 20), (55, 20))]
    if mode == "I;16":
        wanted = [drawn("L").convert("RGB").getpixel(place) for place in ((5, 20), (55, 20))]
    for seen, was in zip((left, right), wanted, strict=True):
        assert all(abs(a - b) < 12 for a, b in zip(seen, was, strict=True))
    assert (opened.mode == "RGBA") == (mode in {"RGBA", "LA"})


def test_what_a_photograph_tells_about_itself_is_gone_and_it_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright: turned by a quarter
    exif[0x010F] = "Camera of Maria"
    exif.get_ifd(0x8825)[1] = "N"
    data = saved(
        drawn(),
        "JPEG",
        exif=exif,
        comment=b"said by maria",
        icc_profile=b"P" * 200,
        xmp=b"<x:xmpmeta>maria</x:xmpmeta>",
    )
    assert b"Camera of Maria" in data
    assert b"said by maria" in data
    made, clean = remade(data)
    assert (made.width, made.height) == (40, 60)
    # APP0 says that it is a JPEG file; then the tables and the frame. No APP1 (EXIF, XMP), APP2 (ICC), comment.
    assert markers_of(clean) <= {0xE0, 0xDB, 0xC0, 0xC4}
    assert b"maria" not in clean.lower()


def test_what_a_png_tells_about_itself_is_gone() -> None:
    info = PngInfo()
    info.add_text("Author", "maria")
    info.add_itxt("XML:com.adobe.xmp", "<x>maria</x>", zip=True)
    exif = Image.Exif()
    exif[0x010F] = "Camera of Maria"
    data = saved(drawn(), "PNG", pnginfo=info, exif=exif, icc_profile=b"P" * 200, dpi=(72, 72))
    assert {b"tEXt", b"iTXt", b"eXIf", b"iCCP", b"pHYs"} <= chunks_of(data)
    assert chunks_of(remade(data)[1]) == {b"IHDR", b"IDAT", b"IEND"}


def test_a_note_of_the_camera_that_cannot_be_read_does_not_stop_the_picture() -> None:
    made, _ = remade(saved(drawn(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f" + b"\x12" * 40))
    assert made == Made("JPEG", 60, 40)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_a_moving_picture_the_first_is_kept(kind: str) -> None:
    more = [Image.new("RGB", (60, 40), (9, n, 9)) for n in (90, 160)]
    _, data = remade(saved(drawn(), kind, save_all=True, append_images=more))
    opened = Image.open(io.BytesIO(data))
    assert not getattr(opened, "is_animated", False)
    assert opened.convert("RGB").getpixel((5, 20))[0] > 150


def test_a_photograph_of_two_pictures_is_one() -> None:
    """Telephones write such JPEGs (MPO), mostly with a small copy behind."""
    data = saved(drawn(), "MPO", save_all=True, append_images=[drawn(size=(30, 20))])
    made, clean = remade(data)
    assert (made.kind, made.width) == ("JPEG", 60)
    assert clean.count(b"\xff\xd8\xff") == 1


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGB")])
def test_the_largest_that_we_promise_to_take_fits(kind: str, mode: str) -> None:
    made, _ = remade(saved(drawn(mode, (5000, 5000)), kind))
    assert made.width * made.height == PIXELS
