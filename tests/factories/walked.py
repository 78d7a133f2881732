"""Takes a bank, leaves cases walked to their end through the domain's own functions, for those who look at the rows."""

import itertools
from uuid import uuid4

from accounts.models import Agent, Customer, User
from accounts.permissions import appoint_supervisor
from citisocial.clock import now
from conversations import assignment, cases, chat, invitations, outbox, outreach, stops, surveys
from conversations.models import Case, Invitation, Outgoing, SendingStop
from conversations.networks.base import Author
from tests.factories.heard import Bank, person, post

numbers = itertools.count(1)


def supervisor(name: str = "grace") -> User:
    """Somebody who signs in to the admin."""
    user = User.objects.create_user(name, f"{name}@example.test", "walk-the-talk")
    appoint_supervisor(user)
    return user


def release(stop: SendingStop) -> None:
    """Two people end a stop."""
    stops.ask_release(stop, by=supervisor(f"asks-{next(numbers)}"))
    stops.release(SendingStop.objects.get(pk=stop.pk), by=supervisor(f"agrees-{next(numbers)}"))


def customer(name: str = "") -> Customer:
    """Somebody with an account at the bank."""
    name = name or f"customer-{next(numbers)}"
    user = User.objects.create_user(name, f"{name}@example.test", "walk-the-talk")
    return Customer.objects.create(user=user, name=name.title())


def opened(bank: Bank, text: str = "@AskCiti my card was declined", author: Author | None = None) -> Case:
    """A case opened by a post of this minute."""
    heard = post(text, author or person(), names=(bank.care,), created_at=now(), permalink="https://x.com/a/status/1")
    case = bank.hear(heard)[0].case
    assert case is not None
    return case


def written_to(case: Case, agent: Agent) -> Invitation:
    """The agent took the case, and an invitation has left."""
    assignment.take(case, agent)
    outgoing: Outgoing = outreach.invite(case, agent, text="Hi, here is the way:")
    outbox.move(outgoing, "SENDING", claimed_at=now())
    outbox.move(outgoing, "SENT", verb="sent", sent_at=now(), external_id=str(70_000 + outgoing.pk))
    cases.contacted(case, user=agent.user)
    return Invitation.objects.select_related("outgoing__case").get(outgoing=outgoing)


def joined(invitation: Invitation, who: Customer) -> Case:
    """The customer followed the link with both proofs and said something."""
    invitations.step(invitation, "OPENED", actor="stranger")
    invitations.step(invitation, "SIGNED_IN", actor="customer", user=who.user)
    invitations.step(invitation, "PROVEN", actor="customer", user=who.user, customer=who)
    invitations.step(invitation, "JOINED", actor="customer", user=who.user)
    case = Case.objects.get(pk=invitation.outgoing.case_id)
    cases.bind(case, who)
    cases.connect(case, user=who.user)
    chat.post(case, author=who, client_id=uuid4(), text="It happened at noon")
    case.refresh_from_db()
    return case


def solved(case: Case, *, csat: int = 5) -> Case:
    """Resolved by its agent and rated by its customer."""
    assert case.agent is not None
    assert case.customer is not None
    survey = cases.resolve(case, by=case.agent.user)
    assert survey is not None
    surveys.answer(survey, case.customer, csat=csat, solved=True, effort=2, comment="Quick & <b>kind</b>")
    case.refresh_from_db()
    return case


def walked(bank: Bank, agent: Agent | None = None) -> Case:
    """The whole walk of somebody new with an agent of their own."""
    agent = agent or bank.agent(f"Agent{next(numbers)}")
    return solved(joined(written_to(opened(bank), agent), customer()))
