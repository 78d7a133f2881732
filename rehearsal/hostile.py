"""Takes a site and people who mean it harm, leaves how many sockets they had and how each kind was ended.

A process of its own (`python -m rehearsal.hostile`, the job on stdin as JSON), nicer than the others to the machine,
because the hostile have machines of their own. Each comes from an address of its own, unless sharing one is the point.
Whoever is closed or refused comes again.
"""

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .people import Stumble
from .ticketing import Pass, Refused, Window, protocols
from .wires import PING, NotOpened, Wire, connect, frame, handshake, reach

# How the sockets are shared out, and how many of one kind one person has.
SHARES = {"flood": 15, "unknown": 10, "huge": 15, "slow": 20, "half": 15, "one_user": 7, "one_address": 8, "pings": 10}
PER_PERSON = {"flood": 3, "huge": 3, "slow": 4, "pings": 4, "one_address": 3}
RUSHING = {"flood", "huge", "unknown"}  # these come when the others are there
PAUSE = 1.0  # seconds until one comes again
PAUSES = {"unknown": 0.05, "one_user": 5.0, "one_address": 5.0}
GATHERED = 150.0  # seconds at the most until those come
ENTERING = 8
AT_ONCE = 50  # frames between two looks at whether the server still takes them
EVERY = 0.55  # seconds between two texts into the chat of somebody who does not read: as many as are allowed
LONG = "I have read all of it and there is much to be said about this. " * 60
WINDOW = 1024
BIG = 16 * 1024 + 1


def shares(count: int) -> dict[str, int]:
    """So many sockets of each kind; at least one of each."""
    found = {kind: max(1, count * share // 100) for kind, share in SHARES.items()}
    found["flood"] += max(0, count - sum(found.values()))
    return found


def people(count: int) -> int:
    """How many cases of people with logins these need."""
    found = shares(count)
    return 1 + sum(-(-found[kind] // each) for kind, each in PER_PERSON.items())


def addresses() -> Iterator[str]:
    """Addresses of this machine."""
    for number in itertools.count():
        yield f"127.{20 + number // 62_500 % 200}.{number // 250 % 250}.{1 + number % 250}"


@dataclass
class Storm:
    """What they did. `ended`: kind -> how its sockets ended -> how often.

    `door`: how many of those who have a login ask for a ticket at a time. More would attack pages, and not get in.
    """

    site_url: str
    door: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(ENTERING))
    ended: dict[str, Counter[str]] = field(default_factory=dict)
    frames: Counter[str] = field(default_factory=Counter)
    open: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=dict)

    def count(self, kind: str, step: int) -> None:
        self.open[kind] += step
        self.open["all"] += step
        for one in (kind, "all"):
            self.most[one] = max(self.most[one], self.open[one])

    def end(self, kind: str, how: object) -> None:
        self.ended.setdefault(kind, Counter())[str(how)] += 1


@dataclass(frozen=True, slots=True)
class Villain:
    """One socket of one hostile person."""

    storm: Storm
    kind: str
    number: int
    address: str
    who: Pass
    here: asyncio.Event = field(default_factory=asyncio.Event)  # they came in once, or were refused

    async def come(self, act: Callable[[Wire], Awaitable[None]], *, wire: Wire, window: int | None = None) -> None:
        """Open a socket as a page does, do it, and note how it ended."""
        storm = self.storm
        try:
            async with storm.door:
                await self._enter(wire, window)
        except (NotOpened, Refused) as error:
            storm.end(self.kind, f"{'refused' if isinstance(error, NotOpened) else 'no ticket'} {error.status}")
            return
        finally:
            self.here.set()
        storm.count(self.kind, 1)
        try:
            await act(wire)
            await wire.closed
        finally:
            storm.count(self.kind, -1)
            storm.end(self.kind, wire.code or "open")
            wire.abort()

    async def _enter(self, wire: Wire, window: int | None) -> None:
        tickets, site_url = Window(self.storm.site_url, address=self.address), self.storm.site_url
        try:
            ticket = await tickets.ticket(self.who)
        finally:
            tickets.close()
        url = self.who.socket(site_url)
        opening = handshake(url, origin=site_url, cookie=self.who.cookie, protocols=protocols(ticket))
        await connect(wire, url, opening, address=self.address, window=window)


# --- what they do ------------------------------------------------------------------------------------------------


async def flood(villain: Villain) -> None:
    """Messages, questions and rubbish, as fast as they are taken."""

    async def act(wire: Wire) -> None:
        serial = itertools.count()
        makers: tuple[Callable[[int], bytes], ...] = (
            lambda n: (
                b'{"type":"post","client_id":"f100d000-0000-4000-%04x-%012x","text":"spam"}'
                % (0x8000 + villain.number % 4096, n)
            ),
            lambda n: b'{"type":"resume","after":0}',
            lambda n: b'{"type":"typing","on":true}',
            lambda n: b"[" * 2000,
        )
        make = makers[villain.number % len(makers)]
        while wire.code is None:
            wire.transport.write(b"".join(frame(make(next(serial))) for _ in range(AT_ONCE)))
            villain.storm.frames["flood"] += AT_ONCE
            await asyncio.sleep(0)
            await wire.taken.wait()

    await villain.come(act, wire=Wire())


async def unknown(villain: Villain) -> None:
    """Nobody: no session, no ticket, again and again."""
    wire = Wire()
    url = villain.who.socket(villain.storm.site_url)
    try:
        await connect(wire, url, handshake(url, origin=villain.storm.site_url), address=villain.address)
    except NotOpened as error:
        villain.storm.end("unknown", f"refused {error.status}")
    else:
        villain.storm.end("unknown", "opened")
        wire.abort()


async def huge(villain: Villain) -> None:
    """A byte too much; a megabyte; 64 MB announced and dribbled; one message in fragments without an end."""

    async def act(wire: Wire) -> None:
        kind = villain.number % 4
        if kind == 0:
            wire.send(b"x" * BIG)
        elif kind == 1:
            wire.send(b"x" * 1_000_000)
        elif kind == 2:
            wire.transport.write(b"\x81\xff" + (64 << 20).to_bytes(8, "big") + b"\0\0\0\0")
            while wire.code is None:
                wire.transport.write(b"x" * 1024)
                await asyncio.sleep(0.1)
        else:
            wire.transport.write(b"\x01" + frame(b"x" * 8000)[1:])
            while wire.code is None:
                wire.transport.write(b"\x00" + frame(b"x" * 8000)[1:])
                await asyncio.sleep(0.05)
                await wire.taken.wait()

    await villain.come(act, wire=Wire())


class Deaf(Wire):
    """Whoever never reads, once the socket is open."""

    def _greeted(self, data: bytes) -> int:
        at = super()._greeted(data)
        if at >= 0:
            self.transport.pause_reading()
        return at


async def slow(villain: Villain) -> None:
    """Asks for all of the chat every second and reads nothing of it; somebody else goes on writing into the chat."""

    async def act(wire: Wire) -> None:
        while wire.code is None:
            wire.send(b'{"type":"resume","after":0}')
            await asyncio.wait([wire.closed], timeout=1.0)

    await villain.come(act, wire=Deaf(), window=WINDOW)


async def writes(villain: Villain) -> None:
    """The accomplice of those who do not read: long texts, as many as are allowed."""

    async def act(wire: Wire) -> None:
        for number in itertools.count():
            client_id = f"acc00000-0000-4000-{0x8000 + villain.number % 4096:04x}-{number:012x}"
            wire.send(json.dumps({"type": "post", "client_id": client_id, "text": LONG}).encode())
            await asyncio.wait([wire.closed], timeout=EVERY)
            if wire.code is not None:
                return

    await villain.come(act, wire=Wire())


async def half(villain: Villain) -> None:
    """A connection and nothing; half a request; a byte a second. How long it was borne."""
    loop, wire, storm = asyncio.get_running_loop(), Wire(), villain.storm
    began = loop.time()
    request = handshake(villain.who.socket(storm.site_url), origin=storm.site_url)
    await reach(wire, storm.site_url, address=villain.address)
    storm.count("half", 1)
    villain.here.set()
    try:
        if villain.number % 3 == 1:
            wire.transport.write(request[: len(request) // 2])
        for at in range(len(request)):
            if villain.number % 3 == 2:
                wire.transport.write(request[at : at + 1])
            await asyncio.wait([wire.closed], timeout=1.0)
            if wire.code is not None:
                break
    finally:
        storm.count("half", -1)
        storm.longest["half"] = max(storm.longest.get("half", 0.0), loop.time() - began)
        storm.end("half", wire.status or "hung up")
        wire.abort()


async def many(villain: Villain) -> None:
    """One more socket of somebody who has many, in which nothing is said."""

    async def act(wire: Wire) -> None:
        while wire.code is None:
            await asyncio.wait([wire.closed], timeout=15.0)
            if wire.code is None:
                wire.send(b'{"type":"resume","after":2000000000}')

    await villain.come(act, wire=Wire())


async def pings(villain: Villain) -> None:
    """Every second one asks for pongs without end and takes none; the others never answer a ping."""
    wire = Deaf() if villain.number % 2 else Wire()
    wire.answers_pings = False

    async def act(wire: Wire) -> None:
        while villain.number % 2 and wire.code is None:
            wire.transport.write(frame(b"p" * 125, PING) * AT_ONCE)
            villain.storm.frames["pings"] += AT_ONCE
            await asyncio.sleep(0)
            await wire.taken.wait()

    await villain.come(act, wire=wire, window=WINDOW)


ACTS: dict[str, Callable[[Villain], Awaitable[None]]] = {
    "flood": flood, "unknown": unknown, "huge": huge, "slow": slow, "half": half, "one_user": many,
    "one_address": many, "pings": pings,
}  # fmt: skip


# --- all of them at once -----------------------------------------------------------------------------------------


def villains(storm: Storm, cast: dict[str, Any], count: int) -> Iterator[tuple[Villain, Callable[[Villain], Any]]]:
    """Who does what: everybody of a kind in turn, so that all kinds begin at once."""
    cases, found = iter(cast["cases"]), shares(count)
    home, shared = addresses(), "127.19.0.1"
    passes: dict[str, list[Pass]] = {}
    alone = next(cases)
    for kind in found:
        whose = [next(cases) for _ in range(-(-found[kind] // PER_PERSON[kind]))] if kind in PER_PERSON else [alone]
        passes[kind] = [Pass.of(cast, case, "customer") for case in whose]
        if kind == "slow":
            for number, case in enumerate(whose):
                yield Villain(storm, "accomplice", number, next(home), Pass.of(cast, case, "agent")), writes
    for number in range(max(found.values())):
        for kind in found:
            if number < found[kind]:
                who = passes[kind][number % len(passes[kind])]
                address = shared if kind == "one_address" else next(home)
                yield Villain(storm, kind, number, address, who), ACTS[kind]


async def run(job: dict[str, Any]) -> dict[str, Any]:
    """First come those who want to hold something; once each of them was at the door, the others, for so many seconds.

    `kinds`: these alone; none: all of them.
    """
    storm, loop = Storm(job["site_url"]), asyncio.get_running_loop()

    async def again(villain: Villain, act: Callable[[Villain], Awaitable[None]]) -> None:
        while True:
            try:
                await act(villain)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, Stumble) as error:
                storm.end(villain.kind, type(error).__name__)
                villain.here.set()
            await asyncio.sleep(PAUSES.get(villain.kind, PAUSE))

    kinds = {*job["kinds"], *(["accomplice"] if "slow" in job["kinds"] else [])}
    all_of_them = [one for one in villains(storm, job["cast"], job["count"]) if not kinds or one[0].kind in kinds]
    began = loop.time()
    holding = [one for one in all_of_them if one[0].kind not in RUSHING]
    everybody = [asyncio.create_task(again(*one)) for one in holding]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GATHERED):
            for villain, _ in holding:
                await villain.here.wait()
    gathered = loop.time() - began
    everybody += [asyncio.create_task(again(*one)) for one in all_of_them if one[0].kind in RUSHING]
    await asyncio.sleep(job["seconds"])
    for task in everybody:
        task.cancel()
    await asyncio.gather(*everybody, return_exceptions=True)
    return {
        "hostile": len(everybody),
        "ended": {kind: dict(how.most_common(6)) for kind, how in storm.ended.items()},
        "gathered_s": round(gathered, 1),
        "most_open": dict(storm.most),
        "longest_half_open_s": round(storm.longest.get("half", 0.0), 1),
        "frames": dict(storm.frames),
    }


def main() -> None:
    """The job comes in as one line, and one line goes out."""
    job = json.loads(sys.stdin.readline())
    os.nice(5)
    with contextlib.suppress(ImportError):
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(json.dumps(runner.run(run(job))), flush=True)
        return
    print(json.dumps(asyncio.run(run(job))), flush=True)


if __name__ == "__main__":
    main()
