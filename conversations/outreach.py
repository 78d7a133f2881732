"""Takes what an agent presses send on, leaves an Outgoing QUEUED or a refusal in words: what may be sent now."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Agent
from citisocial.clock import now
from conversations import caps, cases, eligibility, gate, invitations, outbox, scrutiny, stops, wording
from conversations.errors import (
    AlreadyReplied,
    BadText,
    CaseClosed,
    ConversationError,
    NotAllowed,
    NotFound,
    NotReachable,
    NotSummoned,
    OptedOut,
    SendingStopped,
)
from conversations.models import Case, Outgoing, ReplyTemplate
from conversations.networks.base import LINK
from conversations.permissions import may_work_on

REFUSALS: dict[str, type[ConversationError]] = {"opted_out": OptedOut, "already_replied": AlreadyReplied}


def invite(case: Case, agent: Agent, *, text: str, template: ReplyTemplate | None = None) -> Outgoing:
    """A direct message with a link of ours in it; `{link}` says where, otherwise it comes last."""
    text = text if LINK in text else f"{text.rstrip()} {LINK}"
    with _pressing(case, agent):
        pressed = _press(case, agent, kind=Outgoing.Kind.DM, text=text, template=template)
        outgoing = _store(pressed, verb="invited")
        # One that waits for approval gets its link then: its life begins, and an older link's ends, when it may leave.
        if outgoing.delivery == Outgoing.Delivery.QUEUED:
            invitations.create(outgoing, hours=settings.INVITATION_HOURS)
        return outgoing


def message(case: Case, agent: Agent, *, text: str, template: ReplyTemplate | None = None) -> Outgoing:
    """A follow-up direct message without a link."""
    if (at := text.find(LINK)) >= 0:
        sentence = _("A message with our link is an invitation. Take {link} out, or send it as one.")
        raise BadText(sentence, start=at, end=at + len(LINK))
    with _pressing(case, agent):
        return _store(_press(case, agent, kind=Outgoing.Kind.DM, text=text, template=template), verb="messaged")


def reply(
    case: Case, agent: Agent, *, text: str, template: ReplyTemplate | None = None, message_button: bool = True
) -> Outgoing:
    """A public reply to their newest post that may be answered, by default with a button to write to us."""
    try:
        with _pressing(case, agent):
            outgoing = _press(case, agent, kind=Outgoing.Kind.REPLY, text=text, template=template)
            outgoing.message_button = message_button
            return _store(outgoing, verb="replied")
    except IntegrityError:  # pressed twice at one moment: the ledger lets the first one in
        raise AlreadyReplied from None


@contextmanager
def _pressing(case: Case, agent: Agent) -> Iterator[None]:
    """One transaction, with an alarm that outlives it when a cap is reached; times in refusals are the agent's."""
    zone = timezone.override(ZoneInfo(agent.time_zone))
    with zone, caps.alarming(case, agent.user), transaction.atomic():
        yield


def _store(outgoing: Outgoing, *, verb: str) -> Outgoing:
    """In the queue; or, where a rule wants another person's eyes first, waiting for them."""
    case, template = outgoing.case, outgoing.template
    reasons = scrutiny.reasons(case, outgoing.pressed_by, outgoing.text, template, outgoing.kind)
    outbox.enqueue(outgoing, verb=verb, waits=bool(reasons))
    if reasons:
        scrutiny.ask(outgoing, reasons)
    if template is not None:
        wording.used(template)
    return outgoing


def _press(case: Case, agent: Agent, *, kind: str, text: str, template: ReplyTemplate | None = None) -> Outgoing:
    """Everything that must hold before a text is stored; the row is made here and stored by the outbox."""
    may_work_on(case, agent)
    if case.status not in cases.WORKED_ON:
        raise CaseClosed(_("Reopen this case before you write to the customer."))
    may = eligibility.of(case)
    if stop := may.account and stops.of_account(may.account):
        raise SendingStopped(stops.banner([stop]))
    allowed, refusal = (may.dm, NotReachable) if kind == Outgoing.Kind.DM else (may.reply, NotSummoned)
    if not allowed.ok:
        raise REFUSALS.get(allowed.code, refusal)(allowed.why)
    gate.recipient(case)
    gate.check(text, kind=kind, network=case.author.network, address=case.brand.address)
    caps.check(case, agent.user)
    at = now()
    leaves_at = at + timedelta(seconds=settings.OUTREACH_UNDO_SECONDS)
    return Outgoing(
        case=case,
        account=may.account,
        recipient=case.author,
        answers=may.post if kind == Outgoing.Kind.REPLY else None,
        kind=kind,
        text=text.strip(),
        template=template,
        pressed_by=agent.user,
        leaves_at=leaves_at,
        created_at=at,
    )


def cancel(outgoing_id: int, agent: Agent) -> Outgoing:
    """Take it back before it leaves; TooLate afterwards."""
    with transaction.atomic():
        outgoing = outbox.cancel(_own(outgoing_id, agent))
        scrutiny.settle()
    return outgoing


def send_now(outgoing_id: int, agent: Agent) -> Outgoing:
    """Do not wait for the time to undo; TooLate when it is not waiting any more."""
    return outbox.hurry(_own(outgoing_id, agent))


def _own(outgoing_id: int, agent: Agent) -> Outgoing:
    outgoing = Outgoing.objects.filter(pk=outgoing_id).select_related("case__agent", "pressed_by").first()
    if outgoing is None:
        raise NotFound
    if agent.user_id not in {outgoing.pressed_by_id, outgoing.case.agent and outgoing.case.agent.user_id}:
        raise NotAllowed(_("Only who wrote it can take it back or hurry it."))
    return outgoing
