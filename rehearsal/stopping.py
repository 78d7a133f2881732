"""Takes a stolen session and a stop that is pressed under load, leaves how much got out: caps, alarms, stop, release.

Every limit is left on, the time to undo as well. The thief has one agent's cookies; the load is pressed by
other agents, each within the caps. What left is read from the sandbox, and when, from the ids that it gave.
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import psycopg

from citisocial.servers import House

from .breaking import ROOT
from .casting import Part
from .people import Person, Stumble, form_on
from .posting import X_EPOCH_MS, Progress, write
from .premises import complain, own_house, show_logs
from .scene import AGENT, sign_in
from .supervising import Supervisors
from .tallying import Books
from .thieving import Thief

PER_AGENT, PER_PERSON = 20, 3  # the caps, as they stand in the settings
CASES = math.ceil(PER_AGENT / PER_PERSON)  # that an agent needs to use the cap up
# The polls would ask for every one of the many accounts; what this is about comes by push. Printed at the start.
CHANGED = {"SWEEP_SECONDS": "600"}
BANNER = "/admin/conversations/brandaccount/alarm/"
ALARM_WITHIN, STOP_WITHIN, QUIET, LEFT_WITHIN = 60.0, 5.0, 9.0, 240.0  # seconds
WAITING: LiteralString = "SELECT count(*) FROM conversations_outgoing WHERE delivery = 'QUEUED'"
HOLDS: LiteralString = "SELECT extract(epoch FROM max(started_at))::float FROM conversations_sendingstop"
STATES: LiteralString = """
SELECT delivery, count(*), extract(epoch FROM min(leaves_at) - clock_timestamp())::float, max(attempts),
  (SELECT count(*) FROM conversations_sendingstop WHERE ended_at IS NULL)
FROM conversations_outgoing WHERE delivery NOT IN ('SENT', 'CANCELLED') GROUP BY delivery
"""


def add(suites: Any) -> None:
    """The sub-command."""
    parser: argparse.ArgumentParser = suites.add_parser("stop", help="a stolen session, and the stop under load")
    parser.add_argument("--tries", type=int, default=1000, help="how often the thief presses send (default 1000)")
    parser.add_argument("--texts", type=int, default=240, help="texts under way when the stop comes (default 240)")
    parser.set_defaults(run=run)


def run(options: dict[str, Any]) -> bool:
    """Whether no more left than the caps allow, alarms came in time, and nothing left after the stop."""
    result = rehearse(options["tries"], options["texts"])
    wrong = result.pop("wrong")
    for line in wrong:
        complain(line)
    print(json.dumps(result), file=sys.stdout, flush=True)
    return not wrong


def rehearse(tries: int, texts: int) -> dict[str, Any]:
    """The figures; `wrong` holds sentences, and is empty when everything held."""
    began = time.monotonic()
    complain("changed for this suite: " + ", ".join(f"{k}={v}" for k, v in CHANGED.items()))
    os.environ.update(CHANGED)
    clerks = [f"clerk{n}" for n in range(math.ceil(texts / PER_AGENT))]
    with own_house(announce=complain, children=("sandbox", "web", "worker", "beat")) as house:
        parts = _cast(house, clerks)
        people = {name: Person(name) for name in (AGENT, *clerks)}
        supervisors = Supervisors(house)
        try:
            for name, person in people.items():
                sign_in(person, house, name, at="/workspace/")
            result = _stolen(house, people[AGENT], supervisors, parts[AGENT], tries)
            result |= _rogue(house, supervisors, parts[AGENT][0])
            load = [(people[name], part) for name in clerks for part in parts[name] for _ in range(PER_PERSON)]
            result |= _under_load(house, supervisors, load[:texts])
        finally:
            supervisors.close()
            for person in people.values():
                person.close()
        result["wrong"] = complaints(result, tries)
        if result["wrong"]:
            show_logs(house)
    return result | {"seconds": round(time.monotonic() - began, 1)}


def _cast(house: House, clerks: list[str]) -> dict[str, list[Part]]:
    """Each agent's cases, every one at a brand with an account of its own."""
    names = [AGENT, *clerks]
    complain(f"preparing {len(clerks)} agents and {CASES * len(names)} brands with a customer each …")
    _inside(house, "rehearsal.hiring", ",".join(clerks))
    said = _inside(house, "rehearsal.casting", str(CASES * len(names)), ",".join(names))
    parts = [Part(**part) for part in json.loads(said.splitlines()[-1])]
    return {name: parts[at :: len(names)] for at, name in enumerate(names)}


def _inside(house: House, module: str, *args: str) -> str:
    command = [sys.executable, "-m", module, *args]
    done = subprocess.run(command, env=house.env, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Stumble(f"{module} ended early: {done.stderr[-600:]}")
    return done.stdout


# --- a stolen session --------------------------------------------------------------------------------------------


def _stolen(house: House, agent: Person, supervisors: Supervisors, parts: Sequence[Part], tries: int) -> dict[str, Any]:
    """What left when somebody with an agent's cookies tried every door, and when a supervisor was told."""
    thief, outside, began = Thief(house, agent, parts), Outside(house), time.monotonic()
    told: list[float] = []

    def look() -> None:
        if not told and "pressed send more often" in _banner(supervisors):
            told.append(time.monotonic() - began)

    with _meanwhile(look):
        try:
            thief.try_all(tries, Progress("stolen session", tries))
        finally:
            thief.close()
        _until(lambda: bool(told), within=ALARM_WITHIN)
        _until(lambda: not _waiting(house), within=LEFT_WITHIN)
    complain("what the doors answered: " + ", ".join(f"{k} × {v}" for k, v in sorted(thief.answers.items())))
    left = len(outside.new())
    return {
        "tries": tries,
        "left": left,
        "escaped": max(0, left - PER_AGENT),
        "alarm_s": round(told[0], 1) if told else None,
    }


def _banner(supervisors: Supervisors) -> str:
    """What is on top of every admin page."""
    return supervisors.first.open(supervisors.site + BANNER).page.text


def _rogue(house: House, supervisors: Supervisors, part: Part) -> dict[str, Any]:
    """Somebody writes as a brand on X itself: how long until its account is stopped. Two people release it again."""
    began = time.monotonic()
    write(house.x_url, sender=part.bank, to=part.customer, text="Please send us your card number")
    _until(lambda: f"Sending is stopped for @{part.bank}" in _banner(supervisors), within=ALARM_WITHIN)
    told = round(time.monotonic() - began, 1)
    supervisors.release()
    return {"rogue_alarm_s": told if told < ALARM_WITHIN else None}


# --- the stop, under load ----------------------------------------------------------------------------------------


def _under_load(house: House, supervisors: Supervisors, load: Sequence[tuple[Person, Part]]) -> dict[str, Any]:
    """Everything pressed, within the time to undo of the first as far as the machine is quick enough; stopped in the

    admin with a quarter out, and with half of it by the command, without Valkey.
    """
    outside, count = Outside(house), len(load)
    pressing = threading.Thread(target=_press_all, args=(house, load), daemon=True)
    pressing.start()
    _until(lambda: len(outside.new()) >= max(count // 4, 2), within=LEFT_WITHIN)
    left = outside.new()
    rate = (len(left) - 1) / max(left[-1] - left[0], 0.1) if left else 0.0
    first = _stop(house, outside, lambda: supervisors.stop("a rehearsal"))
    pressing.join()
    kept = _waiting(house)
    supervisors.release()
    half = len(outside.new()) + max(kept // 4, 1)
    _until(lambda: len(outside.new()) >= half, within=LEFT_WITHIN)
    with _without_valkey(house):
        second = _stop(house, outside, lambda: _stop_by_command(house))
    kept_too = _waiting(house)
    supervisors.release()
    _until(lambda: not _waiting(house), within=LEFT_WITHIN)
    time.sleep(1.0)
    left = outside.new()
    for delivery, number, due, attempts, stops in _ask(house, STATES):
        complain(f"{number} {delivery}, first due in {due:.0f} s, tried at most {attempts} times; {stops} stops hold")
    return {
        "texts": count,
        "taken": outside.taken(),
        "per_s": round(rate, 1),
        "last_after_stop_s": first[0],
        "last_after_stop_without_valkey_s": second[0],
        "until_in_force_s": [first[1], second[1]],
        "kept": [kept, kept_too],
        "left_in_the_end": len(left),
    }


def _press_all(house: House, load: Sequence[tuple[Person, Part]]) -> None:
    """Each agent presses send on the own cases, three at a time; a press that a stop refuses is made no more."""
    tokens: dict[str, str] = {}

    def press(one: tuple[Person, Part]) -> None:
        agent, part = one
        url = f"{house.site_url}/workspace/cases/{part.case}/"
        if agent.name not in tokens:
            tokens[agent.name] = form_on(agent.open(url), "/invite/").fields["csrfmiddlewaretoken"]
        headers = {"Referer": url, "Origin": house.site_url, "Accept": "application/json"}
        fields = {"text": "We would like to help you:", "csrfmiddlewaretoken": tokens[agent.name]}
        agent.client.post(f"{url}invite/", data=fields, headers=headers)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(press, load))


def _stop(house: House, outside: "Outside", press: Callable[[], None]) -> tuple[float, float]:
    """Press; seconds from when the stop holds until the last message that left, and from the press until it holds.

    The command has to start Python first, which takes its time where a machine is busy.
    """
    pressed = time.time()
    press()
    holds = float(_ask(house, HOLDS)[0][0])
    time.sleep(QUIET)
    late = [left - holds for left in outside.new() if left > holds]
    return round(max(late, default=0.0), 2), round(holds - pressed, 2)


def _stop_by_command(house: House) -> None:
    command = [sys.executable, "manage.py", "stop", "a rehearsal without Valkey"]
    done = subprocess.run(command, env=house.env, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode or "Sending is stopped" not in done.stdout:
        raise Stumble(f"manage.py stop ended early: {done.stderr[-600:]}")


@contextmanager
def _without_valkey(house: House) -> Iterator[None]:
    """Killed, and killed again whenever it is started again."""

    def kill() -> None:
        if (pid := house.pid("valkey")) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    kill()
    with _meanwhile(kill):
        yield


# --- what is seen from outside -----------------------------------------------------------------------------------


class Outside:
    """What the sandbox took since this was made."""

    def __init__(self, house: House) -> None:
        self.books = Books(house)
        self.house = house
        self.before = {ident for ids in self.books.accepted().values() for ident in ids}
        self.texts = len(self.books.rows())

    def new(self) -> list[float]:
        """When each message and reply left, in seconds since the epoch."""
        ids = [ident for found in self.books.accepted().values() for ident in found if ident not in self.before]
        return sorted(((int(ident) >> 22) + X_EPOCH_MS) / 1000 for ident in ids)

    def taken(self) -> int:
        """How many texts the house took since then."""
        return len(self.books.rows()) - self.texts


def _waiting(house: House) -> int:
    return int(_ask(house, WAITING)[0][0])


def _ask(house: House, question: LiteralString) -> list[tuple[Any, ...]]:
    with psycopg.connect(house.database_url, autocommit=True) as connection:
        return connection.execute(question).fetchall()


def _until(ask: Callable[[], bool], *, within: float, every: float = 0.3) -> bool:
    deadline = time.monotonic() + within
    while not (said := ask()) and time.monotonic() < deadline:
        time.sleep(every)
    return said


@contextmanager
def _meanwhile(what: Callable[[], object], *, every: float = 0.3) -> Iterator[None]:
    """Done again and again beside the block."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(every):
            what()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)


def complaints(result: dict[str, Any], tries: int) -> list[str]:
    """What did not hold, in sentences."""
    wrong = []
    if result["escaped"]:
        wrong.append(f"{result['left']} texts of the stolen session left; the cap is {PER_AGENT}")
    if tries >= 10 * PER_AGENT and result["left"] == 0:
        wrong.append("nothing of the stolen session left: its doors were shut by something else than the caps")
    for name, most in (("alarm_s", ALARM_WITHIN), ("rogue_alarm_s", ALARM_WITHIN)):
        if result[name] is None or result[name] > most:
            wrong.append(f"{name}: no alarm within {most:.0f} s")
    for name in ("last_after_stop_s", "last_after_stop_without_valkey_s"):
        if result[name] > STOP_WITHIN:
            wrong.append(f"{name}: a message left {result[name]} s after the stop")
    if not all(result["kept"]):
        wrong.append("nothing waited behind a stop, so nothing was shown: more texts are needed (--texts)")
    if result["left_in_the_end"] != result["taken"]:
        wrong.append(f"{result['taken']} texts were taken and {result['left_in_the_end']} left in the end")
    return wrong
