"""Takes posts and a plan of what dies when, leaves the proof that it made no difference: `lost` and `doubled` are 0."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from citisocial.servers import House

from . import counting
from .people import Stumble
from .premises import complain, own_house, show_logs
from .replaying import complaints, replay
from .rows import Row

# What is killed when so much has been posted. All that deals with posts, alone and together, early and late.
PLAN: list[tuple[float, tuple[str, ...]]] = [
    (0.10, ("listener",)),
    (0.22, ("worker",)),
    (0.34, ("web",)),
    (0.46, ("listener", "worker")),
    (0.60, ("worker", "listener", "web")),
    (0.75, ("listener",)),
    (0.88, ("worker", "web")),
]
PATIENCE = 30.0  # seconds that a killed process may take to be there again
ALIKE = ("posted", "not_addressed", "cased", "ignored", "cases")
DATA = "CITISOCIAL_DATA"
ROOT = Path(__file__).resolve().parent.parent


class Breaker:
    """Kills by the plan, as the posts go out; the supervisor starts again what died."""

    def __init__(self, house: House, plan: list[tuple[float, tuple[str, ...]]]) -> None:
        self.house = house
        self.plan = list(plan)
        self.kills: Counter[str] = Counter()

    def __call__(self, done: int, total: int) -> None:
        while self.plan and done >= self.plan[0][0] * total:
            share, names = self.plan.pop(0)
            complain(f"{share:.0%} posted: kill -9 {' '.join(names)}")
            for name in names:
                self.kill(name)

    def kill(self, name: str) -> None:
        """kill -9. One that is still being started again from last time is waited for: a kill must hit something."""
        deadline = time.monotonic() + PATIENCE
        while (pid := self.house.pid(name)) is None:
            if time.monotonic() > deadline:
                raise Stumble(f"{name} was not started again within {PATIENCE:.0f} s")
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        self.kills[name] += 1


def compare(rows: list[Row], *, rate: float, runs: int) -> dict[str, Any]:
    """One replay in peace, then `runs` with kills, each in a house of its own. `lost` and `doubled` add up.

    `alike` says whether all counts were the same; `whole` and `broken` are the counts.
    """
    whole, _, wrong = _one(rows, rate=rate, plan=[])
    broken, kills, lost, doubled = [], Counter[str](), whole["lost"], whole["doubled"]
    for _ in range(runs):
        result, killed, said = _one(rows, rate=rate, plan=PLAN)
        broken.append(_counts(result))
        kills += killed
        lost += result["lost"]
        doubled += result["doubled"]
        wrong += said
    return {
        "lost": lost,
        "doubled": doubled,
        "alike": all(counts == _counts(whole) for counts in broken),
        "kills": dict(kills),
        "whole": _counts(whole),
        "broken": broken[0] if runs == 1 else broken,
        "wrong": wrong,
    }


def _one(
    rows: list[Row], *, rate: float, plan: list[tuple[float, tuple[str, ...]]]
) -> tuple[dict[str, Any], Counter[str], list[str]]:
    with own_house(announce=complain) as house:
        breaker = Breaker(house, plan)
        result = replay(rows, house, rate=rate, fresh=True, tick=breaker)
        books = counting.Books(house.database_url)
        try:
            result["doubled"] = books.doubled()
        finally:
            books.close()
        wrong = complaints(result) + _not_restarted(house, breaker.kills)
        if wrong:
            show_logs(house)
        return result, breaker.kills, wrong


def _not_restarted(house: House, kills: Counter[str]) -> list[str]:
    return [f"{name} was killed {n} times and started again {house.restarts(name)} times"
            for name, n in kills.items() if house.restarts(name) < n]  # fmt: skip


def _counts(result: dict[str, Any]) -> dict[str, Any]:
    return {key: result[key] for key in ALIKE}


def default_file(name: str) -> Path:
    """A file of real posts that lies beside the repository, or in the directory that CITISOCIAL_DATA names."""
    base = Path(os.environ.get(DATA) or ROOT.parent / "shared" / "data")
    return base / "bank_tweets_2015" / name


def invented(count: int) -> list[Row]:
    """Posts of all kinds for those who have no file: always the same, `count` of them."""
    chance = random.Random(2011)
    rows: list[Row] = []
    for number in range(1, count + 1):
        author, text, retweet = _invented(chance, number)
        parent = rows[-1].id if rows and chance.random() < 0.1 else ""
        asked = rows[-1].author if parent else ""
        rows.append(Row(number, str(10**15 + number), author, text, parent, asked, retweet, author == "AskCiti"))
    return rows


def _invented(chance: random.Random, number: int) -> tuple[str, str, bool]:
    author = f"someone_{chance.randrange(200)}"
    kinds: list[tuple[int, Callable[[], tuple[str, str, bool]]]] = [
        (60, lambda: (author, f"@AskCiti my card was declined again, case {number}. Please help!", False)),
        (8, lambda: (author, f"RT @someone_1: @AskCiti my card was declined, {number}", True)),
        (6, lambda: ("AskCiti", f"@{author} please send us a direct message, {number}. ^MT", False)),
        (8, lambda: (author, f"What a game at Citi Field tonight, inning {number}", False)),
        (8, lambda: (author, f"Nothing about any bank here, number {number}", False)),
        (10, lambda: (author, "@AskCiti thank you", False)),
    ]
    [make] = chance.choices([make for _, make in kinds], [weight for weight, _ in kinds])
    return make()
