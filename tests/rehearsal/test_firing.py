"""Faults are fired one after the other, each when the last was got over, and what never comes to that is said."""

import threading
from typing import Any

import pytest

from rehearsal import firing
from rehearsal.faultlist import Order
from rehearsal.firing import Firing, Lane, seconds

QUICK = Order("503", "mentions", 2.0, cost=4.0)
DROP = Order("disconnect", "stream", 2.0, cost=3.0)
REFUSED = Order("503", "stream", 2.0, cost=26.0)


class FakeDoor:
    """Fires at once; `never` names the ids that fire and are not got over, `deaf` those that meet no call."""

    def __init__(self, *, never: tuple[int, ...] = (), deaf: tuple[int, ...] = ()) -> None:
        self.never, self.deaf = never, deaf
        self.said: list[str] = []

    def arm(self, order: Order) -> int:
        self.said.append(f"arm {order.fault}")
        return sum(line.startswith("arm") for line in self.said)

    def times(self, ident: int) -> tuple[float | None, float | None]:
        if ident in self.deaf:
            return None, None
        return 100.0 + ident, None if ident in self.never else 101.0 + ident


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firing, "LOOK", 0.002)
    monkeypatch.setattr(firing, "FIRE_WITHIN", dict.fromkeys(firing.FIRE_WITHIN, 0.02))
    monkeypatch.setattr(firing, "RECOVER_WITHIN", dict.fromkeys(firing.RECOVER_WITHIN, 0.02))


def run(orders: list[Order], door: Any) -> Lane:
    lane = Lane(orders, door, over=threading.Event(), before=lambda: door.said.append("due"))
    lane.run()
    assert lane.error is None
    return lane


def test_each_fault_is_fired_when_the_one_before_was_got_over():
    door = FakeDoor()

    lane = run([QUICK, QUICK], door)

    assert lane.firings == [Firing(QUICK, 101.0, 102.0), Firing(QUICK, 102.0, 103.0)]
    assert door.said == ["arm 503", "due", "due"] * 2


def test_what_meets_no_call_or_is_not_got_over_is_kept_as_such():
    lane = run([QUICK, QUICK, QUICK], FakeDoor(never=(1,), deaf=(2,)))

    assert [(f.fired, f.recovered) for f in lane.firings] == [(101.0, None), (None, None), (103.0, 104.0)]


def test_an_error_ends_the_lane_and_is_kept():
    class Broken(FakeDoor):
        def arm(self, order: Order) -> int:
            raise OSError("no sandbox")

    lane = Lane([QUICK], Broken(), over=threading.Event(), before=lambda: None)  # type: ignore[arg-type]
    lane.run()

    assert str(lane.error) == "no sandbox"


def test_the_stream_is_not_connected_more_often_than_x_allows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(firing, "CONNECTS", 2)
    waited: list[float] = []
    over = threading.Event()
    monkeypatch.setattr(over, "wait", lambda timeout=None: waited.append(round(timeout or 0)) or False)
    door: Any = FakeDoor()
    lane = Lane([DROP, DROP, DROP], door, over=over, before=lambda: None)

    lane.run()

    assert max(waited) == 900
    assert sum(one > 0 for one in waited) == 1


def test_a_refusal_comes_only_to_a_stream_that_was_steady_before(monkeypatch: pytest.MonkeyPatch):
    waited: list[float] = []
    over = threading.Event()
    monkeypatch.setattr(over, "wait", lambda timeout=None: waited.append(round(timeout or 0)) or False)
    door: Any = FakeDoor()

    Lane([DROP, REFUSED], door, over=over, before=lambda: None).run()

    assert max(waited) == round(firing.STEADY)


def test_what_remains_shrinks_with_every_fault():
    lane = Lane([QUICK, QUICK], FakeDoor(), over=threading.Event(), before=lambda: None)  # type: ignore[arg-type]

    assert lane.remaining == 0.0  # not started
    assert seconds("2026-11-22T09:00:00.250Z") == 1795338000.25
    assert seconds(None) is None
