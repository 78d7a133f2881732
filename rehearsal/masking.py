"""Takes a number of invented cards, leaves the proof that none of them is kept: `found` is 0.

A house of its own is walked to an open chat. Then texts with private numbers go in at every door, half of the posts
while nobody listens, so that each way in has been the first. When all have arrived everything is searched: tables,
keys, what passed through Valkey, files. The sandbox plays X, which has the raw texts: its database and log are not
ours and are left out.

False alarms are another matter: the mask alone, over real posts.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg

from citisocial.servers import House

from . import inlets
from .breaking import ROOT, default_file
from .inlets import Doors
from .joining import resolve
from .people import Stumble
from .premises import complain, own_house, raise_caps, show_logs
from .private import Inventor, Seed
from .rows import Row
from .scene import Scene
from .searching import Passing, Wanted, search
from .walking import FIRST, LAST

MOST_ALARMS = 0.001  # of the real posts
PATIENCE = 120.0  # seconds without any text arriving; direct messages are read every 75 s
COMMENT = 3  # texts that a survey's comment has room for
# Shares of the texts for each door; what is left goes in as public posts.
SHARES: dict[str, float] = {
    "names": 0.03,
    "direct_messages": 0.03,
    "pushed": 0.02,
    "customer_says": 0.02,
    "agent_says": 0.02,
    "outgoing": 0.015,
    "staff": 0.01,
    "strangers": 0.03,
}
BY_NETWORK = ("names", "posts", "mentions", "searched", "direct_messages", "pushed")
KEPT = (*BY_NETWORK, "customer_says", "agent_says", "survey")
# The texts of those that are dealt with; one post belongs to the walk.
STORED: LiteralString = "SELECT count(*) - 1 FROM conversations_mention WHERE state <> 'NEW'"
FIRST_WAYS: LiteralString = "SELECT split_part(ways[1], ':', 1), count(*) FROM conversations_mention GROUP BY 1"

Door = Callable[[Doors, Sequence[Seed]], None]
INSIDE: list[Door] = [inlets.pushed, inlets.customer_says, inlets.agent_says, inlets.strangers, inlets.staff]


def rehearse(cards: int, real: Sequence[Row]) -> dict[str, Any]:
    """Seed, search, count. `wrong` holds what is not as it should be, in sentences."""
    began = time.monotonic()
    seeds = Inventor().seeds(cards)
    share = dealt(seeds)
    wanted = Wanted(seeds)
    raise_caps()
    with own_house(announce=complain) as house:
        try:
            facts, wrong = _said(house, share, wanted)
        except Stumble:
            show_logs(house)
            raise
        alarms = false_alarms(house, real)
    lost = {door: sum(not stored(wanted, seed) for seed in share[door]) for door in KEPT}
    return {
        "seeded": sum(len(seed.numbers) for seed in seeds),
        "found": len(wanted.found),
        "kinds": dict(Counter(seed.kind for seed in seeds for _ in seed.numbers)),
        "disguises": len({seed.disguise for seed in seeds if seed.disguise}),
        "codes": sum(bool(seed.code) for seed in seeds),
        "inlets": {door: len(part) for door, part in share.items()},
        **facts,
        **alarms,
        "seconds": round(time.monotonic() - began, 1),
        "wrong": wrong + _wrong(wanted, lost, alarms),
    }


def stored(wanted: Wanted, seed: Seed) -> bool:
    """Whether what is left of a text is in a table: a text that never came in proves nothing."""
    return any(place.startswith("conversations_") for place in wanted.arrived.get(seed.mark, ()))


def _wrong(wanted: Wanted, lost: dict[str, int], alarms: dict[str, Any]) -> list[str]:
    places = Counter((place, what) for place, _, what in wanted.found)
    said = [f"{place}: {what}, {count} times" for (place, what), count in sorted(places.items())]
    said += [f"{place}: like {text!r}" for place, text in sorted(wanted.excerpts.items())]
    said += [f"{count} texts by {door} have not arrived, so nothing is proven of them" for door, count in lost.items()
             if count]  # fmt: skip
    if alarms["false_alarms"] > MOST_ALARMS:
        said.append(f"{alarms['false_alarms']:.2%} of the real posts were masked though nothing private is in them")
    return said


def dealt(seeds: Sequence[Seed]) -> dict[str, list[Seed]]:
    """Who goes in where. Every door has some, however few there are."""
    short = [seed for seed in seeds if len(seed.text) <= inlets.NAME and "\n" not in seed.text]
    share: dict[str, list[Seed]] = {"names": short[: max(2, int(len(seeds) * SHARES["names"]))]}
    named = {seed.mark for seed in share["names"]}
    rest = [seed for seed in seeds if seed.mark not in named]
    for door, fraction in SHARES.items():
        if door != "names":
            count = max(2, int(len(seeds) * fraction))
            share[door], rest = rest[:count], rest[count:]
    share["survey"], rest = rest[:COMMENT], rest[COMMENT:]
    part = (len(rest) - len(rest) // 10) // 2  # searches cost most, and the day's budget may end them
    share["posts"], share["mentions"], share["searched"] = rest[:part], rest[part : 2 * part], rest[2 * part :]
    return share


def _said(house: House, share: dict[str, list[Seed]], wanted: Wanted) -> tuple[dict[str, Any], list[str]]:
    """All of it, at all doors; then the search. Returns what was looked through, and what was wrong."""
    scene = Scene(house, "dm", lambda: None)
    doors = Doors(scene)
    sizes = {door: len(part) for door, part in share.items()}
    with Passing(house) as passing:
        try:
            _walk(scene, FIRST)
            _through(doors, inlets.outgoing, share)
            _walk(scene, LAST[: [name for name, _ in LAST].index("join") + 1])
            _through(doors, inlets.direct_messages, share)  # first, for they are read seldom
            for door in INSIDE:
                _through(doors, door, share)
            complain(resolve(scene))
            _through(doors, inlets.survey, share)
            _through(doors, inlets.names, share)
            _through(doors, inlets.posts, share)
            _arrived(house, sizes["names"] + sizes["posts"] + sizes["pushed"], "kind = 'post'")
            with _nobody_listening(house):
                _through(doors, inlets.posts, share, "mentions")
                _through(doors, inlets.searched, share)
                _arrived(house, sum(sizes[door] for door in BY_NETWORK))
        finally:
            scene.close()
            doors.client.close()
        ways = _first_ways(house)
    complain("searching tables, keys and files")
    looked = search(house, wanted, passing)
    wrong = [f"no {what} were searched: the search is broken" for what, count in looked.items() if not count]
    return {"first_ways": ways, "searched": looked}, sorted(set(doors.wrong)) + wrong


def _walk(scene: Scene, steps: Sequence[tuple[str, Callable[[Scene], str]]]) -> None:
    for name, step in steps:
        complain(f"{name}: {step(scene)}")


def _through(doors: Doors, door: Door, share: dict[str, list[Seed]], name: str = "") -> None:
    name = name or door.__name__
    began = time.monotonic()
    door(doors, share[name])
    complain(f"{name}: {len(share[name])} texts in {time.monotonic() - began:.1f} s")


@contextmanager
def _nobody_listening(house: House) -> Iterator[None]:
    """The listener stands still: what is posted now comes by the polled ways."""
    pid = house.pid("listener")
    if pid is None:
        raise Stumble("the listener does not run")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _arrived(house: House, expected: int, kind: LiteralString = "true") -> None:
    """Wait until so many are stored and dealt with, or nothing has come for long."""
    stored, moved = -1, time.monotonic()
    with psycopg.connect(house.database_url, autocommit=True) as books:
        while stored < expected and time.monotonic() - moved < PATIENCE:
            [count] = books.execute(f"{STORED} AND {kind}").fetchone() or (0,)
            if count != stored:
                stored, moved = count, time.monotonic()
                complain(f"arrived: {stored} of {expected}")
            time.sleep(0.5)


def _first_ways(house: House) -> dict[str, int]:
    """How many posts each way in was the first to bring."""
    with psycopg.connect(house.database_url, autocommit=True) as books:
        return {str(way): int(count) for way, count in books.execute(FIRST_WAYS)}


# --- false alarms ---------------------------------------------------------------------------------------------------


def false_alarms(house: House, rows: Sequence[Row]) -> dict[str, Any]:
    """The product's own mask over real posts, as `manage.py mask` runs it: the share that it should have left alone.

    Where the posts' private numbers are labelled, a post with such a label is a find; without labels each counts.
    """
    lines = "".join(f"{json.dumps(row.text)}\n" for row in rows)
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "mask"],
        input=lines, capture_output=True, text=True, env=house.env, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Stumble(f"manage.py mask failed: {done.stderr[-300:]}")
    private = labelled()
    masked = [row for row, line in zip(rows, done.stdout.splitlines(), strict=True) if json.loads(line)["found"]]
    alarms = [row for row in masked if row.text not in private]
    for row in alarms:
        complain(f"a false alarm, or a find without a label: post {row.id}")
    return {
        "posts": len(rows),
        "masked": len(masked),
        "alarms": len(alarms),
        "false_alarms": round(len(alarms) / len(rows), 6) if rows else 0.0,
    }


def labelled() -> set[str]:
    """The texts of real posts in which somebody found an account, a card or a social security number, by reading."""
    path = default_file(".").parent / "pii_bank_tweets" / "dev.jsonl"
    if not path.exists():
        return set()
    kinds = {"ACCOUNT", "SSN", "CARD_TAIL", "SSN_TAIL"}
    posts = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {post["text"] for post in posts if kinds & {span["type"] for span in post["spans"]}}
