"""The pace of a replay under faults: posts last as long as the faults do, whatever those turn out to take."""

from itertools import pairwise

import pytest

from rehearsal import disturbing
from rehearsal.disturbing import FAST, Pace


class Clock:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(disturbing, "time", self)

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("late", [1.0, 3.0], ids=["as estimated", "three times as long"])
def test_posts_last_as_long_as_the_faults(monkeypatch: pytest.MonkeyPatch, late: float):
    clock = Clock(monkeypatch)
    pace = Pace(15_000, lambda: max(1000.0 - clock.now / late, 0.5), most=60.0)
    out = []

    while clock.now < 1000.0 * late:
        clock.now += 1.0
        out.append(pace())

    assert out[-1] < 15_000  # until the last fault is over there is something left to post
    assert out[-1] > 14_000  # and not much, so that the run ends soon after it
    assert all(0 < b - a <= 60 for a, b in pairwise(out[:500]))


def test_what_is_left_goes_out_fast_when_the_faults_are_over(monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch)
    pace = Pace(100, lambda: 0.0, most=60.0)

    clock.now = 1.0
    assert pace() == FAST
    clock.now = 5.0
    assert pace() == 100
