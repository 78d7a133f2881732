"""Takes cases with two people each, leaves them all talking at once, each as a browser's page does.

A talker takes a ticket before each opening, comes back with a back-off that doubles, and gives a line up that has said
nothing for long. Which process it reaches is the balancer's business: its own while that serves, another otherwise.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

from .outboxes import LOOK_AGAIN, Heard, Outbox, decode
from .wires import END, NotOpened, Wire, connect, handshake

FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0  # seconds, doubling
HANDSHAKE, SILENCE = 12.5, 45.0  # a page looks every 5 s whether ticket and socket took more than 10 each
RESTART, SPREAD = 1012, 3.0  # the server is started again: everybody comes back to it within so many seconds
SIGNED_OUT, REFUSED = 4401, 4403  # the ticket's answer knows more
SIGN_IN = -1  # no ticket for this browser any more
GONE = frozenset({302, 401, 403, 404})
TICK = 0.25
WINDOW = 12  # messages that somebody writes before the first of them has arrived; a page has 8 under way


class NoTicket(Exception):
    """The site gave none; `status` is what it said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Line(Wire):
    """One connection of a talker."""

    def __init__(self, hear: Callable[[bytes], None]) -> None:
        super().__init__()
        self.hear = hear

    def heard(self, payload: bytes) -> None:
        self.hear(payload)

    def give_up(self) -> None:
        """It did not come to that."""
        if hasattr(self, "transport"):
            self.transport.abort()


@dataclass
class Account:
    """Somebody's browser: what it sends with every request. `renew` signs in again, on a thread."""

    name: str
    cookie: str
    token: str
    renew: Callable[[], tuple[str, str]]
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    renewed: int = 0

    async def sign_in(self, cookie: str) -> None:
        """Unless another tab has just done it: `cookie` is the one that did not serve."""
        async with self.renewing:
            if cookie == self.cookie:
                self.cookie, self.token = await asyncio.get_running_loop().run_in_executor(None, self.renew)
                self.renewed += 1


@dataclass
class Door:
    """One web process: its own port, and that of the network that fails on purpose, which leads to the same."""

    name: str
    port: int
    far_port: int = 0
    up: bool = True
    talkers: int = 0


@dataclass(frozen=True, slots=True)
class Return:
    """Somebody lost the line at that time, with that code, and had caught up again so many seconds later."""

    lost_at: float
    code: int
    seconds: float


@dataclass
class Stage:
    """What all talkers share. `opens`: when each socket opened."""

    site: str
    doors: list[Door]
    opens: list[float] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    strange: dict[str, int] = field(default_factory=dict)  # what nobody should have met, and how often

    def door(self, own: int) -> Door:
        """The talker's own, or the one with the fewest while that is not to be had."""
        if self.doors[own].up:
            return self.doors[own]
        return min(self.doors, key=lambda door: (not door.up, door.talkers))

    def note(self, what: str) -> None:
        self.strange[what] = self.strange.get(what, 0) + 1


class Talker:
    """One tab of one person in one case. `written`: how many messages it has thought of."""

    def __init__(self, stage: Stage, account: Account, *, number: int, case: str, side: str, tab: int, own: int,
                 far: bool = False) -> None:  # fmt: skip
        self.stage, self.account = stage, account
        self.case, self.side, self.own, self.far = case, side, own, far
        self.name = f"{side} {tab} of case {number}"
        self.prefix = f"{number:08x}-{'0001' if side == 'agent' else '0002'}-4{tab:03x}-8000-"
        self.clock = asyncio.get_running_loop().time
        self.log = Outbox(self._send, self.clock)
        self.wire: Line | None = None
        self.written = 0
        self.tries = 0
        self.heard_at = self.lost_at = 0.0
        self.code = 0
        self.look_at = self.clock() + random.uniform(0, LOOK_AGAIN)
        self.asleep = self.over = False
        self.first = asyncio.Event()  # caught up for the first time

    def say(self) -> None:
        """Write the next message."""
        self.written += 1
        self.log.post(*message(self.prefix, self.name, self.written))

    @property
    def busy(self) -> bool:
        """Whether nothing more is written for now."""
        return self.asleep or self.over or len(self.log.unsent) >= WINDOW

    async def live(self) -> None:
        """Connected, and again, until it is over."""
        while True:
            code = await self._once()
            if self.over:
                return
            if code == SIGN_IN:
                with suppress(Exception):
                    await self.account.sign_in(self.account.cookie)
            await asyncio.sleep(self._pause(code))

    def tick(self) -> None:
        """What a page does by its timers."""
        now = self.clock()
        if self.asleep:
            return
        if self.wire is not None and now - self.heard_at > SILENCE:
            self.wire.transport.abort()
        if now >= self.look_at:
            self.look_at = now + LOOK_AGAIN
            self.log.resume()
        self.log.press()

    def drop(self) -> None:
        """Lose the line without a goodbye."""
        if self.wire is not None:
            self.wire.transport.abort()

    def sleep(self) -> None:
        """The lid is closed: the line stays, nobody reads it, nothing runs."""
        self.asleep = True
        if self.wire is not None:
            self.wire.transport.pause_reading()

    def wake(self, *, give_up: bool) -> None:
        """The lid is open again. A page whose clock went on gives the old line up; another goes on where it was."""
        self.asleep = False
        self.heard_at = self.clock()
        if self.wire is not None and not self.wire.transport.is_closing():
            self.wire.transport.resume_reading()
            if give_up:
                self.wire.close()

    def end(self) -> None:
        """Close the page."""
        self.over = True
        if self.wire is not None:
            self.wire.close()

    async def _once(self) -> int:
        """One connection, from the ticket to its end; the code it ended with."""
        door = self.stage.door(self.own)
        port = door.far_port if self.far else door.port
        cookie = self.account.cookie
        wire = Line(self._heard)
        try:
            async with asyncio.timeout(HANDSHAKE):
                ticket = await self._ticket(port)
            async with asyncio.timeout(HANDSHAKE):
                where = f"{self.stage.site}/ws/case/{self.case}/"
                protocols = ["chat.v1", f"ticket.{ticket}"]
                hello = handshake(where, origin=self.stage.site, cookie=cookie, protocols=protocols)
                await connect(wire, f"http://127.0.0.1:{port}", hello)
        except NoTicket as error:
            self.stage.note(f"no ticket: {error.status}")
            return SIGN_IN if error.status in GONE and cookie == self.account.cookie else 0
        except NotOpened as error:
            self.stage.note(f"not opened: {error.status or 'hung up'}")
            return 0
        except (OSError, TimeoutError) as error:
            self.stage.note(f"not opened: {type(error).__name__}")
            wire.give_up()
            return 0
        self.wire = wire
        door.talkers += 1
        self.heard_at = self.clock()
        self.stage.opens.append(self.heard_at)
        self.log.opened()
        try:
            code = await wire.closed
        finally:
            door.talkers -= 1
            self.wire = None
            self.log.lost()
        if not self.lost_at:  # otherwise it has not been back since
            self.lost_at, self.code = self.clock(), code
        if code >= SIGNED_OUT:
            self.stage.note(f"closed {code}")
        return code

    async def _ticket(self, port: int) -> str:
        url = f"{self.stage.site}/tickets/case/{self.case}/"
        status, body = await post(port, url, cookie=self.account.cookie, token=self.account.token)
        if status != 200:
            raise NoTicket(status)
        ticket: str = msgspec.json.decode(body)["ticket"]
        return ticket

    def _pause(self, code: int) -> float:
        first, self.tries = self.tries == 0, self.tries + 1
        if first and code in {SIGNED_OUT, REFUSED}:
            return 0.0
        if first and code == RESTART:
            return 0.2 + random.uniform(0.0, SPREAD)
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self.tries - 1))
        return float(longest * random.uniform(0.5, 1.0))

    def _send(self, payload: bytes) -> bool:
        if self.wire is None or self.wire.transport.is_closing():
            return False
        self.wire.send(payload)
        return True

    def _heard(self, payload: bytes) -> None:
        self.tries, self.heard_at = 0, self.clock()
        frame = decode(payload)
        self.log.receive(frame)
        if frame.type == "caught_up":
            self._back(frame)
        elif frame.type == "problem":
            self.stage.note(f"problem {frame.code}")

    def _back(self, frame: Heard) -> None:
        self.first.set()
        if self.lost_at and frame.seq <= self.log.last:
            self.stage.returns.append(Return(self.lost_at, self.code, self.clock() - self.lost_at))
            self.lost_at = 0.0


def message(prefix: str, name: str, number: int) -> tuple[str, str]:
    """The client_id and the text of somebody's so-many-th message; no two are alike, and no detector minds them."""
    return f"{prefix}{number:012x}", f"This is message {number} from {name}. Did you get what I wrote before?"


async def post(port: int, url: str, *, cookie: str, token: str) -> tuple[int, bytes]:
    """POST with nothing in it, as a page of the same origin does, at a port of this machine: status and body."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Origin: {origin}", f"Referer: {origin}/"]
    lines += [f"X-CSRFToken: {token}", f"Cookie: {cookie}", "Accept: application/json", "Content-Length: 0"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        answer = await reader.read(-1)
    finally:
        writer.transport.abort()
    head, end, body = answer.partition(END)
    if not end:
        raise ConnectionResetError("no whole answer")
    return int(head[9:12]), body


async def look_after(talkers: Sequence[Talker]) -> None:
    """The timers of all pages, in one task."""
    while True:
        for talker in talkers:
            talker.tick()
        await asyncio.sleep(TICK)


def turns(talkers: Sequence[Talker]) -> Iterator[Talker]:
    """Everybody in turn, in another order each time."""
    order = list(talkers)
    while True:
        random.shuffle(order)
        yield from order
