"""Takes cases OPEN, leaves them ASSIGNED with the reason: who knows the person first, then language and load."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery

from accounts.models import Agent, User
from conversations import cases, desks
from conversations.desks import Desk
from conversations.errors import CaseTaken, NotAllowed
from conversations.models import Brand, Case

BATCH = 100


def assign_waiting() -> int:
    """Give waiting cases to agents with room, longest waiting first. Returns how many were given."""
    given = 0
    waiting = Case.objects.filter(brand=OuterRef("pk"), status=Case.Status.OPEN)
    for brand in Brand.objects.filter(Exists(waiting)).order_by("pk"):
        with transaction.atomic():
            desks.alone()
            here = desks.of(brand)
            if any(desk.free for desk in here):
                given += sum(assign(case, here) is not None for case in _waiting(brand, here))
    return given


def assign(case: Case, here: Iterable[Desk]) -> Agent | None:
    """Give one case to the best of these desks; None when nobody fits now. The reason is kept in the trail."""
    found = desks.best(case, here, known=getattr(case, "agent_before", None))
    if found is None:
        return None
    desk, reason = found
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


def _waiting(brand: Brand, here: list[Desk]) -> list[Case]:
    """Waiting cases that somebody with room could take, longest waiting first, each with who had the person before."""
    free = {language for desk in here if desk.free for language in desk.languages}
    spoken = {language for desk in here for language in desk.languages}
    earlier = Case.objects.filter(author=OuterRef("author"), brand=brand, agent__isnull=False).order_by("-pk")
    waiting = Case.objects.filter(brand=brand, status=Case.Status.OPEN)
    waiting = waiting.annotate(agent_before=Subquery(earlier.values("agent")[:1]))
    fitting = waiting.filter(Q(language__in=free) | ~Q(language__in=spoken) | Q(agent_before__isnull=False))
    return list(fitting.order_by("waiting_since", "pk")[:BATCH])
