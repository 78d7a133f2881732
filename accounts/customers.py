"""Takes a login, leaves the customer or agent behind it; the only writer of ProvenHandle."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import signals
from accounts.errors import HandleTaken
from accounts.models import Agent, Customer, ProvenHandle, User
from citisocial.clock import now


def customer_of(user: AbstractBaseUser | AnonymousUser) -> Customer | None:
    """The bank customer who signed in, or None (nobody, staff without an account, a closed login)."""
    if not user.is_authenticated or not user.is_active:
        return None
    return Customer.objects.filter(user_id=user.pk).first()


def agent_of(user: AbstractBaseUser | AnonymousUser) -> Agent | None:
    """The agent who signed in, or None."""
    if not user.is_authenticated or not user.is_active:
        return None
    return Agent.objects.filter(user_id=user.pk).first()


def remember_handle(customer: Customer, network: str, external_id: str, handle: str) -> ProvenHandle:
    """Write down that the customer has proven this network account just now; again, and it is only renewed.

    1. Insert unless a live row of (network, external_id) is there; the unique index lets one of two in, and
       makes the other wait for it.
    2. Lock the live row and look whose it is: ours is renewed, another customer's raises HandleTaken.
    Call it inside the transaction that binds the case, after the network was asked.
    """
    fresh = ProvenHandle(customer=customer, network=network, external_id=external_id, handle=handle, proven_at=now())
    with transaction.atomic():
        ProvenHandle.objects.bulk_create([fresh], ignore_conflicts=True)
        held = ProvenHandle.objects.select_for_update().filter(
            network=network, external_id=external_id, revoked_at=None
        )
        proof = held.first()
        if proof is None:  # it was there at (1) and revoked before (2): whoever revoked it meant it
            raise HandleTaken(_("This confirmation was withdrawn a moment ago. Please try again."))
        if proof.customer_id != customer.pk:
            raise HandleTaken(_("Another customer has confirmed this account before. Please write to us again."))
        proof.handle, proof.proven_at = handle, fresh.proven_at
        proof.save(update_fields=["handle", "proven_at"])
    return proof


def proven(customer: Customer, network: str, external_id: str) -> bool:
    """Whether this network account is the customer's, by a proof that was not revoked."""
    return ProvenHandle.objects.filter(
        customer=customer, network=network, external_id=external_id, revoked_at=None
    ).exists()


def hold(customer: Customer, network: str, external_id: str) -> ProvenHandle | None:
    """The live proof, locked until the caller's transaction ends: nobody takes it back while it is relied on."""
    held = ProvenHandle.objects.select_for_update()
    return held.filter(customer=customer, network=network, external_id=external_id, revoked_at=None).first()


def revoke_handle(handle: ProvenHandle, *, by: User) -> bool:
    """The network account counts as unproven from now on; the row stays. True when this call did it."""
    with transaction.atomic():
        changed = ProvenHandle.objects.filter(pk=handle.pk, revoked_at=None).update(revoked_at=now()) == 1
        if changed:
            signals.handle_revoked.send(ProvenHandle, handle=handle, by=by)
    handle.refresh_from_db(fields=["revoked_at"])
    return changed
