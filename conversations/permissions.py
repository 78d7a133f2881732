"""Takes a user and a case, leaves who may see or act on it: one place for pages, sockets and admin."""

from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from accounts import customers
from accounts.models import Agent, Customer, User
from accounts.permissions import is_supervisor
from conversations.errors import NotAllowed, NotFound
from conversations.models import Brand, BrandAccount, Case

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


def may_work_on(case: Case, agent: Agent) -> None:
    """Only the case's own agent writes in it; NotAllowed says who that is."""
    if case.agent_id != agent.pk:
        holder = case.agent.name if case.agent else ""
        raise NotAllowed(f"{holder} works on this case." if holder else "Take this case before you write in it.")


def may_supervise(user: Visitor) -> User:
    """The supervisor that this login is, or NotAllowed."""
    if not isinstance(user, User) or not is_supervisor(user):
        raise NotAllowed("Only a supervisor may do this.")
    return user
