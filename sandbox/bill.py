"""Takes what was answered, streamed and pushed, leaves what X charges for it: each thing once per resource and UTC day.

Counted by itself from the answers, so that the product's own meter has something to be compared with. Figures are
X's list prices of August 2026 in millionths of a dollar.
"""

from collections.abc import Iterable
from datetime import date, datetime
from threading import Lock
from typing import Any

from django.db.models import Count, Sum

from sandbox import clock
from sandbox.models import Charge

PRICES = {
    "post": 5_000,
    "owned_post": 1_000,
    "user": 10_000,
    "dm_event": 10_000,
    "dm_create": 15_000,
    "post_create": 15_000,
    "post_create_url": 200_000,
    "reply_summoned": 10_000,
}
# What `data` holds in the answers of those endpoints that are charged for reading.
READS = {
    "users/:id/mentions": "post",
    "tweets/search/recent": "post",
    "tweets/:id": "post",
    "tweets": "post",
    "users/me": "user",
    "users/:id": "user",
    "users/by/username/:username": "user",
    "users": "user",
    "dm_events": "dm_event",
    "dm_conversations/with/:id/dm_events": "dm_event",
    "dm_conversations/:id/dm_events": "dm_event",
}
INCLUDED = {"tweets": "post", "posts": "post", "users": "user"}
MOST_REMEMBERED = 200_000

Thing = tuple[str, int]  # resource, id
Json = dict[str, Any]

_lock = Lock()
_charged: set[tuple[date, Thing]] = set()
_later: list[tuple[datetime, Thing]] = []


def of_answer(endpoint: str, body: Json, *, owned: bool = False) -> list[Thing]:
    """What an answer of 2xx to a read charges. `owned`: these are the mentions of the account that owns the app."""
    kind = READS.get(endpoint)
    if kind is None:
        return []
    return of_object(body, "owned_post" if owned else kind)


def of_object(body: Json, kind: str = "post") -> list[Thing]:
    """What one answer or stream line charges: `data` as this kind, and everything included."""
    data = body.get("data", [])
    things = [(kind, int(each["id"])) for each in (data if isinstance(data, list) else [data])]
    for name, rows in body.get("includes", {}).items():
        if name in INCLUDED:
            things += [(INCLUDED[name], int(each["id"])) for each in rows]
    return things


def charge(things: Iterable[Thing], *, at: datetime | None = None) -> None:
    """Charge things, now or at this moment: one statement, and none when all of them were charged that day."""
    moment = at or clock.now()
    _store([(moment, thing) for thing in things])


def charge_later(things: Iterable[Thing]) -> None:
    """The same from the event loop, which must not wait for the database: `settle` stores it."""
    moment = clock.now()
    with _lock:
        _later.extend((moment, thing) for thing in things)


def settle() -> None:
    """Store what was charged from the event loop."""
    with _lock:
        waiting = list(_later)
        _later.clear()
    _store(waiting)


def lines(day: date | None = None) -> list[Json]:
    """The bill, by day and resource."""
    settle()
    rows = Charge.objects.all() if day is None else Charge.objects.filter(day=day)
    summed = rows.values("day", "resource").annotate(units=Count("thing"), total=Sum("micros"))
    return [
        {"day": row["day"].isoformat(), "resource": row["resource"], "units": row["units"], "micros": row["total"]}
        for row in summed.order_by("day", "resource")
    ]


def posts_by_day(since: date) -> dict[date, int]:
    """How many posts were read on each day, for X's own account of the usage."""
    settle()
    rows = Charge.objects.filter(day__gte=since, resource__in=("post", "owned_post"))
    counted = rows.values("day").annotate(units=Count("thing")).order_by("day")
    return {row["day"]: row["units"] for row in counted}


def forget() -> None:
    """Begin a new bill; the rows are the caller's to delete."""
    with _lock:
        _charged.clear()
        _later.clear()


def _store(things: Iterable[tuple[datetime, Thing]]) -> None:
    wanted = {(moment.date(), thing) for moment, thing in things} - _charged
    if not wanted:
        return
    Charge.objects.bulk_create(
        [Charge(day=day, resource=kind, thing=number, micros=PRICES[kind]) for day, (kind, number) in sorted(wanted)],
        ignore_conflicts=True,
    )
    if len(_charged) > MOST_REMEMBERED:
        _charged.clear()
    _charged.update(wanted)
