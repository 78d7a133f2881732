"""Takes a slug and two proofs, leaves the case bound to the one customer whom it was written to.

The link proves nothing; the bank's sign-in proves the customer; the network proves the numeric id, which must be
the one written to. Neither opens anything alone, and the customer is bound at PROVEN, not before.
"""

from dataclasses import dataclass
from datetime import date

from django.core.signing import BadSignature, TimestampSigner
from django.db import transaction

from accounts import customers
from accounts.errors import HandleTaken
from accounts.models import Customer, User
from citisocial.clock import now
from conversations import audit, cases, events, invitations
from conversations.errors import DeadInvitation, WrongHandle
from conversations.invitations import Handoff
from conversations.models import Case, Invitation, Mismatch
from links import shortener
from links.errors import DeadLink

COOKIE_SECONDS = 3600
STRANGERS = 3  # different strangers who prove another handle, until the link is revoked

_signer = TimestampSigner(salt="conversations.handoff")


@dataclass(frozen=True, slots=True)
class Facts:
    """All that somebody who holds the link may learn before both proofs. Nothing of the case."""

    bank: str
    address: str
    handle: str
    agent: str
    written_on: date
    first_letter: str


def find(slug: str) -> Invitation:
    """The invitation that a live link leads to, or DeadInvitation: one answer for unknown, expired and revoked."""
    try:
        link = shortener.find(slug)
    except DeadLink:
        raise DeadInvitation from None
    return _alive(link=link)


def facts(invitation: Invitation) -> Facts:
    """What the welcome page shows."""
    outgoing = invitation.outgoing
    agent = outgoing.pressed_by.agent.name if hasattr(outgoing.pressed_by, "agent") else outgoing.pressed_by.first_name
    return Facts(
        bank=outgoing.case.brand.name,
        address=outgoing.case.brand.address,
        handle=outgoing.account.handle,
        agent=agent.split(" ")[0],
        written_on=(outgoing.sent_at or outgoing.created_at).date(),
        first_letter=outgoing.recipient.handle[:1],
    )


def open(slug: str) -> Invitation:  # the step is called open, in the house and on the page
    """A person pressed the button on the welcome page: OPENED, the first time. That also proves it was delivered."""
    invitation = find(slug)
    if invitation.handoff == Handoff.UNOPENED:
        invitations.step(invitation, Handoff.OPENED, actor="stranger")
    return invitation


def token(invitation: Invitation) -> str:
    """What the hand-off's cookie holds: a signed pointer. The row decides."""
    return _signer.sign(str(invitation.pk))


def from_token(value: str) -> Invitation:
    """The invitation a cookie points to, if it is younger than an hour and alive; DeadInvitation otherwise."""
    try:
        pk = _signer.unsign(value, max_age=COOKIE_SECONDS)
    except BadSignature:
        raise DeadInvitation from None
    return _alive(pk=pk)


def begin_proof(invitation: Invitation, customer: Customer) -> bool:
    """The customer is signed in and goes on: SIGNED_IN. True when their handle was proven before and that suffices.

    The customer is not bound here: a thief who signs in first must not lock the right customer out.
    """
    if invitation.handoff in (Handoff.PROVEN, Handoff.JOINED):
        if invitation.customer_id != customer.pk:
            raise DeadInvitation
        return True
    if invitation.handoff == Handoff.OPENED:
        invitations.step(invitation, Handoff.SIGNED_IN, actor="customer", user=customer.user)
    if invitation.handoff != Handoff.SIGNED_IN:
        raise DeadInvitation
    recipient = invitation.outgoing.recipient
    if not customers.proven(customer, recipient.network, recipient.external_id):
        return False
    with transaction.atomic():
        _bind(invitation, customer)
    return True


def prove(invitation_id: int, customer: Customer, *, external_id: str, handle: str) -> Case:
    """The network says who signed in there: PROVEN and bound, or WrongHandle, kept for the agent to see.

    1. The login is looked at again, locked: the network took seconds. 2. The invitation must be SIGNED_IN and alive.
    3. The numeric id must be the one written to. 4. The handle is remembered, unless another customer proved it.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=customer.user_id, is_active=True).first()
        if user is None or user.epoch != customer.user.epoch:
            raise DeadInvitation
        invitation = _alive(pk=invitation_id, lock=True)
        if invitation.handoff != Handoff.SIGNED_IN:
            raise DeadInvitation
        recipient = invitation.outgoing.recipient
        if recipient.external_id == external_id:
            taken = _remember(customer, recipient.network, external_id, handle)
            if not taken:
                _bind(invitation, customer)
                return invitation.outgoing.case
        # Refused, and the refusal is kept: it must not be rolled back with an exception from in here.
        _note_mismatch(invitation, user, external_id)
    raise WrongHandle


def expire() -> int:
    """Close the hand-offs whose link is over. Returns how many."""
    return invitations.expire_old()


def _alive(*, lock: bool = False, **lookup: object) -> Invitation:
    query = Invitation.objects.filter(
        link__revoked_at=None, link__expires_at__gt=now(), handoff__in=invitations.WORKING
    )
    query = query.select_related(
        "link",
        "customer",
        "outgoing__recipient",
        "outgoing__account",
        "outgoing__case__brand",
        "outgoing__pressed_by__agent",
    )
    query = query.exclude(outgoing__case__status=Case.Status.CLOSED)
    if lock:
        query = query.select_for_update(of=("self",))
    invitation = query.filter(**lookup).first()
    if invitation is None:
        raise DeadInvitation
    return invitation


def _remember(customer: Customer, network: str, external_id: str, handle: str) -> bool:
    """Keep the proof; True when another customer has proven this account before."""
    try:
        with transaction.atomic():
            customers.remember_handle(customer, network, external_id, handle)
    except HandleTaken:
        return True
    return False


def _bind(invitation: Invitation, customer: Customer) -> None:
    case = invitation.outgoing.case
    cases.bind(case, customer)
    invitations.step(invitation, Handoff.PROVEN, actor="customer", user=customer.user, customer=customer)


def _note_mismatch(invitation: Invitation, user: User, external_id: str) -> None:
    case = invitation.outgoing.case
    Mismatch.objects.bulk_create(
        [Mismatch(invitation=invitation, user=user, external_id=external_id[:32], at=now())], ignore_conflicts=True
    )
    audit.record("mismatch", case=case, user=user, actor="stranger", data={"invitation": invitation.pk})
    events.poke_case(case.pk, "mismatch")
    if invitation.mismatches.values("user").distinct().count() >= STRANGERS:
        invitations.step(invitation, Handoff.REVOKED, actor="handoff")
        shortener.revoke(invitation.link)
