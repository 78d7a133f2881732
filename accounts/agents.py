"""Takes agents with their shifts, leaves who can be given work now; the only writer of Agent.availability."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from accounts.models import Agent, Shift


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
    """Those online, on shift at `at` and with an open login, in the order given; always two queries."""
    online = agents.filter(availability=Agent.Availability.ONLINE, user__is_active=True)
    return [agent for agent in online.prefetch_related("shifts") if on_shift(agent, at)]


def set_availability(agent: Agent, state: str) -> bool:
    """Put the agent online, away or offline; True when this call changed it.

    One conditional UPDATE, so of two tabs only one reports a change. Somebody whose login is closed stays as
    they are. Raises ValueError for another word.
    """
    if state not in Agent.Availability.values:
        raise ValueError(f"{state!r} is not an availability. Use {', '.join(Agent.Availability.values)}.")
    others = Agent.objects.filter(pk=agent.pk, user__is_active=True).exclude(availability=state)
    changed = others.update(availability=state) == 1
    agent.refresh_from_db(fields=["availability"])
    return changed
