"""Takes posts that matched a rule, leaves lines on the open stream; also keeps the compiled rules."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import msgspec
from django.conf import settings

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

    def open(self, render: Render) -> Reader | None:
        """A reader, or None when the one connection is taken."""
        if self._reader is not None and not self._reader.lost:
            return None
        self._reader = Reader(render=render, loop=asyncio.get_running_loop())
        return self._reader

    def close(self, reader: Reader) -> None:
        """Free the connection."""
        if self._reader is reader:
            self._reader = None

    def publish(self, matched: list[Matched]) -> None:
        """Hand posts to the reader; called from the thread that stored them, after the commit."""
        reader = self._reader
        if reader is None or not matched:
            return
        lines = b""
        for (_, rules), line in zip(matched, reader.render([post for post, _ in matched]), strict=True):
            line["matching_rules"] = [{"id": str(number), "tag": tag} for number, tag in rules]
            lines += msgspec.json.encode(line) + b"\r\n"
        reader.loop.call_soon_threadsafe(self._deliver, reader, lines)

    def drop(self) -> None:
        """End the open connection from here; its reader gets the clean end of the answer."""
        if (reader := self._reader) is not None:
            self._reader = None
            reader.loop.call_soon_threadsafe(reader.lines.put_nowait, None)

    def _deliver(self, reader: Reader, lines: bytes) -> None:
        if reader.lines.qsize() >= MAX_WAITING:
            reader.lines.put_nowait(None)
            self.close(reader)
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
