"""Takes tries that open something or leave no trace, leaves proof that the siege sees both and tries every kind."""

import inspect
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from citisocial.servers import House
from rehearsal import attacks, intruding
from rehearsal.attacks import Intruder, Target
from rehearsal.intruding import HELD, LINES, Siege

HOUSE = cast(House, SimpleNamespace(site_url="http://localhost:1", x_url="http://localhost:2"))
TARGET = Target(HOUSE, "http://localhost:1/welcome/a/", "7", "AAAA-AAAA")


class Books:
    """What the database says: the same as before, or one more, from the second look on."""

    def __init__(self, *grows: str) -> None:
        self.grows = grows
        self.looks: dict[str, int] = {}

    def execute(self, query: str) -> Any:
        self.looks[query] = self.looks.get(query, 0) + 1
        return SimpleNamespace(fetchone=lambda: (self.looks[query] if query in self.grows else 1,))


def siege(*grows: str) -> Siege:
    return Siege(lambda done: None, Books(*grows), iter(["127.0.0.1"] * 9))  # type: ignore[arg-type]


def met(intruder: Intruder, path: str, status: int, location: str = "") -> None:
    request = httpx.Request("GET", f"{HOUSE.site_url}{path}")
    headers = {"Location": location} if location else {}
    intruder._answer(httpx.Response(status, request=request, headers=headers))


@pytest.mark.parametrize(
    ("path", "status", "location", "inside"),
    [
        ("/chat/7/", 200, "", True),
        ("/x/callback", 302, "/chat/7/", True),
        ("/chat/7/", 404, "", False),
        ("/chat/7/", 302, "/accounts/login/?next=/chat/7/", False),
        ("/handoff/", 404, "", False),
    ],
)
def test_a_chat_is_seen(path: str, status: int, location: str, inside: bool) -> None:
    intruder = Intruder("eve", HOUSE)
    met(intruder, path, status, location)
    assert intruder.is_in() is inside
    intruder.close()


def a_chat(intruder: Intruder, target: Target) -> None:
    met(intruder, "/chat/7/", 200)


def nothing(intruder: Intruder, target: Target) -> None:
    met(intruder, "/handoff/", 404)


@pytest.mark.parametrize(
    ("grows", "attack", "opened", "wrong"),
    [
        ((LINES,), nothing, 0, []),
        ((), nothing, 0, ["nothing left no line: answers [404]"]),
        ((LINES, HELD), nothing, 1, ["nothing opened something"]),
        ((LINES,), a_chat, 1, ["a_chat opened something"]),
    ],
)
def test_each_try_is_looked_at(grows: tuple[str, ...], attack: Any, opened: int, wrong: list[str]) -> None:
    looked = siege(*grows)
    intruder = Intruder("eve", HOUSE)
    looked.attack([intruder], TARGET, attack, 1)
    intruder.close()
    assert (looked.kinds.total(), looked.opened, looked.wrong) == (1, opened, wrong)


def test_every_kind_has_its_turn() -> None:
    plan = intruding._plan(2000)
    written = {f for _, f in inspect.getmembers(attacks, inspect.isfunction) if f.__module__ == attacks.__name__}
    pieces = {"shown", "agreed", "allowed", "asked", "back", "posted", "knock"}
    assert set(plan) == {f for f in written if f.__name__ not in pieces and not f.__name__.startswith("_")}
    rounds = dict.fromkeys((*attacks.BEFORE, *attacks.AFTER), intruding.ROUNDS) | dict.fromkeys(attacks.OVER, 1)
    rounds[attacks.revoked_handle] = intruding.ROUNDS - 1
    assert 2000 <= sum(times * rounds[attack] for attack, times in plan.items()) < 2080
