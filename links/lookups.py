"""Takes slugs, leaves where they lead; what is known is good for some seconds, and many are asked for by one SELECT.

A process knows an answer for LIFE seconds, so a revocation bites within that time, everywhere; an answer ends earlier
when its link does, by the database's clock. That there is no such link is known likewise, apart from the rest, so that
a flood of guesses pushes no living link out. Nothing outlives its time because the database is away.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from citisocial import clock
from links import codes
from links.shortener import PLACE

LIFE = 5.0  # seconds that an answer is good for
MOST = 20_000  # answers of each kind that are kept, about 10 MB
AT_ONCE = 500  # slugs in one SELECT

LOOK = """
SELECT slug_hmac, links_shortlink.id, target, extract(epoch FROM expires_at - clock.now)::float8
FROM links_shortlink, (SELECT {now} AS now) AS clock
WHERE slug_hmac = ANY(%s) AND revoked_at IS NULL AND expires_at > clock.now
"""


@dataclass(frozen=True, slots=True)
class Live:
    """A link that lives: its row, where it leads, and how long this is good for (time.monotonic)."""

    link: int
    location: bytes
    until: float


T = TypeVar("T")
# HMAC of the slug -> the link's row, its target, the seconds that it has left
Found = dict[bytes, tuple[int, str, float]]


class Lookups:
    """What this process knows about links. Of one event loop."""

    def __init__(self) -> None:
        self.live: OrderedDict[bytes, Live] = OrderedDict()
        self.dead: OrderedDict[bytes, float] = OrderedDict()  # until when
        self.asked: dict[bytes, asyncio.Future[Live | None]] = {}
        self.slugs: dict[bytes, str] = {}  # of those asked for
        self.reader: asyncio.Task[None] | None = None
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="lookups")  # keeps one connection

    async def find(self, slug: str) -> Live | None:
        """The live link of a slug, or None whatever it is instead. Raises django.db.Error while it cannot be known.

        What is known to be dead has cost the same work, whatever it died of: the HMAC, two looks into a dictionary.
        """
        key, at = codes.lookup_of(slug), time.monotonic()
        live = self.live.get(key)
        if live is not None and at < live.until:
            return live
        if at < self.dead.get(key, 0.0):
            return None
        if not codes.is_well_formed(slug):
            keep(self.dead, key, at + LIFE)
            return None
        if key not in self.asked:
            self.asked[key] = asyncio.get_running_loop().create_future()
            self.slugs[key] = slug
            if self.reader is None:
                self.reader = asyncio.get_running_loop().create_task(self._read())
        return await asyncio.shield(self.asked[key])  # others may be waiting for it too

    def close(self) -> None:
        self.thread.submit(lambda: connection.close())  # a lambda: the connection is each thread's own
        self.thread.shutdown(wait=False)

    async def _read(self) -> None:
        """Ask for what was asked of us meanwhile, as long as there is something."""
        loop = asyncio.get_running_loop()
        try:
            while self.asked:
                keys = list(self.asked)[:AT_ONCE]
                at = time.monotonic()
                try:
                    found = await loop.run_in_executor(self.thread, look, keys)
                except Exception as error:  # whatever it was, somebody waits for each of these
                    for key in keys:
                        self._answer(key).set_exception(error)
                else:
                    for key in keys:
                        self._learn(key, found.get(key), at)
        finally:
            self.reader = None

    def _learn(self, key: bytes, found: tuple[int, str, float] | None, at: float) -> None:
        if found is None:
            self.live.pop(key, None)
            keep(self.dead, key, at + LIFE)
            self._answer(key).set_result(None)
        else:
            link, target, left = found
            address = settings.SITE_URL + target.replace(PLACE, self.slugs[key])
            live = Live(link, address.encode("ascii"), at + min(LIFE, left))
            keep(self.live, key, live)
            self._answer(key).set_result(live)

    def _answer(self, key: bytes) -> asyncio.Future[Live | None]:
        del self.slugs[key]
        return self.asked.pop(key)


def keep(known: OrderedDict[bytes, T], key: bytes, value: T) -> None:
    """Put it last; when there are too many the one that was put first goes."""
    known[key] = value
    known.move_to_end(key)
    if len(known) > MOST:
        known.popitem(last=False)


def look(keys: Sequence[bytes]) -> Found:
    """Runs in a thread: ask over the thread's connection, over a new one if that has died."""
    try:
        return _look(keys)
    except (OperationalError, InterfaceError):
        connection.close()
        return _look(keys)


def _look(keys: Sequence[bytes]) -> Found:
    with connection.cursor() as cursor:
        cursor.execute(LOOK.format(now=clock.expression()), [list(keys)])
        return {bytes(key): (link, target, left) for key, link, target, left in cursor.fetchall()}
