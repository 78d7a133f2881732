"""Takes a number of messages, leaves the proof that every failure there is lost, doubled and reordered none of them.

Hundreds of cases, an agent and a customer each, all talking at once through two web processes, while those, Valkey,
PostgreSQL and the network before them are broken one after the other, people fall asleep and open further tabs. In the
end what every page has shown must be what the table holds, and the table what was written.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from .counting import nearest
from .harms import Fault, Harm, Lane, lanes, raise_first
from .people import Stumble
from .playing import Pace, Play, gather, playing, sign_in_all
from .posting import Progress
from .premises import complain, own_house, show_logs
from .talkers import RESTART, Talker, message
from .transcripts import LAST, Verdict, Writer, judge, read
from .twins import running

# What would brake a few people who talk as fast as hundreds. Printed at the start.
RAISED = {
    "SOCKET_MESSAGES": "1000000",
    "SOCKET_FRAMES": "1000000",
    "SOCKETS_PER_USER": "1000",
    "SOCKETS_PER_ADDRESS": "10000",
}
MOST = 4000.0  # messages a second that people would write if everything were fast enough
SETTLING = 120.0  # seconds in which everything has arrived when all is well again
CONNECTS, RETURN = 50, 5.0  # a rolling restart: sockets opened in one second, at most; seconds until they are back, p95
SOCKETS = 500


@dataclass(frozen=True, slots=True)
class Size:
    """How big it is. `tabs`: cases with two tabs on both sides from the beginning."""

    messages: int
    cases: int = 256
    agents: int = 8
    customers: int = 32
    tabs: int = 4

    @property
    def rounds(self) -> int:
        """How often everything is broken: more often in a long run, and several times in any but a trial."""
        return 1 if self.messages < 50_000 else max(2, min(12, self.messages // 100_000))


def add(suites: Any) -> None:
    """The sub-command."""
    parser: argparse.ArgumentParser = suites.add_parser("chat", help="whatever fails while people talk")
    parser.add_argument(
        "--messages", type=int, default=300_000, help="how many are written (default 300000; the long form: 1000000)"
    )
    parser.set_defaults(run=run)


def run(options: dict[str, Any]) -> bool:
    """Whether nothing was lost, doubled or reordered, and every fault hit something."""
    result = rehearse(Size(options["messages"]))
    wrong = result.pop("wrong")
    for line in wrong:
        complain(line)
    print(json.dumps(result), file=sys.stdout, flush=True)
    return not wrong


def rehearse(size: Size) -> dict[str, Any]:
    """The figures; `wrong` holds sentences, and is empty when everything held."""
    began = time.monotonic()
    complain("raised for this suite: " + ", ".join(f"{k}={v}" for k, v in RAISED.items()))
    os.environ.update(RAISED)
    with own_house(announce=complain, children=("sandbox", "web")) as house, running(house, ("web2",)) as webs:
        complain(
            f"making {size.cases} connected cases; their {size.agents + size.customers} people sign in by the door"
        )
        casts = gather(house, size.cases, size.agents, size.customers)
        try:
            with playing(house, webs, casts, sign_in_all(house, casts), tabs=size.tabs) as play:
                result = talk(play, size.messages, size.rounds)
                result["wrong"] += _restarted(result)
        except Stumble:
            show_logs(house)
            raise
        if result["wrong"]:
            show_logs(house)
    return result | {"seconds": round(time.monotonic() - began, 1)}


def talk(play: Play, messages: int, rounds: int, plan: Sequence[Sequence[tuple[Fault, float]]] = ()) -> dict[str, Any]:
    """Everybody talks while everything breaks; then all comes to rest and is compared.

    `plan`: other lanes of faults than those of the whole suite.
    """
    began, over = time.monotonic(), threading.Event()
    pace = Pace(
        messages,
        MOST,
        lambda: max((lane.remaining for lane in threads), default=0.0),
        lambda: max((lane.share for lane in threads if lane.is_alive()), default=1.0),
    )
    harm = Harm(play, pace)
    threads = [Lane(harm, faults, over) for faults in plan] if plan else lanes(harm, over, rounds)
    with _lanes(threads, over):
        play.do(lambda: play.work(play.write(pace)))
        bar = Progress("stored", messages)
        while any(lane.is_alive() for lane in threads):
            time.sleep(0.2)
            bar(min(play.stored(), messages - 1))
            raise_first(threads)
    seconds = _settle(play, pace, bar) - began
    verdict = compare(play)
    return _figures(play, harm, threads, verdict) | {"messages_per_s": round(verdict.messages / seconds)}


@contextmanager
def _lanes(threads: Sequence[Lane], over: threading.Event) -> Iterator[None]:
    for lane in threads:
        lane.start()
    try:
        yield
    finally:
        over.set()
        for lane in threads:
            lane.join(90)


def _settle(play: Play, pace: Pace, bar: Progress) -> float:
    """Wait until all is written, stored and seen by everybody, or nothing changes any more; when that was."""
    moved, before = time.monotonic(), (-1, -1)
    while True:
        state = play.do(lambda: (play.stored(), sum(talker.log.last for talker in play.talkers)))
        if state != before:
            moved, before = time.monotonic(), state
        bar(min(state[0], pace.total - 1))
        done = pace.written >= pace.total and state[0] >= sum(talker.written for talker in play.talkers)
        if done and _all_seen(play):
            bar(pace.total)
            return time.monotonic()
        if time.monotonic() - moved > SETTLING:
            complain("not everything has arrived; what is missing counts as lost")
            return moved
        time.sleep(0.5)


def _all_seen(play: Play) -> bool:
    with psycopg.connect(play.house.database_url, autocommit=True) as books:
        last: dict[str, int] = dict(books.execute(LAST, [[cast.case for cast in play.casts]]).fetchall())
    return all(talker.log.last == last[talker.case] for talker in play.talkers)


def compare(play: Play) -> Verdict:
    """Every case: what was written, what the table holds, and what each page has shown."""
    verdict = Verdict()
    by_case: dict[str, list[Talker]] = {cast.case: [] for cast in play.casts}
    for talker in play.talkers:
        by_case[talker.case].append(talker)
    bar = Progress("compared", len(by_case))
    with psycopg.connect(play.house.database_url, autocommit=True) as books:
        for number, (case, talkers) in enumerate(by_case.items(), 1):
            shown = {talker.name: talker.log.transcript for talker in talkers}
            judge(verdict, case, read(books, case), [_writer(talker) for talker in talkers], shown)
            bar(number)
    return verdict


def _writer(talker: Talker) -> Writer:
    wrote = dict(message(talker.prefix, talker.name, n) for n in range(1, talker.written + 1))
    return Writer(talker.name, wrote, frozenset(talker.log.refused))


def _figures(play: Play, harm: Harm, threads: Sequence[Lane], verdict: Verdict) -> dict[str, Any]:
    fired = sum((lane.fired for lane in threads), Counter[str]())
    missed = Counter(name for lane in threads for name in lane.missed)
    planned = Counter(fault.__name__ for lane in threads for fault, _ in lane.faults)
    wrong = [*verdict.said, *(f"{name} hit nothing {times} times" for name, times in missed.items())]
    wrong += [f"{name} was not done {n} times" for name, n in (planned - fired - missed).items()]
    wrong += [f"{n} times: {what}" for what, n in play.stage.strange.items() if what.startswith("a talker ended")]
    if verdict.wrong and not verdict.said:
        wrong.append(f"{verdict.wrong} other things are wrong")
    return {
        "messages": verdict.messages,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "reordered": verdict.reordered,
        "wrong": wrong,
        "faults": dict(sorted(fired.items())),
        "sent_again": sum(talker.log.again for talker in play.talkers),
        "refused": sum(len(talker.log.refused) for talker in play.talkers),
        "reconnects": len(play.stage.returns),
        "met": dict(sorted(play.stage.strange.items())),
        "pages": len(play.talkers),
        **_rolling(play, harm),
    }


def _rolling(play: Play, harm: Harm) -> dict[str, Any]:
    """Of all rolling restarts together: how soon people were back, and how many opened a socket in one second."""
    if not harm.restarts:
        return {}
    back = sorted(r.seconds for began, ended in harm.restarts for r in play.stage.returns
                  if began <= r.lost_at <= ended and r.code == RESTART)  # fmt: skip
    opens = [at for began, ended in harm.restarts for at in play.stage.opens if began <= at <= ended]
    return {
        "restart_sockets": harm.sockets,
        "reconnect_p95_s": round(nearest(back, 95), 2) if back else None,
        "connects_per_s": most_in_a_second(opens),
    }


def most_in_a_second(times: Sequence[float]) -> int:
    """The most of these that any second holds."""
    ordered, first, most = sorted(times), 0, 0
    for last, at in enumerate(ordered):
        while ordered[first] <= at - 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def _restarted(result: dict[str, Any]) -> list[str]:
    """What is wrong with the rolling restarts."""
    said = []
    if result["restart_sockets"] < SOCKETS:
        said.append(f"only {result['restart_sockets']} sockets were open when a rolling restart began")
    if result["reconnect_p95_s"] is None or result["reconnect_p95_s"] > RETURN:
        said.append(f"after a rolling restart 95 % were back within {result['reconnect_p95_s']} s")
    if result["connects_per_s"] > CONNECTS:
        said.append(f"{result['connects_per_s']} sockets were opened in one second of a rolling restart")
    return said
