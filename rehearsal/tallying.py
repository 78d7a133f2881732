"""Takes what was pressed, leaves what became of it: the house's rows beside what the sandbox accepted, text by text."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from citisocial.servers import House

from .casting import Part
from .counting import nearest
from .firing import Door
from .people import Stumble
from .shaking import Event

MOST_DOUBT = 300.0  # seconds that an attempt may be in doubt, and after the last fault any at all
PATIENCE = 60.0  # that the database may be away
HEADER = ("fault", "runs", "happened", "sent", "p50 s", "max s")

ROWS: LiteralString = """
SELECT id, delivery, reason, external_id, extract(epoch FROM sent_at)::float, attempts FROM conversations_outgoing
"""
UNSURE: LiteralString = "SELECT id, attempts FROM conversations_outgoing WHERE delivery IN ('SENDING', 'DOUBTFUL')"
UNTRIED: LiteralString = "SELECT count(*) FROM conversations_outgoing WHERE delivery = 'QUEUED' AND attempts = 0"
OPEN: LiteralString = """
SELECT count(*) FROM conversations_outgoing WHERE delivery IN ('QUEUED', 'SENDING', 'DOUBTFUL')
"""
MESSAGES: LiteralString = """
SELECT p.handle, m.id::text, m.entities FROM sandbox_directmessage m JOIN sandbox_person p ON p.id = m.sender_id
"""
REPLIES: LiteralString = """
SELECT p.handle, t.id::text FROM sandbox_post t JOIN sandbox_person p ON p.id = t.author_id
WHERE t.in_reply_to IS NOT NULL
"""


Doubt = tuple[int, int]  # a text's number, and the how manyth attempt to send it


@dataclass(frozen=True, slots=True)
class Run:
    """One text: the fault it was to meet, who pressed for whom, the product's number of it, and the sandbox's fault."""

    fault: str
    part: Part
    outgoing: int
    armed: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """What the house believes of a text."""

    delivery: str
    reason: str
    external_id: str
    sent_at: float | None
    attempts: int


class Books:
    """Both databases, read only. A server that is started again is waited for."""

    def __init__(self, house: House) -> None:
        self.house = house

    def rows(self) -> dict[int, Row]:
        """All texts of ours, by number."""
        return {row[0]: Row(*row[1:]) for row in self._ask(self.house.database_url, ROWS)}

    def unsure(self) -> set[Doubt]:
        """Those that may or may not have left."""
        return {(row[0], row[1]) for row in self._ask(self.house.database_url, UNSURE)}

    def untried(self) -> int:
        """How many have not met their fault yet, because nobody has had the time to send them."""
        return int(self._ask(self.house.database_url, UNTRIED)[0][0])

    def unsettled(self) -> int:
        """How many have not come to an end."""
        return int(self._ask(self.house.database_url, OPEN)[0][0])

    def accepted(self) -> dict[str, list[str]]:
        """What the sandbox took from each account: ids of messages and replies."""
        found: dict[str, list[str]] = {}
        for handle, ident, *_ in (*self._messages(), *self._ask(self.house.sandbox_database_url, REPLIES)):
            found.setdefault(handle, []).append(ident)
        return found

    def links(self) -> Counter[str]:
        """How often each address of ours was accepted."""
        return Counter(url["expanded_url"] for row in self._messages() for url in row[2].get("urls", []))

    def _messages(self) -> list[tuple[Any, ...]]:
        return self._ask(self.house.sandbox_database_url, MESSAGES)

    def _ask(self, url: str, question: LiteralString) -> list[tuple[Any, ...]]:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
                    return connection.execute(question).fetchall()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise Stumble("the database did not come back") from error
                time.sleep(0.2)


@dataclass
class Watch:
    """How long each attempt was in doubt, seen from outside: seconds."""

    longest: dict[Doubt, float] = field(default_factory=dict)
    since: dict[Doubt, float] = field(default_factory=dict)

    def look(self, unsure: set[Doubt], at: float) -> None:
        """What is in doubt at this moment."""
        for doubt in unsure:
            self.longest[doubt] = at - self.since.setdefault(doubt, at)


@contextmanager
def watching(books: Books) -> Iterator[Watch]:
    """Looks every second."""
    watch, over = Watch(), threading.Event()

    def look() -> None:
        while not over.wait(1.0):
            watch.look(books.unsure(), time.monotonic())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join(10)


def happened(
    pressed: Sequence[Run], graves: Path, door: Door, events: Mapping[str, Sequence[Event]]
) -> dict[int, float]:
    """When each text met its fault, by number: seconds since the epoch. What is missing never met it."""
    found: dict[int, float] = {}
    for grave in graves.glob("*.*"):
        number = grave.name.split(".")[0]
        if number.isdigit():
            found[int(number)] = min(found.get(int(number), grave.stat().st_mtime), grave.stat().st_mtime)
    turns: Counter[str] = Counter()
    for run in pressed:
        if run.armed is not None and (at := door.times(run.armed)[0]) is not None:
            found[run.outgoing] = at
        elif run.fault in events:
            mine = events[run.fault]
            of_this_fault = sum(other.fault == run.fault for other in pressed)
            found[run.outgoing] = mine[turns[run.fault] * len(mine) // of_this_fault].at
            turns[run.fault] += 1
    return found


def count(
    books: Books, pressed: Sequence[Run], happened: Mapping[int, float], doubts: Mapping[Doubt, float]
) -> dict[str, Any]:
    """The figures of all runs; `wrong` holds a sentence for everything that is not as it must be."""
    rows, accepted, links = books.rows(), books.accepted(), books.links()
    twice = sum(max(0, len(accepted.get(run.part.bank, [])) - 1) for run in pressed)
    twice += sum(n - 1 for n in links.values())
    lost = [run for run in pressed if _lost(run, rows.get(run.outgoing), accepted.get(run.part.bank, []))]
    stuck = {number for (number, _), seconds in doubts.items() if seconds > MOST_DOUBT}
    stuck |= {number for number, _ in books.unsure()}
    ends = Counter(rows[run.outgoing].delivery for run in pressed if run.outgoing in rows)
    faults = _faults(pressed, rows, happened)
    wrong = [f"{run.fault}: text {run.outgoing} of {run.part.bank} is lost" for run in lost]
    wrong += [f"{twice} were sent twice"] * bool(twice) + [f"texts in doubt too long: {sorted(stuck)}"] * bool(stuck)
    wrong += [f"{name} happened {f['happened']} times in {f['runs']} runs" for name, f in faults.items()
              if name != "load" and f["happened"] < f["runs"]]  # fmt: skip
    return {
        "sent_twice": twice,
        "lost": len(lost),
        "stuck": len(stuck),
        "ends": dict(ends),
        "doubt_max_s": round(max(doubts.values(), default=0.0), 1),
        "faults": faults,
        "failed": [
            _failed(run, row) for run in pressed if (row := rows.get(run.outgoing)) and row.delivery == "FAILED"
        ],
        "wrong": wrong,
    }


def _failed(run: Run, row: Row) -> str:
    """One that a person has to decide about, in words."""
    return f"{run.fault}: text {run.outgoing} ended as {row.reason} after {row.attempts} attempts"


def _lost(run: Run, row: Row | None, accepted: Sequence[str]) -> bool:
    """The house has no row of it, or believes it sent and X never took it, or believes it was not and X did."""
    if row is None or row.delivery not in {"QUEUED", "SENT", "FAILED"}:
        return row is None or row.delivery == "CANCELLED"
    return accepted != [row.external_id] if row.delivery == "SENT" else bool(accepted)


def _faults(
    pressed: Sequence[Run], rows: Mapping[int, Row], happened: Mapping[int, float]
) -> dict[str, dict[str, Any]]:
    """By fault: runs, how often it happened, how many were sent, and the seconds from the fault to that."""
    found: dict[str, dict[str, Any]] = {}
    for fault in dict.fromkeys(run.fault for run in pressed):
        mine = [run for run in pressed if run.fault == fault]
        sent = {run.outgoing: row.sent_at for run in mine if (row := rows.get(run.outgoing)) and row.sent_at}
        took = sorted(max(0.0, at - happened[number]) for number, at in sent.items() if number in happened)
        found[fault] = {
            "runs": len(mine),
            "happened": sum(run.outgoing in happened for run in mine),
            "sent": len(sent),
            "p50_s": round(nearest(took, 50), 1) if took else None,
            "max_s": round(took[-1], 1) if took else None,
        }
    return found


def table(faults: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line a fault."""
    lines = [HEADER, *((name, *map(_cell, figures.values())) for name, figures in faults.items())]
    widths = [max(len(line[n]) for line in lines) for n in range(len(HEADER))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]


def _cell(figure: object) -> str:
    return "–" if figure is None else str(figure)
