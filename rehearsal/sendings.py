"""Takes how often each fault is to happen, leaves the proof that no text left twice, none was lost and none hung.

Every run has a brand, an account and a customer of its own, and one text, pressed on the agent's page. X's limits are
left on. What arrived is read from the sandbox, what the house believes from its database; both are told row by row.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from citisocial.servers import House

from . import tallying
from .breaking import ROOT
from .casting import Part
from .firing import Door
from .mortals import CLOCK, POINTS
from .people import Person, Stumble, form_on
from .posting import Progress
from .premises import complain, own_house, show_logs
from .scene import AGENT, sign_in
from .shaking import Event, shake
from .tallying import Books, Run
from .working import starting

# What X does to the one message, by the sandbox's fault, and how long it takes (seconds).
ANSWERS: dict[str, tuple[str, float]] = {
    "lost_201": ("lost", 0.0),
    "error_500": ("error", 0.0),
    "hang_30s": ("slow", 30.0),  # accepted; the answer comes when nobody waits for it any more
    "silence_30s": ("stall", 30.0),  # not accepted
    "reset": ("reset", 0.0),
    "storm_429": ("429", 20.0),
}
STORM = 3  # refusals one after the other
LOST_REPLY = "lost_reply"  # a public reply whose answer is lost: found by search
SHAKEN = ("valkey", "postgres")  # servers that are broken while their runs' texts leave
LOAD = "load"  # nothing is done to them
FAULTS = (*POINTS, CLOCK, *ANSWERS, LOST_REPLY, *SHAKEN)
TIMES = 5  # that each of the servers is broken; the runs are spread over them
# What would brake one agent with so many texts an hour is raised; X's own limits are not. Printed at the start.
RAISED = {
    "OUTREACH_UNDO_SECONDS": "2",
    "OUTREACH_AGENT_PER_HOUR": "100000",
    "OUTREACH_BRAND_PER_HOUR": "100000",
    "OUTREACH_STEP_UP_SECONDS": "0",
}
PRESSING = 4  # pages at once


def add(suites: Any) -> None:
    """The sub-command."""
    parser: argparse.ArgumentParser = suites.add_parser("outreach", help="whatever fails while a text leaves")
    parser.add_argument("--runs", type=int, default=50, help="how often each fault happens (default 50)")
    parser.set_defaults(run=run)


def run(options: dict[str, Any]) -> bool:
    """Whether nothing was sent twice, lost or stuck, and every fault happened."""
    result = rehearse(options["runs"])
    wrong = result.pop("wrong")
    for line in (*tallying.table(result["faults"]), *result.pop("failed"), *wrong):
        complain(line)
    print(json.dumps(result), file=sys.stdout, flush=True)
    return not wrong


def rehearse(runs: int) -> dict[str, Any]:
    """The figures; `wrong` holds sentences, and is empty when everything held."""
    began = time.monotonic()
    complain("raised for this suite: " + ", ".join(f"{k}={v}" for k, v in RAISED.items()))
    os.environ.update(RAISED)
    with ExitStack() as stack:
        house = stack.enter_context(own_house(announce=complain, children=("sandbox", "web")))
        graves = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="citisocial-graves-")))
        parts = _cast(house, runs * (len(FAULTS) + 1))
        books = Books(house)
        desk = Desk(house)
        door = stack.enter_context(Door(house.x_url))
        watch = stack.enter_context(tallying.watching(books))
        for name in ("senders", "worker"):
            stack.enter_context(starting(house, graves, name))
        pressed, events = _play(house, desk, door, books, parts, runs)
        _wait(books, pressed)
        met = tallying.happened(pressed, graves, door, events)
        result = tallying.count(books, pressed, met, watch.longest)
        if result["wrong"]:
            show_logs(house)
    return {"runs": len(pressed), **result, "seconds": round(time.monotonic() - began, 1)}


def _cast(house: House, count: int) -> list[Part]:
    """Brands, customers and cases, prepared inside the house."""
    complain(f"preparing {count} brands with an account and a customer each …")
    command = [sys.executable, "-m", "rehearsal.casting", str(count), AGENT]
    done = subprocess.run(command, env=house.env, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Stumble(f"the brands could not be prepared: {done.stderr[-600:]}")
    return [Part(**part) for part in json.loads(done.stdout.splitlines()[-1])]


class Desk:
    """The agent, signed in once; several of her pages press at the same time."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.agent = Person("the agent")
        sign_in(self.agent, house, AGENT, at="/workspace/")
        self.token = ""

    def press(self, part: Part, text: str, *, door: str = "invite") -> int:
        """Press send on the page of the case; the number that the product gave the text."""
        url = f"{self.house.site_url}/workspace/cases/{part.case}/"
        if not self.token:
            page = self.agent.open(url)
            self.token = form_on(page, "/invite/").fields["csrfmiddlewaretoken"]
        fields = {"text": text, "csrfmiddlewaretoken": self.token}
        headers = {"Referer": url, "Origin": self.house.site_url, "Accept": "application/json"}
        answer = self.agent.client.post(f"{url}{door}/", data=fields, headers=headers)
        if not answer.is_success:
            raise Stumble(f"{part.bank} could not press send: {answer.status_code} {answer.text[:200]}")
        return int(answer.json()["outgoing"]["id"])


def _play(
    house: House, desk: Desk, door: Door, books: Books, parts: Sequence[Part], runs: int
) -> tuple[list[Run], dict[str, list[Event]]]:
    """Press everything: first what meets a fault of its own, all mixed; then what leaves while a server breaks.

    The servers break when each of the others was tried once, so that no text meets two faults; those that leave then,
    and all that is being looked up, are the load.
    """
    order = [(fault, number) for number in range(runs) for fault in FAULTS if fault not in SHAKEN]
    ready = iter(parts)
    bar = Progress("pressed", runs * (len(FAULTS) + 1))
    pressed = _press_all(desk, door, [(fault, number, next(ready)) for fault, number in order], bar, [])
    _until_tried(books)
    events: dict[str, list[Event]] = {}
    for at, server in enumerate(SHAKEN):
        for turn in range(TIMES):
            numbers = [n for n in range(runs) if n % TIMES == turn]
            faults = [(server, n) for n in numbers] + [(LOAD, n) for n in numbers if n % len(SHAKEN) == at]
            pressed = _press_all(desk, door, [(fault, n, next(ready)) for fault, n in faults], bar, pressed)
            events.setdefault(server, []).append(shake(house, server))
    return pressed, events


def _until_tried(books: Books) -> None:
    deadline = time.monotonic() + tallying.MOST_DOUBT
    while (untried := books.untried()) and time.monotonic() < deadline:
        complain(f"not tried yet: {untried}")
        time.sleep(5.0)


def _press_all(
    desk: Desk, door: Door, order: Sequence[tuple[str, int, Part]], bar: Progress, before: list[Run]
) -> list[Run]:
    def one(what: tuple[str, int, Part]) -> Run:
        fault, number, part = what
        armed = _arm(door, fault, part)
        kind = "reply" if fault == LOST_REPLY else "invite"
        words = "We would like to help you" + (" in private." if kind == "reply" else ":")
        return Run(fault, part, desk.press(part, f"{fault} {number} {words}", door=kind), armed)

    found = list(before)
    with ThreadPoolExecutor(PRESSING) as pool:
        for made in pool.map(one, order):
            found.append(made)
            bar(len(found))
    return found


def _arm(door: Door, fault: str, part: Part) -> int | None:
    """The sandbox's fault for this run's message and no other."""
    if fault == LOST_REPLY:
        return door.arm_call("lost", "reply")
    if fault not in ANSWERS:
        return None
    kind, seconds = ANSWERS[fault]
    times = STORM if kind == "429" else 1
    return door.arm_call(kind, "send_dm", times=times, seconds=seconds, path=f"/with/{part.customer_id}/")


def _wait(books: Books, pressed: Sequence[Run]) -> None:
    """Until every text has come to an end; what is in doubt five minutes after the last fault is stuck."""
    bar, over = Progress("settled", len(pressed)), time.monotonic() + tallying.MOST_DOUBT
    while (open_ones := books.unsettled()) and time.monotonic() < over:
        bar(len(pressed) - open_ones)
        time.sleep(1.0)
    bar(len(pressed) - books.unsettled())
