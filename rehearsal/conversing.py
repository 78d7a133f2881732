"""Takes nothing, leaves what a message of the secure chat costs, and beside what; and what a silent socket costs.

Three ways in turn, each one uvicorn process with the flags of the house's own, on one core, on the house's PostgreSQL
and Valkey, which share the other core with the client: the house's web process with everything that it checks
(session, second factor, ticket, origin, permission, gate, masking); an application without anything of it and the same
grouped INSERT; Channels as one writes it first. A message counts when customer, agent and supervisor have it.
"""

import argparse
import asyncio
import contextlib
import gc
import http.client
import json
import os
import socket
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any, LiteralString, TypeVar

import psycopg

from citisocial.servers import House

from . import cores
from .people import Stumble
from .premises import complain, own_house, show_logs
from .redirects import ROOT, inside
from .talking import SIDES, Figures, Listener, Talk, Tally, closed, every_second, paced
from .ticketing import Pass, Window, protocols
from .wires import Wire, connect, handshake

# What would brake a thousand chats of one address in which people write as fast as they can. Said at the start.
RAISED = dict.fromkeys(
    ("SOCKET_MESSAGES", "SOCKET_FRAMES", "SOCKETS_PER_USER", "SOCKETS_PER_ADDRESS", "SOCKET_SILENCE"), "1000000"
)
SERVER, REST = 0, 1  # cores
BUSY = 100  # chats at the most in the closed loop
PER_AGENT, PER_SUPERVISOR = 10, 50
AT_ONCE = 24  # sockets that are opened at a time
WARM = 1.0  # seconds before each window
PATIENCE = 30.0
# The house's protocols are these with limits of its own, which know the house's settings.
STOCK = {"--http": "httptools", "--ws": "websockets-sansio"}
ROWS: dict[str, LiteralString] = {
    "ours": "SELECT count(*) FROM conversations_message WHERE kind = 'said'",
    "raw": "SELECT count(*) FROM raw_message",
    "stock": "SELECT count(*) FROM stock_message",
}
Done = TypeVar("Done")
Opener = Callable[[Wire, dict[str, Any], str], Awaitable[None]]


def add(kinds: "argparse._SubParsersAction[Any]") -> None:
    """The sub-command `chat` of `manage.py bench`."""
    parser = kinds.add_parser("chat", help="messages of the chat, checked, stored and delivered to three")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each window (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="of each way, in turn (default 3)")
    parser.add_argument("--chats", type=int, default=1000, help="with a message a second each (default 1000)")
    parser.add_argument("--idle", type=int, default=6000, help="silent sockets that are held (default 6000)")
    parser.add_argument("--held", type=float, default=20.0, help="for so many seconds (default 20)")
    parser.set_defaults(run=lambda options: bench(Plan(**{name: options[name] for name in Plan.__slots__})))


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what. `held`: seconds."""

    seconds: float
    rounds: int
    chats: int
    idle: int
    held: float


def bench(plan: Plan) -> dict[str, Any]:
    """The figures; a Stumble when a message was not stored once or not delivered to everybody."""
    if find_spec("channels_redis") is None:
        raise Stumble("Channels' layer, to compare with, is not installed: run `./run --set-up test`, then this again")
    began = time.monotonic()
    cores.allow_files(2 * len(SIDES) * plan.chats + plan.idle + 1000)
    complain("raised for this benchmark: " + ", ".join(f"{k}={v}" for k, v in RAISED.items()))
    os.environ.update(RAISED)
    with own_house(announce=complain, children=("web",)) as house, ExitStack() as stack:
        try:
            servers = {"ours": (house.site_url, cores.pid_of(house, "web"))}
            for name in ("raw", "stock"):
                servers[name] = stack.enter_context(reference(house, f"rehearsal.{name}chat:application"))
            _pin(house, [pid for _, pid in servers.values()])
            figures = _run(_measure(house, servers, json.loads(_inside(house, plan.chats)), plan))
            stored = _stored(house, figures.pop("sent"))
        except Stumble:
            show_logs(house)
            raise
    return figures | {"messages": stored, "seconds": round(time.monotonic() - began)}


def _inside(house: House, count: int) -> str:
    complain(f"preparing {count} chats with a customer each …")
    return inside(house, "-m", "rehearsal.plugging", str(count), str(PER_AGENT), str(PER_SUPERVISOR), "bench")


def _pin(house: House, servers: Sequence[int]) -> None:
    """The measured processes have one core for themselves, one after the other; everything else has the other."""
    cores.pin(os.getpid(), REST)
    for name in ("postgres", "valkey"):
        cores.pin(cores.pid_of(house, name), REST)
    for pid in servers:
        cores.pin(pid, SERVER)


def _run(work: Coroutine[Any, Any, Done]) -> Done:
    """On the event loop that the servers have."""
    with contextlib.suppress(ImportError):
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    return asyncio.run(work)


@contextmanager
def reference(house: House, application: str) -> Iterator[tuple[str, int]]:
    """An application of the rehearsal's own, started as the house starts its web process; its address and pid."""
    flags = cores.command(cores.pid_of(house, "web"))
    flags[flags.index("citisocial.asgi:application")] = application
    for flag, theirs in STOCK.items():
        flags[flags.index(flag) + 1] = theirs
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port = listener.getsockname()[1]
        flags[flags.index("--fd") + 1] = str(listener.fileno())
        process = subprocess.Popen(flags, env=house.env, cwd=ROOT, pass_fds=[listener.fileno()])
    try:
        first = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            first.request("GET", "/")
            status = first.getresponse().status
        except OSError:
            status = 0
        finally:
            first.close()
        if status != 200:
            raise Stumble(f"{application} does not start: it answers {status}")
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(PATIENCE)


# --- the sockets -------------------------------------------------------------------------------------------------


class FrontDoor:
    """Ours: a ticket by POST, then the socket with cookie, origin and ticket."""

    def __init__(self, house: House, cast: dict[str, Any]) -> None:
        self.site_url, self.cast = house.site_url, cast
        self.windows = [Window(house.site_url) for _ in range(AT_ONCE)]

    async def __call__(self, wire: Wire, case: dict[str, Any], side: str) -> None:
        who, window = Pass.of(self.cast, case, side), self.windows.pop()
        try:
            ticket = await window.ticket(who)
        finally:
            self.windows.append(window)
        url = who.socket(self.site_url)
        await connect(wire, url, handshake(url, origin=self.site_url, cookie=who.cookie, protocols=protocols(ticket)))

    def close(self) -> None:
        for window in self.windows:
            window.close()


def open_door(url: str) -> Opener:
    """The references: whoever comes is let in."""

    async def enter(wire: Wire, case: dict[str, Any], side: str) -> None:
        where = f"{url}/{case['number']}/{side}"
        await connect(wire, where, handshake(where))

    return enter


async def gathered(works: Sequence[Callable[[], Awaitable[None]]], what: str) -> None:
    """All of them, a few at a time."""
    began, turn = time.monotonic(), asyncio.Semaphore(AT_ONCE)

    async def one(work: Callable[[], Awaitable[None]]) -> None:
        async with turn:
            await work()

    await asyncio.gather(*(one(work) for work in works))
    took = time.monotonic() - began
    complain(f"{what}: {len(works)} sockets opened in {took:.1f} s, {len(works) / took:.0f} a second")


async def open_talks(name: str, enter: Opener, cases: Sequence[dict[str, Any]]) -> list[Talk]:
    """All three sockets of each chat, each with what it lacked."""
    tally = Tally()
    talks = [Talk(f"{name} {n}", tally, agent_writes=every_second(n)) for n in range(len(cases))]

    async def one(talk: Talk, case: dict[str, Any], side: str) -> None:
        talk.listeners[side] = listener = Listener(talk, side)
        await enter(listener, case, side)
        listener.send(b'{"type":"resume","after":0}')
        async with asyncio.timeout(PATIENCE):
            await listener.ready

    try:
        await gathered([partial(one, t, c, s) for t, c in zip(talks, cases, strict=True) for s in SIDES], name)
    except BaseException:
        for talk in talks:
            talk.close()
        raise
    return talks


class Sitter(Wire):
    """One more tab of a customer, in which nothing is written."""

    def __init__(self) -> None:
        super().__init__()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def heard(self, payload: bytes) -> None:
        if b'"caught_up"' in payload and not self.ready.done():
            self.ready.set_result(None)


async def open_tabs(name: str, enter: Opener, cases: Sequence[dict[str, Any]], count: int) -> list[Sitter]:
    """So many silent sockets of these cases' customers, by turns."""
    sitters = [Sitter() for _ in range(count)]

    async def one(sitter: Sitter, case: dict[str, Any]) -> None:
        await enter(sitter, case, "customer")
        sitter.send(b'{"type":"resume","after":0}')
        async with asyncio.timeout(PATIENCE):
            await sitter.ready

    await gathered([partial(one, sitter, cases[n % len(cases)]) for n, sitter in enumerate(sitters)], name)
    return sitters


# --- what is measured --------------------------------------------------------------------------------------------


async def _measure(
    house: House, servers: dict[str, tuple[str, int]], cast: dict[str, Any], plan: Plan
) -> dict[str, Any]:
    """The figures. Silence first, because that takes a fresh process: all sockets of the chats, and more tabs."""
    ours = FrontDoor(house, cast)
    doors: dict[str, Opener] = {name: open_door(url) for name, (url, _) in servers.items()} | {"ours": ours}
    pids = {name: pid for name, (_, pid) in servers.items()}
    stood: dict[str, list[Talk]] = {}
    try:
        stood["ours"], silent = await _silent(pids["ours"], doors["ours"], cast["cases"], plan)
        # The stock one is far behind at a thousand messages a second: it is asked for its rate alone.
        for name, count in (("raw", plan.chats), ("stock", min(plan.chats, BUSY))):
            stood[name] = await open_talks(name, doors[name], cast["cases"][:count])
        figures = await _rounds(pids, stood, plan)
    finally:
        for talk in [talk for of_name in stood.values() for talk in of_name]:
            talk.close()
        ours.close()
        gc.unfreeze()
        await asyncio.sleep(0.1)  # an event loop that is closed with open sockets may wait for them
    return figures | silent | {"sent": {name: sum(talk.sent for talk in found) for name, found in stood.items()}}


async def _rounds(pids: dict[str, int], stood: dict[str, list[Talk]], plan: Plan) -> dict[str, Any]:
    """All ways in turn, the first time to warm up."""
    busy: dict[str, list[Figures]] = {name: [] for name in pids}
    calm: dict[str, list[Figures]] = {name: [] for name in pids if name != "stock"}
    gc.collect()
    gc.freeze()
    for number in range(plan.rounds + 1):
        for name, pid in pids.items():
            window = {"seconds": plan.seconds if number else min(plan.seconds, WARM), "warm": min(plan.seconds, WARM)}
            found = await closed(stood[name][:BUSY], cpu=partial(cores.used, pid), **window)
            complain(f"round {number}: {name:5} {found.per_s:9,.0f} messages/s, {found.us:7.1f} µs each")
            busy[name] += [found] * bool(number)
            if name in calm:
                slow = await paced(stood[name], cpu=partial(cores.used, pid), **window)
                complain(f"round {number}: {name:5} {slow.per_s:9,.0f} messages/s, p50 {_late(slow, 50):.2f} ms")
                calm[name] += [slow] * bool(number)
            gc.collect()
    return summary(busy, calm)


async def _silent(
    pid: int, enter: Opener, cases: Sequence[dict[str, Any]], plan: Plan
) -> tuple[list[Talk], dict[str, Any]]:
    """What a silent socket weighs, and how many of them are open in the end; those of the chats stay open."""
    for sitter in await open_tabs("before", enter, cases, min(plan.idle, 2 * AT_ONCE)):
        sitter.close()
    await asyncio.sleep(min(plan.held, 3.0))
    before = cores.resident(pid)
    talks = await open_talks("ours", enter, cases[: plan.chats])
    tabs = await open_tabs("more tabs", enter, cases, max(0, plan.idle - len(SIDES) * plan.chats))
    await asyncio.sleep(plan.held)
    weight = cores.resident(pid) - before
    held = sum(wire.code is None for wire in (*tabs, *(one for talk in talks for one in talk.listeners.values())))
    complain(
        f"{held} silent sockets are open; the process had {before >> 20} MiB without them, and {weight >> 20} more"
    )
    for tab in tabs:
        tab.close()
    return talks, {"idle_kib": round(weight / 1024 / max(1, held), 1), "held": held}


def summary(busy: dict[str, list[Figures]], calm: dict[str, list[Figures]]) -> dict[str, Any]:
    """The ratios of the medians, and the medians."""
    us = {name: statistics.median(each.us for each in found) for name, found in busy.items()}
    per_s = {name: statistics.median(each.per_s for each in found) for name, found in busy.items()}
    late = {
        p: {name: statistics.median(_late(each, p) for each in found) for name, found in calm.items()} for p in (50, 95)
    }
    return {
        "cpu_vs_raw": round(us["ours"] / us["raw"], 2),
        "rate_vs_raw": round(per_s["ours"] / per_s["raw"], 2),
        "rate_vs_stock": round(per_s["ours"] / per_s["stock"], 1),
        "p50_vs_raw": round(late[50]["ours"] / late[50]["raw"], 2),
        "us_per_message": {name: round(value, 1) for name, value in us.items()},
        "per_s": {name: round(value) for name, value in per_s.items()},
        "p50_ms": {name: round(value, 2) for name, value in late[50].items()},
        "p95_ms": {name: round(value, 2) for name, value in late[95].items()},
    }


def _late(figures: Figures, percent: int) -> float:
    """Milliseconds within which so many percent were at the other side."""
    late = sorted(figures.late)
    return late[min(len(late) - 1, len(late) * percent // 100)] * 1000


def _stored(house: House, sent: dict[str, int]) -> dict[str, int]:
    """How many rows each way left; a Stumble unless each message is one."""
    with psycopg.connect(house.database_url, autocommit=True) as books:
        for name, count in sent.items():
            [rows] = books.execute(ROWS[name]).fetchone() or [0]
            if rows != count:
                raise Stumble(f"{name}: {count} messages were said, {rows} are stored")
    return sent
