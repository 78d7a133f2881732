"""Takes what is told to rooms, leaves it with every socket of this process that sits in them.

One hub in each event loop. What is told here is heard here at once; over one channel of Redis it reaches the other
processes, ids and numbers only. PostgreSQL is the truth: a socket that may have missed something is told MISSED, and
asks the database. What one socket cannot take in time is its own misfortune and nobody else's.
"""

import asyncio
import logging
import os
import random
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import redis.asyncio as redis
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

Word = tuple[str, str, Any]  # room, kind, data: see conversations.events

MOST = 256  # words that may wait for one socket; whoever lacks more asks the database
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two tries to hear again, doubling, with jitter
READY_WITHIN = 1.0  # seconds
BEAT, SILENCE = 4.0, 10.0  # seconds: between two signs of our own life, and without hearing any
MISSED = ("", "missed", None)  # something may have been said that was not heard
_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(tuple[str, list[Word]]).decode


def hub() -> "Hub":
    """The hub of the running loop."""
    loop = asyncio.get_running_loop()
    if (found := _hubs.get(loop)) is None:
        found = _hubs[loop] = Hub(settings.REDIS_URL, settings.ROOMS)
    return found


class Seat:
    """A socket's place. `next()` gives it what was told to its rooms, one after the other."""

    __slots__ = ("rooms", "waiter", "waiting")

    def __init__(self) -> None:
        self.rooms: tuple[str, ...] = ()
        self.waiting: deque[Word] = deque()
        self.waiter: asyncio.Future[None] | None = None

    def put(self, word: Word) -> None:
        """Never waits. When too much waits already it is all the same to the socket what exactly it missed."""
        if len(self.waiting) >= MOST:
            self.waiting.clear()
            word = MISSED
        self.waiting.append(word)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def next(self) -> Word:
        """The oldest that waits, as soon as something does."""
        while not self.waiting:
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter
        return self.waiting.popleft()


class Hub:
    """The rooms in which sockets of this process sit. `restarts` counts how often hearing began anew."""

    def __init__(self, url: str, channel: str) -> None:
        # A lost connection must be seen here, and not mended silently beneath: what was said meanwhile is lacking.
        self.hearing = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        self.speaking = redis.Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0)
        self.channel = channel
        self.name = f"{os.getpid()}-{random.getrandbits(32):08x}"  # tells processes apart
        self.rooms: dict[str, set[Seat]] = {}
        self.unsaid: list[Word] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.restarts = -1
        self.hears = asyncio.Event()

    def sit(self, seat: Seat, *rooms: str) -> None:
        """From now on the seat gets what is told to the rooms. Whoever sat before the hub heard is told MISSED then."""
        seat.rooms = rooms
        for room in rooms:
            self.rooms.setdefault(room, set()).add(seat)
        if not self.tasks:
            self.tasks = {"hear": asyncio.create_task(self._hear()), "beat": asyncio.create_task(self._beat())}

    async def heard(self) -> None:
        """Waits until what other processes say is heard here, but not long: without Redis sockets open, too."""
        if not self.hears.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(READY_WITHIN):
                    await self.hears.wait()

    def leave(self, seat: Seat) -> None:
        """From now on it gets nothing."""
        for room in seat.rooms:
            seats = self.rooms.get(room, set())
            seats.discard(seat)
            if not seats:
                self.rooms.pop(room, None)
        seat.rooms = ()

    def tell(self, words: Sequence[Word]) -> None:
        """To everybody in these rooms: here at once, elsewhere as soon as Redis takes it. Never waits."""
        self._spread(words)
        self.unsaid.extend(words)
        self._say()

    def _say(self) -> None:
        if (speaker := self.tasks.get("speak")) is None or speaker.done():
            self.tasks["speak"] = asyncio.create_task(self._speak())

    async def _speak(self) -> None:
        """What came together while the last was on its way goes in one piece. Redis away: it is dropped, and the
        other processes' sockets find it by their looks (conversations.watch)."""
        while True:
            words, self.unsaid = [(room, kind, _ids(kind, data)) for room, kind, data in self.unsaid], []
            try:
                await self.speaking.publish(self.channel, encode((self.name, words)))
            except (RedisError, OSError) as error:
                log.warning("hub: %d words were not told elsewhere (%s)", len(words), type(error).__name__)
            if not self.unsaid:
                return

    async def _beat(self) -> None:
        """Something is always said, so that silence means a dead line, one that nobody has closed as well."""
        while True:
            await asyncio.sleep(BEAT)
            self._say()

    async def _hear(self) -> None:
        pause = FIRST_PAUSE
        while True:
            self.restarts += 1
            try:
                async with self.hearing.pubsub() as pubsub:
                    await pubsub.subscribe(self.channel)
                    while True:
                        message = await pubsub.get_message(timeout=SILENCE)
                        if message is None:
                            raise OSError("silence")
                        if message["type"] == "subscribe":
                            pause = FIRST_PAUSE
                            self.hears.set()
                            self._all_missed()
                        elif message["type"] == "message":
                            self._take(message["data"])
            except (RedisError, OSError) as error:
                log.warning("hub: hearing again in %.1f s at most (%s)", pause, type(error).__name__)
            except Exception:  # whatever it is: without hearing every socket here would be late
                log.exception("hub: hearing again in %.1f s at most", pause)
            self.hears.clear()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 -- it keeps processes apart
            pause = min(2 * pause, LONGEST_PAUSE)

    def _take(self, said: bytes) -> None:
        try:
            name, words = decode(said)
        except msgspec.DecodeError:
            log.warning("hub: somebody says on our channel what is none of ours")
            return
        if name != self.name:
            self._spread(words)

    def _spread(self, words: Sequence[Word]) -> None:
        rooms = self.rooms
        for word in words:
            for seat in rooms.get(word[0], ()):
                seat.put(word)

    def _all_missed(self) -> None:
        for seats in self.rooms.values():
            for seat in seats:
                seat.put(MISSED)


def _ids(kind: str, data: Any) -> Any:
    """A message goes to other processes as its number alone."""
    return data[0] if kind == "message" else data
