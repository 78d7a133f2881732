"""The figures of faults: two times for each, and a sentence for everything that is not as it should be."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rehearsal import recovering
from rehearsal.counting import Mention
from rehearsal.faultlist import SHARES, Order
from rehearsal.firing import Firing

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
STALL = Order("stall", "mentions", 0.0, cost=14.0)
GOODBYE = Order("disconnect", "stream", 2.0, cost=3.0)


def at(seconds: float) -> float:
    return (AT + timedelta(seconds=seconds)).timestamp()


def mention(written: float, stored: float, way: str = "stream") -> Mention:
    times = AT + timedelta(seconds=written), AT + timedelta(seconds=stored)
    return Mention("1", "CASED", "", 1, times[0], times[1], [way], times[1])


def result(**other: Any) -> dict[str, Any]:
    every = {fault: {"fired": 2, "endpoints": {}} for fault in SHARES}
    return {"lost": 0, "doubled": 0, "surplus": 0, "faults": every} | other


def test_recovery_and_storing_are_measured_from_the_fault_on():
    firings = [Firing(STALL, at(0), at(10)), Firing(STALL, at(20), at(22))]
    mentions = [mention(-1, 9), mention(1, 1.5), mention(9, 12), mention(11, 30), mention(21, 21.5)]

    line = recovering.faults(firings, mentions)["stall"]

    assert line == {
        "fired": 2,
        "endpoints": {
            "mentions": {
                "ordered": 2,
                "fired": 2,
                "recovered": 2,
                "recovery_s": {"p50": 2.0, "max": 10.0},
                "stored_s": {"p50": 1.5, "max": 12.0},
            }
        },
    }


def test_a_fault_during_which_nobody_wrote_has_no_time_of_storing():
    line = recovering.faults([Firing(GOODBYE, at(0), at(1)), Firing(GOODBYE, None, None)], [mention(5, 6)])

    one = line["disconnect"]["endpoints"]["stream"]
    assert (one["ordered"], one["fired"], one["recovered"], one["stored_s"]) == (2, 1, 1, None)
    assert recovering.table(line)[1].split() == ["disconnect", "stream", "2", "1", "1.00", "1.00", "-", "-"]


def test_the_ways_that_stored_first_are_counted():
    assert recovering.first_by([mention(0, 1), mention(0, 1, "activity"), mention(0, 1)]) == {
        "activity": 1,
        "stream": 2,
    }


def test_a_run_in_which_all_held_has_no_complaints():
    assert recovering.complaints(result(), [Firing(STALL, at(0), at(1))], 2) == []


def test_everything_that_is_wrong_is_said():
    firings = [Firing(STALL, None, None), Firing(GOODBYE, at(0), None)]
    found = result(lost=3, doubled=2, surplus=1)
    found["faults"]["409"] = {"fired": 1, "endpoints": {}}

    assert recovering.complaints(found, firings, 2) == [
        "3 posts and messages were addressed to us and never dealt with",
        "2 things are there more than once",
        "1 posts were taken in although nothing addressed them to us",
        "409 was fired 1 times of 2",
        "stall on mentions met no call in time",
        "disconnect on stream was not got over in time",
    ]
