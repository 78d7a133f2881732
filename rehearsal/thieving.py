"""Takes an agent's stolen cookies, leaves every door tried that might send something; counts what each answered.

The thief is quick and knows the product: forms and JSON, all three ways to write, undo to make room and write again,
"send now" to win against the undo, the admin's forms and actions, frames on both sockets.
"""

import itertools
import json
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin

from citisocial.servers import House

from .casting import Part
from .people import Person, form_on

TEXT = "Your account is locked, please answer at once"
AT_ONCE = 8
ADMIN = "/admin/conversations/outgoing/"


class Thief:
    """One stolen session, used from elsewhere by many hands."""

    def __init__(self, house: House, agent: Person, parts: Sequence[Part]) -> None:
        self.house, self.parts = house, parts
        page = agent.open(self._case(parts[0]))
        self.token = form_on(page, "/invite/").fields["csrfmiddlewaretoken"]
        self.cookie = agent.cookies(house.site_url)
        self.client = httpx.Client(
            timeout=60, trust_env=False, headers={"Cookie": self.cookie}, base_url=house.site_url
        )
        self.answers: Counter[str] = Counter()
        self.numbers: list[int] = []  # of texts that were taken

    def close(self) -> None:
        self.client.close()

    def try_all(self, tries: int, told: Callable[[int], None]) -> None:
        """So many presses, the doors by turns, on the cases by turns."""
        doors = [self.form, self.invite, self.message, self.reply, self.invite_again, self.now, self.admin, self.socket]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            orders = zip(range(tries), itertools.cycle(doors), itertools.cycle(self.parts), strict=False)
            running = [pool.submit(self._try, door, part, number) for number, door, part in orders]
            for done, each in enumerate(running, start=1):
                each.result()
                told(done)

    def _try(self, door: Callable[[Part, int], str], part: Part, number: int) -> None:
        self.answers[f"{door.__name__} {door(part, number)}"] += 1

    def form(self, part: Part, number: int) -> str:
        """As the page's own form."""
        return self._write(part, "invite", number, json_wanted=False)

    def invite(self, part: Part, number: int) -> str:
        return self._write(part, "invite", number)

    def message(self, part: Part, number: int) -> str:
        return self._write(part, "message", number)

    def reply(self, part: Part, number: int) -> str:
        return self._write(part, "reply", number)

    def invite_again(self, part: Part, number: int) -> str:
        """Take back what waits, which makes room, and write again."""
        for waiting in self.numbers[-2:]:
            self._post(f"/workspace/outgoing/{waiting}/cancel/", {})
        return self._write(part, "invite", number)

    def now(self, part: Part, number: int) -> str:
        """Do not wait for the undo: also for what somebody else pressed."""
        said = [self._post(f"/workspace/outgoing/{one}/now/", {}) for one in (self.numbers[-1:] or [number + 1])]
        return str(said[0].status_code)

    def admin(self, part: Part, number: int) -> str:
        """Forms and actions of the admin that might make, change or hasten a text, or end a stop."""
        one = (self.numbers or [1])[-1]
        doors: list[tuple[str, dict[str, str]]] = [
            (f"{ADMIN}add/", {"text": TEXT, "kind": "dm", "delivery": "QUEUED"}),
            (f"{ADMIN}{one}/change/", {"delivery": "QUEUED", "text": TEXT}),
            (ADMIN, {"action": "send", "_selected_action": str(one)}),
            (f"/admin/conversations/approval/{one}/change/", {"verdict": "approved"}),
            ("/admin/conversations/sendingstop/1/release/", {}),
        ]
        path, fields = doors[number // len(self.parts) % len(doors)]
        return str(self._post(path, fields).status_code)

    def socket(self, part: Part, number: int) -> str:
        """Words for the chat of a case that has none yet, and frames that no socket knows."""
        case = number % 2 == 0
        url = self.house.site_url.replace("http", "ws", 1) + (f"/ws/case/{part.case}/" if case else "/ws/inbox/")
        frame = {"type": "post", "client_id": str(uuid.uuid4()), "text": TEXT}
        frame = frame if case else {"type": "invite", "case": part.case, "text": TEXT}
        with suppress(OSError, TimeoutError, WebSocketException):
            with connect(
                url, origin=Origin(self.house.site_url), additional_headers={"Cookie": self.cookie}, proxy=None
            ) as socket:
                socket.send(json.dumps(frame))
                return str(json.loads(socket.recv(timeout=10)).get("code", "said"))
        return "closed"

    def _write(self, part: Part, door: str, number: int, *, json_wanted: bool = True) -> str:
        answer = self._post(f"{urlsplit(self._case(part)).path}{door}/", {"text": f"{TEXT}, {number}"}, json_wanted)
        if answer.is_success and json_wanted:
            self.numbers.append(int(answer.json()["outgoing"]["id"]))
        return str(answer.status_code)

    def _post(self, path: str, fields: dict[str, str], json_wanted: bool = True) -> httpx.Response:
        site = self.house.site_url
        headers = {"Referer": f"{site}/workspace/", "Origin": site, "X-CSRFToken": self.token}
        headers |= {"Accept": "application/json"} if json_wanted else {"Accept": "text/html"}
        return self.client.post(path, data=fields, headers=headers)

    def _case(self, part: Part) -> str:
        return f"{self.house.site_url}/workspace/cases/{part.case}/"
