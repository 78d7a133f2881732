"""Takes how far each side got the messages and read them, leaves it kept and told: many reports, one statement.

Every page says so each time something arrives. So they are collected in the event loop, the highest of each side of
each case, and written together every half second; what did not grow is neither written nor told.
"""

import asyncio
import logging
from collections.abc import Mapping
from functools import cache, partial
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection

from citisocial import clock
from conversations import events
from conversations.models import Mark
from conversations.realtime.direct import direct
from conversations.realtime.hub import hub

log = logging.getLogger(__name__)

FLUSH = 0.5  # seconds between two statements
Key = tuple[int, str]  # case, side
Far = tuple[int, int]  # delivered, read


def of(case_id: int) -> dict[str, Far]:
    """How far each side got the messages of a case and read them, for its pages; nothing yet: not in it."""
    kept = Mark.objects.filter(case=case_id).values_list("side", "delivered", "read")
    return {side: (delivered, read) for side, delivered, read in kept}


def note(case_id: int, side: str, *, delivered: int, read: int) -> None:
    """In the event loop: one page's report. It is written soon; never waits. Whether it counts is the caller's."""
    _marks().note((case_id, side), (max(delivered, read), read))


class Marks:
    """Of one event loop."""

    def __init__(self) -> None:
        self.waiting: dict[Key, Far] = {}
        self.task: asyncio.Task[None] | None = None

    def note(self, key: Key, far: Far) -> None:
        known = self.waiting.get(key, (0, 0))
        self.waiting[key] = max(known[0], far[0]), max(known[1], far[1])
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        """Until nothing waits any more. The database away: it all waits on, and what comes is put to it."""
        while self.waiting:
            await asyncio.sleep(FLUSH)
            batch, self.waiting = self.waiting, {}
            try:
                grown = await direct("marks").run(partial(_store, batch=batch))
            except psycopg.OperationalError as error:
                log.warning("marks: PostgreSQL did not take %d (%s)", len(batch), type(error).__name__)
                for key, far in batch.items():
                    self.note(key, far)
            except psycopg.Error as error:
                log.warning("marks: PostgreSQL refused %d (%s)", len(batch), type(error).__name__)
            else:
                self._tell(grown)

    def _tell(self, grown: Mapping[Key, Far]) -> None:
        if grown:
            hub().tell([(events.case_room(case), events.MARKS, [side, *far]) for (case, side), far in grown.items()])


@cache
def _sql() -> str:
    """Nobody has got or read what does not exist yet. In order, because other processes write the same rows."""
    return f"""
INSERT INTO conversations_mark AS m (case_id, side, delivered, read, changed_at)
SELECT c.id, t.side, least(t.delivered, c.last_seq), least(t.read, c.last_seq), {clock.expression()}
FROM unnest(%(case)s::bigint[], %(side)s::text[], %(delivered)s::bigint[], %(read)s::bigint[])
  AS t(case_id, side, delivered, read) JOIN conversations_case c ON c.id = t.case_id
WHERE t.delivered > 0 AND c.last_seq > 0
ORDER BY c.id, t.side
ON CONFLICT (case_id, side) DO UPDATE SET delivered = greatest(m.delivered, excluded.delivered),
  read = greatest(m.read, excluded.read), changed_at = excluded.changed_at
  WHERE excluded.delivered > m.delivered OR excluded.read > m.read
RETURNING case_id, side, delivered, read"""


async def _store(connection: "AsyncConnection[Any]", batch: Mapping[Key, Far]) -> dict[Key, Far]:
    """What grew, as it is now."""
    columns = {
        "case": [case for case, _side in batch],
        "side": [side for _case, side in batch],
        "delivered": [delivered for delivered, _read in batch.values()],
        "read": [read for _delivered, read in batch.values()],
    }
    answer = await connection.execute(_sql(), columns)
    return {(case, side): (delivered, read) for case, side, delivered, read in await answer.fetchall()}


_kept: "WeakKeyDictionary[asyncio.AbstractEventLoop, Marks]" = WeakKeyDictionary()


def _marks() -> Marks:
    return _kept.setdefault(asyncio.get_running_loop(), Marks())
