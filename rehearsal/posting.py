"""Takes rows, leaves them posted in the sandbox at a steady rate: now, under new ids, as their authors."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from .people import Stumble
from .rows import Row

TICK = 0.08  # seconds between batches
BATCH = 500  # what the sandbox takes at once
X_EPOCH_MS = 1288834974657  # X's ids carry their time from here
EVERY = 3.0  # seconds between two lines of progress where there is no terminal


@dataclass(frozen=True, slots=True)
class Posted:
    """A row and its post: the new id, which of the stream's rules matched it, which handles it names."""

    row: Row
    id: str
    matched: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def at(self) -> float:
        """When it was posted, in seconds since the epoch, to the millisecond."""
        return ((int(self.id) >> 22) + X_EPOCH_MS) / 1000


class Steady:
    """Says how many posts are due at so many a second, from its making on."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.began = time.monotonic()

    def __call__(self) -> int:
        return int((time.monotonic() - self.began) * self.rate)


def post(rows: list[Row], *, x_url: str, due: Callable[[], int], told: Callable[[int], None]) -> list[Posted]:
    """Post the rows in their order, so many as are `due` by now; `told` hears after each batch how many are out."""
    ids: dict[str, str] = {}
    posted: list[Posted] = []
    with httpx.Client(base_url=x_url, timeout=30, trust_env=False) as client:
        for batch in _batches(rows, due):
            answer = _send(client, [_draft(row, ids) for row in batch])
            for row, said in zip(batch, answer, strict=True):
                ids[row.id] = said["id"]
                posted.append(Posted(row, said["id"], tuple(said["matched"]), tuple(said["names"])))
            told(len(posted))
    return posted


def _batches(rows: list[Row], due: Callable[[], int]) -> Iterator[list[Row]]:
    """As many rows as are due, a tick apart. A batch ends before a reply to one of its own: it needs the new id."""
    at = 0
    while at < len(rows):
        upto = min(due() + 1, len(rows), at + BATCH)
        if upto <= at:
            time.sleep(TICK)
            continue
        batch: list[Row] = []
        inside: set[str] = set()
        for row in rows[at:upto]:
            if row.in_reply_to in inside:
                break
            batch.append(row)
            inside.add(row.id)
        at += len(batch)
        yield batch
        if at == upto:
            time.sleep(TICK)


def _draft(row: Row, ids: dict[str, str]) -> dict[str, Any]:
    parent = ids.get(row.in_reply_to)
    return {
        "author": row.author,
        "text": row.text,
        "in_reply_to": None if row.retweet else parent,
        # A reply to a post that the file does not hold is still a reply to its author.
        "in_reply_to_author": row.in_reply_to_author or None if not parent else None,
        "retweet": row.retweet,
        "key": row.id,
    }


def _send(client: httpx.Client, drafts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        answer = client.post("/_sandbox/posts", json={"posts": drafts})
    except httpx.HTTPError as error:
        raise Stumble(f"the sandbox did not take posts: {type(error).__name__} {error}") from error
    if not answer.is_success:
        raise Stumble(f"the sandbox refused posts: {answer.status_code} {answer.text[:300]}")
    said: list[dict[str, Any]] = answer.json()["posts"]
    if [one["key"] for one in said] != [draft["key"] for draft in drafts]:
        raise Stumble("the sandbox answered for other posts than it was given")
    return said


def knock(x_url: str, number: int) -> str:
    """One post of nobody in the file, to see whether somebody listens; its id."""
    drafts = [{"author": "early_bird", "text": f"@AskCiti good morning, is somebody there? ({number})", "key": "knock"}]
    with httpx.Client(base_url=x_url, timeout=30, trust_env=False) as client:
        ident: str = _send(client, drafts)[0]["id"]
        return ident


def write(x_url: str, *, sender: str, to: str, text: str) -> str:
    """A direct message from one handle to another; its id."""
    body = {"from": sender, "to": to, "text": text}
    try:
        answer = httpx.post(f"{x_url}/_sandbox/dms", json=body, timeout=30, trust_env=False)
    except httpx.HTTPError as error:
        raise Stumble(f"the sandbox did not take a message: {type(error).__name__}") from error
    if not answer.is_success:
        raise Stumble(f"the sandbox refused a message: {answer.status_code} {answer.text[:300]}")
    ident: str = answer.json()["id"]
    return ident


class Progress:
    """A bar on a terminal, a line every few seconds elsewhere; on stderr, so that stdout ends with the result."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total = what, total
        self.tty = sys.stderr.isatty()
        self.last = time.monotonic() if not self.tty else 0.0

    def __call__(self, done: int) -> None:
        over = done >= self.total
        if not over and time.monotonic() - self.last < (0.1 if self.tty else EVERY):
            return
        self.last = time.monotonic()
        share = done / self.total if self.total else 1.0
        if self.tty:
            bar = "#" * round(30 * share)
            end = "\n" if over else ""
            print(f"\r{self.what} [{bar:<30}] {done}/{self.total}", end=end, file=sys.stderr, flush=True)
        else:
            print(f"{self.what}: {done} of {self.total}", file=sys.stderr, flush=True)
