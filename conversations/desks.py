"""Takes a brand or a case, leaves who is there to work on it and how much they hold: for whoever gives cases away."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Count, Q

from accounts import agents as roster
from accounts.models import Agent
from citisocial.clock import now
from conversations import cases
from conversations.models import Brand, Case

LOCK = 0xA551601  # one who gives at a time, so that nobody is given more than their capacity


@dataclass(slots=True)
class Desk:
    """An agent who can take work now, and how much they hold."""

    agent: Agent
    load: int
    languages: frozenset[str] = field(default_factory=frozenset)

    @property
    def free(self) -> bool:
        return self.load < self.agent.capacity


def alone() -> None:
    """Until the transaction ends, nobody else counts loads to give cases by them. Before any case's row is locked."""
    with connection.cursor() as sql:
        sql.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def of(brand: Brand) -> list[Desk]:
    """Everybody of the brand's teams who is online and on shift, with their load: a fixed number of queries."""
    held = Count("cases", filter=Q(cases__status__in=cases.WORKED_ON), distinct=True)
    team = Agent.objects.filter(teams__in=brand.accounts.values("team")).order_by("pk").distinct()
    here = roster.available(team, now())
    loads = dict(team.annotate(held=held).values_list("pk", "held"))
    return [Desk(agent, loads[agent.pk], frozenset(agent.languages)) for agent in here]


def best(case: Case, desks: Iterable[Desk], *, known: int | None = None) -> tuple[Desk, str] | None:
    """The best of these desks for a case, and why; None when nobody fits now. `known`: who had this person before.

    1. Who had this person before, if there is room. 2. Who speaks the language, least loaded first. 3. Nobody on
    shift speaks it: anybody, because an answer in English beats silence.
    """
    there = list(desks)
    free = sorted((d for d in there if d.free), key=lambda d: (d.load / d.agent.capacity, d.agent.pk))
    if desk := next((d for d in free if d.agent.pk == known), None):
        return desk, "knows the customer"
    if desk := next((d for d in free if case.language in d.languages), None):
        return desk, f"speaks {case.language}"
    if free and not any(case.language in d.languages for d in there):
        return free[0], f"nobody here speaks {case.language}"
    return None
