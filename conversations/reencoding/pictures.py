"""Takes a picture on standard input, leaves it made anew on standard output: its pixels, and nothing else of it.

Not imported: started by `conversations.reencoding` as `python -I pictures.py KIND PIXELS BYTES`, in a process that has
no environment, opens no files and starts nobody. It ends with 0 and the new picture's format, width and height on
standard error, or with one of the codes below. What decodes a stranger's file may fall over or be taken over by it:
here there is little to break and nothing to steal.
"""

import errno
import os
import resource
import sys
import warnings
from importlib import import_module
from typing import Any

PIXELS, BROKEN, FULL = 3, 4, 5  # more than may be, or than fits; not such a picture; the disk takes no more
MEMORY = 512 * 1024 * 1024
CPU_SECONDS = 5
QUALITY = 90  # of a JPEG; a photograph of a letter stays readable
COMPRESSION = 2  # of a PNG; at 6 the largest ones take longer than we give
FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
# What is otherwise loaded only when a file asks for it.
NEEDED = (
    *(f"PIL.{name}ImagePlugin" for name in ("Gif", "Jpeg", "Mpo", "Png", "Tiff", "WebP")),
    *(f"encodings.{name}" for name in ("ascii", "latin_1", "utf_8", "utf_16")),
    "copy",
)
SIXTEEN_BITS = {"I", "I;16", "I;16B", "I;16L", "I;16N"}


def confine(size: int) -> None:
    """Memory, time and output as given; no core file, which would be a copy of the picture; nobody started."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, size),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(what, (most, most))
    os.nice(10)  # chats go first


def read(kind: str, pixels: int) -> Any:
    """The first picture of the file, decoded as that kind and no other, the right way up."""
    from PIL import Image, ImageOps

    for needed in NEEDED:
        import_module(needed)
    Image.preinit()
    # Everything that is needed is loaded: from here on no file is opened, and no connection.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = pixels
    image = Image.open(sys.stdin.buffer, formats=[kind])
    if image.width * image.height > pixels:  # known before anything is decoded
        raise Image.DecompressionBombError
    image.load()
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # a wrong note of how the camera was held does not make a picture wrong
        image.getexif().clear()
    return image


def plain(image: Any) -> Any:
    """In grey, colours, or colours with transparency, eight bits each, and without a word about itself."""
    if image.mode in SIXTEEN_BITS:
        image = image.point(lambda value: value * (1 / 256))
        image = image.convert("L")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode in {"1", "L"}:
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    image.info.clear()
    return image


def write(image: Any, kind: str) -> str:
    """What was lossy stays lossy; what may have sharp edges or holes becomes a PNG. Answers the format."""
    target = sys.stdout.buffer
    if image.mode == "RGBA" or kind in {"PNG", "GIF"}:
        image.save(target, "PNG", compress_level=COMPRESSION)
        return "PNG"
    image.save(target, "JPEG", quality=QUALITY)
    return "JPEG"


def main(kind: str, pixels: int, size: int) -> int:
    """The code to end with."""
    confine(size)
    try:
        image = plain(read(kind, pixels))
        made = write(image, kind)
        sys.stdout.buffer.flush()
    except MemoryError:
        return PIXELS
    except OSError as error:
        if error.errno in FULL_DISK:
            return FULL
        return PIXELS if error.errno == errno.EFBIG else BROKEN
    except Exception as error:
        return PIXELS if type(error).__name__.startswith("DecompressionBomb") else BROKEN
    print(made, image.width, image.height, file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    # Not sys.exit: what the interpreter would tidy up is not worth the risk any more.
    os._exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
