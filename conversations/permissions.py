"""Takes a user and a case, leaves who may see or act on it: one place for pages, sockets and admin."""

from contextlib import suppress
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts import customers
from accounts.models import Agent, Customer, User
from accounts.permissions import is_supervisor
from conversations.errors import CaseClosed, ChatNotOpen, NotAllowed, NotFound
from conversations.models import Attachment, Brand, BrandAccount, Callback, Case, Message

Visitor = User | AnonymousUser


def agent_of(user: Visitor) -> Agent:
    """The agent that this login is, or NotAllowed."""
    agent = customers.agent_of(user) if isinstance(user, User) and user.is_active else None
    if agent is None:
        raise NotAllowed("This page is for agents. Sign in with an agent's login.")
    return agent


def customer_of(user: Visitor) -> Customer:
    """The bank customer that this login is, or NotAllowed."""
    customer = customers.customer_of(user) if isinstance(user, User) and user.is_active else None
    if customer is None:
        raise NotAllowed("This page is for customers. Sign in with your bank login.")
    return customer


def brands_of(agent: Agent) -> QuerySet[Brand]:
    """The brands whose accounts this agent's teams look after."""
    accounts = BrandAccount.objects.filter(team__in=agent.teams.all(), active=True)
    return Brand.objects.filter(pk__in=accounts.values("brand"))


def cases_of(agent: Agent) -> QuerySet[Case]:
    """Every case that this agent may see: those of the team's brands."""
    return Case.objects.filter(brand__in=brands_of(agent))


def case_of_agent(user: Visitor, public_id: UUID) -> tuple[Case, Agent]:
    """The case and the agent who looks at it; NotFound where it is not theirs to see."""
    agent = agent_of(user)
    case = cases_of(agent).filter(public_id=public_id).select_related("author", "agent", "customer", "brand").first()
    if case is None:
        raise NotFound
    return case, agent


def case_of_customer(user: Visitor, public_id: UUID) -> tuple[Case, Customer]:
    """The case and the customer whom both proofs bound to it; NotFound for everybody else."""
    customer = customer_of(user)
    case = customer.cases.filter(public_id=public_id).select_related("author", "agent", "customer", "brand").first()
    if case is None:
        raise NotFound
    return case, customer


def case_of_supervisor(user: Visitor, public_id: UUID) -> tuple[Case, User]:
    """The case and the supervisor who listens to it: every case is theirs to see."""
    supervisor = may_supervise(user)
    case = Case.objects.filter(public_id=public_id).select_related("author", "agent", "customer", "brand").first()
    if case is None:
        raise NotFound
    return case, supervisor


def case_of(user: Visitor, public_id: UUID) -> tuple[Case, Agent | Customer | User]:
    """The case and in which role this login may see it: its brand's agent, a supervisor (the User) or its customer."""
    if isinstance(user, User) and customers.agent_of(user):
        with suppress(NotFound):
            return case_of_agent(user, public_id)
    if isinstance(user, User) and is_supervisor(user):
        return case_of_supervisor(user, public_id)
    if isinstance(user, User) and customers.agent_of(user):
        raise NotFound
    return case_of_customer(user, public_id)


def login_of(person: Agent | Customer | User) -> User:
    """The login behind a role."""
    return person if isinstance(person, User) else person.user


def call_of_agent(user: Visitor, public_id: UUID) -> tuple[Callback, Agent]:
    """The phone call and the agent who looks at it; NotFound where its case is not theirs to see."""
    agent = agent_of(user)
    call = Callback.objects.filter(public_id=public_id, case__in=cases_of(agent)).select_related("case").first()
    if call is None:
        raise NotFound("There is no such call, or it is not yours to see.")
    return call, agent


def may_work_on(case: Case, agent: Agent) -> None:
    """Only the case's own agent writes in it; NotAllowed says who that is."""
    if case.agent_id != agent.pk:
        holder = case.agent.name if case.agent else ""
        raise NotAllowed(f"{holder} works on this case." if holder else "Take this case before you write in it.")


def may_write(case: Case, author: Agent | Customer) -> None:
    """In the chat: its own agent and customer, while it is not closed, and not before the customer is proven."""
    if case.customer_id is None:
        raise ChatNotOpen
    if case.status == Case.Status.CLOSED:
        raise CaseClosed
    if isinstance(author, Agent):
        may_work_on(case, author)
        if case.status == Case.Status.RESOLVED:
            raise CaseClosed("This case is resolved. Reopen it before you write.")
    elif case.customer_id != author.pk:
        raise ChatNotOpen


def case_of_reader(user: Visitor, public_id: UUID) -> tuple[Case, User, str]:
    """For reading a detail that was given: the case, the login, and as what it reads (agent or supervisor).

    The case's own agent may, and every supervisor; NotAllowed for colleagues, NotFound for everybody else.
    """
    case, person = case_of(user, public_id)
    if isinstance(person, Agent) and case.agent_id == person.pk:
        return case, person.user, "agent"
    if is_supervisor(user) and isinstance(user, User):
        return case, user, "supervisor"
    if isinstance(person, Agent):
        may_work_on(case, person)
    raise NotFound


def file_of(user: Visitor, public_id: UUID) -> Attachment:
    """The file, for the customer of its case, the agents of its case's brand and supervisors; NotFound for all others.

    One query joins the file to its case and the case to who asks, so no other case's name can stand in between. A file
    whose message was taken back is nobody's to see.
    """
    removals = Message.objects.filter(kind=Message.Kind.REMOVED)
    taken_back = removals.filter(case=OuterRef("case"), about=OuterRef("message__seq"))
    files = Attachment.objects.filter(~Exists(taken_back), public_id=public_id, message__isnull=False)
    if not is_supervisor(user):
        tended = BrandAccount.objects.filter(team__agents__user=user.pk, active=True).values("brand")
        files = files.filter(Q(case__customer__user=user.pk) | Q(case__brand__in=tended))
    found = files.first() if isinstance(user, User) and user.is_active else None
    if found is None:
        raise NotFound(_("There is no such file, or it is not yours to see."))
    return found


def may_supervise(user: Visitor) -> User:
    """The supervisor that this login is, or NotAllowed."""
    if not isinstance(user, User) or not is_supervisor(user):
        raise NotAllowed("Only a supervisor may do this.")
    return user
