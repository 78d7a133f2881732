"""Takes agents with their shifts, leaves who can be given work now; the only writer of Agent.availability.

What they choose by hand counts most. Doing nothing makes only an online one away, and doing something brings only that
one back. Whose last page is gone is offline, until one is back, and then what they were before. Whom a supervisor put
offline comes back by hand, or when a supervisor says so.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Exists, OuterRef, QuerySet, When
from django.db.models.functions import Coalesce

from accounts import signals
from accounts.models import Agent, Shift, User
from citisocial import clock

State, By = Agent.Availability, Agent.SetBy
SUPERVISED = {State.ONLINE: "agent_online", State.AWAY: "agent_away", State.OFFLINE: "agent_offline"}
HERE = (State.ONLINE, State.BUSY)  # they answer their own customers; only the first are given new ones


def on_shift(agent: Agent, at: datetime) -> bool:
    """Whether one of the agent's shifts covers `at` (aware). Reads `agent.shifts.all()`, so prefetch them.

    An agent without shifts keeps no roster: availability alone decides. A shift has begun at its start and is
    over at its end; times are the agent's own, summer time included.
    """
    if at.tzinfo is None:
        raise ValueError("on_shift needs an aware datetime: give it the database's time.")
    shifts = agent.shifts.all()
    if not shifts:
        return True
    local = at.astimezone(ZoneInfo(agent.time_zone))
    return any(_covers(shift, local.date(), local.time()) for shift in shifts)


def _covers(shift: Shift, day: date, hour: time) -> bool:
    """One shift against a local date and time; a night shift reaches into the next day."""
    today = day.weekday() == shift.weekday
    if shift.starts < shift.ends:
        return today and shift.starts <= hour < shift.ends
    yesterday = (day - timedelta(days=1)).weekday() == shift.weekday
    return (today and hour >= shift.starts) or (yesterday and hour < shift.ends)


def available(agents: QuerySet[Agent], at: datetime) -> list[Agent]:
    """Those online (the busy are not), on shift at `at` and with an open login, in the order given; two queries."""
    online = agents.filter(availability=Agent.Availability.ONLINE, user__is_active=True)
    return [agent for agent in online.prefetch_related("shifts") if on_shift(agent, at)]


def set_availability(agent: Agent, state: str) -> bool:
    """The agent's own choice: online, busy, away or offline; True when this call changed it.

    One conditional UPDATE, so of two tabs only one reports a change. Somebody whose login is closed stays as
    they are. Raises ValueError for another word.
    """
    at = clock.now()
    # Who chooses is here. A page that never opened a socket is not missed when it opens none now.
    return _put(agent, state, By.HAND, at, seen_at=Case(When(seen_at=None, then=None), default=at))


def supervise(agent: Agent, state: str, *, by: User) -> bool:
    """A supervisor's word (of SUPERVISED), with its line in the trail. Online lifts it; the others last until then."""
    with transaction.atomic():
        changed = _put(agent, state, By.HAND if state in HERE else By.FORCED, clock.now())
        if changed:
            signals.supervised.send(User, user=agent.user, by=by, verb=SUPERVISED[State(state)])
    return changed


def active(agent: Agent, does_something: bool) -> bool:
    """Whether the agent did something in the last minutes, as their page says: an online one becomes away, and back."""
    if does_something:
        return _put(agent, State.ONLINE, By.HAND, clock.now(), was={"availability": State.AWAY, "set_by": By.IDLE})
    return _put(agent, State.AWAY, By.IDLE, clock.now(), was={"availability": State.ONLINE})


def _put(agent: Agent, state: str, by: str, at: datetime, *, was: dict[str, str] | None = None, **columns: Any) -> bool:
    """One conditional UPDATE, where the agent `was` like this and the login is open; told in the same transaction."""
    if state not in State.values:
        raise ValueError(f"{state!r} is not an availability. Use {', '.join(State.values)}.")
    let_in = Exists(User.objects.filter(pk=OuterRef("user_id"), is_active=True))
    rows = Agent.objects.filter(let_in, pk=agent.pk, **(was or {})).exclude(availability=state, set_by=by)
    since = None if state in HERE else Coalesce("away_since", at)
    with transaction.atomic():
        changed = rows.update(availability=state, set_by=by, away_since=since, **columns) == 1
        if changed:
            signals.availability_changed.send(Agent, agent_ids=[agent.pk])
    agent.refresh_from_db(fields=["availability", "set_by", "away_since", "seen_at"])
    return changed


# Those who come back are locked first, in one order for all processes: two that see the same agents must not wait for
# each other. `at`: the database's time.
_SEEN = """
WITH clock AS MATERIALIZED (SELECT {now} AS at), found AS (
  SELECT a.id, CASE WHEN a.set_by = 'idle' THEN a.before ELSE 'online' END AS state,
    CASE WHEN a.set_by = 'idle' THEN a.before_by ELSE 'hand' END AS by, a.availability = 'offline' AND u.is_active
    AND (a.set_by = 'idle' OR (%(opened)s AND a.set_by = 'hand')) AS comes
  FROM accounts_agent a JOIN accounts_user u ON u.id = a.user_id
  WHERE a.id = ANY(%(ids)s) ORDER BY a.id FOR NO KEY UPDATE OF a)
UPDATE accounts_agent a SET seen_at = clock.at,
  availability = CASE WHEN comes THEN found.state ELSE a.availability END,
  set_by = CASE WHEN comes THEN found.by ELSE a.set_by END,
  away_since = CASE WHEN comes AND found.state IN ('online', 'busy') THEN NULL ELSE a.away_since END
FROM found, clock WHERE a.id = found.id RETURNING a.id, comes"""

_GONE = """
WITH clock AS MATERIALIZED (SELECT {now} AS at), gone AS (
  SELECT a.id FROM accounts_agent a, clock
  WHERE a.availability <> 'offline' AND a.seen_at < clock.at - make_interval(secs => %(seconds)s)
  ORDER BY a.id FOR NO KEY UPDATE OF a SKIP LOCKED)
UPDATE accounts_agent a SET availability = 'offline', set_by = 'idle', before = a.availability, before_by = a.set_by,
  away_since = coalesce(a.away_since, clock.at)
FROM gone, clock WHERE a.id = gone.id RETURNING a.id, true"""


def arrive(agent: Agent) -> bool:
    """The agent opened the workspace: offline (by hand, or because no page was open) ends; True when it did."""
    came = _told(_SEEN, ids=[agent.pk], opened=True)
    agent.refresh_from_db(fields=["availability", "set_by", "away_since", "seen_at"])
    return bool(came)


def seen(agent_ids: Sequence[int]) -> None:
    """These have a page open now. Whoever was taken for gone meanwhile is what they were before."""
    if agent_ids:
        _told(_SEEN, ids=list(agent_ids), opened=False)


def put_gone_offline() -> int:
    """Those who had a page open and have had none for AGENT_GONE_SECONDS. Returns how many."""
    return len(_told(_GONE, seconds=settings.AGENT_GONE_SECONDS))


def _told(sql: str, **values: Any) -> list[int]:
    """Whose availability the statement moved; told in the same transaction."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(sql.format(now=clock.expression()), values)
            moved = [agent_id for agent_id, is_moved in cursor.fetchall() if is_moved]
        if moved:
            signals.availability_changed.send(Agent, agent_ids=moved)
    return moved
