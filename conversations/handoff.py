"""Takes a slug or a typed code and two proofs, leaves the case bound to the one customer whom it was written to.

The link proves nothing; the bank's sign-in proves the customer; the network proves the numeric id, which must be
the one written to. Neither opens anything alone, and the customer is bound at PROVEN, not before. The handle is linked
after the customer agreed to it, asked before each proof; where an earlier proof is relied on nothing new is linked.
What is dead, of whatever it died, is answered alike and after the same queries.
"""

from dataclasses import dataclass
from datetime import date, datetime

from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.db import transaction

from accounts import customers
from accounts.errors import HandleTaken
from accounts.models import Customer, ProvenHandle, User
from citisocial.clock import now
from conversations import audit, cases, events, invitations, refusals
from conversations.errors import DeadInvitation, NoConsent, WrongHandle
from conversations.invitations import Handoff
from conversations.models import Binding, Case, Invitation, Mismatch
from links import shortener
from links.errors import DeadLink

COOKIE_SECONDS = 3600
NOBODYS = 0  # the key of no link: what is unknown is looked for like what is known
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
    code: str
    good_until: datetime


def find(slug: str) -> Invitation:
    """The invitation that a live link leads to, or DeadInvitation: one answer for unknown, expired and revoked."""
    try:
        link = shortener.find(slug).pk
    except DeadLink:
        link = NOBODYS
    return _alive(link=link)


def find_by_code(text: str, who: refusals.Visitor) -> Invitation:
    """The invitation whose code was typed; DeadInvitation when it is none, counted; TooManyTries after five of them."""
    with transaction.atomic():
        guess = refusals.guess(who)
        try:
            link = shortener.find_by_code(text).pk
        except DeadLink:
            link = NOBODYS
        try:
            return _alive(link=link)
        except DeadInvitation:
            guess.wrong()  # and kept: the refusal is raised when this is written
    raise DeadInvitation(refusals.WRONG_CODE)


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
        code=shortener.code(invitation.link),
        good_until=invitation.link.expires_at,
    )


def open(slug: str) -> Invitation:  # the step is called open, in the house and on the page
    """A person pressed the button on the welcome page: OPENED, the first time. That also proves it was delivered."""
    invitation = find(slug)
    if invitation.handoff == Handoff.UNOPENED:
        try:
            invitations.step(invitation, Handoff.OPENED, actor="stranger")
        except DeadInvitation:
            return find(slug)  # another tab pressed at the same moment, and took the one step for both
    return invitation


def token(invitation: Invitation) -> str:
    """What the hand-off's cookie holds: a signed pointer. The row decides."""
    return _signer.sign(str(invitation.pk))


def points_to(value: str, invitation_id: int) -> bool:
    """Whether a pointer names this invitation, whatever has become of that."""
    try:
        return _signer.unsign(value, max_age=COOKIE_SECONDS) == str(invitation_id)
    except BadSignature:
        return False


def from_token(value: str, customer: Customer | None = None) -> Invitation:
    """The invitation that a pointer names, if it is younger than an hour, alive, and not another customer's."""
    try:
        pk = _signer.unsign(value, max_age=COOKIE_SECONDS)
    except SignatureExpired:
        raise DeadInvitation("old_pointer") from None
    except BadSignature:
        raise DeadInvitation("changed_id" if value else "no_handoff") from None
    return _alive(customer=customer, pk=pk)


def begin_proof(invitation: Invitation, customer: Customer, *, consents: bool) -> bool:
    """The customer is signed in and goes on: SIGNED_IN. True when their handle was proven before and that suffices.

    False: the network has to be asked, and the customer agreed to the linking, or NoConsent and nothing is changed.
    The customer is not bound here: a thief who signs in first must not lock the right customer out.
    """
    with transaction.atomic():
        invitation = _alive(customer=customer, lock=True, pk=invitation.pk)
        if invitation.handoff in (Handoff.PROVEN, Handoff.JOINED):
            return True
        recipient = invitation.outgoing.recipient
        held = customers.hold(customer, recipient.network, recipient.external_id)
        if held is None and not consents:
            raise NoConsent
        if invitation.handoff != Handoff.SIGNED_IN:
            invitations.step(invitation, Handoff.SIGNED_IN, actor="customer", user=customer.user)
        if held is None:
            invitations.consent(invitation, customer.user)
            return False
        _bind(invitation, customer, held.external_id, Binding.Assurance.REMEMBERED)
        return True


def prove(invitation_id: int, customer: Customer, *, external_id: str, handle: str) -> Case:
    """The network says who signed in there: PROVEN and bound, or WrongHandle, kept for the agent to see.

    1. The login is looked at again, locked: the network took seconds. 2. The invitation must be alive, SIGNED_IN and
    agreed to. 3. The numeric id must be the one written to. 4. The handle is remembered, unless another customer
    proved it.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=customer.user_id, is_active=True).first()
        if user is None or user.epoch != customer.user.epoch:
            raise DeadInvitation("closed_login")
        invitation = _alive(customer=customer, lock=True, pk=invitation_id)
        if invitation.handoff != Handoff.SIGNED_IN or invitation.consented_at is None:
            raise DeadInvitation("skipped_step", case=invitation.outgoing.case)
        recipient = invitation.outgoing.recipient
        reason = "wrong_handle"
        if recipient.external_id == external_id:
            if not _remember(customer, recipient.network, external_id, handle):
                _bind(invitation, customer, external_id, Binding.Assurance.PROVEN)
                return invitation.outgoing.case
            reason = "held_by_another"
        # Refused, and the refusal is kept: it must not be rolled back with an exception from in here.
        _note_mismatch(invitation, user, external_id, reason)
    raise WrongHandle


def note_revoked(handle: ProvenHandle, by: User) -> None:
    """A proof was taken back, by the customer or a supervisor: the trail has it, and the agents of its chats are told.

    Chats that it opened stay open: they are the bank customer's, who signs in to each, and the record of how the two
    were linked stays true. The handle has to be proven again before it opens anything new.
    """
    customer = handle.customer
    actor = "customer" if by.pk == customer.user_id else "supervisor"
    opened = Case.objects.filter(bindings__customer=customer, bindings__network=handle.network)
    opened = opened.filter(bindings__proven_id=handle.external_id).exclude(status=Case.Status.CLOSED).distinct()
    told = list(opened)
    for case in told:
        audit.record("unlinked", case=case, user=by, actor=actor)
        events.poke_case(case.pk, "unlinked")
    if not told:
        audit.record("unlinked", user=by, actor=actor)


def expire() -> int:
    """Close the hand-offs whose link is over. Returns how many."""
    return invitations.expire_old()


def _alive(*, customer: Customer | None = None, lock: bool = False, **lookup: object) -> Invitation:
    """The row, whatever has become of it, in one query; then DeadInvitation unless it still leads somewhere."""
    at = now()
    query = Invitation.objects.select_related(
        "link",
        "customer",
        "outgoing__recipient",
        "outgoing__account",
        "outgoing__case__brand",
        "outgoing__pressed_by__agent",
    )
    if lock:
        query = query.select_for_update(of=("self",))
    invitation = query.filter(**lookup).first()
    if invitation is None:
        raise DeadInvitation
    reason = _over(invitation, at, customer)
    if reason:
        raise DeadInvitation(reason, case=invitation.outgoing.case)
    return invitation


def _over(invitation: Invitation, at: datetime, customer: Customer | None) -> str:
    """What it died of, for the trail; empty when it lives. `customer`: whose it has to be, if it is anybody's."""
    if invitation.link.revoked_at is not None or invitation.handoff == Handoff.REVOKED:
        return "revoked"
    if invitation.link.expires_at <= at or invitation.handoff not in invitations.WORKING:
        return "expired"
    if invitation.outgoing.case.status == Case.Status.CLOSED:
        return "closed_case"
    if customer is not None and invitation.customer_id not in (None, customer.pk):
        return "wrong_customer"
    return ""


def _remember(customer: Customer, network: str, external_id: str, handle: str) -> bool:
    """Keep the proof; True when another customer has proven this account before."""
    try:
        with transaction.atomic():
            customers.remember_handle(customer, network, external_id, handle)
    except HandleTaken:
        return True
    return False


def _bind(invitation: Invitation, customer: Customer, proven_id: str, assurance: Binding.Assurance) -> None:
    """PROVEN, the case is the customer's, and the record of it. The database refuses ids that differ."""
    case, recipient = invitation.outgoing.case, invitation.outgoing.recipient
    cases.bind(case, customer)
    invitations.step(invitation, Handoff.PROVEN, actor="customer", user=customer.user, customer=customer)
    Binding.objects.create(
        invitation=invitation,
        case=case,
        network=recipient.network,
        recipient_id=recipient.external_id,
        proven_id=proven_id,
        customer=customer,
        assurance=assurance,
        bound_at=now(),
    )


def _note_mismatch(invitation: Invitation, user: User, external_id: str, reason: str) -> None:
    case = invitation.outgoing.case
    Mismatch.objects.bulk_create(
        [Mismatch(invitation=invitation, user=user, external_id=external_id[:32], at=now())], ignore_conflicts=True
    )
    data = {"invitation": invitation.pk, "why": reason}
    audit.record("mismatch", case=case, user=user, actor="stranger", data=data)
    events.poke_case(case.pk, "mismatch")
    if invitation.mismatches.values("user").distinct().count() >= STRANGERS:
        invitations.step(invitation, Handoff.REVOKED, actor="handoff")
        shortener.revoke(invitation.link)
