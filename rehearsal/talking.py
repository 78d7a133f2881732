"""Takes open sockets of chats, leaves how many messages a second went through, how late, and whether all arrived.

Each chat has three sockets, of customer, agent and supervisor; in every second one the agent writes, in the others the
customer. Whoever writes goes on as soon as the other side has read the last one (closed), or once a second (paced).
Each socket counts for itself: the next message has the next seq, or something was lost, doubled or out of order.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from .people import Stumble
from .wires import Wire

SIDES = ("customer", "agent", "supervisor")
TICK = 0.01  # seconds: what the system counts processor time in
SETTLED = 30.0  # seconds for what is under way to arrive
TEXTS = (  # with what is around them a frame has about 230 bytes
    "My card was declined twice at the grocery store today, and I do not know why. "
    "Could you please have a look at it for me now, if you can do it?",
    "I have looked at it only just now. There is a block on the card since Tuesday, "
    "and I can lift it at once, while you are waiting here with me.",
    "Yes please, that would be very good indeed. It is the one that ends in 4711, "
    "and I am going to be at the checkout again in about twenty minutes.",
    "That is done, it should work again from now on. Please tell me whether it does, "
    "and I will stay here until you have tried it once more.",
    "It works, thank you very much for that! One more thing: "
    "the fee of 12.50 on the last bill of the other card, is that one supposed to be there?",
    "No, that one is a mistake of ours, and I am very sorry for it. "
    "I am taking it back, and you will see it on the next bill, as a credit of ours.",
)
serial = itertools.count(1)


class Heard(msgspec.Struct):
    """What is looked at in a frame from the server."""

    type: str
    seq: int = 0
    client_id: str | None = None
    kind: str = "said"
    code: str = ""


decode = msgspec.json.Decoder(Heard).decode


@dataclass
class Tally:
    """Of one load on one server."""

    delivered: int = 0
    late: list[float] = field(default_factory=list)  # seconds to the other side
    wrong: list[str] = field(default_factory=list)

    def complain(self, what: str) -> None:
        if len(self.wrong) < 20:
            self.wrong.append(what)


class Listener(Wire):
    """One socket of one chat."""

    def __init__(self, talk: "Talk", side: str) -> None:
        super().__init__()
        self.talk, self.side = talk, side
        self.other = side == talk.reader
        self.seq = self.said = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def heard(self, payload: bytes) -> None:
        frame = decode(payload)
        if frame.type == "message":
            if frame.seq != self.seq + 1:
                self.talk.tally.complain(f"{self.side} of {self.talk.name} read {frame.seq} after {self.seq}")
            self.seq = frame.seq
            if frame.kind == "said":
                self.said += 1
                self.talk.tally.delivered += 1
                if self.other:
                    self.talk.arrived(frame.client_id)
        elif frame.type == "caught_up":
            if not self.ready.done():
                self.ready.set_result(None)
        elif frame.type == "problem":
            self.talk.tally.complain(f"{self.side} of {self.talk.name} was told {frame.code}")

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if not self.talk.over:
            self.talk.tally.complain(f"{self.side} of {self.talk.name} was cut off with {self.code}")
        if not self.ready.done():
            self.ready.set_exception(Stumble(f"{self.side} of {self.talk.name} was closed with {self.code}"))


class Talk:
    """One chat. `go_on`: whether the writer says the next thing when the last one has arrived."""

    def __init__(self, name: str, tally: Tally, *, agent_writes: bool) -> None:
        self.name, self.tally = name, tally
        self.writer, self.reader = ("agent", "customer") if agent_writes else ("customer", "agent")
        self.listeners: dict[str, Listener] = {}
        self.sent = 0
        self.go_on = self.over = False
        self.under_way: dict[str, float] = {}

    def say(self) -> None:
        """The writer writes."""
        number = next(serial)
        writer = self.listeners[self.writer]
        client_id = f"5a0c1a1f-0000-4000-8000-{number:012x}"
        self.sent += 1
        payload = post(client_id, TEXTS[number % len(TEXTS)], writer.seq)
        self.under_way[client_id] = time.perf_counter()
        writer.send(payload)

    def arrived(self, client_id: str | None) -> None:
        """The other side has read it."""
        began = self.under_way.pop(client_id or "", None)
        if began is None:
            self.tally.complain(f"{self.name} heard {client_id} that nobody said")
            return
        self.tally.late.append(time.perf_counter() - began)
        if self.go_on:
            self.say()

    @property
    def complete(self) -> bool:
        return all(listener.said == self.sent for listener in self.listeners.values())

    def close(self) -> None:
        """Nobody says or hears anything more."""
        self.over, self.go_on = True, False
        for listener in self.listeners.values():
            listener.abort()


def post(client_id: str, text: str, seen: int) -> bytes:
    """The frame, as the page sends it."""
    said = (client_id.encode(), seen, text.encode())
    return b'{"type":"post","client_id":"%s","seen":%d,"text":"%s"}' % said


def every_second(number: int) -> bool:
    """Whether the agent writes in the so-many-th chat."""
    return number % 2 == 1


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one window of time; CPU in seconds of the server."""

    messages: float
    seconds: float
    cpu: float
    late: list[float]

    @property
    def per_s(self) -> float:
        return self.messages / self.seconds

    @property
    def us(self) -> float:
        return max(self.cpu, TICK) / self.messages * 1e6


async def closed(talks: Sequence[Talk], *, seconds: float, warm: float, cpu: Callable[[], float]) -> Figures:
    """The window in which each chat says the next thing as soon as the last one is read."""
    tally = talks[0].tally
    for talk in talks:
        talk.go_on = True
        talk.say()
    await asyncio.sleep(warm)
    figures = await _window(tally, seconds, cpu)
    for talk in talks:
        talk.go_on = False
    await settle(talks)
    return figures


async def paced(talks: Sequence[Talk], *, seconds: float, warm: float, cpu: Callable[[], float]) -> Figures:
    """The window in which each chat says something once a second, whatever became of the last one."""
    pacing = asyncio.create_task(pace(talks))
    try:
        await asyncio.sleep(warm)
        figures = await _window(talks[0].tally, seconds, cpu)
    finally:
        pacing.cancel()
    await settle(talks)
    return figures


async def pace(talks: Sequence[Talk]) -> None:
    """Once a second each, one after the other, until it is cancelled."""
    began, said = time.perf_counter(), 0
    while True:
        due = int((time.perf_counter() - began) * len(talks))
        for number in range(said, due):
            talks[number % len(talks)].say()
        said = max(said, due)
        await asyncio.sleep(0.001)


async def _window(tally: Tally, seconds: float, cpu: Callable[[], float]) -> Figures:
    tally.late = []
    began, used, delivered = time.perf_counter(), cpu(), tally.delivered
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    if tally.delivered == delivered:
        raise Stumble("; ".join(tally.wrong) or f"nothing was delivered in {seconds} s")
    return Figures((tally.delivered - delivered) / len(SIDES), took, cpu() - used, tally.late[:])


async def settle(talks: Sequence[Talk]) -> None:
    """Wait until everything that was said has arrived everywhere, or complain of what has not."""
    for _ in range(int(SETTLED / 0.02)):
        if all(talk.complete for talk in talks):
            break
        await asyncio.sleep(0.02)
    for talk in talks:
        if not talk.complete:
            heard = {side: listener.said for side, listener in talk.listeners.items()}
            talk.tally.complain(f"{talk.name}: {talk.sent} messages were said, {heard} arrived")
    wrong = talks[0].tally.wrong
    if wrong:
        raise Stumble("; ".join(wrong[:5]))
