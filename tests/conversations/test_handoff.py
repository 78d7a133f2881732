"""The link proves nothing, each proof alone opens nothing, and a stranger does not lock the right customer out."""

from datetime import timedelta

import pytest

from accounts.models import ProvenHandle, User
from citisocial.clock import now
from conversations import handoff, invitations
from conversations.errors import DeadInvitation, WrongHandle
from conversations.models import AuditEvent, Case, Invitation, Mismatch
from tests.factories.invited import invited, person, proven

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return invited()


def signed_in(world, customer):
    handoff.open(world.slug)
    invitation = handoff.find(world.slug)
    assert handoff.begin_proof(invitation, customer, consents=True) is False
    return invitation


def state(world):
    return Invitation.objects.get(pk=world.invitation.pk).handoff


def test_the_way_from_unopened_to_proven(world):
    assert state(world) == "UNOPENED"
    handoff.open(world.slug)
    assert state(world) == "OPENED"
    invitation = handoff.find(world.slug)
    handoff.begin_proof(invitation, world.maria, consents=True)
    assert (state(world), Case.objects.get(pk=world.case.pk).customer) == ("SIGNED_IN", None)
    case = handoff.prove(invitation.pk, world.maria, external_id=world.recipient_id, handle="maria_m")
    assert (state(world), case.customer) == ("PROVEN", world.maria)
    assert ProvenHandle.objects.get().customer == world.maria


def test_wrong_handle_is_refused_kept_and_shown(world):
    invitation = signed_in(world, world.maria)
    with pytest.raises(WrongHandle):
        handoff.prove(invitation.pk, world.maria, external_id="31337", handle="eve")
    assert state(world) == "SIGNED_IN"
    assert Mismatch.objects.count() == AuditEvent.objects.filter(verb="mismatch", case=world.case).count() == 1
    assert not ProvenHandle.objects.exists()
    case = handoff.prove(invitation.pk, world.maria, external_id=world.recipient_id, handle="maria_m")
    assert case.customer == world.maria


def test_thief_who_signs_in_first_does_not_lock_the_customer_out(world):
    thief = signed_in(world, world.jorge)
    with pytest.raises(WrongHandle):
        handoff.prove(thief.pk, world.jorge, external_id="31337", handle="jorge_p")
    assert proven(world).customer == world.maria
    with pytest.raises(DeadInvitation):
        handoff.prove(thief.pk, world.jorge, external_id=world.recipient_id, handle="maria_m")


def test_second_customer_with_the_same_link_finds_it_dead(world):
    proven(world)
    with pytest.raises(DeadInvitation):
        handoff.begin_proof(handoff.find(world.slug), world.jorge, consents=True)
    assert handoff.begin_proof(handoff.find(world.slug), world.maria, consents=True) is True


def test_three_strangers_revoke_the_link(world):
    for number in range(3):
        stranger = type(world.maria).objects.create(user=person(f"eve{number}"), name="Eve")
        invitation = signed_in(world, stranger)
        with pytest.raises(WrongHandle):
            handoff.prove(invitation.pk, stranger, external_id=f"666{number}", handle="eve")
    assert state(world) == "REVOKED"
    with pytest.raises(DeadInvitation):
        handoff.find(world.slug)


def test_one_stranger_who_tries_often_does_not_revoke_it(world):
    for number in range(5):
        with pytest.raises(WrongHandle):
            handoff.prove(signed_in(world, world.jorge).pk, world.jorge, external_id=f"66{number}", handle="eve")
    assert state(world) == "SIGNED_IN"


def test_handle_of_another_customer_is_refused(world):
    ProvenHandle.objects.create(
        customer=world.jorge, network="x", external_id=world.recipient_id, handle="maria_m", proven_at=now()
    )
    with pytest.raises(WrongHandle):
        handoff.prove(signed_in(world, world.maria).pk, world.maria, external_id=world.recipient_id, handle="maria_m")
    assert Case.objects.get(pk=world.case.pk).customer is None


def test_remembered_handle_needs_no_network_and_belongs_to_its_customer_only(world):
    ProvenHandle.objects.create(
        customer=world.maria, network="x", external_id=world.recipient_id, handle="maria_m", proven_at=now()
    )
    handoff.open(world.slug)
    assert handoff.begin_proof(handoff.find(world.slug), world.jorge, consents=True) is False
    assert handoff.begin_proof(handoff.find(world.slug), world.maria, consents=True) is True
    assert (state(world), Case.objects.get(pk=world.case.pk).customer) == ("PROVEN", world.maria)


def test_login_that_ended_while_the_network_answered_is_refused(world):
    invitation = signed_in(world, world.maria)
    User.objects.filter(pk=world.maria.user_id).update(is_active=False)
    with pytest.raises(DeadInvitation):
        handoff.prove(invitation.pk, world.maria, external_id=world.recipient_id, handle="maria_m")
    User.objects.filter(pk=world.maria.user_id).update(is_active=True, epoch=7)
    with pytest.raises(DeadInvitation):
        handoff.prove(invitation.pk, world.maria, external_id=world.recipient_id, handle="maria_m")


def test_nobody_proves_without_having_opened_and_signed_in(world):
    with pytest.raises(DeadInvitation):
        handoff.prove(world.invitation.pk, world.maria, external_id=world.recipient_id, handle="maria_m")
    with pytest.raises(DeadInvitation):
        handoff.begin_proof(handoff.find(world.slug), world.maria, consents=True)


@pytest.mark.parametrize("death", ["expired", "revoked", "unknown", "closed"])
def test_dead_links_are_all_the_same(world, death):
    link = type(world.invitation.link).objects.filter(pk=world.invitation.link_id)
    slug = world.slug
    if death == "expired":
        link.update(expires_at=now() - timedelta(seconds=1))
    elif death == "revoked":
        link.update(revoked_at=now())
    elif death == "unknown":
        slug = "0" * len(slug)
    else:
        invitations.step(world.invitation, "REVOKED", actor="handoff")
    with pytest.raises(DeadInvitation) as refusal:
        handoff.find(slug)
    assert str(refusal.value) == DeadInvitation.message


def test_cookie_points_and_the_row_decides(world, settings):
    cookie = handoff.token(world.invitation)
    assert handoff.from_token(cookie) == world.invitation
    with pytest.raises(DeadInvitation):
        handoff.from_token(cookie[:-1] + ("A" if cookie[-1] != "A" else "B"))
    invitations.step(world.invitation, "REVOKED", actor="handoff")
    with pytest.raises(DeadInvitation):
        handoff.from_token(cookie)


def test_stranger_learns_no_handle_no_post_and_no_case(world):
    facts = handoff.facts(handoff.find(world.slug))
    said = " ".join(str(value) for value in vars_of(facts))
    assert facts.first_letter == "m"
    for secret in ("maria_m", "declined", str(world.case.pk), str(world.case.public_id), world.recipient_id):
        assert secret not in said


def test_invitations_expire_with_their_links(world):
    type(world.invitation.link).objects.update(expires_at=now() - timedelta(seconds=1))
    assert handoff.expire() == 1
    assert state(world) == "EXPIRED"
    assert handoff.expire() == 0


def vars_of(facts):
    return [getattr(facts, name) for name in facts.__slots__]
