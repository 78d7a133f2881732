"""Takes orders to misbehave, leaves a list of what is armed, what fired when, and when it was good again.

What a fault does to an answer is done in edge.py; this keeps count. It lives in this process's memory. Times are the
machine's own (a moved clock does not move them): a rehearsal subtracts them from each other.
"""

import itertools
import re
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from sandbox import refusals, streaming
from sandbox.api.calls import json_answer

REFUSALS = frozenset({"429", "503", "409"})
KINDS = REFUSALS | {
    "reset",  # the connection breaks in the middle of a line or body
    "stall",  # open and silent for `seconds`; 0: until the other side goes
    "disconnect",  # X says goodbye in the stream, then closes
    "duplicate",  # a line, or each item of a page, twice
    "out_of_order",  # the items of a page shuffled; on a stream a line after its successor
    "lost",  # accepted and stored, and the connection dies before the answer
    "error",  # accepted and stored, and the answer is a 500
    "slow",  # `seconds` late
    "bad_json",  # a line or body that is no JSON
}
ANY = "any"
# Which calls bear which name, first match first. What is not listed is hit by `any` alone.
CALLS = (
    ("stream", "GET", re.compile(r"/2/tweets/search/stream")),
    ("rules", "", re.compile(r"/2/tweets/search/stream/rules")),
    ("search", "GET", re.compile(r"/2/tweets/search/recent")),
    ("mentions", "GET", re.compile(r"/2/users/[^/]+/mentions")),
    ("users", "GET", re.compile(r"/2/users(/.*)?")),
    ("dm_events", "GET", re.compile(r"/2/(dm_events|dm_conversations/.*)")),
    ("send_dm", "POST", re.compile(r"/2/dm_conversations/.*")),
    ("reply", "POST", re.compile(r"/2/tweets")),
    ("token", "POST", re.compile(r"/2/oauth2/.*")),
    ("activity", "", re.compile(r"/2/activity/.*")),
    ("webhook", "", re.compile(r"/2/webhooks(/.*)?")),
)
ENDPOINTS = frozenset({ANY, *(name for name, _, _ in CALLS)})
STREAMS = frozenset({"/2/tweets/search/stream", "/2/activity/stream"})


@dataclass
class Firing:
    """One time that a fault acted: on which endpoint, when, and when that one gave a good answer again."""

    endpoint: str
    at: float
    recovered: float | None = None


@dataclass
class Fault:
    """An armed fault: so many times `left`. `seconds` means what its kind makes of it."""

    id: int
    kind: str
    endpoint: str
    left: int
    seconds: float
    path: str = ""  # only calls whose path has this in it
    firings: list[Firing] = field(default_factory=list)

    def hits(self, endpoint: str, path: str) -> bool:
        """Whether it would act on this endpoint now."""
        return self.left > 0 and self.endpoint in (endpoint, ANY) and self.path in path


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    fault: str | int = ""
    endpoint: str = ""
    times: int = 1
    seconds: float = 2.0
    path: str = ""
    clear: bool = False


_lock = threading.Lock()  # orders come in Django's thread, faults fire in the event loop
_numbers = itertools.count(1)
_faults: list[Fault] = []


@csrf_exempt
@require_http_methods(["GET", "POST"])
def control(request: HttpRequest) -> HttpResponse:
    """The control door: GET lists, POST arms one or clears all."""
    if request.method == "GET":
        return json_answer({"faults": listing()})
    try:
        order = msgspec.json.decode(request.body or b"{}", type=_Order)
        if order.clear:
            clear()
            return json_answer({"cleared": True})
        ident = arm(str(order.fault), order.endpoint, times=order.times, seconds=order.seconds, path=order.path)
        return json_answer({"id": ident})
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        refusals.record(400, request, str(error))
        return json_answer({"error": str(error)}, status=400)


def arm(kind: str, endpoint: str, *, times: int = 1, seconds: float = 2.0, path: str = "") -> int:
    """Let this happen to the next `times` answers (on a stream: lines or connections); returns the fault's id.

    `path`: only to calls whose path has this in it, as the id of the person who is written to.

    A stream that is open ends at once when its next connections are to be refused, and a goodbye or a silence
    begins at once. Raises ValueError with a sentence.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no fault '{kind}': it is one of {', '.join(sorted(KINDS))}.")
    if endpoint not in ENDPOINTS:
        raise ValueError(f"There is no endpoint '{endpoint}': it is one of {', '.join(sorted(ENDPOINTS))}.")
    if kind == "disconnect" and endpoint not in {"stream", "activity", ANY}:
        raise ValueError("Only a stream says goodbye: disconnect goes with stream, activity or any.")
    if kind == "error" and endpoint in {"stream", "webhook"}:
        raise ValueError("Streams and webhooks accept nothing: error goes with calls.")
    if times < 1 or not 0 <= seconds <= 3600:
        raise ValueError("times must be 1 or more, and seconds between 0 and 3600.")
    with _lock:
        fault = Fault(next(_numbers), kind, endpoint, times, seconds, path)
        _faults.append(fault)
    if endpoint in {"stream", ANY}:
        if kind in REFUSALS:
            streaming.hub.drop()
        elif kind in {"stall", "disconnect"}:
            streaming.hub.nudge()
    return fault.id


def clear() -> None:
    """Forget all, also what fired."""
    with _lock:
        _faults.clear()


def listing() -> list[dict[str, Any]]:
    """All since the last clearing, in the order they were armed."""
    with _lock:
        return [
            {
                "id": fault.id,
                "fault": fault.kind,
                "endpoint": fault.endpoint,
                "left": fault.left,
                "fired": len(fault.firings),
                "fired_at": [_iso(firing.at) for firing in fault.firings],
                "recovered_at": [_iso(firing.recovered) for firing in fault.firings],
            }
            for fault in _faults
        ]


def name_of(method: str, path: str) -> str:
    """The endpoint's name; `any` for a call of the API that bears none, empty for what is not the API."""
    if not path.startswith("/2/"):
        return ""
    for name, only, pattern in CALLS:
        if only in ("", method) and pattern.fullmatch(path):
            return name
    return ANY


def armed(endpoint: str, kinds: Collection[str], path: str) -> bool:
    """Whether one of these would act on this endpoint."""
    return any(fault.kind in kinds and fault.hits(endpoint, path) for fault in list(_faults))


def take(endpoint: str, kinds: Collection[str], path: str = "") -> Fault | None:
    """The fault that acts now, counted as fired; the one that was armed first."""
    if not _faults:
        return None
    with _lock:
        for fault in _faults:
            if fault.kind in kinds and fault.hits(endpoint, path):
                fault.left -= 1
                fault.firings.append(Firing(endpoint, time.time()))
                return fault
    return None


def recovered(endpoint: str) -> None:
    """Note that this endpoint gave a good, complete answer (a stream: a line with a post)."""
    if not _faults:
        return
    now = time.time()
    with _lock:
        for fault in _faults:
            for firing in fault.firings:
                if firing.recovered is None and firing.endpoint == endpoint:
                    firing.recovered = now


def _iso(moment: float | None) -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
