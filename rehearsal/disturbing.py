"""Takes posts and how often each fault is to happen, leaves the proof that listening lost and doubled nothing by it."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from citisocial.servers import House

from . import counting, faultlist, recovering
from .chattering import Chatter
from .firing import Door, Firing, Lane
from .people import Stumble
from .posting import Posted, Progress, post
from .premises import complain, own_house, show_logs
from .replaying import wait_until_streaming
from .rows import Row, parents_first

FAST = 60.0  # posts a second when the faults are over
RESERVE = 8.0  # seconds of posts that are kept back as long as a fault is open
SEARCHES, BETWEEN_SEARCHES = 60, 16.0  # for messages; X's 15 minutes of reads may have to go by
REPORT = 15.0  # seconds between two lines of progress
# What would happen once in two hours, or once in fifteen minutes, is brought about now. A token that is about to end is
# exchanged at the next call made with it, of each account in its turn; direct messages are read when that is due.
AGE_TOKENS: LiteralString = """
UPDATE conversations_brandaccount SET tokens_expire_at = clock_timestamp() + interval '4 minutes'
WHERE id = (SELECT id FROM conversations_brandaccount WHERE active ORDER BY tokens_expire_at, id LIMIT 1)
AND tokens_expire_at > clock_timestamp() + interval '5 minutes'
"""
READ_MESSAGES: LiteralString = """
UPDATE conversations_cursor SET asked_at = asked_at - interval '1 hour', paused_until = NULL WHERE way = 'dm'
"""
BEFORE: dict[str, LiteralString] = {"token": AGE_TOKENS, "dm_events": READ_MESSAGES}


@dataclass(frozen=True, slots=True)
class Said:
    """Everything that was said while faults were fired."""

    posted: list[Posted]
    chatter: list[str]
    messages: list[str]
    addressed: set[str]

    @property
    def ids(self) -> list[str]:
        """All that must have been taken in, once."""
        return sorted(self.addressed | set(self.chatter) | set(self.messages), key=int)


class Pace:
    """Says how many posts are due: spread over the seconds that the faults still take, and never all of them before."""

    def __init__(self, total: int, remaining: Callable[[], float], most: float) -> None:
        self.total, self.remaining, self.most = total, remaining, most
        self.at, self.out = time.monotonic(), 0.0

    def __call__(self) -> int:
        now = time.monotonic()
        left = self.remaining()
        rate = FAST if not left else min(self.most, (self.total - self.out) / max(left, RESERVE))
        self.out = min(self.out + rate * (now - self.at), float(self.total))
        self.at = now
        return int(self.out)


def disturb(rows: list[Row], *, runs: int, most: float) -> dict[str, Any]:
    """A replay in a house of its own, as long as every fault takes to happen `runs` times; what came of both.

    `most`: posts a second at the most. `wrong` holds sentences; without any, everything held.
    """
    with own_house(announce=complain) as house:
        books = counting.Books(house.database_url)
        try:
            wait_until_streaming(house)
            began = time.monotonic()
            said, firings = _both(house, books, parents_first(rows), faultlist.lanes(runs), most)
            result = _count(house, books, said, firings)
        finally:
            books.close()
        result = {"runs": runs, **result, "seconds": round(time.monotonic() - began, 1)}
        result["wrong"] = recovering.complaints(result, firings, runs)
        if result["wrong"]:
            show_logs(house)
        return result


def _both(
    house: House, books: counting.Books, rows: list[Row], orders: dict[str, list[faultlist.Order]], most: float
) -> tuple[Said, list[Firing]]:
    """Post while the faults happen."""
    over = threading.Event()
    with ExitStack() as stack:
        chatter = Chatter(house.x_url)
        door = stack.enter_context(Door(house.x_url))
        stack.callback(chatter.stop)
        stack.callback(over.set)
        lanes = [Lane(mine, door, over=over, before=_due(house, name)) for name, mine in orders.items()]
        for thread in (chatter, *lanes):
            thread.start()
        told = Told(lanes, len(rows))
        posted = post(rows, x_url=house.x_url, due=Pace(len(rows), told.remaining, most), told=told)
        for lane in lanes:
            lane.join()
        told(len(posted), at_once=True)
        chatter.stop()
        for error in (chatter.error, *(lane.error for lane in lanes)):
            if error is not None:
                raise Stumble(str(error)) from error
    ours = books.our_handles()
    addressed = {p.id for p in posted if p.matched or any(name.lower() in ours for name in p.names)}
    return Said(posted, chatter.posts, chatter.messages, addressed), [f for lane in lanes for f in lane.firings]


def _count(house: House, books: counting.Books, said: Said, firings: Sequence[Firing]) -> dict[str, Any]:
    _read_messages(house, books, said.messages)
    lost = counting.wait_until_dealt(books, said.ids, Progress("dealt with", len(said.ids)))
    known = {m.id: m for m in books.mentions([*said.ids, *(p.id for p in said.posted)])}
    return {
        "posted": len(said.posted) + len(said.chatter) + len(said.messages),
        "addressed": len(said.ids),
        "first_by": recovering.first_by(known[i] for i in said.ids if i in known),
        "lost": len(lost),
        "doubled": books.doubled(),
        "surplus": sum(p.id in known for p in said.posted if p.id not in said.addressed),
        "faults": recovering.faults(firings, [known[i] for i in said.ids if i in known]),
    }


def _read_messages(house: House, books: counting.Books, messages: Sequence[str]) -> None:
    """While messages are missing: the read that comes every 15 minutes where they are pushed comes now."""
    for _ in range(SEARCHES):
        if len(books.mentions(messages)) == len(messages):
            return
        _due(house, "dm_events")()
        time.sleep(BETWEEN_SEARCHES)


class Told:
    """Says now and then how far posts and faults are."""

    def __init__(self, lanes: Sequence[Lane], total: int) -> None:
        self.lanes, self.total, self.last = lanes, total, time.monotonic()

    def remaining(self) -> float:
        """Seconds that the slowest lane still needs, about."""
        return max((lane.remaining for lane in self.lanes), default=0.0)

    def __call__(self, done: int, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self.last > REPORT:
            self.last = time.monotonic()
            faults = sum(len(lane.firings) for lane in self.lanes)
            of = sum(len(lane.orders) for lane in self.lanes)
            left = f"about {self.remaining():.0f} s to go"
            complain(f"posted: {done} of {self.total}; faults got over: {faults} of {of}; {left}")


def _due(house: House, endpoint: str) -> Callable[[], None]:
    """What makes a call of that endpoint due now; nothing for those that are asked all the time."""

    def due() -> None:
        if endpoint in BEFORE:
            with psycopg.connect(house.database_url, autocommit=True) as connection:
                connection.execute(BEFORE[endpoint])

    return due
