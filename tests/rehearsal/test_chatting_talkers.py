"""Talkers are as stubborn as a page, and the network in front of them fails as it is told."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from rehearsal import outboxes, talkers
from rehearsal.outboxes import Heard, Outbox
from rehearsal.proxying import DOWN, UP, Network
from rehearsal.talkers import Account, Door, Stage, Talker, look_after
from rehearsal.transcripts import Row, Verdict, Writer, judge
from tests.rehearsal.tiny import Tiny

# --- a page's outbox --------------------------------------------------------------------------------------------------


class Wired:
    """An outbox whose line and clock are the test's."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.now = 100.0
        self.up = True
        self.log = Outbox(self.send, lambda: self.now)

    def send(self, payload: bytes) -> bool:
        if self.up:
            frame = outboxes.decode(payload)
            self.sent.append("resume" if frame.type == "resume" else frame.client_id or "?")
        return self.up

    def hear(self, kind: str, seq: int = 0, key: str = "", code: str = "") -> None:
        self.log.receive(Heard(kind, seq=seq, client_id=key or None, text=f"text {key}", code=code))

    def said(self) -> list[str]:
        """Since the last time."""
        sent, self.sent = self.sent, []
        return sent


@pytest.fixture
def page() -> Wired:
    wired = Wired()
    wired.log.opened()
    wired.hear("caught_up")
    wired.said()
    return wired


def test_nothing_written_before_the_answer_passes_what_waits(page: Wired):
    page.log.post("m1", "…")
    page.log.lost()
    page.log.post("m2", "…")
    page.log.opened()
    page.log.post("m3", "…")  # written before it is known whether m1 arrived
    assert page.said() == ["m1", "resume"]
    page.hear("message", 1, "m1")  # it had
    page.hear("caught_up", 1)
    assert page.said() == ["m2", "m3"]


def test_what_has_no_answer_goes_again_after_a_while(page: Wired):
    page.log.post("m1", "…")
    page.now += 3
    page.log.post("m2", "…")
    page.now += 3
    page.said()
    page.hear("caught_up")
    assert page.said() == ["m1"]
    assert page.log.again == 1


def test_only_the_next_one_is_shown_and_a_gap_is_asked_for(page: Wired):
    for seq in (1, 3, 3, 4):
        page.hear("message", seq, f"x{seq}")
    assert [entry[0] for entry in page.log.transcript] == [1]
    assert page.said() == ["resume"] * 3
    for seq in (2, 3, 4, 2):
        page.hear("message", seq, f"x{seq}")
    assert [entry[0] for entry in page.log.transcript] == [1, 2, 3, 4]


def test_a_caught_up_that_knows_more_is_asked_again(page: Wired):
    page.hear("caught_up", 7)
    assert page.said() == ["resume"]


def test_what_was_refused_is_pressed_again_and_remembered(page: Wired):
    page.log.post("m1", "…")
    page.hear("problem", key="m1", code="bad_text")
    page.said()
    page.log.press()
    assert page.said() == []
    page.now += 2
    page.log.press()
    assert page.said() == ["m1"]
    assert page.log.refused == {"m1"}


def test_too_fast_waits_and_is_no_refusal(page: Wired):
    page.log.post("m1", "…")
    page.hear("problem", key="m1", code="too_fast")
    page.log.post("m2", "…")
    page.said()
    page.now += 5
    page.log.press()
    assert page.said() == ["m1", "m2"]
    assert not page.log.refused


def test_no_more_are_under_way_than_a_page_sends_at_once(page: Wired):
    for n in range(1, 12):
        page.log.post(f"m{n}", "…")
    assert page.said() == [f"m{n}" for n in range(1, 9)]
    page.hear("message", 1, "m1")
    assert page.said() == ["m9"]


def test_a_hasty_one_sends_the_same_again_before_it_knows(page: Wired):
    page.log.post("m1", "…")
    page.log.lost()
    page.log.hasty = True
    page.said()
    page.log.opened()
    assert page.said() == ["m1", "resume"]


def test_a_line_that_takes_nothing_loses_nothing(page: Wired):
    page.up = False
    page.log.post("m1", "…")
    page.log.lost()
    page.up = True
    page.log.opened()
    page.hear("caught_up")
    assert page.said() == ["resume", "m1"]


# --- talkers and a server ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def talking(
    tiny: Tiny, *, port: int = 0, renew: Callable[[], tuple[str, str]] | None = None
) -> AsyncIterator[list[Talker]]:
    """Two people in one case, one of them with two tabs, all of them connected."""
    stage = Stage(f"http://localhost:{tiny.port}", [Door("web", port or tiny.port)])
    account = Account("x", "session=1", "token", renew or (lambda: ("session=2", "token")))
    people = [
        Talker(stage, account, number=0, case="c", side=side, tab=tab, own=0)
        for side, tab in (("agent", 1), ("customer", 1), ("customer", 2))
    ]
    tasks = [asyncio.create_task(talker.live()) for talker in people]
    tasks.append(asyncio.create_task(look_after(people)))
    try:
        yield people
    finally:
        for talker in people:
            talker.end()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def all_arrived(tiny: Tiny, people: list[Talker], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while any(t.log.unsent or t.log.last < len(tiny.table) or not t.first.is_set() for t in people):
        assert time.monotonic() < deadline, [(t.log.unsent, t.log.last, t.stage.strange) for t in people]
        await asyncio.sleep(0.02)


async def say(people: list[Talker], count: int) -> None:
    for _ in range(count):
        for talker in people:
            while talker.busy:  # noqa: ASYNC110 -- it is told by nothing
                await asyncio.sleep(0.005)
            talker.say()


def verdict_on(tiny: Tiny, people: list[Talker]) -> Verdict:
    verdict = Verdict()
    rows = [Row(*entry) for entry in tiny.table]
    writers = [
        Writer(
            t.name,
            dict(talkers.message(t.prefix, t.name, n) for n in range(1, t.written + 1)),
            frozenset(t.log.refused),
        )
        for t in people
    ]
    judge(verdict, "c", rows, writers, {t.name: t.log.transcript for t in people})
    return verdict


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for anything."""
    random.seed(5)
    monkeypatch.setattr(talkers, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(talkers, "LOOK_AGAIN", 0.5)
    monkeypatch.setattr(outboxes, "ANSWER_WITHIN", 0.2)


@pytest.mark.usefixtures("quickly")
async def test_a_server_that_hangs_up_all_the_time_loses_nothing_by_it():
    async with Tiny() as tiny, talking(tiny) as people:
        tiny.hang_up = 0.03
        await say(people, 100)
        tiny.hang_up = 0.0
        await all_arrived(tiny, people)
        verdict = verdict_on(tiny, people)
    assert tiny.opened > 5
    assert (verdict.messages, verdict.said) == (300, [])
    assert people[0].stage.returns


@pytest.mark.usefixtures("quickly")
async def test_a_server_that_tells_things_the_wrong_way_round_is_read_in_order():
    async with Tiny() as tiny, talking(tiny) as people:
        tiny.shuffle = True
        await say(people, 30)
        await all_arrived(tiny, people)
        assert verdict_on(tiny, people).good


@pytest.mark.usefixtures("quickly")
async def test_a_server_that_stores_what_is_sent_again_is_found_out():
    async with Tiny() as tiny, talking(tiny) as people:
        tiny.dedupe = False
        await all_arrived(tiny, people)
        tiny.hang_up = 1.0
        people[0].log.hasty = True
        people[0].say()
        await asyncio.sleep(0.01)
        tiny.hang_up = 0.0
        await all_arrived(tiny, people)
        assert verdict_on(tiny, people).doubled >= 1


@pytest.mark.usefixtures("quickly")
async def test_a_server_that_answers_what_it_does_not_store_is_found_out():
    async with Tiny() as tiny, talking(tiny) as people:
        tiny.swallow = 20
        await say(people, 20)
        await asyncio.sleep(0.3)
        assert verdict_on(tiny, people).lost >= 1


@pytest.mark.usefixtures("quickly")
async def test_whoever_sleeps_reads_it_all_afterwards():
    async with Tiny() as tiny, talking(tiny) as people:
        await all_arrived(tiny, people)
        people[1].sleep()
        await say([people[0]], 40)
        assert people[1].log.last == 0
        people[1].wake(give_up=False)
        await all_arrived(tiny, people)
        people[2].sleep()
        await say([people[0]], 40)
        people[2].wake(give_up=True)
        await all_arrived(tiny, people)
        assert verdict_on(tiny, people).good


@pytest.mark.usefixtures("quickly")
async def test_whoever_gets_no_ticket_signs_in_again_once_for_all_tabs():
    signed_in = []

    def renew() -> tuple[str, str]:
        signed_in.append(1)
        tiny.status = 200
        return "session=2", "token"

    async with Tiny() as tiny:
        tiny.status = 403
        async with talking(tiny, renew=renew) as people:
            await all_arrived(tiny, people)
    assert len(signed_in) == 1


# --- the network ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def far(tiny: Tiny) -> AsyncIterator[tuple[Network, list[Talker]]]:
    async with Network("127.0.0.1", tiny.port) as network, talking(tiny, port=network.own_port) as people:
        await say(people, 3)
        await all_arrived(tiny, people)
        yield network, people


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(
    ("cut", "stored", "told"), [({UP, DOWN}, False, False), ({UP}, False, False), ({DOWN}, True, False)]
)
async def test_a_cut_network_holds_what_it_should_and_lets_it_go(cut: set[str], stored: bool, told: bool):
    async with Tiny() as tiny, far(tiny) as (network, people):
        before = len(tiny.table)
        network.set(cut=cut)
        people[0].say()
        await asyncio.sleep(0.1)
        assert (len(tiny.table) > before) is stored
        assert (people[0].log.last > before) is told
        network.set()
        await all_arrived(tiny, people)
        assert verdict_on(tiny, people).good


@pytest.mark.usefixtures("quickly")
async def test_what_was_said_before_one_gave_up_arrives_late_and_counts_once():
    async with Tiny() as tiny, far(tiny) as (network, people):
        network.set(cut={UP, DOWN})
        people[0].say()
        people[0].drop()
        await asyncio.sleep(0.1)
        posts = tiny.posts
        network.set()
        await all_arrived(tiny, people)
        await asyncio.sleep(0.1)
        assert tiny.posts > posts
        assert verdict_on(tiny, people).good


@pytest.mark.usefixtures("quickly")
async def test_a_slow_network_is_slow_both_ways():
    async with Tiny() as tiny, far(tiny) as (network, people):
        network.set(delay=0.15)
        began = time.monotonic()
        people[0].say()
        await all_arrived(tiny, people)
        assert time.monotonic() - began >= 0.3
        assert verdict_on(tiny, people).good


@pytest.mark.usefixtures("quickly")
async def test_a_reset_reaches_both_ends():
    async with Tiny() as tiny, far(tiny) as (network, people):
        assert network.reset() >= 3
        await asyncio.sleep(0.02)
        opened = tiny.opened
        await say(people, 3)
        await all_arrived(tiny, people)
        assert tiny.opened >= opened
        assert len(people[0].stage.returns) == 3
        assert verdict_on(tiny, people).good


@pytest.mark.usefixtures("quickly")
async def test_a_network_that_drops_lets_nobody_in_meanwhile():
    async with Tiny() as tiny, far(tiny) as (network, people):
        network.broken = True
        assert network.drop(1.0) >= 3
        await say(people, 2)
        await asyncio.sleep(0.2)
        assert all(t.wire is None for t in people)
        assert network.lost > 3
        network.broken = False
        await all_arrived(tiny, people)
        assert verdict_on(tiny, people).good
