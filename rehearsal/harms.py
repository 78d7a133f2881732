"""Takes everybody talking, leaves one thing broken at a time, each said to have hit something or not.

Two lanes run side by side: what breaks the house, and what breaks the network before it. A fault's turn comes when its
share of the messages is stored, so that all of them are spread over the run and meet the same load.
"""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from typing import LiteralString

import psycopg
import redis

from . import clocks
from .people import Stumble
from .playing import Pace, Play, is_far
from .premises import complain
from .proxying import DOWN, UP
from .shaking import shake
from .talkers import Talker

END_BACKENDS: LiteralString = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
ASLEEP = timedelta(minutes=30)
BETWEEN = 1.5  # seconds of peace after each
CUT, SLOW, LATE = 8.0, 10.0, 2.0  # seconds
LONG = 50.0  # until a page gives the line up by itself
SOME = 24  # sleepers, new tabs, senders whose answer is lost
FULL = 5.0


class Harm:
    """All that can be done; each method returns whether it hit something."""

    def __init__(self, play: Play, pace: Pace) -> None:
        self.play, self.pace, self.house = play, pace, play.house
        self.next_web = cycle(zip(play.webs, play.stage.doors, strict=True))
        self.restarts: list[tuple[float, float]] = []  # of single processes in rolling restarts, on the loop's clock
        self.sockets = 0  # the fewest that were open when a rolling restart began
        self.tabs = 2
        self.slept = 0

    # --- the house ------------------------------------------------------------------------------------------------

    def web_killed(self) -> bool:
        """kill -9 of one web process."""
        web, door = next(self.next_web)
        met = door.talkers
        web.back(web.end(signal.SIGKILL))
        self.play.settled()
        return met > 0

    def rolling_restart(self) -> bool:
        """SIGTERM to one after the other; the balancer sends people to the others meanwhile."""
        there = sum(door.talkers for door in self.play.stage.doors)
        self.sockets = min(self.sockets or there, there)
        for web, door in zip(self.play.webs, self.play.stage.doors, strict=True):
            began = self.play.loop.time()
            door.up = len(self.play.webs) < 2
            try:
                web.back(web.end(signal.SIGTERM))
            finally:
                door.up = True
            self.play.settled()
            self.restarts.append((began, self.play.loop.time()))
        return there > 0

    def valkey_wiped(self) -> bool:
        """FLUSHALL."""
        with redis.Redis.from_url(self.house.redis_url) as client:
            return bool(client.flushall())

    def valkey_killed(self) -> bool:
        """Wiped, and kill -9; another is started, empty."""
        shake(self.house, "valkey")
        return True

    def valkey_full(self) -> bool:
        """No memory left: whatever would need some is refused for a while."""
        with redis.Redis.from_url(self.house.redis_url) as client:
            client.config_set("maxmemory", 1)
            try:
                with suppress(redis.OutOfMemoryError):
                    client.set("rehearsal", "full")
                    return False
                time.sleep(FULL)
            finally:
                client.config_set("maxmemory", 0)
        return True

    def valkey_deaf(self) -> bool:
        """Everybody who listens there is cut off."""
        with redis.Redis.from_url(self.house.redis_url) as client:
            return bool(client.client_kill_filter(_type="pubsub"))

    def postgres_restarted(self) -> bool:
        """Stopped at once, as `pg_ctl stop -m immediate` does, and started again."""
        shake(self.house, "postgres")
        self.play.settled()
        return True

    def postgres_cut(self) -> bool:
        """Every connection to it ended."""
        with psycopg.connect(self.house.database_url, autocommit=True) as books:
            [ended] = books.execute(END_BACKENDS).fetchone() or [0]
        return bool(ended)

    # --- people -----------------------------------------------------------------------------------------------------

    def asleep(self) -> bool:
        """Some close their lids; 30 minutes go by on the house's clock; the others talk on; then they look again."""
        sleepers = self.play.do(lambda: self.play.some(SOME))
        self.play.each(sleepers, Talker.sleep)
        try:
            self.pace.paused = True  # the clock is moved while nothing is on its way
            time.sleep(0.5)
            self.slept += 1
            clocks.move(self.house, datetime.now(UTC) + self.slept * ASLEEP)
        finally:
            self.pace.paused = False
        time.sleep(CUT)
        before = {talker: talker.log.last for talker in sleepers}
        self.play.each(sleepers, lambda talker: talker.wake(give_up=random.random() < 0.5))
        self.play.settled()
        return _within(lambda: any(talker.log.last > last for talker, last in before.items()))

    def two_tabs(self) -> bool:
        """Some open one tab more, which reads everything from the beginning and is written in like the first."""
        self.tabs += 1
        tab = self.tabs
        sides = [
            (n, side) for n in range(len(self.play.casts)) for side in ("agent", "customer") if not is_far(n, side)
        ]
        chosen = random.sample(sides, min(SOME, len(sides)))
        opened = [self.play.do(partial(self.play.open, number, side, tab)) for number, side in chosen]
        self.play.settled()
        return all(talker.first.is_set() for talker in opened)

    def answer_lost(self) -> bool:
        """Some write, lose the line before the answer, and send the same again as soon as they are back."""
        senders = self.play.do(lambda: self.play.some(SOME))
        before = sum(talker.log.again for talker in senders)
        self.play.each(senders, _hurry)
        self.pace.wrote(2 * len(senders))
        self.play.settled()
        again = sum(talker.log.again for talker in senders)
        self.play.each(senders, _calm)
        return again > before

    # --- the network ------------------------------------------------------------------------------------------------

    def network_cut(self) -> bool:
        return self._network(CUT, cut={UP, DOWN})

    def network_cut_up(self) -> bool:
        """What clients say does not arrive; what they are told does."""
        return self._network(CUT, cut={UP})

    def network_cut_down(self) -> bool:
        """What clients say arrives; what they are told does not."""
        return self._network(CUT, cut={DOWN})

    def network_cut_long(self) -> bool:
        """Until clients give up and come again; what they said before arrives behind that."""
        return self._network(LONG, cut={UP, DOWN})

    def network_slow(self) -> bool:
        return self._network(SLOW, delay=LATE)

    def network_reset(self) -> bool:
        return bool(self.play.do(lambda: sum(network.reset() for network in self.play.networks)))

    def network_dropped(self) -> bool:
        """Half of the connections end, and new ones are refused for a while."""

        def lossy(broken: bool) -> int:
            for network in self.play.networks:
                network.broken = broken
            return sum(network.drop(0.5) for network in self.play.networks) if broken else 0

        dropped = self.play.do(lambda: lossy(True))
        time.sleep(LATE)
        self.play.do(lambda: lossy(False))
        return dropped > 0

    def _network(self, seconds: float, *, cut: set[str] | None = None, delay: float = 0.0) -> bool:
        def become(cut: set[str] | None, delay: float) -> int:
            for network in self.play.networks:
                network.set(cut=cut, delay=delay)
            return sum(len(network.lines) for network in self.play.networks)

        met = self.play.do(lambda: become(cut, delay))
        time.sleep(seconds)
        self.play.do(lambda: become(None, 0.0))
        return met > 0


Fault = Callable[[Harm], bool]
# Each with the seconds that it takes, about.
HOUSE: tuple[tuple[Fault, float], ...] = (
    (Harm.web_killed, 7.0),
    (Harm.valkey_wiped, 0.5),
    (Harm.postgres_cut, 0.5),
    (Harm.answer_lost, 2.0),
    (Harm.rolling_restart, 30.0),
    (Harm.valkey_killed, 2.0),
    (Harm.two_tabs, 3.0),
    (Harm.postgres_restarted, 8.0),
    (Harm.asleep, 11.0),
    (Harm.valkey_deaf, 0.5),
    (Harm.web_killed, 7.0),
    (Harm.valkey_full, FULL),
)
NETWORK: tuple[tuple[Fault, float], ...] = (
    (Harm.network_cut, CUT),
    (Harm.network_reset, 0.5),
    (Harm.network_cut_up, CUT),
    (Harm.network_slow, SLOW),
    (Harm.network_dropped, LATE),
    (Harm.network_cut_down, CUT),
)
NETWORK_LONG: tuple[Fault, float] = (Harm.network_cut_long, LONG)


class Lane(threading.Thread):
    """Does its faults one after the other. `fired`: how often each hit something; `error`: what ended it early."""

    def __init__(self, harm: Harm, faults: Sequence[tuple[Fault, float]], over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.harm, self.faults, self.over = harm, faults, over
        self.done, self.since = 0, time.monotonic()
        self.fired: Counter[str] = Counter()
        self.missed: list[str] = []
        self.error: Exception | None = None

    @property
    def remaining(self) -> float:
        """Seconds that what is left takes, about."""
        left = sum(cost + BETWEEN for _, cost in self.faults[self.done :])
        return max(left - (time.monotonic() - self.since), left / 2) if self.is_alive() else 0.0

    @property
    def share(self) -> float:
        """How much of everything may be written until the next fault's turn comes."""
        return (self.done + 1) / len(self.faults) if self.done < len(self.faults) and self.is_alive() else 1.0

    def run(self) -> None:
        try:
            for number, (fault, _) in enumerate(self.faults):
                if not self._turn(number / len(self.faults) * self.harm.pace.total):
                    return
                name = fault.__name__
                complain(f"{self.harm.play.stored()} messages stored: {name}")
                (self.fired.update([name]) if fault(self.harm) else self.missed.append(name))
                self.over.wait(BETWEEN)
                self.done, self.since = number + 1, time.monotonic()
        except Exception as error:  # said by whoever started this thread
            self.error = error

    def _turn(self, stored: float) -> bool:
        """Wait until so many messages are stored; False when it is over before."""
        while self.harm.play.stored() < stored:
            if self.over.wait(0.1):
                return False
        return not self.over.is_set()


def _hurry(talker: Talker) -> None:
    talker.log.hasty = True
    talker.say()
    talker.say()
    talker.drop()


def _calm(talker: Talker) -> None:
    talker.log.hasty = False


def _within(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def lanes(harm: Harm, over: threading.Event, rounds: int) -> list[Lane]:
    """Both, with everything so many times, the longest cut of the network once."""
    network = [*NETWORK * rounds]
    network.insert(len(network) // 2, NETWORK_LONG)
    return [Lane(harm, HOUSE * rounds, over), Lane(harm, network, over)]


def raise_first(threads: Sequence[Lane]) -> None:
    """A Stumble when a lane ended early."""
    for lane in threads:
        if lane.error is not None:
            raise Stumble(f"after {lane.done} faults: {lane.error}") from lane.error
