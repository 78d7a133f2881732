"""Takes what was posted, leaves what became of it: read from the site's tables with plain SQL, to the row."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from .posting import Posted

CHUNK = 1000
PATIENCE = 120.0  # seconds without any progress after which what is missing counts as lost
LOOK = 0.5  # seconds between two looks

# Which of the posts are dealt with.
DEALT: LiteralString = """
SELECT external_id FROM conversations_mention
WHERE network = 'x' AND external_id = ANY(%s) AND state <> 'NEW'
"""
MENTIONS: LiteralString = """
SELECT external_id, state, reason, case_id, posted_at, triaged_at, ways, ingested_at FROM conversations_mention
WHERE network = 'x' AND external_id = ANY(%s)
"""
# A post is one mention and is told of at most once in the trail; an author has one case that is not closed.
DOUBLED: LiteralString = """
SELECT (SELECT count(*) - count(DISTINCT (network, external_id)) FROM conversations_mention)
     + (SELECT coalesce(sum(n - 1), 0) FROM (
          SELECT count(*) AS n FROM conversations_auditevent
          WHERE verb IN ('opened', 'joined') AND data ? 'post' GROUP BY data ->> 'post') AS told)
     + (SELECT coalesce(sum(n - 1), 0) FROM (
          SELECT count(*) AS n FROM conversations_auditevent WHERE verb = 'opened' GROUP BY case_id) AS opened)
     + (SELECT coalesce(sum(n - 1), 0) FROM (
          SELECT count(*) AS n FROM conversations_case WHERE status <> 'CLOSED' GROUP BY brand_id, author_id) AS held)
"""
# Stream and pushed events are never asked, and direct messages so seldom that nobody waits for it: they are pushed.
TURNS: LiteralString = """
SELECT account_id, way, asked_at FROM conversations_cursor
WHERE (way = 'mentions' OR way LIKE 'search:%')
AND asked_at > clock_timestamp() + coalesce(nullif(current_setting('citisocial.clock_offset', true), ''), '0')::interval
             - interval '5 minutes'
"""


@dataclass(frozen=True, slots=True)
class Mention:
    """What became of one post. Times are aware."""

    id: str
    state: str
    reason: str
    case: int | None
    posted_at: datetime
    triaged_at: datetime | None
    ways: list[str]  # the first is the one that stored it
    ingested_at: datetime


class Books:
    """The site's database, read only."""

    def __init__(self, database_url: str) -> None:
        self.connection = psycopg.connect(database_url, autocommit=True)

    def close(self) -> None:
        self.connection.close()

    def our_handles(self) -> set[str]:
        """Lower case."""
        rows = self.connection.execute("SELECT lower(handle) FROM conversations_brandaccount WHERE active")
        return {row[0] for row in rows}

    def dealt(self, ids: Sequence[str]) -> set[str]:
        """Those of the posts that triage has decided."""
        return {row[0] for row in self._chunked(DEALT, ids)}

    def mentions(self, ids: Sequence[str]) -> list[Mention]:
        return [Mention(*row) for row in self._chunked(MENTIONS, ids)]

    def doubled(self) -> int:
        """Rows beyond one for each thing of which there may be one."""
        row = self.connection.execute(DOUBLED).fetchone()
        return int(row[0]) if row else 0

    def turns(self) -> dict[tuple[int, str], datetime]:
        """When each polled way asked last: changes with each turn it takes."""
        return {(account, way): at for account, way, at in self.connection.execute(TURNS)}

    def _chunked(self, query: LiteralString, ids: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        for at in range(0, len(ids), CHUNK):
            yield from self.connection.execute(query, [list(ids[at : at + CHUNK])])


@contextmanager
def opened(database_url: str) -> Iterator[Books]:
    """The books for a while: a connection made now goes by the clock as it was moved last."""
    books = Books(database_url)
    try:
        yield books
    finally:
        books.close()


def wait_until_dealt(books: Books, ids: Sequence[str], told: Callable[[int], None]) -> set[str]:
    """Wait until triage has decided all of them. Returns the lost: what no progress for PATIENCE seconds has left."""
    missing = set(ids)
    moved = time.monotonic()
    while missing:
        done = books.dealt(sorted(missing))
        if done:
            missing -= done
            moved = time.monotonic()
        elif time.monotonic() - moved > PATIENCE:
            break
        told(len(ids) - len(missing))
        if missing:
            time.sleep(LOOK)
    return missing


def wait_until_asked(books: Books, *, within: float = 20.0) -> None:
    """In a house that was started a moment ago: until its worker is at work, or it is high time to begin anyway."""
    deadline = time.monotonic() + within
    while len(books.turns()) < len(books.our_handles()) and time.monotonic() < deadline:
        time.sleep(LOOK)


def wait_until_polled(books: Books, ids: Sequence[str], *, within: float = 90.0) -> bool:
    """Wait until every polled way has been read beyond the last post, so that `seen_again` is final.

    A way's turn is over when it takes the next one: the second change of its `asked_at` ends a turn that began now
    or later. Then two equal counts. False when that did not come in time.
    """
    seen = books.turns()
    changes = dict.fromkeys(seen, 0)
    expected = len(books.our_handles())
    deadline = time.monotonic() + within
    # In a house that was started just now some ways have not been asked for the first time.
    while len(changes) < expected or min(changes.values()) < 2:
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK)
        for way, at in books.turns().items():
            if seen.get(way) != at:
                changes[way] = changes.get(way, 0) + 1
            seen[way] = at
    before = -1
    while time.monotonic() < deadline:
        again = sum(len(m.ways) > 1 for m in books.mentions(ids))
        if again == before:
            return True
        before = again
        time.sleep(2)
    return False


def percentiles(seconds: Iterable[float]) -> dict[str, int | None]:
    """p50 and p99 in whole ms, by nearest rank: a value that was measured, never one between two; None of nothing."""
    ordered = sorted(seconds)
    return {f"p{p}": round(nearest(ordered, p) * 1000) if ordered else None for p in (50, 99)}


def nearest(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that at least so many percent of the values do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def summary(
    posted: Sequence[Posted], mentions: Sequence[Mention], addressed: set[str], heard: dict[str, float]
) -> dict[str, Any]:
    """The result's figures. `heard` is when an open inbox named each post; `lost` and `surplus` should be 0."""
    by_id = {m.id: m for m in mentions}
    ours = [by_id[p.id] for p in posted if p.id in addressed and p.id in by_id]
    cased = [m for m in ours if m.state == "CASED"]
    ignored = Counter(m.reason for m in ours if m.state == "IGNORED")
    at = {p.id: p.at for p in posted}
    brands = {p.id for p in posted if p.row.brand}
    return {
        "posted": len(posted),
        "not_addressed": sum(p.id not in addressed for p in posted),
        "cased": len(cased),
        "ignored": dict(sorted(ignored.items())),
        "first_by": dict(sorted(Counter(m.ways[0] for m in ours).items())),
        "seen_again": sum(len(m.ways) > 1 for m in ours),
        "cases": len({m.case for m in cased}),
        "post_to_case_ms": percentiles((m.triaged_at - m.posted_at).total_seconds() for m in cased if m.triaged_at),
        "post_to_inbox_ms": percentiles(heard[m.id] - at[m.id] for m in cased if m.id in heard),
        "inbox_missed": sum(m.id not in heard for m in cased),
        "brand_cased": sum(m.id in brands for m in cased),
        "surplus": sum(p.id in by_id for p in posted if p.id not in addressed),
        "lost": len(addressed) - len(cased) - ignored.total(),
    }
