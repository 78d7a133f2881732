"""Takes an audit trail, leaves it tampered with a thousand times and each time found: `manage.py faults audit`.

Whoever tampers here has the database as its superuser, with the triggers switched off, and the anchor file; the key
they do not have. The door to the verification is the supervisors' page "Audit trail" (its button "Verify now"): it
answers at once, so no process is started for each run. After each run everything is put back as it was.
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from citisocial.servers import House

from . import breaking, vandalism
from .people import Person, Stumble, form_on
from .posting import Progress, Steady, post
from .premises import complain, own_house
from .scene import SUPERVISOR, sign_in
from .vandalism import SWITCH_OFF, SWITCH_ON

POSTS = 60  # each opens a case and leaves two lines or more
LIMITS = 200  # changes of the day's budget, which leave a line each
UNTOUCHED = 20  # one verification in so many more finds the trail as it was left
PATIENCE = 120.0
LIST = "/admin/conversations/auditevent/"
BUDGET = "/admin/conversations/budget/"
CLEAN = "Nothing was changed, taken out, put in or cut off"
WRONG = "wrong"
KEEP: LiteralString = """
CREATE TEMPORARY TABLE kept_event AS TABLE conversations_auditevent;
CREATE TEMPORARY TABLE kept_seal AS TABLE conversations_auditseal;
"""
PUT_BACK: LiteralString = """
DELETE FROM conversations_auditevent t WHERE NOT EXISTS (
    SELECT FROM kept_event k WHERE k.id = t.id AND k::text = t::text);
DELETE FROM conversations_auditseal t WHERE NOT EXISTS (
    SELECT FROM kept_seal k WHERE k.number = t.number AND k::text = t::text);
INSERT INTO conversations_auditevent SELECT * FROM kept_event WHERE id NOT IN (SELECT id FROM conversations_auditevent);
INSERT INTO conversations_auditseal SELECT * FROM kept_seal
    WHERE number NOT IN (SELECT number FROM conversations_auditseal);
"""
DIFFERENT: LiteralString = """
SELECT EXISTS (TABLE conversations_auditevent EXCEPT TABLE kept_event)
    OR EXISTS (TABLE kept_event EXCEPT TABLE conversations_auditevent)
    OR EXISTS (TABLE conversations_auditseal EXCEPT TABLE kept_seal)
    OR EXISTS (TABLE kept_seal EXCEPT TABLE conversations_auditseal)
"""
UNSEALED: LiteralString = """
SELECT (SELECT count(*) FROM conversations_auditevent),
       coalesce((SELECT total FROM conversations_auditseal ORDER BY number DESC LIMIT 1), 0)
"""


def add(suites: Any) -> None:
    """The sub-command `faults audit`."""
    parser = suites.add_parser("audit", help="the audit trail tampered with at random; each time it must be found")
    parser.add_argument("--runs", type=int, default=1000, help="how many times (default 1000)")
    parser.set_defaults(run=run)


def run(options: dict[str, Any]) -> bool:
    """Whether every tampering was found, and nothing was found where nobody had tampered."""
    began = time.monotonic()
    with own_house(announce=complain) as house, _supervisor(house) as grace:
        _write_a_trail(house, grace)
        with _stilled(house, "beat", "worker", "listener"):
            page = grace.open(house.site_url + LIST)
            form = form_on(page, f"{LIST}verify/")

            def verify() -> bool:
                said = grace.send(page, form).page.text
                if CLEAN not in said and WRONG not in said:
                    raise Stumble(f"the verification did not end: {said[:300]!r}")
                return CLEAN in said

            result = tamper(house.database_url, house.data_dir / "anchors", verify, runs=options["runs"])
    for act, count in sorted(result.pop("missed").items()):
        complain(f"not found: {act}, {count} times")
    print(json.dumps(result | {"seconds": round(time.monotonic() - began)}), file=sys.stdout, flush=True)
    return bool(result["tampered"] == result["found"] == options["runs"] and not result["false_alarms"])


def tamper(url: str, anchors: Path, verify: Callable[[], bool], *, runs: int, seed: int = 0) -> dict[str, Any]:
    """Tamper so many times; `verify` says whether the trail is clean. Everything is put back after each time."""
    chance = random.Random(seed)
    progress = Progress("tampered", runs)
    missed: Counter[str] = Counter()
    done: Counter[str] = Counter()
    untouched = false_alarms = 0
    with psycopg.connect(url, autocommit=True) as books:
        books.execute("SET session_replication_role = replica")  # no foreign keys either
        books.execute(KEEP)
        whole = anchors.read_bytes()
        while done.total() < runs:
            if done.total() >= untouched * UNTOUCHED:
                untouched += 1
                false_alarms += not verify()
                _put_back(books, anchors, whole)
            act = chance.choice(vandalism.ACTS)
            try:
                with _almighty(books):
                    act(books, anchors, chance)
            except (psycopg.IntegrityError, psycopg.DataError):  # an id that is taken, a seal of nothing: no such row
                _put_back(books, anchors, whole)
                continue
            [different] = books.execute(DIFFERENT).fetchone() or (False,)
            if different or not anchors.exists() or anchors.read_bytes() != whole:
                done[act.__name__] += 1
                missed[act.__name__] += verify()
            _put_back(books, anchors, whole)
            progress(done.total())
    return {
        "tampered": done.total(),
        "found": done.total() - missed.total(),
        "untouched": untouched,
        "false_alarms": false_alarms,
        "kinds": dict(sorted(done.items())),
        "missed": +missed,
    }


def _put_back(books: psycopg.Connection, anchors: Path, whole: bytes) -> None:
    with _almighty(books):
        books.execute(PUT_BACK)
    anchors.write_bytes(whole)
    anchors.chmod(0o600)


@contextmanager
def _almighty(books: psycopg.Connection) -> Iterator[None]:
    """In one transaction, with the triggers switched off."""
    with books.transaction():
        books.execute(SWITCH_OFF)
        yield
        books.execute(SWITCH_ON)


# --- a trail to tamper with -----------------------------------------------------------------------------------------


@contextmanager
def _supervisor(house: House) -> Iterator[Person]:
    person = Person("the supervisor")
    try:
        sign_in(person, house, SUPERVISOR, at=BUDGET)
        yield person
    finally:
        person.close()


def _write_a_trail(house: House, grace: Person) -> None:
    """Some hundred lines through the front doors: posts that open cases, and a budget that is changed often."""
    rows = breaking.invented(POSTS)
    post(rows, x_url=house.x_url, due=Steady(20), told=Progress("posted", len(rows)))
    page = grace.open(house.site_url + BUDGET)
    form = form_on(page, f"{BUDGET}limit/")
    for number in range(LIMITS):
        grace.settle(grace.send(page, form, {"limit": f"{500 + number}.50"}))
    grace.open(house.site_url + LIST)  # reading leaves a line, too
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(house.database_url, autocommit=True) as books:
        while True:
            written, sealed = books.execute(UNSEALED).fetchone() or (0, 0)
            if written == sealed and written > LIMITS + POSTS // 2:
                complain(f"{written} lines are written and sealed")
                return
            if time.monotonic() > deadline:
                raise Stumble(f"{written} lines are written and {sealed} sealed after {PATIENCE:.0f} s")
            time.sleep(0.5)


@contextmanager
def _stilled(house: House, *names: str) -> Iterator[None]:
    """These processes stand still, so that what is put back is all there is."""
    pids = [pid for name in names if (pid := house.pid(name)) is not None]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
