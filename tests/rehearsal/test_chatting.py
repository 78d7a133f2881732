"""The checker misses neither a loss nor a double nor an inversion, and what is written lasts as long as the faults."""

import time

import pytest

from rehearsal.chatting import most_in_a_second
from rehearsal.playing import Pace
from rehearsal.transcripts import Row, Verdict, Writer, judge

WROTE = {f"a{n}": f"agent {n}" for n in range(1, 5)} | {f"b{n}": f"customer {n}" for n in range(1, 5)}
ROWS = [Row(n, key, WROTE[key]) for n, key in enumerate(["a1", "b1", "a2", "a3", "b2", "b3", "b4", "a4"], 1)]


def judged(rows: list[Row], shown: list[Row] | None = None, **refused: frozenset[str]) -> Verdict:
    verdict = Verdict()
    writers = [
        Writer(name, {k: v for k, v in WROTE.items() if k[0] == name}, refused.get(name, frozenset())) for name in "ab"
    ]
    judge(verdict, "case", rows, writers, {"page": [row.entry for row in (rows if shown is None else shown)]})
    return verdict


def renumbered(rows: list[Row]) -> list[Row]:
    return [Row(n, row.client_id, row.text, row.kind) for n, row in enumerate(rows, 1)]


def test_what_is_whole_is_found_whole():
    assert judged(ROWS).good
    assert judged(ROWS).messages == 8


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (renumbered(ROWS[:3] + ROWS[4:]), {"lost": 1}),
        (renumbered([*ROWS, Row(9, "b9", "customer 2")]), {"doubled": 1, "wrong": 1}),
        (renumbered([*ROWS, ROWS[0]]), {"doubled": 1, "reordered": 1}),
        (renumbered([ROWS[2], *ROWS[:2], *ROWS[3:]]), {"reordered": 1}),
        ([*ROWS[:7], Row(9, "a4", "agent 4")], {"wrong": 1}),
        ([*ROWS[:7], Row(8, "a4", "agent 5")], {"wrong": 1}),
    ],
    ids=["lost", "text twice", "row twice", "inverted", "gap", "changed"],
)
def test_what_is_wrong_in_the_table_is_found(rows: list[Row], found: dict[str, int]):
    verdict = judged(rows)
    for kind in ("lost", "doubled", "reordered", "wrong"):
        assert getattr(verdict, kind) == found.get(kind, 0), kind
    assert not verdict.good
    assert verdict.said


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        (ROWS[:5] + ROWS[6:], {"lost": 1}),
        (ROWS[:7], {"lost": 1}),
        ([*ROWS, ROWS[7]], {"doubled": 1}),
        ([ROWS[1], ROWS[0], *ROWS[2:]], {"reordered": 1}),
        ([*ROWS[:7], Row(8, "a4", "something else")], {"wrong": 1}),
        ([*ROWS, Row(9, "x1", "of another case")], {"wrong": 1}),
    ],
    ids=["lost", "cut off", "twice", "inverted", "changed", "foreign"],
)
def test_what_is_wrong_on_a_page_is_found(shown: list[Row], found: dict[str, int]):
    verdict = judged(ROWS, shown)
    for kind in ("lost", "doubled", "reordered", "wrong"):
        assert getattr(verdict, kind) == found.get(kind, 0), kind


def test_what_was_refused_and_said_again_may_stand_behind():
    late = renumbered([*ROWS[1:], ROWS[0]])
    assert judged(late).reordered == 1
    assert judged(late, a=frozenset({"a1"})).good


def test_what_is_no_message_is_shown_in_words_of_its_own():
    event = Row(9, "e1", "agent_away", "event")
    assert judged([*ROWS, event], [*ROWS, Row(9, "e1", "Maya is away", "event")]).good
    assert judged([*ROWS, event], ROWS).lost == 1


def test_a_second_is_any_second():
    assert most_in_a_second([]) == 0
    assert most_in_a_second([0.9, 0.1, 1.05, 1.2, 2.5]) == 3  # from 0.9 to 1.2


def test_what_is_written_lasts_as_long_as_the_faults(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace(10_000, 5000.0, lambda: max(100.0 - now[0], 0.0))
    out = []
    while now[0] < 100.0:
        now[0] += 0.02
        pace.wrote(pace())
        out.append(pace.written)
    assert 4500 < out[len(out) // 2] < 5500
    assert 9500 < out[-100] < 10_000  # until the last fault is over there is something left to say
    now[0] += 0.5
    pace.wrote(pace())
    assert pace.written == 10_000


def test_no_more_is_written_than_the_faults_have_come_to(monkeypatch: pytest.MonkeyPatch):
    now, share = [0.0], [0.25]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace(1000, 5000.0, lambda: 0.0, lambda: share[0])
    for _ in range(100):
        now[0] += 0.02
        pace.wrote(pace())
    assert pace.written == 250
    share[0] = 0.1
    now[0] += 0.02
    assert pace() == 0
