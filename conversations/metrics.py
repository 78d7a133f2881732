"""Takes the rows of the day, leaves the supervisor's figures: typed, in a fixed number of queries, each along an index.

"Today" begins at midnight in the site's time zone. Whatever happens to a case moves its `changed_at`, so the figures
of the day about cases read only the cases that changed since midnight (index `case_newest`); no figure counts a whole
table. The filters of the admin's lists mean the same, so each figure can be opened to its rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from django.db.models import Avg, Count, DateTimeField, F, Func, Q, QuerySet, Value
from django.utils import timezone

from accounts.agents import on_shift
from accounts.models import Agent
from citisocial.clock import now
from conversations import stops
from conversations.cases import WORKED_ON
from conversations.models import Brand, BrandAccount, Case, Invitation, Mention, SendingStop, Survey

Status = Case.Status
# Two groups, as the two partial indexes have them: the planner can use both for "anything open".
OPEN = Q(status=Status.OPEN) | Q(status__in=WORKED_ON)
# A survey that was answered today was offered within this time; the index is by offering.
SURVEY_LIFE = timedelta(days=30)
HOURS = 24
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Reason:
    """How many of today's posts were ignored for one named reason."""

    name: str
    count: int


class Heard(TypedDict):
    """What became of the day's posts."""

    posts: int
    cased: int
    untriaged: int
    ignored: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The case that has been waiting for us longest."""

    case_id: int
    handle: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Today:
    """What happened since `start`, and what stands at `at`."""

    start: datetime
    at: datetime
    posts: int
    cased: int
    untriaged: int
    ignored: tuple[Reason, ...]
    opened: int
    contacted: int
    connected: int
    resolved: int
    open_cases: int
    unassigned: int
    waiting: int
    longest: Waiting | None
    invited: int
    invitations_opened: int
    rated: int
    csat: float | None

    @property
    def ignored_count(self) -> int:
        """All of today's ignored posts."""
        return sum(reason.count for reason in self.ignored)

    @property
    def opened_percent(self) -> int | None:
        """Share of today's invitations that a person has opened; None when none has left."""
        return round(100 * self.invitations_opened / self.invited) if self.invited else None


@dataclass(frozen=True, slots=True)
class Hour:
    """The 60 minutes until `until`."""

    until: datetime
    posts: int
    cases: int


@dataclass(frozen=True, slots=True)
class Desk:
    """One agent at work: how many cases of how many, and whether the roster has them in now."""

    agent: Agent
    load: int
    on_shift: bool

    @property
    def scale(self) -> int:
        """What a bar of the load is drawn against; never 0, and never shorter than the load."""
        return max(self.agent.capacity, self.load, 1)


@dataclass(frozen=True, slots=True)
class Sending:
    """Whether a brand's texts leave, and if not all of them, the stops that hold them back."""

    brand: Brand
    stops: tuple[SendingStop, ...]


def day_start(at: datetime) -> datetime:
    """Midnight before `at` in the site's time zone."""
    return timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)


def today(brand: Brand | None = None) -> Today:
    """The day's figures, of one brand or of all. Seven queries, whatever the tables hold."""
    at = now()
    start = day_start(at)
    brands = _brands(brand)
    posts = _posts(brands, start)
    changed = Case.objects.filter(brand__in=brands, changed_at__gte=start).aggregate(
        opened=Count("pk", filter=Q(opened_at__gte=start)),
        contacted=Count("pk", filter=Q(first_contact_at__gte=start)),
        resolved=Count("pk", filter=Q(resolved_at__gte=start)),
    )
    standing = Case.objects.filter(OPEN, brand__in=brands).aggregate(
        open_cases=Count("pk"),
        unassigned=Count("pk", filter=Q(status=Status.OPEN)),
        waiting=Count("pk", filter=Q(move=Case.Move.OURS)),
    )
    invitations = invitations_since(start, brands).aggregate(
        invited=Count("pk"), invitations_opened=Count("pk", filter=Q(opened_at__isnull=False))
    )
    joined = joined_since(start, brands).aggregate(connected=Count("pk"))
    rated = answered_since(start, brands).aggregate(rated=Count("pk"), csat=Avg("csat"))
    return Today(
        start=start, at=at, longest=_longest(brands), **posts, **changed, **standing, **invitations, **joined, **rated
    )


def by_hour(brand: Brand | None = None) -> tuple[Hour, ...]:
    """Posts and new cases in each of the last 24 times 60 minutes, oldest first, those without any as 0. Three queries.

    The hours end now and not on the clock: the last one is a whole hour as well, and can be compared with the others.
    """
    at = now()
    first = at - HOURS * HOUR
    brands = _brands(brand)
    posts = _per_hour(
        Mention.objects.filter(brand__in=brands, posted_at__gte=first, posted_at__lt=at), "posted_at", first
    )
    # changed_at is never before opened_at and is what the index holds.
    opened = Case.objects.filter(brand__in=brands, changed_at__gte=first, opened_at__gte=first, opened_at__lt=at)
    cases = _per_hour(opened, "opened_at", first)
    starts = [first + hour * HOUR for hour in range(HOURS)]
    return tuple(Hour(until=start + HOUR, posts=posts.get(start, 0), cases=cases.get(start, 0)) for start in starts)


def desks(brand: Brand | None = None) -> tuple[Desk, ...]:
    """Everybody who answers for the brand, by name, with their load. Three queries."""
    at = now()
    accounts = BrandAccount.objects.filter(brand__in=_brands(brand), active=True)
    agents = (
        Agent.objects.filter(user__is_active=True, pk__in=Agent.objects.filter(teams__in=accounts.values("team")))
        .annotate(load=Count("cases", filter=Q(cases__status__in=WORKED_ON)))
        .prefetch_related("shifts")
        .order_by("name", "pk")
    )
    return tuple(Desk(agent=agent, load=agent.load, on_shift=on_shift(agent, at)) for agent in agents)


def sending(brand: Brand | None = None) -> tuple[Sending, ...]:
    """Each brand with the stops that hold its texts back. Two queries."""
    brands, running = list(Brand.objects.filter(pk__in=_brands(brand)).order_by("name")), stops.running()
    return tuple(Sending(each, tuple(stop for stop in running if _holds(stop, each))) for each in brands)


def _holds(stop: SendingStop, brand: Brand) -> bool:
    return (stop.account.brand_id if stop.account else stop.brand_id) in {None, brand.pk}


def invitations_since(start: datetime, brands: Sequence[int] | QuerySet[Brand]) -> QuerySet[Invitation]:
    """Invitations that went to the network since `start`."""
    return Invitation.objects.filter(
        outgoing__account__brand__in=brands, outgoing__claimed_at__gte=start, outgoing__delivery="SENT"
    )


def joined_since(start: datetime, brands: Sequence[int] | QuerySet[Brand]) -> QuerySet[Invitation]:
    """Hand-offs that ended in the chat since `start`."""
    return Invitation.objects.filter(
        outgoing__case__brand__in=brands, outgoing__case__changed_at__gte=start, joined_at__gte=start
    )


def answered_since(start: datetime, brands: Sequence[int] | QuerySet[Brand]) -> QuerySet[Survey]:
    """Surveys that came back since `start`."""
    return Survey.objects.filter(
        case__brand__in=brands, offered_at__gte=start - SURVEY_LIFE, answered_at__gte=start, state="ANSWERED"
    )


def _brands(brand: Brand | None) -> QuerySet[Brand]:
    """A handful of rows, joined inside the one query: an index that begins with the brand stays usable."""
    return Brand.objects.filter(pk=brand.pk) if brand else Brand.objects.all()


def _posts(brands: QuerySet[Brand], start: datetime) -> Heard:
    rows = (
        Mention.objects.filter(brand__in=brands, posted_at__gte=start)
        .values_list("state", "reason")
        .annotate(count=Count("pk"))
        .order_by("-count", "reason")
    )
    counted = list(rows)
    state = Mention.State
    return {
        "posts": sum(count for *_, count in counted),
        "cased": sum(count for said, _, count in counted if said == state.CASED),
        "untriaged": sum(count for said, _, count in counted if said == state.NEW),
        "ignored": tuple(Reason(reason, count) for said, reason, count in counted if said == state.IGNORED),
    }


def _longest(brands: QuerySet[Brand]) -> Waiting | None:
    waiting = Case.objects.filter(OPEN, brand__in=brands, move=Case.Move.OURS).order_by("waiting_since", "pk")
    row = waiting.values_list("pk", "author__handle", "waiting_since").first()
    return Waiting(*row) if row else None


def _per_hour(rows: QuerySet[Mention] | QuerySet[Case], field: str, first: datetime) -> dict[datetime, int]:
    """Counts by the start of their hour, hours counted from `first`."""
    hour: Func = Func(Value(HOUR), F(field), Value(first), function="date_bin", output_field=DateTimeField())
    return dict(rows.annotate(hour=hour).order_by("hour").values_list("hour").annotate(count=Count("pk")))
