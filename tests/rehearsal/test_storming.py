"""Takes what hostile sockets did and cost, leaves proof that the suite sees each excess; then all of it, in small."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from citisocial.servers import House
from rehearsal import cores, hostile, origins, revoking, storming
from rehearsal.premises import complain, own_house

GOOD: dict[str, Any] = {
    "memory_mb": 49.9,
    "honest_p95_ms": 300,
    "most_open": {"one_user": 5, "one_address": 50},
    "longest_half_open_s": 11.0,
    "ended": {"unknown": {"refused 403": 7}},
}
house_of_all = pytest.mark.xdist_group("walk")


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """One of its own: the banks that are made up here would stand in the way of other tests' days."""
    with own_house(announce=complain) as opened:
        yield opened


@pytest.mark.parametrize(
    ("excess", "words"),
    [
        ({}, []),
        ({"memory_mb": 50.1}, ["memory grew by 50.1 MB; at most 50"]),
        ({"honest_p95_ms": 301}, ["the honest waited 301 ms (p95); at most 300"]),
        ({"most_open": {"one_user": 17}}, ["one login had 17 sockets open; at most 16"]),
        ({"most_open": {"one_address": 51}}, ["one address had 51 sockets open; at most 50"]),
        ({"longest_half_open_s": 60.0}, ["half a handshake was borne for 60.0 s; at most 15"]),
        ({"ended": {"unknown": {"opened": 1}}}, ["somebody without a session opened a socket"]),
    ],
)
def test_each_excess_is_named(excess: dict[str, Any], words: list[str]) -> None:
    assert storming.complaints(GOOD | excess) == words


def test_all_kinds_are_among_any_number() -> None:
    for count in (8, 40, 1000):
        found = hostile.shares(count)
        assert set(found) == set(hostile.ACTS)
        assert sum(found.values()) == max(count, len(found))
    assert hostile.shares(1000)["slow"] == 200


def test_everybody_comes_from_elsewhere_unless_sharing_is_the_point() -> None:
    case = {"id": "7", "customer": "a", "agent": "b"}
    cast = {"session": "s", "csrf": "c", "cases": [case] * hostile.people(200)}
    found = [villain for villain, _ in hostile.villains(hostile.Storm("http://localhost:1"), cast, 200)]
    accomplices = [one for one in found if one.kind == "accomplice"]
    assert len(found) - len(accomplices) == 200
    alone = [one.address for one in found if one.kind != "one_address"]
    assert len(set(alone)) == len(alone)
    assert len({one.address for one in found if one.kind == "one_address"}) == 1


def test_nine_origins_are_wrong() -> None:
    site = "http://localhost:8000"
    found = origins.wrong(site)
    assert len(found) == 9
    assert (site,) not in found.values()


def test_the_longest_counts_and_never_is_longer() -> None:
    rounds: list[dict[str, float | None]] = [{"a": 1.0, "b": 5.1, "c": 0.4}, {"a": 4.9, "b": 0.1, "c": None}]
    longest = revoking.worst(rounds)
    assert longest == {"a": 4.9, "b": 5.1, "c": None}
    assert revoking.complaints(longest) == [
        "revoked by b: open for 5.1 s more",
        "revoked by c: the socket stayed open",
    ]


@house_of_all
async def test_pages_of_other_origins_open_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = await asyncio.to_thread(storming.cast_of, house, 1, "origins")
    who = storming.Pass.of(cast, cast["cases"][0], "customer")
    assert await origins.tried(house.site_url, who) == (9, [])
    monkeypatch.setattr(origins, "wrong", lambda site_url: {"ours": (site_url,)})
    refused, wrong = await origins.tried(house.site_url, who)
    assert (refused, wrong) == (0, ["a page of another origin opened a socket: ours"])


@house_of_all
def test_the_honest_get_through_a_small_storm(house: House) -> None:
    found = asyncio.run(storming.stormed(house, 16, 3.0, pairs=3))
    assert found["hostile"] >= 16
    assert found["honest_messages"] > 0
    assert set(found["most_open"]) >= {"flood", "huge", "slow", "half", "pings"}
    assert found["frames"]["flood"] > 0
    # How long it took says nothing on a machine that runs other tests.
    assert [line for line in found["wrong"] if "waited" not in line] == []
    assert cores.used(cores.pid_of(house, "web")) > 0


@house_of_all
def test_whoever_may_stay_no_longer_is_out(house: House) -> None:
    longest, without = storming.revocations(house, 1, dead=False)
    assert set(longest) == {trigger.__name__ for trigger in revoking.TRIGGERS}
    assert len(longest) == 7
    assert [name for name, took in longest.items() if took is None] == []
    assert without == {}
