"""Takes orders for faults, leaves each of them fired on a real call and got over, with the times of both.

The sandbox fires and keeps the times (`/_sandbox/faults`); this decides when the next one is due.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from .faultlist import Order
from .people import Stumble

LOOK = 0.4  # seconds between two looks at what has fired
STEADY = 21.0  # the product forgives earlier refusals when a connection has lived 20 s
CONNECTS, WINDOW = 44, 900.0  # of X's 50 in 15 minutes; the rest is for what the listener does on its own
# Seconds: a fault that has not met a call by then never will; one that is not got over by then is a failure.
FIRE_WITHIN = {"stream": 60.0, "mentions": 90.0, "search": 150.0, "dm_events": 1000.0, "token": 240.0, "webhook": 120.0}
RECOVER_WITHIN = {
    "stream": 180.0,
    "mentions": 120.0,
    "search": 150.0,
    "dm_events": 1000.0,
    "token": 240.0,
    "webhook": 120.0,
}


@dataclass(frozen=True, slots=True)
class Firing:
    """What became of one order: seconds since the epoch; None: it did not come to that in time."""

    order: Order
    fired: float | None
    recovered: float | None


class Door:
    """The sandbox's door for faults. One thread looks for everybody."""

    def __init__(self, x_url: str) -> None:
        self.client = httpx.Client(base_url=x_url, timeout=30, trust_env=False)
        self.known: dict[int, tuple[float | None, float | None]] = {}
        self.over = threading.Event()
        self.looker = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Door":
        self._call({"clear": True})
        self.looker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.looker.join(5)
        with suppress(httpx.HTTPError):
            self.client.post("/_sandbox/faults", json={"clear": True})
        self.client.close()

    def arm(self, order: Order) -> int:
        """The fault's id; it waits for the next call."""
        said = self._call({"fault": order.fault, "endpoint": order.endpoint, "times": 1, "seconds": order.seconds})
        return int(said["id"])

    def arm_call(self, fault: str, endpoint: str, *, times: int = 1, seconds: float = 0.0, path: str = "") -> int:
        """The id of a fault for calls whose path has this in it."""
        order = {"fault": fault, "endpoint": endpoint, "times": times, "seconds": seconds, "path": path}
        return int(self._call(order)["id"])

    def times(self, ident: int) -> tuple[float | None, float | None]:
        """When it fired and when it was got over, as far as is known now."""
        return self.known.get(ident, (None, None))

    def _call(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self.client.post("/_sandbox/faults", json=body)
        except httpx.HTTPError as error:
            raise Stumble(f"the sandbox took no order for a fault: {type(error).__name__}") from error
        if not answer.is_success:
            raise Stumble(f"the sandbox refused a fault: {answer.status_code} {answer.text[:200]}")
        said: dict[str, Any] = answer.json()
        return said

    def _look(self) -> None:
        while not self.over.wait(LOOK):
            with suppress(httpx.HTTPError, ValueError):
                for one in self.client.get("/_sandbox/faults").json()["faults"]:
                    if one["fired_at"]:
                        self.known[int(one["id"])] = (seconds(one["fired_at"][0]), seconds(one["recovered_at"][0]))


class Lane(threading.Thread):
    """Fires the orders of one endpoint, one after the other. `before` sees to it that such a call will be made."""

    def __init__(
        self, orders: Sequence[Order], door: Door, *, over: threading.Event, before: Callable[[], None]
    ) -> None:
        super().__init__(daemon=True)
        self.orders = list(orders)
        self.door = door
        self.before = before
        self.over = over
        self.firings: list[Firing] = []
        self.error: Exception | None = None
        self._connects: list[float] = []
        self._since = time.monotonic()

    def run(self) -> None:
        try:
            for order in self.orders:
                self._wait_for_turn(order)
                if self.over.is_set():
                    return
                self._since = time.monotonic()
                self.firings.append(self._fire(order))
        except Exception as error:  # said by whoever started this thread
            self.error = error

    @property
    def remaining(self) -> float:
        """Seconds that what is left will take, about; 0 when all is done."""
        left = self.orders[len(self.firings) :]
        if not left or not self.is_alive():
            return 0.0
        begun = min(time.monotonic() - self._since, left[0].cost - 1.0)
        return sum(order.cost for order in left) - begun

    def _wait_for_turn(self, order: Order) -> None:
        """X allows so many connections, and a stream that was refused a moment ago is not asked at once again."""
        if not order.connects:
            return
        now = time.monotonic()
        self._connects = [at for at in self._connects if at > now - WINDOW]
        until = self._connects[-CONNECTS] + WINDOW if len(self._connects) >= CONNECTS else now
        if order.waits_longer_each_time and self._connects:
            until = max(until, self._connects[-1] + STEADY)
        self.over.wait(max(0.0, until - now))

    def _fire(self, order: Order) -> Firing:
        ident = self.door.arm(order)
        self.before()
        fired = self._until(lambda: self.door.times(ident)[0], FIRE_WITHIN[order.endpoint])
        recovered = None
        if fired is not None:
            self.before()
            recovered = self._until(lambda: self.door.times(ident)[1], RECOVER_WITHIN[order.endpoint])
        if order.connects:
            self._connects.append(time.monotonic())
        return Firing(order, fired, recovered)

    def _until(self, ask: Callable[[], float | None], within: float) -> float | None:
        deadline = time.monotonic() + within
        while (said := ask()) is None and time.monotonic() < deadline:
            if self.over.wait(LOOK / 2):
                return ask()
        return said


def seconds(moment: str | None) -> float | None:
    """Seconds since the epoch of an ISO time of the sandbox."""
    return None if moment is None else datetime.fromisoformat(moment).timestamp()
