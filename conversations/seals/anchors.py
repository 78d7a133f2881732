"""Takes seals, leaves a line for each in a file outside the database, that is only ever appended to.

A line is `number mac total`: the seal's number, its MAC in hexadecimal, and how many lines it and all before it hold.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings

from conversations.models import AuditSeal

TAIL = 200  # bytes that surely hold the last line


@dataclass(frozen=True, slots=True)
class Anchor:
    """One line of the file. Number 0 stands for a line that cannot be read."""

    number: int
    mac: str
    total: int

    @classmethod
    def of(cls, seal: AuditSeal) -> "Anchor":
        """The line that this seal must have."""
        return cls(seal.number, bytes(seal.mac).hex(), seal.total)


def size() -> int:
    """How long the file is now; 0 when there is none."""
    try:
        return os.stat(settings.AUDIT_ANCHORS).st_size
    except FileNotFoundError:
        return 0


def read(length: int) -> Iterator[Anchor]:
    """The lines of the file's first `length` bytes. OSError when it cannot be read."""
    if not length:
        return
    with open(settings.AUDIT_ANCHORS, "rb") as file:
        while file.tell() < length and (line := file.readline()):
            yield _parsed(line)


def last() -> Anchor | None:
    """The last line, or None when there is no file or nothing in it."""
    length = size()
    if not length:
        return None
    with open(settings.AUDIT_ANCHORS, "rb") as file:
        file.seek(max(0, length - TAIL))
        return _parsed(file.read().splitlines(keepends=True)[-1])


def append(seals: Iterable[AuditSeal]) -> None:
    """Write a line for each and wait until the disk has it; the file is made when it is missing."""
    lines = "".join(f"{seal.number} {bytes(seal.mac).hex()} {seal.total}\n" for seal in seals)
    descriptor = os.open(settings.AUDIT_ANCHORS, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, lines.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parsed(line: bytes) -> Anchor:
    parts = line.decode("ascii", errors="replace").split(" ")
    if len(parts) != 3 or not line.endswith(b"\n") or not (parts[0].isdecimal() and parts[2].strip().isdecimal()):
        return Anchor(0, "", 0)
    return Anchor(int(parts[0]), parts[1], int(parts[2]))
