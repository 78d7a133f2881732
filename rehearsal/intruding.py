"""Takes a number of hostile tries, leaves the proof that none of them opened a chat: `opened` is 0.

A house of its own, with the sandbox as X. A real case is written to again and again; while the link waits for the
right person, after they came through, and when its time is over, others try everything of `attacks`. Each try is
looked at by itself: what it was answered, what the database holds now, and the line that the trail got for it. In
between the right person comes through every time: by the link, by the typed code, by link again after the clock moved.
"""

import json
import math
import re
import secrets
import sys
import time
from argparse import _SubParsersAction
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg

from . import attacks, clocks, joining, reaching
from .attacks import AFTER, BEFORE, OVER, SESSION, Attack, Intruder, Target, revoked_handle
from .people import Answer, Person, Stumble, form_on
from .posting import Progress
from .premises import complain, own_house, show_logs
from .scene import WAIT, Scene, find, open_chat, sign_in, until

STRANGERS = ("jorge", "dee")  # two: a third would revoke the link
PER_ADDRESS = 6  # tries: the trail keeps so many lines of one address and no more than 20
ROUNDS = 3
SHOWN = 20  # sentences about what is wrong
AGES = timedelta(hours=73)  # a link lives 72
# What an intruder may not change, and what each of their tries has to leave.
HELD: LiteralString = """
SELECT (SELECT count(*) FROM conversations_invitation WHERE handoff IN ('PROVEN', 'JOINED')),
       (SELECT count(*) FROM conversations_binding), (SELECT count(*) FROM accounts_provenhandle),
       (SELECT count(*) FROM conversations_case WHERE customer_id IS NOT NULL)
"""
LINES: LiteralString = "SELECT count(*) FROM conversations_auditevent WHERE verb IN ('refused_entry', 'mismatch')"
REASONS: LiteralString = """
SELECT coalesce(data ->> 'reason', data ->> 'why'), count(*) FROM conversations_auditevent
WHERE verb IN ('refused_entry', 'mismatch') GROUP BY 1 ORDER BY 1
"""


def add(suites: "_SubParsersAction[Any]") -> None:
    """`manage.py faults handoff`."""
    parser = suites.add_parser("handoff", help="others try to open a chat in every way; only the right person does")
    parser.add_argument("--tries", type=int, default=2000, help="how often in all (default 2000)")
    parser.set_defaults(run=run)


def run(options: dict[str, Any]) -> bool:
    """Whether nobody but the right person came through, every try left its line, and the right person always did."""
    result = intrude(options["tries"])
    wrong = result.pop("wrong")
    for sentence in wrong:
        complain(sentence)
    print(json.dumps(result), file=sys.stdout, flush=True)
    return not wrong


@dataclass
class Siege:
    """What has been tried so far, and what came of it."""

    progress: Progress
    books: psycopg.Connection
    addresses: Iterator[str] = field(default_factory=lambda: _addresses())
    kinds: Counter[str] = field(default_factory=Counter)
    opened: int = 0
    served: int = 0
    wrong: list[str] = field(default_factory=list)

    def attack(self, intruders: Sequence[Intruder], target: Target, attack: Attack, times: int) -> None:
        """So many tries of one kind, by each of them in turn, from an address of their own every few tries."""
        done = 0
        while done < times:
            intruder = intruders[done % len(intruders)].from_elsewhere(next(self.addresses))
            try:
                for _ in range(min(PER_ADDRESS, times - done)):
                    self._one(intruder, target, attack)
                    done += 1
            finally:
                intruder.close()

    def _one(self, intruder: Intruder, target: Target, attack: Attack) -> None:
        name = attack.__name__
        intruder.met.clear()
        held, lines = self._held(), self._lines()
        attack(intruder, target)
        if intruder.is_in() or self._held() != held:
            self.opened += 1
            self.wrong.append(f"{name} opened something")
        if self._lines() == lines:
            self.wrong.append(f"{name} left no line: answers {[a.status for a in intruder.met]}")
        self.kinds[name] += 1
        self.progress(self.kinds.total())

    def _held(self) -> tuple[Any, ...]:
        return self.books.execute(HELD).fetchone() or ()

    def _lines(self) -> int:
        [count] = self.books.execute(LINES).fetchone() or [0]
        return int(count)


def intrude(tries: int) -> dict[str, Any]:
    """`wrong` holds what is not as it should be, in sentences."""
    began = time.monotonic()
    with own_house(announce=complain) as house, ExitStack() as stack:
        siege = Siege(Progress("tries", tries), psycopg.connect(house.database_url, autocommit=True))
        scene = Scene(house, "dm", lambda: None)
        stack.callback(scene.close)
        try:
            besiege(scene, siege, tries)
            reasons: dict[str, int] = dict(siege.books.execute(REASONS).fetchall())
        except Stumble:
            for sentence in siege.wrong[:SHOWN]:
                complain(sentence)
            show_logs(house)
            raise
        finally:
            siege.books.close()
    return {
        "tries": siege.kinds.total(),
        "opened": siege.opened,
        "right_person": siege.served,
        "kinds": dict(sorted(siege.kinds.items())),
        "reasons": reasons,
        "seconds": round(time.monotonic() - began),
        "wrong": siege.wrong[:SHOWN],
    }


def besiege(scene: Scene, siege: Siege, tries: int, *, rounds: int = ROUNDS) -> None:
    """Rounds of link, attacks, right person, attacks; before the last of several an unused link dies of age."""
    for step in (reaching.agent, reaching.tweet, reaching.inbox, reaching.take):
        step(scene)
    strangers = [_stranger(name, scene) for name in STRANGERS]
    plan = _plan(tries)
    for number in range(rounds):
        if 0 < number == rounds - 1:
            target = _written(scene)
            target.pointer = form_on(attacks.shown(strangers[0], target), "/handoff/").fields["handoff"]
            clocks.move(scene.house, datetime.now(UTC) + AGES)
            siege.books.close()
            siege.books = psycopg.connect(scene.house.database_url, autocommit=True)  # the old one kept the old time
            for attack in OVER:
                siege.attack(strangers, target, attack, plan[attack])
        target = _written(scene)
        if number:
            owner = [_right_person_again(scene)]
            siege.attack(owner, target, revoked_handle, plan[revoked_handle])
        for attack in BEFORE:
            siege.attack(strangers, target, attack, plan[attack])
        _right_person(scene, target, by_code=number == 1)
        siege.served += 1
        for attack in AFTER:
            siege.attack(strangers, target, attack, plan[attack])
        take_back(scene)
    for stranger in strangers:
        stranger.close()


def _plan(tries: int) -> dict[Attack, int]:
    """How often each kind is tried each time its turn comes."""
    turns: dict[Attack, int] = dict.fromkeys((*BEFORE, *AFTER), ROUNDS)
    turns |= dict.fromkeys(OVER, 1) | {revoked_handle: ROUNDS - 1}
    each = tries / len(turns)
    return {attack: max(1, math.ceil(each / times)) for attack, times in turns.items()}


def _addresses() -> Iterator[str]:
    """Addresses of this machine: an intruder comes from many."""
    for number in range(1, 2**16):
        yield f"127.{1 + secrets.randbelow(200)}.{number // 250}.{1 + number % 250}"


def _stranger(name: str, scene: Scene) -> Intruder:
    stranger = Intruder(name, scene.house)
    sign_in(stranger, scene.house, name, at="/my/")
    return stranger


def _written(scene: Scene) -> Target:
    """The agent writes to the customer once more: a new link, which is not the last one."""
    before = reaching.links(scene)
    reaching.invite(scene)

    def look() -> str | None:
        found = reaching.links(scene)
        return found[-1] if found and found[-1] not in before else None

    scene.link = until(look, "a new link", within=WAIT)
    welcome = scene.customer.open(scene.link, to=scene.house.site_url)
    code = find(r"\b([0-9A-Z]{4}-[0-9A-Z]{4})\b", welcome.body, "code on the welcome page")
    return Target(scene.house, welcome.url, scene.case_id, code)


def _right_person_again(scene: Scene) -> Intruder:
    """The right person's own login, in the hands of somebody who hopes that the handle is still remembered."""
    again = Intruder("maria", scene.house)
    sign_in(again, scene.house, scene.part.login, at="/my/")
    return again


def _right_person(scene: Scene, target: Target, *, by_code: bool) -> None:
    """In a fresh browser, with a session and a hand-off cookie that somebody planted there: into the chat."""
    site, x = scene.house.site_url, scene.house.x_url
    scene.customer.close()
    scene.customer = person = Person("the customer")
    target.planted = _planted(scene, person)
    page = person.open(f"{x}/", to=x)
    person.settle(person.send(page, form_on(page, "/login"), {"handle": scene.part.handle}), to=x)
    if by_code:
        page = person.open(f"{site}/social/", to=site)
        typed = person.send(page, form_on(page, "/social/"), {"code": target.code.lower().replace("-", " ")})
        scene.welcome = person.settle(typed, to=site)
    else:
        scene.welcome = person.open(target.welcome, to=site)
    joining.sign_in_to_bank(scene)
    assert scene.handoff is not None
    target.pointer = form_on(scene.handoff, "/handoff/").fields["handoff"]
    target.spent = _came_back(scene)
    if scene.customer_chat is not None:
        scene.customer_chat.close()
    person.open(scene.chat_url, to=site)
    scene.customer_chat = open_chat(person, scene.house, scene.case_id)


def _planted(scene: Scene, person: Person) -> str:
    """A session that an intruder made, in the browser of a person who has not signed in yet."""
    with Intruder("nobody", scene.house).fresh_browser() as nobody:
        target = Target(scene.house, "", "", "")
        attacks.posted(nobody, target, "/social/", code="00000000")
        planted = nobody.client.cookies.get(SESSION) or ""
    person.client.cookies.set(SESSION, planted, domain="localhost.local", path="/")
    return planted


def _came_back(scene: Scene) -> str:
    """The walk's own step, and the way back from X that it used."""
    used: list[str] = []
    get = scene.customer.get

    def watched(url: str, *, method: str = "GET") -> Answer:
        if "/x/callback" in url:
            used.append(url)
        return get(url, method=method)

    scene.customer.get = watched  # type: ignore[method-assign]
    try:
        joining.proof(scene)
    finally:
        scene.customer.get = get  # type: ignore[method-assign]
    return used[0]


def take_back(scene: Scene) -> None:
    """The customer takes the proof of the handle back; the chat that it opened stays theirs."""
    site = scene.house.site_url
    page = scene.customer.open(f"{site}/my/", to=site)
    form = next((f for f in page.page.forms if "handle" in f.fields), None)
    if form is None:
        raise Stumble("the customer's page names no confirmed account")
    after = scene.customer.settle(scene.customer.send(page, form), to=site)
    if re.search(r'name="handle"', after.body):
        raise Stumble("the confirmed account was not taken back")
    scene.customer.open(scene.chat_url, to=site)
