"""Takes what was written, what the table holds and what each page showed, leaves what is lost, doubled or reordered."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg

from .outboxes import Entry

SHOWN = 12  # sentences
TABLE: LiteralString = """
SELECT m.seq, m.client_id::text, m.text, m.kind FROM conversations_message m
JOIN conversations_case c ON c.id = m.case_id WHERE c.public_id = %s ORDER BY m.seq
"""
LAST: LiteralString = "SELECT public_id::text, last_seq FROM conversations_case WHERE public_id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a case in the table."""

    seq: int
    client_id: str
    text: str
    kind: str = "said"

    @property
    def entry(self) -> Entry:
        return self.seq, self.client_id, self.text


@dataclass(frozen=True, slots=True)
class Writer:
    """What one page wrote, client_id -> text, in that order. `refused`: those that were refused at least once."""

    name: str
    wrote: Mapping[str, str]
    refused: frozenset[str] = frozenset()


@dataclass
class Verdict:
    """The three figures, and sentences about the first things that were found."""

    messages: int = 0
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    wrong: int = 0  # whatever else should not be: a text that nobody wrote, a number that is missing
    said: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.reordered or self.wrong)

    def tell(self, kind: str, count: int, sentence: str) -> None:
        """So many of a kind; none is no news."""
        if count:
            setattr(self, kind, getattr(self, kind) + count)
            if len(self.said) < SHOWN:
                self.said.append(f"{kind} {count}: {sentence}")


def read(books: psycopg.Connection, case: str) -> list[Row]:
    """The case as the table has it."""
    return [Row(*row) for row in books.execute(TABLE, [case])]


def judge(
    verdict: Verdict, case: str, rows: Sequence[Row], writers: Iterable[Writer],
    transcripts: Mapping[str, Sequence[Entry]],
) -> None:  # fmt: skip
    """Compare everything about one case."""
    verdict.messages += sum(row.kind == "said" for row in rows)
    seqs = [row.seq for row in rows]
    verdict.tell("wrong", seqs != list(range(1, len(rows) + 1)), f"{case} is not numbered 1 to {len(rows)}")
    _texts(verdict, case, rows)
    unknown = {row.client_id for row in rows if row.kind == "said"}
    for writer in writers:
        _writer(verdict, case, rows, writer)
        unknown -= writer.wrote.keys()
    verdict.tell("wrong", len(unknown), f"{case} has messages that nobody wrote: {sorted(unknown)[:3]}")
    for name, entries in transcripts.items():
        _transcript(verdict, f"{case}, {name}", rows, entries)


def _texts(verdict: Verdict, case: str, rows: Sequence[Row]) -> None:
    for what, values in {
        "client_id": Counter(row.client_id for row in rows),
        "text": Counter(row.text for row in rows if row.kind == "said"),
    }.items():
        twice = [value for value, count in values.items() if count > 1]
        more = sum(values[value] - 1 for value in twice)
        verdict.tell("doubled", more, f"{case} has a {what} more than once: {twice[:3]}")
        if more:
            return


def _writer(verdict: Verdict, case: str, rows: Sequence[Row], writer: Writer) -> None:
    """All of it is there, as it was written, in that order."""
    numbers = {client_id: number for number, client_id in enumerate(writer.wrote)}
    theirs = [row for row in rows if row.client_id in numbers]
    missing = numbers.keys() - {row.client_id for row in theirs}
    verdict.tell("lost", len(missing), f"{case}, {writer.name}: the table lacks {_some(numbers, missing)}")
    changed = [row.seq for row in theirs if row.text != writer.wrote[row.client_id]]
    verdict.tell("wrong", len(changed), f"{case}, {writer.name}: not as it was written: seq {changed[:3]}")
    order = [numbers[row.client_id] for row in theirs if row.client_id not in writer.refused]
    late = list(_late(order))
    verdict.tell("reordered", len(late), f"{case}, {writer.name}: behind a later one: message {late[:3]}")


def _transcript(verdict: Verdict, who: str, rows: Sequence[Row], entries: Sequence[Entry]) -> None:
    """Exactly the table, or in what way it is not."""
    table = {row.seq: row for row in rows}
    # What is no message of anybody's is shown in words of its own.
    if len(entries) == len(rows) and all(
        row.entry == entry or (row.kind != "said" and row.entry[:2] == entry[:2])
        for row, entry in zip(rows, entries, strict=True)
    ):
        return
    shown = Counter(seq for seq, _, _ in entries)
    missing = sorted(table.keys() - shown.keys())
    verdict.tell("lost", len(missing), f"{who} was never shown seq {missing[:3]} of {len(rows)}")
    twice = [seq for seq, count in shown.items() if count > 1]
    verdict.tell("doubled", sum(shown[seq] - 1 for seq in twice), f"{who} was shown seq {twice[:3]} again")
    late = list(_late([seq for seq, _, _ in entries]))
    verdict.tell("reordered", len(late), f"{who} was shown seq {late[:3]} after a later one")
    other = [e[0] for e in entries if (row := table.get(e[0])) is None or (row.kind == "said" and row.entry != e)]
    verdict.tell("wrong", len(other), f"{who} was shown another text than the table has: seq {other[:3]}")


def _late(numbers: Sequence[int]) -> Iterator[int]:
    """Those that come after a higher one."""
    most = -1
    for number in numbers:
        if number < most:
            yield number
        most = max(most, number)


def _some(numbers: Mapping[str, int], ids: Iterable[str]) -> list[int]:
    return sorted(numbers[client_id] + 1 for client_id in ids)[:3]
