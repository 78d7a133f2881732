"""Takes a feeder at X_API_URL and terms on standard input, leaves what one event costs: in CPU time of this process.

Three ways in turn, each from the same socket with the same events: the listener itself (`listening.listen`: bytes in,
rows out); the raw reference, which reads, parses typed and matches, and does nothing with what it found; and the naive
loop as one writes it first: httpx's iter_lines, json.loads, one alternation of all terms, get_or_create one by one.
"""

import asyncio
import json
import re
import socket
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from ahocorasick_rs import AhoCorasick, Implementation, MatchKind
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Team
from citisocial.clock import now
from conversations import listening
from conversations.models import Author, Brand, BrandAccount, ListeningRule, Mention

RULE = 480  # characters of a rule
NAIVE_PART = 6  # the naive loop gets so many times fewer events
ENOUGH = 1 << 18  # bytes read at once
ONE_IN = 100  # events is for us
PATIENCE = 60.0
QUIET = 2.0  # seconds without anything stored: it was the last


@dataclass(frozen=True, slots=True)
class Run:
    cpu_us: float  # per event
    per_second: float


class Command(BaseCommand):
    """The half of `manage.py bench ingest` that is measured."""

    help = "Used by `manage.py bench ingest`, which starts what this needs."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--events", type=int, required=True)
        parser.add_argument("--rounds", type=int, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        if Mention.objects.exists() or Brand.objects.exists():
            raise CommandError("This fills the database with invented posts: start it as `manage.py bench ingest`.")
        terms = json.load(sys.stdin)
        account = furnish(terms)
        events = options["events"]
        found: dict[str, list[Run]] = {}
        ways: dict[str, Callable[[], Run]] = {
            "ours": lambda: ours(events),
            "raw": lambda: raw(events, terms),
            "naive": lambda: naive(events // NAIVE_PART, terms, account),
        }
        for number in range(options["rounds"] + 1):
            for name, measure in ways.items():
                run = measure()
                self.stderr.write(f"round {number}: {name:5} {run.cpu_us:8.2f} µs CPU, {run.per_second:9,.0f} events/s")
                if number:  # the first warms up
                    found.setdefault(name, []).append(run)
        cpu = {name: statistics.median(run.cpu_us for run in runs) for name, runs in found.items()}
        self.stdout.write(
            json.dumps(
                {
                    "events_per_s": round(statistics.median(run.per_second for run in found["ours"])),
                    "cpu_us": round(cpu["ours"], 2),
                    "raw_us": round(cpu["raw"], 2),
                    "naive_us": round(cpu["naive"], 2),
                    "vs_raw": round(cpu["ours"] / cpu["raw"], 2),
                    "vs_naive": round(cpu["naive"] / cpu["ours"], 1),
                    "stored": Mention.objects.count(),
                }
            )
        )


def furnish(terms: list[str]) -> BrandAccount:
    """A bank that listens for the terms, in rules as long as the network takes them."""
    brand = Brand.objects.create(name="Bench", slug="bench", address="bench.example")
    team = Team.objects.create(name="Bench")
    value, number = "", 0
    for term in [*terms, ""]:
        quoted = f'"{term}"' if " " in term else term
        if not term or len(value) + len(quoted) > RULE:
            ListeningRule.objects.create(brand=brand, tag=f"bench-{number}", value=value)
            value, number = "", number + 1
        value = f"{value} OR {quoted}" if value else quoted
    return BrandAccount.objects.create(brand=brand, external_id="1", handle="BenchBank", team=team)


# --- the listener itself ----------------------------------------------------------------------------------------------


def ours(events: int) -> Run:
    """From the moment when the first post is stored to the moment when the last one is."""
    before = Mention.objects.count()
    expected = before + 1 + (events + ONE_IN - 1) // ONE_IN + 1
    stored: list[tuple[float, float]] = []  # when, each time

    async def run() -> None:
        first, loop = asyncio.Event(), asyncio.get_running_loop()

        def after() -> None:
            stored.append(clocks())
            if len(stored) == 1:
                loop.call_soon_threadsafe(first.set)

        listener = asyncio.create_task(listening.listen(after))
        await asyncio.wait_for(first.wait(), PATIENCE)
        await asyncio.sleep(0.5)  # until what opening a connection costs is paid
        stored[:] = [clocks()]
        await asyncio.to_thread(go)
        while time.perf_counter() - stored[-1][1] < QUIET or len(stored) == 1:  # noqa: ASYNC110 - no event says "no more"
            await asyncio.sleep(0.2)
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener

    asyncio.run(run())
    if Mention.objects.count() != expected:
        raise CommandError(f"{Mention.objects.count() - before} posts were stored, not {expected - before}.")
    return spent(events, stored[0], stored[-1])


# --- the references ---------------------------------------------------------------------------------------------------


class Needed(msgspec.Struct, gc=False):
    """The six fields that are needed of a post."""

    id: str
    text: str
    author_id: str
    created_at: str
    lang: str
    conversation_id: str


class Line(msgspec.Struct, gc=False):
    data: Needed


def raw(events: int, terms: list[str]) -> Run:
    decode = msgspec.json.Decoder(Line).decode
    find = AhoCorasick(terms, matchkind=MatchKind.Standard, implementation=Implementation.DFA).find_matches_as_indexes
    hits = 0
    with connected(events) as (connection, before):
        started = clocks()
        go()
        for lines in batches(connection, before):
            for each in lines:
                if len(each) > 1 and find(decode(each).data.text.lower()):
                    hits += 1
            if hits >= 1 and len(lines[-1]) <= 1:
                break
        return spent(events, started, clocks())


def naive(events: int, terms: list[str], account: BrandAccount) -> Run:
    wanted = re.compile(r"(?<!\w)(?:" + "|".join(re.escape(term) for term in terms) + r")(?!\w)", re.IGNORECASE)
    with httpx.stream("GET", f"{settings.X_API_URL}/2/tweets/search/stream?events={events}", timeout=60) as response:
        lines = response.iter_lines()
        next(lines)  # the first post, which comes at once
        started = clocks()
        go()
        for line in lines:
            if not line:  # a keep-alive: that was all
                break
            post = json.loads(line)
            if wanted.search(post["data"]["text"]):
                keep(post, account)
        return spent(events, started, clocks())


def keep(post: dict[str, Any], account: BrandAccount) -> None:
    """As one would write it first."""
    data, user, at = post["data"], post["includes"]["users"][0], now()
    author, _ = Author.objects.get_or_create(
        network="x",
        external_id=user["id"],
        defaults={"handle": user["username"], "name": user["name"], "first_seen_at": at},
    )
    Mention.objects.get_or_create(
        network="x",
        external_id=data["id"],
        defaults={
            "brand_id": account.brand_id,
            "author": author,
            "text": data["text"],
            "language": data["lang"],
            "posted_at": data["created_at"],
            "ingested_at": at,
            "conversation_id": data["conversation_id"],
            "ways": ["stream"],
        },
    )


@contextmanager
def connected(events: int) -> Iterator[tuple[socket.socket, bytes]]:
    """A plain socket on which the first post has come, and whatever came with it."""
    where = urlsplit(settings.X_API_URL)
    with socket.create_connection((where.hostname or "", where.port or 80)) as connection:
        connection.sendall(f"GET /2/tweets/search/stream?events={events} HTTP/1.1\r\nHost: feeder\r\n\r\n".encode())
        said = b""
        while b"\r\n\r\n" not in said or not said.endswith(b"}\r\n"):
            said += connection.recv(ENOUGH)
        yield connection, b""


def batches(connection: socket.socket, rest: bytes) -> Iterator[list[bytes]]:
    """The lines of each piece of bytes; the last of the last one is a keep-alive."""
    while piece := connection.recv(ENOUGH):
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        if lines:
            yield lines


def go() -> None:
    with urllib.request.urlopen(f"{settings.X_API_URL}/go", timeout=10):  # noqa: S310 - the feeder's address
        pass


def clocks() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def spent(events: int, started: tuple[float, float], ended: tuple[float, float]) -> Run:
    return Run((ended[0] - started[0]) * 1e6 / events, events / (ended[1] - started[1]))
