"""Takes a brand's opening hours and a case, leaves when somebody answers, and what the customer is told about it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Q, prefetch_related_objects
from django.utils.translation import gettext as _

from accounts import agents as roster
from accounts.models import Agent, Customer
from citisocial import clock
from conversations import audit, events, ledger
from conversations.cases import WORKED_ON
from conversations.errors import CaseMoved
from conversations.models import Brand, Case, Message, OpeningHours, Side

FEWEST = 5  # answered waits: of fewer nobody can say what is usual
MIDNIGHT = time()
OFF_SHIFT = "off_shift"
WAITS = "waits"  # the line of a customer who chose to wait


@dataclass(frozen=True, slots=True)
class Wait:
    """What a customer may expect now.

    `agent` is the first name of the one whose case it is, or None; `agent_state` is their availability, `off_shift`
    when their shift is over, and "" without one. `minutes` is how long customers of the brand usually wait, None while
    that cannot be said; `ahead` how many wait longer for the same agent. `opens_at` is None while it is open.
    `waits`: the customer chose to wait for the end of this absence.
    """

    agent: str | None
    agent_state: str
    open_now: bool
    opens_at: datetime | None
    minutes: int | None
    ahead: int
    waits: bool

    @property
    def here(self) -> bool:
        """Whether the agent answers now, whatever the hours say."""
        return self.agent_state in roster.HERE

    @property
    def hours(self) -> int | None:
        """`minutes` as hours where that says enough."""
        return None if self.minutes is None or self.minutes < 120 else -(-self.minutes // 60)


def open_now(brand: Brand, at: datetime) -> bool:
    """Whether the brand's hours cover `at`; without any hours it is always open."""
    week = _week(brand)
    return not week or any(opens <= at < closes for opens, closes in _stretches(week, brand, at))


def opens_next(brand: Brand, at: datetime) -> datetime | None:
    """When it opens again, in the brand's time; None while it is open, and without any hours."""
    if open_now(brand, at):
        return None
    opens_at = min(opens for opens, _closes in _stretches(_week(brand), brand, at) if opens > at)
    return opens_at.astimezone(ZoneInfo(brand.time_zone))


def _week(brand: Brand) -> Iterable[OpeningHours]:
    """Read once for each `brand` object, however many moments are asked about."""
    prefetch_related_objects([brand], "hours")
    return brand.hours.all()


def _stretches(week: Iterable[OpeningHours], brand: Brand, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Every opening from the day before `at` to the same weekday after it, as instants."""
    zone = ZoneInfo(brand.time_zone)
    today = at.astimezone(zone).date()
    for day in (today + timedelta(days=n) for n in range(-1, 9)):
        for row in week:
            if row.weekday == day.weekday():
                last = day + timedelta(days=1) if row.closes == MIDNIGHT else day
                yield _instant(day, row.opens, zone), _instant(last, row.closes, zone)


def _instant(day: date, hour: time, zone: ZoneInfo) -> datetime:
    """What the clock on the wall means. An hour that summer time skips is as late as if it were not skipped."""
    return datetime.combine(day, hour, tzinfo=zone).astimezone(UTC)


def expected(case: Case) -> Wait:
    """What the customer of the case may expect now: a fixed number of queries."""
    at = clock.now()
    agents = Agent.objects.select_related("user").prefetch_related("shifts")
    agent = agents.get(pk=case.agent_id) if case.agent_id else None
    opens_at = opens_next(case.brand, at)
    return Wait(
        agent=agent.name.split(" ")[0] if agent else None,
        agent_state=_state(agent, at) if agent else "",
        open_now=opens_at is None,
        opens_at=opens_at,
        minutes=_usual(case.brand_id),
        ahead=_ahead(case),
        waits=agent is not None and Message.objects.filter(case=case, client_id=_absence(case, agent)).exists(),
    )


def _state(agent: Agent, at: datetime) -> str:
    if not agent.user.is_active:
        return Agent.Availability.OFFLINE
    if agent.availability in roster.HERE and not roster.on_shift(agent, at):
        return OFF_SHIFT
    return agent.availability


def _ahead(case: Case) -> int:
    """Who has waited longer for the same agent, or in the same line where there is none."""
    line = Q(agent=case.agent_id, status__in=WORKED_ON) if case.agent_id else Q(brand=case.brand_id, status="OPEN")
    waiting = Case.objects.filter(line, move=Case.Move.OURS)
    if case.move == Case.Move.OURS:  # otherwise they come behind all others when they write now
        waiting = waiting.filter(waiting_since__lt=case.waiting_since)
    return waiting.exclude(pk=case.pk).count()


# The last lines of the brand's last cases, and not all messages of a week: at most 1,800, however many there are.
# `answers` numbers the agent's lines before one, so it is the same for what a customer said and for the answer to it.
# What began before the lines that are read is left out.
@cache
def _usual_sql() -> str:
    return f"""
WITH since AS MATERIALIZED (SELECT {clock.expression()} - interval '7 days' AS at),
recent AS (
  SELECT id FROM (
    SELECT id, last_seq FROM conversations_case
    WHERE brand_id = %s AND changed_at > (SELECT at FROM since) ORDER BY changed_at DESC, id DESC LIMIT 1000) c
  WHERE last_seq > 0 LIMIT 60),
said AS (
  SELECT recent.id AS case_id, m.* FROM recent CROSS JOIN LATERAL (
    SELECT seq, side, sent_at FROM conversations_message m
    WHERE m.case_id = recent.id AND m.kind IN ('said', 'file') ORDER BY seq DESC LIMIT 30) m),
counted AS (
  SELECT *, count(*) OVER (PARTITION BY case_id) = 30 AS is_cut, count(*) FILTER (WHERE side = 'agent')
    OVER (PARTITION BY case_id ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS answers
  FROM said),
answered AS (
  SELECT max(sent_at) FILTER (WHERE side = 'agent') AS at, min(sent_at) FILTER (WHERE side = 'customer') AS since
  FROM counted WHERE NOT (is_cut AND answers = 0) GROUP BY case_id, answers),
last AS (
  SELECT at - since AS wait FROM answered
  WHERE since IS NOT NULL AND at > (SELECT at FROM since) ORDER BY at DESC LIMIT 50)
SELECT count(*), ceil(extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY wait)) / 60)::int FROM last"""


def _usual(brand_id: int) -> int | None:
    """Minutes customers waited for an answer in chat: of the last 50 waits within a week the median, rounded up."""
    with connection.cursor() as cursor:
        cursor.execute(_usual_sql(), [brand_id])
        found, minutes = cursor.fetchone()
    return max(1, minutes) if found >= FEWEST else None


def stay(case: Case, *, customer: Customer) -> None:
    """The customer waits for their agent, whatever that takes: a line that the agent finds, once for each absence."""
    with transaction.atomic():
        case = Case.objects.select_for_update(of=("self",)).select_related("brand", "agent").get(pk=case.pk)
        wait = expected(case)
        if case.agent is None or case.status not in WORKED_ON:
            raise CaseMoved(_("There is nobody to wait for now. Just write: whoever answers finds it here."))
        if wait.here:
            raise CaseMoved(_("%(agent)s is here again. Just write.") % {"agent": wait.agent})
        if wait.waits:
            return
        key = _absence(case, case.agent)
        ledger.append(case, kind=Message.Kind.EVENT, author=None, agent=case.agent, text=WAITS, client_id=key)
        audit.record(WAITS, case=case, user=customer.user, actor="customer", data={"agent": case.agent.name})


def _absence(case: Case, agent: Agent) -> UUID:
    """Names this absence of the agent: since when they are away, or after which word of theirs their shift was over."""
    if agent.away_since is not None:
        return uuid5(case.public_id, f"{WAITS} since {agent.away_since.isoformat()}")
    words = Message.objects.filter(case=case, side=Side.AGENT).order_by("-seq").values_list("seq", flat=True)
    return uuid5(case.public_id, f"{WAITS} after {words.first()}")


def tell(agent_ids: Sequence[int]) -> None:
    """These agents came or went: their own pages and those of their customers say so (accounts.signals)."""
    for agent_id in agent_ids:
        events.tell_agent(agent_id)
    theirs = Case.objects.filter(agent__in=agent_ids, status__in=WORKED_ON, customer__isnull=False)
    for case_id in theirs.values_list("pk", flat=True):
        events.poke_case(case_id, "availability")
