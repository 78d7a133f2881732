"""Takes cases OPEN, leaves them ASSIGNED with the reason: who knows the person first, then language and load."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, Subquery

from accounts import agents as roster
from accounts.models import Agent, User
from citisocial.clock import now
from conversations import cases
from conversations.errors import CaseTaken, NotAllowed
from conversations.models import Brand, Case

BATCH = 100
LOCK = 0xA551601  # one assignment at a time, so that nobody is given more than their capacity


@dataclass(slots=True)
class Desk:
    """An agent who can take work now, and how much they hold."""

    agent: Agent
    load: int
    languages: frozenset[str] = field(default_factory=frozenset)

    @property
    def free(self) -> bool:
        return self.load < self.agent.capacity


def assign_waiting() -> int:
    """Give waiting cases to agents with room, longest waiting first. Returns how many were given."""
    given = 0
    waiting = Case.objects.filter(brand=OuterRef("pk"), status=Case.Status.OPEN)
    for brand in Brand.objects.filter(Exists(waiting)).order_by("pk"):
        with transaction.atomic():
            with connection.cursor() as sql:
                sql.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            desks = _desks(brand)
            if any(desk.free for desk in desks):
                given += sum(assign(case, desks) is not None for case in _waiting(brand, desks))
    return given


def assign(case: Case, desks: Iterable[Desk]) -> Agent | None:
    """Give one case to the best of these desks; None when nobody fits now. The reason is kept in the trail.

    1. Who had this person before, if there is room. 2. Who speaks the language, least loaded first. 3. Nobody on
    shift speaks it: anybody, because an answer in English beats silence.
    """
    free = sorted((d for d in desks if d.free), key=lambda d: (d.load / d.agent.capacity, d.agent.pk))
    known = getattr(case, "agent_before", None)
    speakers = [d for d in free if case.language in d.languages]
    if desk := next((d for d in free if d.agent.pk == known), None):
        reason = "knows the customer"
    elif speakers:
        desk, reason = speakers[0], f"speaks {case.language}"
    elif free and not any(case.language in d.languages for d in desks):
        desk, reason = free[0], f"nobody here speaks {case.language}"
    else:
        return None
    desk.load += 1
    cases.hand_to(case, desk.agent, verb="assigned", actor="assignment", data={"reason": reason})
    return desk.agent


def take(case: Case, agent: Agent) -> Case:
    """An agent takes a case that nobody has; CaseTaken names who was faster."""
    if case.agent_id == agent.pk:
        return case
    if case.status != Case.Status.OPEN:
        raise CaseTaken(f"{case.agent.name} took this case before you." if case.agent else CaseTaken.message)
    return cases.hand_to(case, agent, verb="taken", actor="agent", user=agent.user)


def reassign(case: Case, agent: Agent, *, by: User) -> Case:
    """A supervisor gives the case to another agent of the brand's teams, whatever that one's load."""
    if not agent.teams.filter(pk__in=case.brand.accounts.values("team")).exists():
        raise NotAllowed(f"{agent.name} is in no team of {case.brand}.")
    return cases.hand_to(case, agent, verb="reassigned", actor="supervisor", user=by)


def _desks(brand: Brand) -> list[Desk]:
    """Everybody of the brand's teams who is online and on shift, with their load: a fixed number of queries."""
    held = Count("cases", filter=Q(cases__status__in=cases.WORKED_ON), distinct=True)
    team = Agent.objects.filter(teams__in=brand.accounts.values("team")).order_by("pk").distinct()
    here = roster.available(team, now())
    loads = dict(team.annotate(held=held).values_list("pk", "held"))
    return [Desk(agent, loads[agent.pk], frozenset(agent.languages)) for agent in here]


def _waiting(brand: Brand, desks: list[Desk]) -> list[Case]:
    """Waiting cases that somebody with room could take, longest waiting first, each with who had the person before."""
    free = {language for desk in desks if desk.free for language in desk.languages}
    spoken = {language for desk in desks for language in desk.languages}
    earlier = Case.objects.filter(author=OuterRef("author"), brand=brand, agent__isnull=False).order_by("-pk")
    waiting = Case.objects.filter(brand=brand, status=Case.Status.OPEN)
    waiting = waiting.annotate(agent_before=Subquery(earlier.values("agent")[:1]))
    fitting = waiting.filter(Q(language__in=free) | ~Q(language__in=spoken) | Q(agent_before__isnull=False))
    return list(fitting.order_by("waiting_since", "pk")[:BATCH])
