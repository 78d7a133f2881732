"""Takes a CSV or CSV.gz of real posts, leaves the posts that can be posted and the names of the rows that cannot.

A bad row is counted and named, never fatal: files of real posts have been through spreadsheets.
"""

import csv
import gzip
import html
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from twitter_text import parse_tweet

NEEDED = ("id", "author", "text")
HANDLE = re.compile(r"[A-Za-z0-9_]{1,15}")
DIGITS = re.compile(r"[0-9]{1,19}")
LONGEST = 280  # what X lets people post who pay nothing
FIELD_LIMIT = 1_000_000  # characters; csv's own limit of 131,072 would end the whole reading


class UnreadableFile(Exception):
    """The file as a whole cannot be replayed; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One post of the file. `id` and `in_reply_to` are the file's own ids: they only tie replies to posts."""

    number: int
    id: str
    author: str
    text: str
    in_reply_to: str
    in_reply_to_author: str
    retweet: bool
    brand: bool  # by a bank's own account, which is never a customer


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out: its number among the data rows (1 is the first under the header), and why."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Rows:
    """What a file holds."""

    good: list[Row]
    bad: list[BadRow]


def read(path: Path) -> Rows:
    """All rows of the file, in its order. UnreadableFile when it is absent, no CSV, or lacks a needed column."""
    try:
        with _opened(path) as raw, io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as text:
            return parse(text)
    except (OSError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFile(f"{path} cannot be read: {error}. Give a CSV or a CSV.gz.") from error


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    # By its content, not by its name: a .gz that a browser has unpacked on the way keeps its name.
    return gzip.open(path, "rb") if zipped else path.open("rb")  # type: ignore[return-value]


def parse(lines: Iterable[str]) -> Rows:
    """The rows of CSV text; see `read`."""
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(lines)
    try:
        header = [name.strip() for name in next(reader)]
    except StopIteration:
        raise UnreadableFile("The file is empty: its first line must name the columns.") from None
    except csv.Error as error:
        raise UnreadableFile(f"The first line is no CSV: {error}.") from error
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise UnreadableFile(f"The file has no column {', '.join(missing)}; columns found: {', '.join(header)[:200]}.")
    good: list[Row] = []
    bad: list[BadRow] = []
    seen: dict[str, int] = {}
    for number, values in _numbered(reader, bad):
        row = _row(number, header, values, seen)
        if isinstance(row, Row):
            seen[row.id] = number
            good.append(row)
        else:
            bad.append(row)
    return Rows(good, sorted(bad, key=lambda row: row.number))


def _numbered(reader: Iterator[list[str]], bad: list[BadRow]) -> Iterator[tuple[int, list[str]]]:
    """Data rows with their numbers; what csv or gzip refuses goes to `bad`. Blank lines are no rows."""
    number = 0
    while True:
        number += 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            bad.append(BadRow(number, f"no CSV: {error}"))
            continue
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            bad.append(BadRow(number, f"the file breaks off here: {error}"))
            return
        if values:
            yield number, values
        else:
            number -= 1


def _row(number: int, header: list[str], values: list[str], seen: dict[str, int]) -> Row | BadRow:
    if len(values) != len(header):
        return BadRow(number, f"{len(values)} fields where the header has {len(header)}")
    cell = dict(zip(header, values, strict=True))
    row = Row(
        number=number,
        id=cell["id"].strip(),
        author=cell["author"].strip().removeprefix("@"),
        # The file keeps the wire's escapes; what the person typed had none, and the network escapes again.
        text=html.unescape(cell["text"]),
        in_reply_to=cell.get("in_reply_to_id", "").strip(),
        in_reply_to_author=cell.get("in_reply_to_author", "").strip().removeprefix("@"),
        retweet=_yes(cell.get("is_retweet", "")),
        brand=_yes(cell.get("author_is_brand", "")),
    )
    why = _objection(row, seen)
    return BadRow(number, why) if why else row


def _yes(cell: str) -> bool:
    return cell.strip().lower() in {"1", "true", "t", "yes"}


def _objection(row: Row, seen: dict[str, int]) -> str:
    """Why this row cannot be posted; empty when it can."""
    everything = row.id + row.author + row.text + row.in_reply_to + row.in_reply_to_author
    if any("\ud800" <= c <= "\udfff" for c in everything):
        return "not UTF-8"
    if "\0" in everything:
        return "holds a NUL character"
    if not DIGITS.fullmatch(row.id):
        return f"id {row.id[:30]!r} is no number"
    if row.id in seen:
        return f"id {row.id} was used by row {seen[row.id]}"
    if not row.author:
        return "no author"
    if not HANDLE.fullmatch(row.author):
        return f"author {row.author[:30]!r} is no handle"
    if not row.text.strip():
        return "no text"
    if row.in_reply_to and not DIGITS.fullmatch(row.in_reply_to):
        return f"in_reply_to_id {row.in_reply_to[:30]!r} is no number"
    if row.in_reply_to_author and not HANDLE.fullmatch(row.in_reply_to_author):
        return f"in_reply_to_author {row.in_reply_to_author[:30]!r} is no handle"
    length = weight(row.text)
    return f"too long for X: {length} of {LONGEST}" if length > LONGEST else ""


def weight(text: str) -> int:
    """Length as X counts it, or a bound that is not over X's limit: counting exactly takes most of a millisecond."""
    # At most two for a character beyond the light ranges, and 23 for a link, which has a dot at least.
    bound = len(text) + sum(c > "\u10ff" for c in text) + 23 * text.count(".")
    return bound if bound <= LONGEST else int(parse_tweet(text).weightedLength)


def parents_first(rows: list[Row]) -> list[Row]:
    """The same rows; one that answers a later row comes right after it, because a reply needs its post's new id."""
    known = {row.id for row in rows}
    waiting: dict[str, list[Row]] = {}
    done: set[str] = set()
    ordered: list[Row] = []
    for row in rows:
        stack = [row]
        while stack:
            one = stack.pop()
            if one.in_reply_to in known and one.in_reply_to not in done and one.in_reply_to != one.id:
                waiting.setdefault(one.in_reply_to, []).append(one)
                continue
            done.add(one.id)
            ordered.append(one)
            stack.extend(reversed(waiting.pop(one.id, [])))
    # Rows that answer each other in a ring have no first one: they go last, as replies to nobody known.
    ordered.extend(row for rest in waiting.values() for row in rest)
    return ordered
