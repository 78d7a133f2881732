"""Takes nothing but the two forms of the walk, leaves one line that says whether a tweet became a resolved case."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack

import redis

from citisocial.servers import House

from . import joining, reaching
from .premises import complain, own_house, show_logs
from .scene import Scene

Step = Callable[[Scene], str]
Say = Callable[[str], None]

FIRST: list[tuple[str, Step]] = [
    ("agent", reaching.agent),
    ("tweet", reaching.tweet),
    ("inbox", reaching.inbox),
    ("take", reaching.take),
]
# What X allows without having been written to first.
ASKED: list[tuple[str, Step]] = [
    ("refused", reaching.refused),
    ("reply", reaching.reply),
    ("message", reaching.message),
]
LAST: list[tuple[str, Step]] = [
    ("invite", reaching.invite),
    ("dm", reaching.dm),
    ("link", reaching.link),
    ("welcome", joining.welcome),
    ("sign-in", joining.sign_in_to_bank),
    ("proof", joining.proof),
    ("join", joining.join),
    ("chat", joining.chat),
    ("resolve", joining.resolve),
    ("survey", joining.survey),
    ("story", joining.story),
]
STEPS = {"dm": [*FIRST, *LAST], "reply": [*FIRST, *ASKED, *LAST]}


def walk(*, form: str, keep: bool = False, wipe: bool, say: Say, house: House | None = None) -> int:
    """Do the whole walk, `form` dm or reply, in a house of its own unless one that runs is given; 0 or 1.

    The last line said is the verdict.
    """
    verdict = Verdict()
    with ExitStack() as stack:
        try:
            with verdict.timed("start", say) as told:
                house = house or stack.enter_context(own_house(keep=keep, announce=complain))
                told.append(house.site_url)
            scene = Scene(house, form, wiper(house, say) if wipe else lambda: None)
            stack.callback(scene.close)
            for name, step in STEPS[form]:
                with verdict.timed(name, say) as told:
                    told.append(step(scene))
        except Exception as error:
            verdict.failed = f"{type(error).__name__}: {error}" if not str(error) else " ".join(str(error).split())
            if house is not None:
                show_logs(house)
    say(verdict.line())
    return 1 if verdict.failed else 0


class Verdict:
    """What each step took, and where it ended."""

    def __init__(self) -> None:
        self.times: dict[str, int] = {}
        self.step = ""
        self.failed = ""

    def timed(self, name: str, say: Say) -> "Timed":
        self.step = name
        return Timed(name, self.times, say)

    def line(self) -> str:
        """The last line."""
        if self.failed:
            return f"WALK FAILED at {self.step}: {self.failed}"
        return f"WALK OK {json.dumps(self.times)}"


class Timed:
    """One step: when it ends well its line is said, with its milliseconds and what was told about it."""

    def __init__(self, name: str, times: dict[str, int], say: Say) -> None:
        self.name, self.times, self.say = name, times, say
        self.told: list[str] = []

    def __enter__(self) -> list[str]:
        self.began = time.monotonic()
        return self.told

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            ms = round((time.monotonic() - self.began) * 1000)
            self.times[self.name] = ms
            self.say(f"{self.name:<8} {ms:>6} ms  {'; '.join(self.told)}")


def wiper(house: House, say: Say) -> Callable[[], None]:
    """Wipes Valkey, queue bindings and all: nothing may be lost by it, because nothing is kept there."""

    def wipe() -> None:
        with redis.Redis.from_url(house.redis_url) as client:
            client.flushall()
        say("         Valkey wiped")

    return wipe
