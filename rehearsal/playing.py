"""Takes a house, its web processes and cases, leaves everybody talking on an event loop of its own, at a pace.

The loop is a thread's, so that whoever breaks things may wait and block meanwhile.
"""

import asyncio
import gc
import json
import random
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from citisocial.servers import House

from .people import Person, Stumble
from .proxying import Network
from .redirects import inside
from .scene import sign_in
from .sockets import csrf
from .talkers import Account, Door, Stage, Talker, look_after, turns
from .twins import Web

T = TypeVar("T")
SIGNING_IN = 4  # people at once
PER_ADDRESS = 20  # people who sign in from one address: more a minute would look like a guesser
OPENING = 12  # sockets that are being opened at once, at the beginning
STEP = 0.02  # seconds
FAR = 8  # one case in so many has its customer behind the network that fails, another its agent
PATIENCE = 150.0  # seconds in which everybody is back, on a machine that has other things to do as well


@dataclass(frozen=True, slots=True)
class Cast:
    """A case, and who talk in it."""

    case: str
    agent: str
    customer: str


class Pace:
    """How much is written: `total` messages, spread over the seconds that `remaining` says are left.

    `share`: of all, what may be written by now at the most, however long the faults take.
    """

    def __init__(
        self, total: int, most: float, remaining: Callable[[], float], share: Callable[[], float] = lambda: 1.0
    ) -> None:
        self.total, self.most, self.remaining, self.share = total, most, remaining, share
        self.written, self.due, self.at = 0, 0.0, time.monotonic()
        self.paused = False

    def __call__(self) -> int:
        """How many are to be written now."""
        now = time.monotonic()
        seconds, self.at = min(now - self.at, 0.5), now
        if self.paused:
            return 0
        left = self.remaining()
        rate = min(self.most, (self.total - self.written) / left) if left > 1.0 else self.most
        self.due = min(self.due + rate * seconds, rate / 2 + 1)
        return max(0, min(int(self.due), int(self.total * self.share()) - self.written))

    def wrote(self, count: int) -> None:
        self.written += count
        self.due -= count


def is_far(number: int, side: str) -> bool:
    """Whether somebody is behind the network that fails."""
    return number % FAR == (1 if side == "agent" else 0)


def gather(house: House, cases: int, agents: int, customers: int) -> list[Cast]:
    """So many cases in the house, and their people."""
    said = inside(house, "-m", "rehearsal.gathering", str(cases), str(agents), str(customers))
    return [Cast(*one) for one in json.loads(said.splitlines()[-1])]


def sign_in_all(house: House, casts: Sequence[Cast]) -> dict[str, Account]:
    """Everybody by the front door, each once; their browsers' cookies."""
    agents, customers = {cast.agent for cast in casts}, {cast.customer for cast in casts}

    def enter(which: tuple[int, str]) -> Account:
        number, login = which

        def renew() -> tuple[str, str]:
            person = Person(login, address=f"127.0.0.{2 + number // PER_ADDRESS}")
            try:
                sign_in(person, house, login, at="/workspace/" if login in agents else "/my/")
                return person.cookies(house.site_url), csrf(person)
            finally:
                person.close()

        return Account(login, *renew(), renew)

    with ThreadPoolExecutor(SIGNING_IN) as pool:
        return {account.name: account for account in pool.map(enter, enumerate(sorted(agents | customers)))}


class Play:
    """The loop, and everything on it. What is called from elsewhere goes by `do` and `ask`."""

    def __init__(self, house: House, webs: Sequence[Web], casts: Sequence[Cast], accounts: dict[str, Account]) -> None:
        self.house, self.webs, self.casts, self.accounts = house, webs, casts, accounts
        self.talkers: list[Talker] = []
        self.networks: list[Network] = []
        self.stage = Stage(house.site_url, [Door(web.name, web.port) for web in webs])
        self.tasks: set[asyncio.Task[Any]] = set()
        self.loop = _new_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="talkers", daemon=True)

    def ask(self, work: Coroutine[Any, Any, T], within: float = PATIENCE) -> T:
        """What the coroutine returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(within)

    def do(self, call: Callable[[], T]) -> T:
        """The same for a plain call."""

        async def called() -> T:
            return call()

        return self.ask(called())

    def each(self, talkers: Sequence[Talker], act: Callable[[Talker], None]) -> None:
        """Do it to each of them."""

        def all_of_them() -> None:
            for talker in talkers:
                act(talker)

        self.do(all_of_them)

    async def begin(self, stack: AsyncExitStack, tabs: int) -> None:
        """Doors, networks, everybody's first tab, and a second one of both sides in the first `tabs` cases."""
        for door in self.stage.doors:
            network = await stack.enter_async_context(Network("127.0.0.1", door.port))
            self.networks.append(network)
            door.far_port = network.own_port
        for number in range(len(self.casts)):
            for tab in (1, 2) if number < tabs else (1,):
                for side in ("agent", "customer"):
                    self.open(number, side, tab)
                    await self.talkers[max(0, len(self.talkers) - OPENING)].first.wait()
        self.work(look_after(self.talkers))

    def work(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """On the loop, until the end."""
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def open(self, number: int, side: str, tab: int) -> Talker:
        """One more tab. The two sides of a case are on different processes, where there are several."""
        cast = self.casts[number]
        login, other = (cast.agent, 0) if side == "agent" else (cast.customer, 1)
        talker = Talker(
            self.stage, self.accounts[login], number=number, case=cast.case, side=side, tab=tab,
            own=(number + other + tab - 1) % len(self.webs), far=is_far(number, side),
        )  # fmt: skip
        self.talkers.append(talker)
        self.work(talker.live())
        return talker

    async def write(self, pace: Pace) -> None:
        """Until all is written."""
        everybody, known = turns(self.talkers), len(self.talkers)
        while pace.written < pace.total:
            await asyncio.sleep(STEP)
            if known != len(self.talkers):
                everybody, known = turns(self.talkers), len(self.talkers)
            done, due = 0, pace()
            for _ in range(known if due else 0):
                talker = next(everybody)
                if not talker.busy:
                    talker.say()
                    done += 1
                if done == due:
                    break
            pace.wrote(done)

    def stored(self) -> int:
        """How many messages their writers know to be stored."""
        return sum(talker.written - len(talker.log.unsent) for talker in self.talkers)

    def away(self) -> list[Talker]:
        """Those who are not there, or have not caught up since they came back."""
        return [t for t in self.talkers if not t.asleep and (t.wire is None or t.lost_at or not t.first.is_set())]

    def settled(self, *, within: float = PATIENCE, all_of_them: bool = False) -> None:
        """Wait until everybody is back; those behind the failing network only for `all_of_them`. Or a Stumble."""
        deadline = time.monotonic() + within
        while away := [talker for talker in self.do(self.away) if all_of_them or not talker.far]:
            if time.monotonic() > deadline:
                some = [f"{t.name} ({t.account.name})" for t in away[:3]]
                raise Stumble(
                    f"{len(away)} of {len(self.talkers)} sockets are not back after {within:.0f} s, {some}; "
                    f"met so far: {self.stage.strange}"
                )
            time.sleep(0.1)

    def some(self, count: int) -> list[Talker]:
        """Anybody who is there."""
        there = [t for t in self.talkers if t.wire is not None and not t.asleep]
        return random.sample(there, min(count, len(there)))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.stage.note(f"a talker ended by {type(error).__name__}: {error}")


@contextmanager
def playing(
    house: House, webs: Sequence[Web], casts: Sequence[Cast], accounts: dict[str, Account], *, tabs: int
) -> Iterator[Play]:
    """Everybody is there; at the end they close their pages."""
    play = Play(house, webs, casts, accounts)
    stack = AsyncExitStack()
    gc.freeze()
    gc.disable()  # millions of small objects are kept, none of them in a cycle
    play.thread.start()
    try:
        play.ask(play.begin(stack, tabs), within=600)
        play.settled(within=300, all_of_them=True)
        yield play
    finally:
        gc.enable()
        play.ask(_end(play, stack))
        play.loop.call_soon_threadsafe(play.loop.stop)
        play.thread.join(10)
        play.loop.close()


async def _end(play: Play, stack: AsyncExitStack) -> None:
    for talker in play.talkers:
        talker.end()
    await asyncio.sleep(0.2)
    for task in list(play.tasks):
        task.cancel()
    await asyncio.gather(*play.tasks, return_exceptions=True)
    await stack.aclose()


def _new_loop() -> asyncio.AbstractEventLoop:
    """The fastest there is."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
