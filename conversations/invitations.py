"""Takes what a customer did with a link, leaves `Invitation.handoff` and its times: the only writer of that column."""

from datetime import timedelta

from django.db import transaction

from accounts.models import Customer, User
from citisocial.clock import now
from conversations import audit, events
from conversations.errors import DeadInvitation
from conversations.models import Invitation, Outgoing
from links import shortener

Handoff = Invitation.Handoff
LIVE = [Handoff.UNOPENED, Handoff.OPENED, Handoff.SIGNED_IN]
WORKING = [*LIVE, Handoff.PROVEN, Handoff.JOINED]

# Where each step may come from, the column that keeps its time, and its line in the trail.
STEPS: dict[str, tuple[list[Handoff], str, str]] = {
    Handoff.OPENED: ([Handoff.UNOPENED], "opened_at", "link_opened"),
    Handoff.SIGNED_IN: ([Handoff.OPENED], "signed_in_at", "signed_in"),
    Handoff.PROVEN: ([Handoff.SIGNED_IN], "proven_at", "proven"),
    Handoff.JOINED: ([Handoff.PROVEN], "joined_at", ""),
    Handoff.EXPIRED: (LIVE, "", "expired"),
    Handoff.REVOKED: (WORKING, "", "revoked"),
}


def create(outgoing: Outgoing, *, hours: int) -> Invitation:
    """A new link for an outgoing text. Older ones of the case that nobody finished are revoked: one way in."""
    older = Invitation.objects.filter(outgoing__case=outgoing.case, handoff__in=LIVE)
    for invitation in older.select_related("link", "outgoing__case"):
        step(invitation, Handoff.REVOKED, actor="outreach")
        shortener.revoke(invitation.link)
    link = shortener.shorten("/welcome/{slug}/", lifetime=timedelta(hours=hours))
    return Invitation.objects.create(outgoing=outgoing, link=link)


def step(
    invitation: Invitation, to: str, *, actor: str, user: User | None = None, customer: Customer | None = None
) -> None:
    """One step of the hand-off by conditional UPDATE; DeadInvitation when it is not where it would have to be."""
    sources, column, verb = STEPS[to]
    columns: dict[str, object] = {"handoff": to}
    if column:
        columns[column] = now()
    if customer is not None:
        columns["customer"] = customer
    case = invitation.outgoing.case
    with transaction.atomic():
        if not Invitation.objects.filter(pk=invitation.pk, handoff__in=sources).update(**columns):
            raise DeadInvitation("skipped_step", case=case)
        for name, value in columns.items():
            setattr(invitation, name, value)
        if verb:
            audit.record(verb, case=case, user=user, actor=actor, data={"invitation": invitation.pk})
        events.poke_case(case.pk, verb or "joined")
        events.poke_inbox(case.brand_id, {case.pk: []})


def consent(invitation: Invitation, user: User) -> None:
    """The customer agreed to have the handle linked, just now: asked before each proof, so the latest time counts."""
    at = now()
    with transaction.atomic():
        if not Invitation.objects.filter(pk=invitation.pk, handoff=Handoff.SIGNED_IN).update(consented_at=at):
            raise DeadInvitation("skipped_step", case=invitation.outgoing.case)
        invitation.consented_at = at
        audit.record(
            "consented",
            case=invitation.outgoing.case,
            user=user,
            actor="customer",
            data={"invitation": invitation.pk},
        )


def expire_old(limit: int = 200) -> int:
    """Invitations whose link is over, and that nobody finished, become EXPIRED. Returns how many."""
    over = Invitation.objects.filter(handoff__in=LIVE, link__expires_at__lt=now()).select_related("outgoing__case")
    over = over.order_by("pk")[:limit]
    for invitation in over:
        step(invitation, Handoff.EXPIRED, actor="invitations")
    return len(over)
