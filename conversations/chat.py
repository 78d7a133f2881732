"""Takes what either side writes, leaves a Message with the case's next number: PostgreSQL is the truth."""

from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Agent, Customer
from citisocial.clock import now
from conversations import cases, events, gate, invitations, wording
from conversations.errors import BadText, CaseClosed, ChatNotOpen
from conversations.invitations import Handoff
from conversations.masking import mask
from conversations.models import Case, Invitation, Message
from conversations.permissions import may_work_on

PAGE = 50


def join(case: Case, customer: Customer) -> None:
    """The customer is in the chat: the invitation JOINED and the case CONNECTED, the first time. Harmless again."""
    proven = Invitation.objects.filter(outgoing__case=case, customer=customer, handoff=Handoff.PROVEN)
    for invitation in proven.select_related("outgoing__case"):
        with transaction.atomic():
            invitations.step(invitation, Handoff.JOINED, actor="customer", user=customer.user)
            cases.connect(invitation.outgoing.case, user=customer.user)


def post(case: Case, *, author: Agent | Customer, client_id: UUID, text: str, template: int | None = None) -> Message:
    """Store one message and poke both sides. The same `client_id` again gives the message that is there already.

    1. The case's row is locked: the next number, and nobody else's between. 2. A repeated client_id ends here.
    3. The message, and whose move it is now. A customer's word reopens a resolved case.
    An agent's text goes through the gate, and may have begun from a `template` (its id), whose use is counted.
    """
    if isinstance(author, Agent):
        gate.check(text, kind="chat")
    text = _checked(text)
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        if said := Message.objects.filter(case=case, client_id=client_id).first():
            return said
        _may_write(case, author)
        masked = mask(text)
        is_agent = isinstance(author, Agent)
        message = Message.objects.create(
            case=case,
            seq=case.last_seq + 1,
            client_id=client_id,
            side=Message.Side.AGENT if is_agent else Message.Side.CUSTOMER,
            agent=author if isinstance(author, Agent) else None,
            customer=author if isinstance(author, Customer) else None,
            text=masked.text,
            masked=len(masked.found),
            sent_at=now(),
        )
        Case.objects.filter(pk=case.pk).update(last_seq=message.seq)
        if is_agent and template and (begun := case.brand.templates.filter(pk=template).first()):
            wording.used(begun)
        if case.status == Case.Status.RESOLVED:
            cases.reopen(case, by=author.user, actor="customer")
        else:
            cases.owe(case, Case.Move.THEIRS if is_agent else Case.Move.OURS)
        events.poke_case(case.pk, "message")
        events.poke_inbox(case.brand_id, {case.pk: []})
    return message


def messages_after(case: Case, seq: int, limit: int = PAGE) -> list[Message]:
    """What came after `seq`, in order, at most a page; ask again from the last one for more."""
    after = Message.objects.filter(case=case, seq__gt=seq).select_related("agent", "customer")
    return list(after.order_by("seq")[:limit])


def frame(message: Message) -> events.ChatMessage:
    """The message as it travels on a socket."""
    writer = message.agent or message.customer
    return events.ChatMessage(
        seq=message.seq,
        client_id=str(message.client_id),
        side=message.side,
        name=writer.name.split(" ")[0] if writer else "",
        text=message.text,
        at=message.sent_at.isoformat(),
        masked=bool(message.masked),
    )


def _checked(text: str) -> str:
    text = text.replace("\x00", "").strip()
    if not text:
        raise BadText(_("Write something first."))
    if len(text) > settings.MESSAGE_LENGTH:
        over = {"used": len(text), "limit": settings.MESSAGE_LENGTH}
        raise BadText(_("%(used)d characters of %(limit)d: send it in two messages.") % over)
    return text


def _may_write(case: Case, author: Agent | Customer) -> None:
    """The case's own agent and its own customer, while it is not closed, and not before the customer is proven."""
    if case.customer_id is None:
        raise ChatNotOpen
    if case.status == Case.Status.CLOSED:
        raise CaseClosed
    if isinstance(author, Agent):
        may_work_on(case, author)
        if case.status not in cases.WORKED_ON:
            raise CaseClosed(_("This case is resolved. Reopen it before you write."))
    elif case.customer_id != author.pk:
        raise ChatNotOpen
