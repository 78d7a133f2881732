"""Takes questions of tests and rehearsals, leaves the time, the bill and how deliveries went: more control doors."""

from datetime import date

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from sandbox import bill, clock
from sandbox.api.calls import json_answer
from sandbox.control import Refused, door
from sandbox.courier import courier

MOST_OFFSET = 10 * 366 * 86_400
SHOWN = 100


class _Clock(msgspec.Struct, forbid_unknown_fields=True):
    offset_seconds: float


@csrf_exempt
def time(request: HttpRequest) -> HttpResponse:
    """The sandbox's time; by POST, another offset from the machine's."""
    return _move(request) if request.method == "POST" else json_answer(_now())


@require_GET
def costs(request: HttpRequest) -> HttpResponse:
    """What X charges, on one day or on all."""
    try:
        day = date.fromisoformat(request.GET["day"]) if "day" in request.GET else None
    except ValueError:
        return json_answer({"error": "day must be written YYYY-MM-DD."}, status=400)
    lines = bill.lines(day)
    return json_answer({"micros": sum(line["micros"] for line in lines), "lines": lines})


@require_GET
def deliveries(request: HttpRequest) -> HttpResponse:
    """The newest events for webhooks and how their delivery went."""
    shown = [
        {"event_uuid": one.event_uuid, "event_type": one.event_type, "status": one.status, "attempts": one.attempts}
        for one in list(courier.log)[: -SHOWN - 1 : -1]
    ]
    return json_answer({"deliveries": shown, "waiting": courier.waiting})


@door(_Clock)
def _move(order: _Clock) -> object:
    if not abs(order.offset_seconds) < MOST_OFFSET:
        raise Refused("offset_seconds must be less than ten years.")
    clock.move(order.offset_seconds)
    courier.look_around()
    return _now()


def _now() -> object:
    now = clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"offset_seconds": clock.offset(), "now": now}
