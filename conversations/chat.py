"""Takes what either side writes, leaves a Message with the case's next number: PostgreSQL is the truth."""

from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.models import Agent, Customer
from conversations import cases, gate, invitations, ledger, wording
from conversations.errors import Overtaken
from conversations.invitations import Handoff
from conversations.masking import mask
from conversations.models import Case, Invitation, Message
from conversations.permissions import may_write
from conversations.standing import Sitting


def join(case: Case, customer: Customer) -> None:
    """The customer is in the chat: the invitation JOINED and the case CONNECTED, the first time. Harmless again."""
    proven = Invitation.objects.filter(outgoing__case=case, customer=customer, handoff=Handoff.PROVEN)
    for invitation in proven.select_related("outgoing__case"):
        with transaction.atomic():
            invitations.step(invitation, Handoff.JOINED, actor="customer", user=customer.user)
            cases.connect(invitation.outgoing.case, user=customer.user)


def post(
    case: Case,
    *,
    author: Agent | Customer,
    client_id: UUID,
    text: str,
    template: int | None = None,
    seen: int | None = None,
) -> Message:
    """Store one message and tell both sides. The same `client_id` again gives the message that is there already.

    1. The case's row is locked: the next number, and nobody else's between. 2. A repeated client_id ends here.
    3. What somebody else said after `seen` stops it (Overtaken). 4. The message, and whose move it is now. A customer's
    word reopens a resolved case. An agent's text goes through the gate, and may have begun from a `template` (its id),
    whose use is counted.
    """
    is_agent = isinstance(author, Agent)
    masked = mask(gate.said(text, is_agent=is_agent))
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        if said := Message.objects.filter(case=case, client_id=client_id).first():
            return said
        may_write(case, author)
        _is_not_overtaken(case, author, seen)
        message = ledger.append(
            case, kind=Message.Kind.SAID, author=author, client_id=client_id, text=masked.text, masked=len(masked.found)
        )
        if is_agent and template and (begun := case.brand.templates.filter(pk=template).first()):
            wording.used(begun)
        cases.spoken(case, author)
    return message


async def say(sitting: Sitting, name: str, client_id: UUID, text: str, seen: int | None) -> bool:
    """The short way of `post`, together with what all other sockets say now; False: take the long one.

    BadText as there. The database asks the rest in the statement that writes: that it is this agent's or customer's
    case and worked on, the login good, the number free and nothing said since.
    """
    masked = mask(gate.said(text, is_agent=sitting.agent is not None))
    entry = ledger.Entry(sitting, name, client_id, masked.text, len(masked.found), seen)
    return await ledger.ledger().write(entry) is not None


def _is_not_overtaken(case: Case, author: Agent | Customer, seen: int | None) -> None:
    if seen is None or seen >= case.last_seq:
        return
    since = Message.objects.filter(case=case, seq__gt=seen)
    mine = Q(agent=author) if isinstance(author, Agent) else Q(customer=author)
    if since.exclude(mine).exists():
        raise Overtaken
