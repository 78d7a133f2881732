"""The points at which a sender dies are where the product comes by, each once; and what the tally counts."""

from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from citisocial.clock import now
from conversations import credentials, delivery, outbox
from conversations.models import Outgoing
from rehearsal import mortals, tallying
from rehearsal.casting import Part
from tests.conversations import fake_x
from tests.factories.heard import bank, post
from tests.factories.pressing import later, press


class Dead(BaseException):
    """Instead of -9."""


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> mortals.Mark:
    """Every point in its place, until the end of the test."""
    stream = import_module("httpcore._backends.sync").SyncStream
    for holder, name in ((delivery, "_send"), (delivery, "_sent_before"), (outbox, "move"), (stream, "write")):
        monkeypatch.setattr(holder, name, getattr(holder, name))
    made = mortals.Mark(tmp_path)

    def die(outgoing, point):
        made.note(outgoing, point)
        raise Dead(point)

    monkeypatch.setattr(made, "die", die)
    mortals.arm(made)
    return made


def survive(step):
    try:
        return step()
    except Dead as dead:
        return str(dead)


@pytest.mark.django_db
@pytest.mark.parametrize("point", mortals.POINTS)
def test_whatever_point_a_sender_dies_at_the_text_leaves_once(point, mark, settings):
    from conversations import assignment
    from conversations.networks.base import Tokens

    with fake_x.running() as x:
        settings.X_API_URL = x.url
        credentials.network.cache_clear()
        b = bank()
        credentials.store(b.care, Tokens("token", "refresh"))
        maya = b.agent("Maya")
        case = b.hear(post("@AskCiti my card was declined", names=(b.care,)))[0].case
        assignment.take(case, maya)
        outgoing = press(case, maya, f"{point} 1 We would like to help you:")
        deaths = [survive(delivery.deliver_waiting)]
        for _ in range(4):
            later(outgoing, claimed_at=now() - timedelta(seconds=91)) if Outgoing.objects.get().claimed_at else None
            deaths.append(survive(delivery.look_up_doubtful))
            if Outgoing.objects.get().absent_at:
                later(outgoing, absent_at=now() - timedelta(seconds=121))
            deaths.append(survive(delivery.deliver_waiting))
        credentials.network.cache_clear()
    first = "after_201" if point == "reconcile" else point
    assert [d for d in deaths if isinstance(d, str)] == [first] + ["reconcile"] * (point == "reconcile")
    assert (Outgoing.objects.get().delivery, len(x.sent)) == ("SENT", 1)


def part(number: int) -> Part:
    return Part(number, f"Bank{number}Help", f"customer_{number}", str(number), "c")


class Told(tallying.Books):
    """What both sides say, written down."""

    def __init__(self, rows, accepted, unsure=()):
        self._rows, self._accepted, self._unsure = rows, accepted, set(unsure)

    def rows(self):
        return self._rows

    def accepted(self):
        return self._accepted

    def links(self):
        return tallying.Counter()

    def unsure(self):
        return self._unsure


def row(delivery: str, external_id: str = "", reason: str = "") -> tallying.Row:
    return tallying.Row(delivery, reason, external_id, 20.0 if external_id else None, 1)


def counted(rows, accepted, *, doubts=None, unsure=()):
    runs = [tallying.Run("lost_201", part(n), n, None) for n in (1, 2)]
    return tallying.count(Told(rows, accepted, unsure), runs, {1: 10.0, 2: 12.0}, doubts or {})


def test_all_is_well():
    found = counted({1: row("SENT", "a"), 2: row("SENT", "b")}, {"Bank1Help": ["a"], "Bank2Help": ["b"]})
    assert (found["sent_twice"], found["lost"], found["stuck"], found["wrong"]) == (0, 0, 0, [])
    assert found["faults"]["lost_201"] == {"runs": 2, "happened": 2, "sent": 2, "p50_s": 8.0, "max_s": 10.0}


@pytest.mark.parametrize(
    ("rows", "accepted", "figure"),
    [
        ({1: row("SENT", "a"), 2: row("SENT", "b")}, {"Bank1Help": ["a", "c"], "Bank2Help": ["b"]}, "sent_twice"),
        ({1: row("SENT", "a"), 2: row("SENT", "b")}, {"Bank1Help": ["a"]}, "lost"),
        ({1: row("SENT", "a")}, {"Bank1Help": ["a"]}, "lost"),
        ({1: row("SENT", "a"), 2: row("FAILED")}, {"Bank1Help": ["a"], "Bank2Help": ["b"]}, "lost"),
        ({1: row("SENT", "a"), 2: row("QUEUED")}, {"Bank1Help": ["a"], "Bank2Help": ["b"]}, "lost"),
    ],
)
def test_whatever_is_not_as_it_must_be_is_counted_and_said(rows, accepted, figure):
    found = counted(rows, accepted)
    assert found[figure] == 1
    assert found["wrong"]


def test_what_is_in_doubt_for_long_or_at_the_end_is_stuck():
    good = {1: row("SENT", "a"), 2: row("DOUBTFUL")}
    found = counted(good, {"Bank1Help": ["a"]}, doubts={(1, 1): 301.0}, unsure=[(2, 1)])
    assert found["stuck"] == 2


def test_doubt_is_timed_by_the_attempt():
    watch = tallying.Watch()
    for at, unsure in enumerate([{(1, 1)}, {(1, 1), (2, 1)}, {(2, 1), (1, 2)}, {(2, 1)}]):
        watch.look(unsure, float(at))
    assert watch.longest == {(1, 1): 1.0, (2, 1): 2.0, (1, 2): 0.0}


def test_a_fault_that_did_not_happen_is_said():
    runs = [tallying.Run("lost_201", part(1), 1, None)]
    books = Told({1: row("SENT", "a")}, {"Bank1Help": ["a"]})
    assert tallying.count(books, runs, {}, {})["wrong"] == ["lost_201 happened 0 times in 1 runs"]


def test_a_text_that_is_not_marked_is_left_alone(tmp_path):
    quiet = mortals.Mark(tmp_path)
    text = SimpleNamespace(pk=1, text="load 3 We would like to help you")
    assert not any(quiet.due(text, point) for point in (*mortals.POINTS, mortals.CLOCK))
