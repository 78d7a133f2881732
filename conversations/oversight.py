"""Takes a supervisor at a live chat, leaves what they did in the trail: listened, whispered, took it over."""

from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import customers
from accounts.models import Agent, User
from citisocial.clock import now
from conversations import audit, cases, ledger, notes, permissions
from conversations.errors import CaseClosed, CaseMoved, NotAllowed
from conversations.models import Case, Message, Note

LISTENS = timedelta(hours=12)  # for so long an opened page reads on without another line


def listen(case: Case, *, by: User) -> None:
    """A supervisor opens the chat: one line for each time. Nothing is told to anybody in it."""
    audit.record("listened", case=case, user=by, actor="supervisor")


def listening(case: Case, *, by: User) -> None:
    """NotAllowed for whoever would read on without having opened it: nobody listens without a line in the trail."""
    if not case.trail.filter(verb="listened", user=by, at__gt=now() - LISTENS).exists():
        raise NotAllowed(_("Open the page of this chat again: who listens leaves a line in the trail."))


def whisper(case: Case, *, by: User, text: str) -> Note:
    """A word to the agent, which the customer never sees. BadText."""
    with transaction.atomic():
        note = notes.keep(case, by=by, text=text, kind=Note.Kind.WHISPER)
        audit.record("whispered", case=case, user=by, actor="supervisor", data={"note": note.pk})
    return note


def take_over(case: Case, *, by: User) -> Case:
    """The supervisor goes on with the case as its agent, and the customer reads so. Harmless when it is theirs.

    NotAllowed without an agent of their own in one of the brand's teams; CaseClosed, CaseMoved.
    """
    agent = _desk(case, by)
    with transaction.atomic():
        held = Case.objects.select_for_update(of=("self",)).select_related("agent", "brand").get(pk=case.pk)
        if held.status in (Case.Status.RESOLVED, Case.Status.CLOSED):
            raise CaseClosed(_("This case is over: there is nothing to take over."))
        if held.agent_id == agent.pk:
            return held
        if held.agent_id != case.agent_id:  # it changed hands since this supervisor looked
            raise CaseMoved
        before = {"from": held.agent.name} if held.agent else {}
        cases.hand_to(held, agent, verb="taken_over", actor="supervisor", user=by, data=before)
        if held.customer_id is not None:
            ledger.append(held, kind=Message.Kind.EVENT, author=None, text="transferred", agent=agent)
    return held


def _desk(case: Case, user: User) -> Agent:
    """The agent that this supervisor is, if they may work for this brand."""
    agent = customers.agent_of(user)
    if agent is None:
        raise NotAllowed(
            _("You have no desk of your own: enter yourself as an agent in Supervision first, or give the case away.")
        )
    if not permissions.cases_of(agent).filter(pk=case.pk).exists():
        brand = {"brand": case.brand.name}
        raise NotAllowed(_("You are in no team of %(brand)s. Join one in Supervision first.") % brand)
    return agent
