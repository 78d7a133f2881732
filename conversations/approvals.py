"""Takes a text that waits for another person, leaves it QUEUED, or FAILED with their note, or taken back."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import is_supervisor
from citisocial.clock import now
from conversations import cases, gate, invitations, outbox, scrutiny
from conversations.errors import BadText, CaseClosed, NotAllowed, TooLate
from conversations.models import Approval, Mention, Outgoing
from conversations.networks.base import LINK

Delivery = Outgoing.Delivery
Verdict = Approval.Verdict


def queue() -> QuerySet[Approval]:
    """What waits, oldest first, with all that its reader needs: `they_wrote` is the newest that is still there."""
    theirs = Mention.objects.filter(case=OuterRef("case")).exclude(state=Mention.State.DELETED).order_by("-posted_at")
    waiting = Approval.objects.filter(verdict=Verdict.WAITING, outgoing__delivery=Delivery.AWAITING_APPROVAL)
    waiting = waiting.select_related("case__author", "outgoing__account", "outgoing__template", "asked_by__agent")
    waiting = waiting.select_related("outgoing__case__brand").annotate(they_wrote=Subquery(theirs.values("text")[:1]))
    return waiting.order_by("asked_at", "pk")


def may_decide(user: User) -> bool:
    """Supervisors decide; about what they wrote themselves somebody else does."""
    return is_supervisor(user) and user.has_perm("conversations.change_approval")


def approve(approval: Approval, *, by: User, text: str | None = None) -> Outgoing:
    """Let it leave, with another wording if `text` is given; who pressed send stays its sender.

    What the gate lets through has changed since, or the words have: it is asked again. A link lives from now on. The
    time to undo does not begin again. NotAllowed, BadText, CaseClosed, or TooLate when it does not wait any more.
    """
    with transaction.atomic():
        outgoing = _waiting(approval, by)
        text = outgoing.text if text is None else text.replace("\r\n", "\n").strip()
        address = outgoing.case.brand.address
        gate.check(text, kind=outgoing.kind, network=outgoing.recipient.network, address=address)
        if (LINK in text) != (LINK in outgoing.text):
            raise BadText(_("Leave {link} where it was, once: it stands for our link. A text without it gets none."))
        if outgoing.case.status not in cases.WORKED_ON:
            raise CaseClosed(_("The case is over, so this text is not needed any more. It will be taken back."))
        leaves_at = max(outgoing.leaves_at, now())
        if not outbox.move(outgoing, Delivery.QUEUED, text=text, leaves_at=leaves_at):
            raise TooLate(scrutiny.decided())
        if LINK in text:
            invitations.create(outgoing, hours=settings.INVITATION_HOURS)
        scrutiny.decide(approval, Verdict.APPROVED, by=by)
    return outgoing


def refuse(approval: Approval, *, by: User, note: str) -> Outgoing:
    """It does not leave; the agent reads why. NotAllowed, BadText without a note, or TooLate."""
    if not note.strip():
        raise BadText(_("Say why not: whoever wrote it reads your note."))
    with transaction.atomic():
        outgoing = _waiting(approval, by)
        if not _fail(outgoing):
            raise TooLate(scrutiny.decided())
        scrutiny.decide(approval, Verdict.REFUSED, by=by, note=note)
    return outgoing


def tend(limit: int = 200) -> int:
    """Take back what waits in a case that is over, and give up what waited for APPROVAL_HOURS. Returns how many."""
    late = now() - timedelta(hours=settings.APPROVAL_HOURS)
    stale = Outgoing.objects.filter(
        Q(approval__asked_at__lt=late) | ~Q(case__status__in=cases.WORKED_ON),
        delivery=Delivery.AWAITING_APPROVAL,
        approval__verdict=Verdict.WAITING,
    )
    given_up = list(stale.select_related("case", "pressed_by").order_by("pk")[:limit])
    for outgoing in given_up:
        if outgoing.case.status in cases.WORKED_ON:
            _fail(outgoing)
        else:
            data = {"reason": "the case is over"}
            outbox.move(outgoing, Delivery.CANCELLED, verb="cancelled", by_itself=True, data=data)
    scrutiny.settle()
    return len(given_up)


def _waiting(approval: Approval, by: User) -> Outgoing:
    """The text, still waiting, if this person may decide about it."""
    if not may_decide(by):
        raise NotAllowed(_("Only a supervisor may decide about texts that wait for approval."))
    if by.pk == approval.asked_by_id:
        raise NotAllowed(scrutiny.own_text())
    outgoing = Outgoing.objects.select_related("case__brand", "recipient", "pressed_by").get(pk=approval.outgoing_id)
    approval.outgoing = outgoing
    # Asked for here as well: from SENDING, too, there is a way back to QUEUED, for texts that did not arrive.
    if outgoing.delivery != Delivery.AWAITING_APPROVAL:
        raise TooLate(scrutiny.decided())
    return outgoing


def _fail(outgoing: Outgoing) -> bool:
    reason = "not_approved"
    return outbox.move(outgoing, Delivery.FAILED, verb="failed", by_itself=True, data={"reason": reason}, reason=reason)
