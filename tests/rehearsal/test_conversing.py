"""The whole benchmark of the chat once, in small: all three servers, every message stored and delivered three times."""

import json

import psycopg
import pytest

from rehearsal import conversing
from rehearsal.conversing import RAISED, Plan
from rehearsal.people import Stumble

pytestmark = pytest.mark.xdist_group("walk")  # it has a house of its own: one at a time
SMALL = Plan(seconds=1.0, rounds=1, chats=3, idle=15, held=0.5)


def test_the_benchmark_of_the_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RAISED.items():
        monkeypatch.setenv(name, value)
    found = conversing.bench(SMALL)
    json.dumps(found)
    ratios = ("cpu_vs_raw", "rate_vs_raw", "rate_vs_stock", "p50_vs_raw")
    assert all(found[name] > 0 for name in ratios)
    assert found["held"] == SMALL.idle
    assert set(found["per_s"]) == set(found["us_per_message"]) == {"ours", "raw", "stock"}
    assert all(count > 0 for count in found["messages"].values())


def test_what_it_compares_with_may_be_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversing, "find_spec", lambda name: None)
    with pytest.raises(Stumble, match=r"\./run --set-up test"):
        conversing.bench(SMALL)


class Books:
    """A database in which each table holds four rows."""

    def __enter__(self) -> "Books":
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, query: str) -> "Books":
        return self

    def fetchone(self) -> tuple[int]:
        return (4,)


@pytest.mark.parametrize(("sent", "right"), [(4, True), (5, False), (3, False)])
def test_a_message_that_is_not_stored_once_is_noticed(sent: int, right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg, "connect", lambda *_, **__: Books())

    class House:
        database_url = ""

    def count() -> dict[str, int]:
        return conversing._stored(House(), {"ours": 4, "raw": sent})  # type: ignore[arg-type]

    if right:
        assert count() == {"ours": 4, "raw": 4}
    else:
        with pytest.raises(Stumble, match=f"raw: {sent} messages were said, 4 are stored"):
            count()
