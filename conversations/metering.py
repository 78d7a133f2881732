"""Takes what a network charged, leaves it counted once per UTC day and added up, and says how thrifty to be.

The network sends the real bill; this one is counted beside it, so that a limit can be kept before the bill comes.
"""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection, transaction
from django.db.models import Q, Sum

from accounts.models import User
from citisocial.clock import now
from conversations import audit
from conversations.models import Budget, Charge, Usage
from conversations.networks.base import Charge as Charged

log = logging.getLogger(__name__)

Thrift = Literal["normal", "slower", "handles_only"]
DAY = 86_400.0
DOLLAR = 1_000_000  # micros
SLOWER = 0.8  # of the limit: from here on keyword searches are asked four times less often
LOOK_BACK = 7  # days that say what a usual day costs
KEEP = timedelta(days=2)
POSTS = ("post", "owned_post")  # what counts towards X's cap of post reads in a month
MONTHLY_POSTS = 3_000_000
KEYWORD_CALLS = ("search", "stream")  # what is read for; everything else is for the handles
NEW = """
INSERT INTO conversations_charge (network, day, resource, external_id)
SELECT %s, %s, resource, external_id FROM unnest(%s::text[], %s::text[]) AS t(resource, external_id)
ON CONFLICT DO NOTHING
RETURNING resource, external_id
"""
ADD = """
INSERT INTO conversations_usage (network, day, resource, call, units, micros)
SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::int[], %s::bigint[])
ON CONFLICT (network, day, resource, call) DO UPDATE
SET units = conversations_usage.units + excluded.units, micros = conversations_usage.micros + excluded.micros
"""

_asked: dict[str, tuple[float, Thrift]] = {}


@dataclass(frozen=True, slots=True)
class Spending:
    """One network's UTC day so far, in micros. `usual` is an average day of the last seven that cost anything."""

    at: datetime
    limit: int | None
    spent: int
    usual: int
    usual_handles: int  # the part of `usual` that was not read by keyword

    @property
    def elapsed(self) -> float:
        """The part of the UTC day that is over, 0 to 1."""
        return (self.at - self.day_start).total_seconds() / DAY

    @property
    def day_start(self) -> datetime:
        return self.at.replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def day_end(self) -> datetime:
        return self.day_start + timedelta(days=1)

    @property
    def forecast(self) -> int:
        """What the whole day will cost: what is spent, and the rest at a pace between today's and a usual day's.

        The later it is, the more today's own pace counts; without days to look back at it counts alone.
        """
        elapsed = max(self.elapsed, 1 / 1440)
        pace = self.spent / elapsed
        if self.usual:
            pace = elapsed * pace + (1 - elapsed) * self.usual
        return self.spent + round(pace * (1 - elapsed))

    @property
    def reserve(self) -> int:
        """What the handles are likely to need until the day ends: their usual spending, by whole hours.

        By whole hours, so that the answer cannot waver from one minute to the next.
        """
        return self.usual_handles * (24 - self.at.hour) // 24

    @property
    def thrift(self) -> Thrift:
        if self.limit is None:
            return "normal"
        if self.spent + self.reserve >= self.limit:
            return "handles_only"
        return "slower" if self.spent >= SLOWER * self.limit else "normal"


def record(network: str, charges: Sequence[Charged], *, day: date | None = None) -> None:
    """Count what was not charged on that UTC day already (default: today, by the database's clock).

    Never raises: what is counted has happened, and a meter that fails must not take the call down with it.
    """
    first = {(c.resource, c.external_id[:40]): c for c in charges}
    if not first:
        return
    try:
        try:
            _count(network, first, day)
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block:
                raise
            connection.close()  # it was ended while we waited for the network, which says only once what it charged
            _count(network, first, day)
    except Error:
        log.exception("metering: %d charges of %s were not counted", len(first), network)


@transaction.atomic
def _count(network: str, first: dict[tuple[str, str], Charged], day: date | None) -> None:
    day = day or today()
    keys = sorted(first)  # in one order, so that two who count the same never wait for each other in a circle
    units: Counter[tuple[str, str]] = Counter()
    micros: Counter[tuple[str, str]] = Counter()
    with connection.cursor() as sql:
        sql.execute(NEW, [network, day, [r for r, _ in keys], [i for _, i in keys]])
        for key in sql.fetchall():
            charge = first[key]
            units[charge.resource, charge.call] += 1
            micros[charge.resource, charge.call] += charge.micros
        lines = sorted(units)
        if lines:
            what = [r for r, _ in lines], [c for _, c in lines]
            sql.execute(ADD, [network, day, *what, [units[x] for x in lines], [micros[x] for x in lines]])


def thrift(network: str) -> Thrift:
    """How thrifty to be until the UTC day ends; asked of the database every few seconds at most.

    `slower`: keyword searches four times less often. `handles_only`: keyword rules leave the stream and the search.
    Whatever it says, what names our handles is read as always. Cannot be told: "normal".
    """
    found = _asked.get(network)
    at = time.monotonic()
    if found and at - found[0] < settings.LOOK_AGAIN_SECONDS:
        return found[1]
    try:
        said = spending(network).thrift
    except Error:
        log.exception("metering: the budget of %s cannot be read", network)
        return "normal"
    _asked[network] = (at, said)
    return said


def spending(network: str) -> Spending:
    """Today's spending beside its limit and beside what a usual day costs: three queries, one is the clock's."""
    at = now().astimezone(UTC)
    day = at.date()
    limit = Budget.objects.filter(network=network).values_list("daily_limit", flat=True).first()
    keyword = Q(call__in=KEYWORD_CALLS)
    rows = Usage.objects.filter(network=network, day__gte=day - timedelta(days=LOOK_BACK), day__lte=day)
    days = {
        row["day"]: (row["all"], row["all"] - (row["keyword"] or 0))
        for row in rows.values("day").annotate(all=Sum("micros"), keyword=Sum("micros", filter=keyword)).order_by("day")
    }
    spent, _ = days.pop(day, (0, 0))
    count = len(days) or 1
    return Spending(
        at=at,
        limit=None if limit is None else int(limit * DOLLAR),
        spent=spent,
        usual=sum(whole for whole, _ in days.values()) // count,
        usual_handles=sum(handles for _, handles in days.values()) // count,
    )


def set_limit(network: str, limit: Decimal | None, *, by: User) -> None:
    """US dollars in a UTC day, from now on; None: only count."""
    with transaction.atomic():
        row, _ = Budget.objects.get_or_create(network=network)
        before, row.daily_limit = row.daily_limit, limit
        row.save(update_fields=["daily_limit"])
        said = {"network": network, "from": _words(before), "to": _words(limit)}
        audit.record("budget", user=by, actor="supervisor", data=said)
    _asked.pop(network, None)


def _words(limit: Decimal | None) -> str:
    return "no limit" if limit is None else f"${limit:.2f} a day"


def of_day(network: str, day: date) -> list[Usage]:
    """What was bought on a UTC day, the dearest first."""
    return list(Usage.objects.filter(network=network, day=day).order_by("-micros", "resource", "call"))


def by_day(network: str, first: date, last: date) -> list[tuple[date, int]]:
    """Micros of each UTC day from the first to the last, both with."""
    rows = (
        Usage.objects.filter(network=network, day__gte=first, day__lte=last).values("day").annotate(all=Sum("micros"))
    )
    found = {row["day"]: row["all"] for row in rows.order_by("day")}
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [(day, found.get(day, 0)) for day in days]


def posts_in_month(network: str, day: date) -> int:
    """Posts read in the day's UTC month up to the day, as the network's monthly cap counts them."""
    rows = Usage.objects.filter(network=network, day__gte=day.replace(day=1), day__lte=day, resource__in=POSTS)
    return rows.aggregate(all=Sum("units"))["all"] or 0


def forget() -> int:
    """Take out charges of days that are over for good: the same resource on another day costs again anyway."""
    return Charge.objects.filter(day__lt=today() - KEEP).delete()[0]


def today() -> date:
    """The UTC day that is being charged."""
    return now().astimezone(UTC).date()
