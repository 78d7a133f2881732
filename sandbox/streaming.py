"""Takes posts that matched a rule, leaves lines on the open stream; also keeps the compiled rules."""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from django.conf import settings

from sandbox import bill, clock
from sandbox.models import Post, StreamRule
from sandbox.rules import Rule, compile_rule

Matched = tuple[Post, list[tuple[int, str]]]
Render = Callable[[list[Post]], list[dict[str, object]]]

# X drops a reader that falls behind; so many lines may wait for one.
MAX_WAITING = 20_000


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A stream rule with its compiled form."""

    id: int
    value: str
    tag: str
    rule: Rule


@dataclass
class Reader:
    """One open connection: how it wants posts rendered, and the lines that wait for it (None: closed from here)."""

    render: Render
    loop: asyncio.AbstractEventLoop
    client_ip: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    connected_at: datetime = field(default_factory=clock.now)
    disconnected_at: datetime | None = None
    disconnect_reason: str = ""
    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    opened: float = field(default_factory=time.monotonic)
    reading: bool = False

    @property
    def lost(self) -> bool:
        """Whether the client went between asking and reading, so that nobody will ever close this."""
        return not self.reading and time.monotonic() - self.opened > 2


class Hub:
    """The one stream connection that an app may hold. Opening and closing happen in the event loop."""

    def __init__(self) -> None:
        self._reader: Reader | None = None
        self.history: deque[Reader] = deque(maxlen=100)  # newest first, the open one included

    def open(self, render: Render, client_ip: str = "") -> Reader | None:
        """A reader, or None when the one connection is taken."""
        if self._reader is not None:
            if not self._reader.lost:
                return None
            self.close(self._reader)
        self._reader = Reader(render=render, loop=asyncio.get_running_loop(), client_ip=client_ip)
        self.history.appendleft(self._reader)
        return self._reader

    @property
    def current(self) -> Reader | None:
        """The open connection."""
        return self._reader

    def close(self, reader: Reader, reason: str = "client disconnected") -> None:
        """Free the connection."""
        if reader.disconnected_at is None:
            reader.disconnected_at, reader.disconnect_reason = clock.now(), reason
        if self._reader is reader:
            self._reader = None

    def publish(self, matched: list[Matched]) -> None:
        """Hand posts to the reader; called from the thread that stored them, after the commit."""
        reader = self._reader
        if reader is None or not matched:
            return
        lines = b""
        charges: list[bill.Thing] = []
        for (_, rules), line in zip(matched, reader.render([post for post, _ in matched]), strict=True):
            line["matching_rules"] = [{"id": str(number), "tag": tag} for number, tag in rules]
            lines += msgspec.json.encode(line) + b"\r\n"
            charges += bill.of_object(line)
        reader.loop.call_soon_threadsafe(self._deliver, reader, lines)
        bill.charge(charges)

    def drop(self, reason: str = "ended by X") -> str | None:
        """End the open connection from here; its reader gets the clean end of the answer. Returns its id."""
        if (reader := self._reader) is None:
            return None
        self.close(reader, reason)
        reader.loop.call_soon_threadsafe(reader.lines.put_nowait, None)
        return reader.id

    def forget(self) -> None:
        """End the open connection and forget the earlier ones."""
        self.drop()
        self.history.clear()

    def nudge(self) -> None:
        """Let the open connection send nothing, at once: what waits at the edge for its next line acts then."""
        if (reader := self._reader) is not None:
            reader.loop.call_soon_threadsafe(reader.lines.put_nowait, b"")

    def _deliver(self, reader: Reader, lines: bytes) -> None:
        if reader.lines.qsize() >= MAX_WAITING:
            reader.lines.put_nowait(None)
            self.close(reader, "fell behind")
        else:
            reader.lines.put_nowait(lines)


hub = Hub()
_rules: list[StoredRule] | None = None


def stored_rules() -> list[StoredRule]:
    """The stream's rules, compiled once."""
    global _rules
    if _rules is None:
        _rules = [
            StoredRule(id=row.pk, value=row.value, tag=row.tag, rule=compile_rule(row.value))
            for row in StreamRule.objects.order_by("id")
        ]
    return _rules


def forget_rules() -> None:
    """Read the rules again next time; called by whoever changed them."""
    global _rules
    _rules = None


async def lines(reader: Reader) -> AsyncIterator[bytes]:
    """What the reader is sent: lines as they come, a blank one whenever it was quiet for a while."""
    reader.reading = True
    try:
        yield b"\r\n"
        while True:
            try:
                line = await asyncio.wait_for(reader.lines.get(), settings.SANDBOX_KEEPALIVE_SECONDS)
            except TimeoutError:
                yield b"\r\n"
                continue
            if line is None:
                return
            yield line
    finally:
        hub.close(reader)
