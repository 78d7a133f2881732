"""Takes a stranger's picture in an open file, leaves it made anew in another, by a process that can do nothing else.

Nothing here decodes anything. The process (`pictures.py`) has its own limits of memory, time and output, and no
environment; it dies with its group when it takes too long. What it did not do in order is a refusal, not our error.
"""

import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore
from typing import IO, Literal

import msgspec

from conversations.reencoding import pictures

log = logging.getLogger(__name__)

SCRIPT = Path(pictures.__file__)
SECONDS = 10.0  # by the clock on the wall
TOGETHER = 2  # in one process of ours, so that a crowd with pictures leaves room for a chat
GROWN = 4  # times the size that a file may come in with: a well-compressed PNG grows

Kind = Literal["PNG", "JPEG", "GIF", "WEBP", "PDF"]
BEGINNINGS: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"%PDF-", "PDF"),
)
CONTENT_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "PDF": "application/pdf"}
ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "PDF": ".pdf"}

Why = Literal["pixels", "broken", "slow", "busy", "full"]
_WHY: dict[int, Why] = {pictures.PIXELS: "pixels", pictures.BROKEN: "broken", pictures.FULL: "full"}
_room = BoundedSemaphore(TOGETHER)


class NotMade(Exception):
    """There is no new picture. `why` is pixels, broken, slow, busy (ours are all at work) or full (the disk)."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why: Why = why


class Made(msgspec.Struct, frozen=True):
    """The new picture: PNG or JPEG."""

    kind: Kind
    width: int
    height: int


def kind_of(beginning: bytes) -> Kind | None:
    """What the first bytes say that the file is; None: nothing that we take. Its name and its sender are not asked."""
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for magic, kind in BEGINNINGS if beginning.startswith(magic)), None)


def remade(source: IO[bytes], target: IO[bytes], *, kind: Kind, pixels: int, size: int) -> Made:
    """Make the picture in `source` anew in `target`: both real files at their beginning. Raises NotMade.

    `size`: the bytes that may come in; `pixels`: how many there may be, known before anything is decoded.
    """
    if not _room.acquire(timeout=SECONDS):
        raise NotMade("busy")
    try:
        code, said = _run(source, target, [kind, str(pixels), str(size * GROWN)])
    finally:
        _room.release()
    if code != 0:
        raise NotMade(_why(code))
    return _believed(said, target)


def _run(source: IO[bytes], target: IO[bytes], arguments: list[str]) -> tuple[int, bytes]:
    """How the process ended, and the first of what it said about itself. Whoever it started ends with it."""
    process = subprocess.Popen(
        [sys.executable, "-I", str(SCRIPT), *arguments],
        stdin=source,
        stdout=target,
        stderr=subprocess.PIPE,
        env={},
        cwd="/",
        start_new_session=True,
    )
    assert process.stderr is not None
    with process.stderr as said:
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise NotMade("slow") from None
        finally:
            with suppress(ProcessLookupError):  # nobody is left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.set_blocking(said.fileno(), False)
        try:
            return code, os.read(said.fileno(), 200)
        except BlockingIOError:
            return code, b""


def _why(code: int) -> Why:
    if code == -signal.SIGXCPU or code == -signal.SIGKILL:  # its own time was over
        return "slow"
    if code not in _WHY:
        log.warning("reencoding: the process that makes a picture anew ended with %d", code)
    return _WHY.get(code, "broken")


def _believed(said: bytes, target: IO[bytes]) -> Made:
    """What it says that it made, if the file begins like that."""
    try:
        kind, width, height = said.decode().split()
        made = msgspec.convert({"kind": kind, "width": int(width), "height": int(height)}, Made)
    except (ValueError, msgspec.ValidationError):
        raise NotMade("broken") from None
    if kind_of(os.pread(target.fileno(), 16, 0)) != made.kind or made.kind not in {"PNG", "JPEG"}:
        raise NotMade("broken")
    return made
