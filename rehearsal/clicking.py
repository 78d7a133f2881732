"""Takes a number of people with a link each, leaves the proof that nobody and nothing but they can use it up.

Every link is opened by all the scanners first, fifty times each, and their pages too; then its person comes: presses
the button, and some go on into the chat. Fifty presses of one button at once are one step of the hand-off. A million
guessed links, with the right check characters, since others are not even looked up, hit none.
"""

import argparse
import itertools
import json
import os
import secrets
import string
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg

from citisocial.servers import House

from . import joining, timing
from .casting import Part
from .loading import Load, request, run
from .people import Answer, Person, Stumble, form_on, redirected
from .posting import Progress
from .premises import complain, own_house, show_logs
from .redirects import inside, make_links
from .scanners import AGENTS
from .scene import AGENT, WAIT, Scene, until
from .sendings import RAISED, Desk
from .walking import ASKED, FIRST, LAST

OPENS = 50  # of each link by each scanner, half of them HEAD
PRESSES = 50  # of one button at once
TYPED = 4  # codes typed by guess; the fifth wrong one closes that door for a while
TIMED = 2000  # answers of each kind
INVITED = "Hi, this is {} from the bank. Your card, number {}: please come to our secure chat {{link}}"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PRIME = 3833
# What opening may not change: the hand-off's state and times, the link's end, the trail.
CONSUMED: LiteralString = """
SELECT count(*) FROM conversations_invitation i JOIN links_shortlink l ON l.id = i.link_id
WHERE i.handoff <> 'UNOPENED' OR i.opened_at IS NOT NULL OR l.revoked_at IS NOT NULL
"""
OPENED: LiteralString = """
SELECT count(*) FROM conversations_auditevent e JOIN conversations_case c ON c.id = e.case_id
WHERE e.verb = 'link_opened' AND c.public_id = %s
"""
CLICKS: LiteralString = "SELECT count(*) FILTER (WHERE is_bot), count(*) FILTER (WHERE NOT is_bot) FROM links_click"


def add(suites: "argparse._SubParsersAction[Any]") -> None:
    """`manage.py faults links`."""
    parser = suites.add_parser("links", help="scanners, guesses and fifty presses at once; then people still come in")
    parser.add_argument("--people", type=int, default=20, help="how many have a link (default 20, at least 3)")
    parser.add_argument("--guesses", type=int, default=1_000_000, help="guessed links (default 1000000)")
    parser.set_defaults(run=report)


def report(options: dict[str, Any]) -> bool:
    """Whether no link was used up or hit and everybody came in."""
    result = rehearse(max(3, options["people"]), options["guesses"])
    wrong = result.pop("wrong")
    for sentence in wrong:
        complain(sentence)
    print(json.dumps(result), file=sys.stdout, flush=True)
    return not wrong


@dataclass
class Invited:
    """Somebody with a link of their own, and how they go on once they have it. `case`: its public id."""

    name: str
    case: str
    link: str
    go: Callable[[], None]


@dataclass
class Suite:
    """A house, what was counted, and what is not as it should be, in sentences."""

    house: House
    books: psycopg.Connection
    wrong: list[str] = field(default_factory=list)

    def count(self, statement: LiteralString, *values: object) -> int:
        [found] = self.books.execute(statement, values).fetchone() or [0]
        return int(found)


def rehearse(people: int, guesses: int) -> dict[str, Any]:
    """The figures of the suite."""
    began = time.monotonic()
    complain("raised for this suite: " + ", ".join(f"{k}={v}" for k, v in RAISED.items()))
    os.environ.update(RAISED)
    with own_house(announce=complain) as house, ExitStack() as stack:
        books = stack.enter_context(psycopg.connect(house.database_url, autocommit=True))
        suite = Suite(house, books)
        try:
            invited = [*_walkers(suite, stack), *_strangers(suite, people - 2)]
            opens = scan(suite, invited)
            consumed = suite.count(CONSUMED)
            served = _served(suite, invited[:-1], opens)
            steps, last = press(suite, invited[-1]), 1
            hit, per_s = guess(suite, guesses, invited[0].link)
        except Stumble:
            show_logs(house)
            raise
        timed = timing.compare(_dead(house), TIMED)
    complain(f"dead links, warm: {json.dumps(timed)}")
    if consumed:
        suite.wrong.append(f"{consumed} links were used up by scanners")
    if steps != 1:
        suite.wrong.append(f"{PRESSES} presses at once were {steps} steps of the hand-off")
    if hit:
        suite.wrong.append(f"{hit} guesses were no dead links")
    return {
        "links_consumed": consumed,
        "people_served": served + last * (steps == 1),
        "guesses_hit": hit,
        "people": len(invited),
        "opens": opens,
        "steps_of_parallel_presses": steps,
        "guesses": guesses,
        "guesses_per_s": per_s,
        "dead_us": timed["median_us"],
        "seconds": round(time.monotonic() - began),
        "wrong": suite.wrong,
    }


# --- who has a link ---------------------------------------------------------------------------------------------------


def _walkers(suite: Suite, stack: ExitStack) -> Iterator[Invited]:
    """Both forms of the walk: from a post to the link in a message, and later from there into the chat."""
    for form, steps in (("dm", FIRST), ("reply", [*FIRST, *ASKED])):
        scene = Scene(suite.house, form, lambda: None)
        stack.callback(scene.close)
        for _, step in [*steps, *LAST[:2]]:
            step(scene)

        def go(scene: Scene = scene) -> None:
            scene.welcome = scene.customer.open(scene.link, to=suite.house.site_url)
            for step in (joining.welcome, joining.sign_in_to_bank, joining.proof, joining.join):
                step(scene)

        yield Invited(scene.part.handle, scene.case_id, scene.link, go)


def _strangers(suite: Suite, count: int) -> list[Invited]:
    """People of brands of their own, whom the agent writes to."""
    said = inside(suite.house, "-m", "rehearsal.casting", str(count), AGENT)
    parts = [Part(**part) for part in json.loads(said.splitlines()[-1])]
    desk = Desk(suite.house)
    for part in parts:
        desk.press(part, INVITED.format(AGENT.title(), part.number))
    return [_stranger(suite.house, part) for part in parts]


def _stranger(house: House, part: Part) -> Invited:
    person = Person(part.customer)
    page = person.open(f"{house.x_url}/", to=house.x_url)
    person.settle(person.send(page, form_on(page, "/login"), {"handle": part.customer}), to=house.x_url)

    def look() -> Answer | None:
        page = person.open(f"{house.x_url}/dms", to=house.x_url)
        return page if _links(house, page) else None

    link = _links(house, until(look, f"the message to {part.customer}", within=2 * WAIT))[-1]

    def go() -> None:
        welcome = person.open(link, to=house.site_url)
        form = form_on(welcome, urlsplit(welcome.url).path)
        redirected(person.send(welcome, form), to=house.site_url, path="/accounts/login/")
        person.close()

    return Invited(part.customer, part.case, link, go)


def _links(house: House, page: Answer) -> list[str]:
    return [link.href for link in page.page.links if link.href.startswith(f"{house.link_url}/")]


# --- what is done to it -----------------------------------------------------------------------------------------------


def scan(suite: Suite, invited: Sequence[Invited]) -> int:
    """Every scanner opens every link, and its page behind it once by GET and once by HEAD. How many opens it were."""
    house, opens = suite.house, 0
    bar = Progress("opens", len(invited) * len(AGENTS) * OPENS)
    for who in invited:
        page = who.link.replace(house.link_url, f"{house.site_url}/welcome", 1) + "/"
        for method in ("GET", "HEAD"):
            once = [request(who.link, method=method, user_agent=agent) for agent in AGENTS]
            answered = fire(house.link_url, itertools.chain.from_iterable([once] * (OPENS // 2)), method)
            opens += sum(answered.values())
            behind = fire(
                house.site_url, iter([request(page, method=method, user_agent=agent) for agent in AGENTS]), method
            )
            if set(answered) != {302} or set(behind) != {200}:
                suite.wrong.append(f"{who.name}: scanners were answered {answered} and {behind} by {method}")
        bar(opens)
    return opens


def fire(url: str, requests: Iterator[bytes], method: str) -> dict[int, int]:
    """Status -> how often it was the answer."""
    return dict(run(Load(url, requests, connections=8, head=method == "HEAD")).answered)


def _served(suite: Suite, people: Sequence[Invited], opens: int) -> int:
    """How many came in; each by a click that is counted as a person's, beside all those of scanners."""
    served = 0
    bar = Progress("people", len(people))
    for who in people:
        try:
            who.go()
        except Stumble as error:
            suite.wrong.append(f"{who.name}: {error}")
        else:
            served += 1
        bar(served)
    told: tuple[int, ...] = ()
    deadline = time.monotonic() + WAIT
    while told != (opens, len(people)) and time.monotonic() < deadline:
        told = suite.books.execute(CLICKS).fetchone() or ()
        time.sleep(0.1)
    if told != (opens, len(people)):
        suite.wrong.append(f"clicks of programs and people: {told}, where {(opens, len(people))} came")
    return served


def press(suite: Suite, who: Invited) -> int:
    """Fifty browsers press the button of one link's page at once; how many steps of the hand-off the trail tells."""
    site, together = suite.house.site_url, threading.Barrier(PRESSES)

    def one(number: int) -> str:
        person = Person(f"press {number}")
        welcome = person.open(who.link, to=site)
        form = form_on(welcome, urlsplit(welcome.url).path)
        together.wait(WAIT)
        where = redirected(person.send(welcome, form), to=site, path="/accounts/login/")
        person.close()
        return where

    with ThreadPoolExecutor(PRESSES) as browsers:
        list(browsers.map(one, range(PRESSES)))
    return suite.count(OPENED, who.case)


def guess(suite: Suite, number: int, real: str) -> tuple[int, int]:
    """Guessed links, and a few typed codes: how many were no dead ones, and how many a second were answered."""
    house = suite.house
    slug = real.rsplit("/", 1)[1]
    if slug != slug[:-2] + check(slug[:-2]):
        raise Stumble("a real link has other check characters than a guesser would put there")
    bar, began = Progress("guesses", number), time.monotonic()

    def guesses() -> Iterator[bytes]:
        for done in range(number):
            if done % 1000 == 0:
                bar(done)
            yield request(f"{house.link_url}/{guessed()}")

    load = run(Load(house.link_url, guesses(), connections=64, at_once=8))
    bar(number)
    took = time.monotonic() - began
    hit = sum(load.answered.values()) - load.answered[404] + load.cut
    return hit + _typed(house), round(load.answered.total() / took)


def _typed(house: House) -> int:
    """Codes typed by guess on the site's own page: how many led anywhere."""
    person, led = Person("a guesser"), 0
    for _ in range(TYPED):
        page = person.open(f"{house.site_url}/social/", to=house.site_url)
        code = "".join(secrets.choice(CROCKFORD) for _ in range(8))
        led += bool(person.send(page, form_on(page, "/social/"), {"code": code}).location)
    person.close()
    return led


def guessed() -> str:
    """A slug like any other, but for its link, which is not there."""
    secret = "".join([BASE62[byte % 62] for byte in secrets.token_bytes(11)])
    return secret + check(secret)


def check(secret: str) -> str:
    """The two characters behind the eleven, which are no secret: a weighted sum."""
    total = sum(pow(62, place + 1, PRIME) * BASE62.index(one) for place, one in enumerate(secret)) % PRIME
    return BASE62[total // 62] + BASE62[total % 62]


def _dead(house: House) -> dict[str, str]:
    """One address of each kind of dead link."""
    [expired] = make_links(house, 1, "--hours", "0")
    [revoked] = make_links(house, 1, "--revoked")
    return {
        "unknown": f"{house.link_url}/{guessed()}",
        "expired": expired,
        "revoked": revoked,
        "malformed": f"{house.link_url}/{'x' * 13}",
    }
