"""Takes a number of hostile sockets, leaves what they cost the others: memory of the web process, the honest's wait.

A house of its own with its limits as they stand. Pairs chat, a message a second each, while the hostile do everything
of `hostile` from a process of their own. Then pages of nine wrong origins try to open a socket; then people lose their
right to be there in seven ways, once with Valkey dead.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from citisocial.servers import House

from . import cores, hostile, origins, revoking
from .people import Stumble
from .premises import complain, own_house, show_logs
from .redirects import ROOT, inside
from .talking import SETTLED, SIDES, Listener, Talk, Tally, every_second, pace, settle
from .ticketing import Pass, Window, protocols
from .wires import connect, handshake

PAIRS = 20
BEFORE = 10.0  # seconds in which the honest are alone
HOLDS = 5.0  # seconds between two signs of life of somebody who only reads
MEMORY_MB, P95_MS, USER_SOCKETS, ADDRESS_SOCKETS, HALF_OPEN_S = 50, 300, 16, 50, 15
CHILDREN = ("web", "worker", "beat")


def add(suites: "argparse._SubParsersAction[Any]") -> None:
    """`manage.py faults sockets`."""
    parser = suites.add_parser("sockets", help="hostile sockets, wrong origins, and sockets whose reason has ended")
    parser.add_argument("--sockets", type=int, default=1000, help="how many hostile ones (default 1000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long they go on (default 60)")
    parser.add_argument("--runs", type=int, default=3, help="of each revocation, the last without Valkey (default 3)")
    parser.add_argument("--kinds", nargs="*", default=[], choices=list(hostile.ACTS), help="these hostile ones alone")
    parser.set_defaults(run=report)


def report(options: dict[str, Any]) -> bool:
    """Whether the honest noticed nothing, no wrong page came in, and nobody stayed in."""
    result = rehearse(options["sockets"], options["seconds"], options["runs"], options["kinds"])
    wrong = result.pop("wrong")
    for sentence in wrong:
        complain(sentence)
    print(json.dumps(result), file=sys.stdout, flush=True)
    return not wrong


def rehearse(sockets: int, seconds: float, runs: int, kinds: Sequence[str] = ()) -> dict[str, Any]:
    """The figures; `wrong` holds sentences, and is empty when everything held."""
    began = time.monotonic()
    cores.allow_files(4 * sockets + 1000)
    with own_house(announce=complain, children=CHILDREN) as house:
        try:
            result = asyncio.run(stormed(house, sockets, seconds, kinds=kinds))
            refused, wrong = asyncio.run(entered(house))
            rounds, dead = revocations(house, runs, dead=True)
        except Stumble:
            show_logs(house)
            raise
        result["wrong"] += wrong + revoking.complaints(rounds) + revoking.complaints(dead)
        if result["wrong"]:
            show_logs(house)
    result |= {"origins_refused": refused, "revoked_s": rounds, "revoked_without_valkey_s": dead}
    return result | {"seconds": round(time.monotonic() - began)}


def cast_of(house: House, count: int, name: str, *, per_supervisor: int = 4) -> dict[str, Any]:
    """So many chats, each with an agent of its own."""
    found: dict[str, Any] = json.loads(
        inside(house, "-m", "rehearsal.plugging", str(count), "1", str(per_supervisor), name)
    )
    return found


# --- the storm ---------------------------------------------------------------------------------------------------


async def stormed(
    house: House, count: int, seconds: float, *, kinds: Sequence[str] = (), pairs: int = PAIRS
) -> dict[str, Any]:
    """What the honest and the process went through."""
    pid, restarts = cores.pid_of(house, "web"), house.restarts("web")
    honest, villains = cast_of(house, pairs, "honest"), cast_of(house, hostile.people(count), "hostile")
    talks = await _met(house, honest)
    pacing = asyncio.create_task(_chatting(talks))
    tally = talks[0].tally
    await asyncio.sleep(min(BEFORE, seconds))
    calm, before = _p95(tally.late), cores.resident(pid)
    tally.late = []
    job = {"site_url": house.site_url, "cast": villains, "count": count, "seconds": seconds, "kinds": list(kinds)}
    complain(f"{count} hostile sockets for {seconds:.0f} s; before them p95 was {calm:.0f} ms, {before >> 20} MiB")
    did, most = await _meanwhile(job, pid)
    late = tally.late
    pacing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await pacing
    wrong = await _settled(talks)
    for talk in talks:
        talk.close()
    if house.restarts("web") != restarts:
        wrong.append("the web process was started again")
    result = {
        "hostile": did["hostile"],
        "memory_mb": round((most - before) / 1e6, 1),
        "honest_p95_ms": round(_p95(late)),
        "honest_p95_before_ms": round(calm),
        "honest_messages": len(late),
        **{name: did[name] for name in ("gathered_s", "most_open", "longest_half_open_s", "ended", "frames")},
    }
    return result | {"wrong": wrong + complaints(result)}


async def _meanwhile(job: dict[str, Any], pid: int) -> tuple[dict[str, Any], int]:
    """What the hostile say they did, and the most memory that the process had meanwhile."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rehearsal.hostile", cwd=ROOT, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, limit=1 << 22,
    )  # fmt: skip
    saying = asyncio.create_task(process.communicate(json.dumps(job).encode() + b"\n"))
    most = 0
    while not saying.done():
        with contextlib.suppress(FileNotFoundError):  # it has died: who looks after restarts says so
            most = max(most, cores.resident(pid))
        await asyncio.wait([saying], timeout=0.2)
    said, _ = saying.result()
    if process.returncode:
        raise Stumble("the hostile ended with an error; it is above")
    return json.loads(said), most


async def _met(house: House, cast: dict[str, Any]) -> list[Talk]:
    """The honest, each at the own address, as many sockets as people have."""
    tally, home = Tally(), _homes()
    talks = [Talk(f"pair {n}", tally, agent_writes=every_second(n)) for n in range(len(cast["cases"]))]
    for talk, case in zip(talks, cast["cases"], strict=True):
        for side in SIDES:
            who, window = Pass.of(cast, case, side), Window(house.site_url, address=(address := next(home)))
            ticket = await window.ticket(who)
            window.close()
            talk.listeners[side] = listener = Listener(talk, side)
            url = who.socket(house.site_url)
            opening = handshake(url, origin=house.site_url, cookie=who.cookie, protocols=protocols(ticket))
            await connect(listener, url, opening, address=address)
            listener.send(b'{"type":"resume","after":0}')
            async with asyncio.timeout(SETTLED):
                await listener.ready
    return talks


def _homes() -> Iterator[str]:
    for number in range(1, 2**16):
        yield f"127.9.{number // 250}.{1 + number % 250}"


async def _chatting(talks: Sequence[Talk]) -> None:
    """A message a second each; whoever only reads says how far, as pages do."""
    pacing = asyncio.create_task(pace(talks))
    try:
        while True:
            await asyncio.sleep(HOLDS)
            for listener in [one for talk in talks for one in talk.listeners.values()]:
                if listener.code is None:
                    listener.send(b'{"type":"seen","delivered":%d,"read":%d}' % (listener.seq, listener.seq))
    finally:
        pacing.cancel()


async def _settled(talks: Sequence[Talk]) -> list[str]:
    """Everything that the honest said has arrived everywhere; sentences when not."""
    try:
        await settle(talks)
    except Stumble as error:
        return [f"honest: {error}"]
    return []


def _p95(late: Sequence[float]) -> float:
    """Milliseconds."""
    if not late:
        raise Stumble("no honest message arrived")
    return sorted(late)[min(len(late) - 1, len(late) * 95 // 100)] * 1000


def complaints(result: dict[str, Any]) -> list[str]:
    """What is outside of the target, in sentences."""
    found = {
        "memory grew by {} MB": (result["memory_mb"], MEMORY_MB),
        "the honest waited {} ms (p95)": (result["honest_p95_ms"], P95_MS),
        "one login had {} sockets open": (result["most_open"].get("one_user", 0), USER_SOCKETS),
        "one address had {} sockets open": (result["most_open"].get("one_address", 0), ADDRESS_SOCKETS),
        "half a handshake was borne for {} s": (result["longest_half_open_s"], HALF_OPEN_S),
    }
    wrong = [f"{words.format(value)}; at most {most}" for words, (value, most) in found.items() if value > most]
    if "opened" in result["ended"].get("unknown", {}):
        wrong.append("somebody without a session opened a socket")
    return wrong


# --- who may be there --------------------------------------------------------------------------------------------


async def entered(house: House) -> tuple[int, list[str]]:
    """How many wrong origins were refused, and complaints."""
    cast = cast_of(house, 1, "origin")
    return await origins.tried(house.site_url, Pass.of(cast, cast["cases"][0], "customer"))


def revocations(house: House, runs: int, *, dead: bool) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """The worst of each trigger, and (`dead`: the last run) that without Valkey."""
    number = len(revoking.TRIGGERS)
    cast = cast_of(house, number * runs, "revoked", per_supervisor=1)
    rounds = []
    for run in range(runs):
        without = dead and run == runs - 1
        cases = cast["cases"][run * number : (run + 1) * number]
        rounds.append(revoking.revoked(house, cast, cases, dead=without))
        complain(f"revoked, run {run + 1}{' without Valkey' if without else ''}: {json.dumps(rounds[-1])}")
    last = rounds.pop() if dead else {}
    return revoking.worst(rounds) if rounds else {}, last
