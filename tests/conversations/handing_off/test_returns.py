"""Takes people as they are (signed out, two devices, two tabs, the back button), leaves proof that each gets through
once, as themselves, and that what was agreed to, proven and taken back is what the records say."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.test import Client

from accounts import customers
from accounts.models import Customer, ProvenHandle
from citisocial.clock import now
from conversations import chat, handoff, invitations
from conversations.models import AuditEvent, Author, Binding, Case, Invitation, Outgoing
from links import shortener
from tests.accounts.fake_x import FakeX
from tests.factories.crossing import back_from_x, begun, through_x, way_back
from tests.factories.invited import PASSWORD, World, agree, person, proven, signed_in

pytestmark = pytest.mark.django_db


def state(invitation: Invitation) -> str:
    return Invitation.objects.get(pk=invitation.pk).handoff


def another(world: World) -> tuple[Invitation, Case]:
    """A second matter of the same people: its link is for another account of maria's."""
    at = now() - timedelta(minutes=5)
    author = Author.objects.create(
        network="x", external_id="1900000000000000002", handle="m_work", name="Maria", first_seen_at=at
    )
    case = Case.objects.get(pk=world.case.pk)
    case.pk, case.author = None, author  # type: ignore[assignment]
    case.public_id = Case._meta.get_field("public_id").get_default()
    case.save()
    outgoing = Outgoing.objects.get(pk=world.invitation.outgoing_id)
    outgoing.pk, outgoing.case, outgoing.recipient, outgoing.external_id = None, case, author, "7008"  # type: ignore[assignment]
    outgoing.answers = None
    outgoing.save()
    return invitations.create(outgoing, hours=72), case


# Coming and going.


def test_signed_out_on_the_way_and_in_again(world: World, x: FakeX) -> None:
    browser = begun(world, world.maria.user)
    shown = browser.get("/handoff/")
    browser.post("/accounts/logout/", {"next": "/handoff/"})
    assert agree(browser, shown=shown)["Location"].startswith("/accounts/login/")
    entered = browser.post("/accounts/login/", {"login": "maria", "password": PASSWORD, "next": "/handoff/"})
    assert entered["Location"] == "/handoff/"
    assert through_x(browser, x)["Location"] == world.chat


def test_signed_out_while_x_is_asked(world: World, x: FakeX) -> None:
    browser = begun(world, world.maria.user)
    way = way_back(x, agree(browser))
    browser.post("/accounts/logout/")
    assert browser.get("/x/callback", way).status_code == 403
    browser.post("/accounts/login/", {"login": "maria", "password": PASSWORD})
    assert browser.get("/x/callback", way).status_code == 403  # what was begun before is over
    assert through_x(browser, x)["Location"] == world.chat


def test_somebody_else_signs_in_in_between(world: World, x: FakeX) -> None:
    """The session is flushed, the hand-off is not: it goes on for whoever proves both."""
    browser = begun(world, world.jorge.user)
    way = way_back(x, agree(browser))
    browser.post("/accounts/logout/")
    browser.post("/accounts/login/", {"login": "maria", "password": PASSWORD})
    assert browser.get("/x/callback", way).status_code == 403
    assert Case.objects.get().customer is None
    assert through_x(browser, x)["Location"] == world.chat
    assert Case.objects.get().customer == world.maria


def test_back_button_after_the_chat(world: World, x: FakeX) -> None:
    browser = begun(world, world.maria.user)
    shown = browser.get("/handoff/")
    away = agree(browser, shown=shown)
    way = way_back(x, away)
    assert browser.get("/x/callback", way)["Location"] == world.chat
    asked = len(x.seen)
    assert browser.get("/x/callback", way).status_code == 403  # back to where X sent them
    assert agree(browser, shown=shown)["Location"] == world.chat  # back to the page, and pressed again
    assert browser.post(world.welcome)["Location"] == "/handoff/"  # back to the beginning
    assert agree(browser)["Location"] == world.chat
    assert len(x.seen) == asked
    assert Binding.objects.count() == ProvenHandle.objects.count() == 1


def test_two_devices(world: World, x: FakeX) -> None:
    phone, desk = begun(world, world.maria.user), begun(world, world.maria.user)
    first, second = agree(phone), agree(desk)
    assert back_from_x(desk, x, second)["Location"] == world.chat
    assert back_from_x(phone, x, first).status_code == 404  # it is done; the phone's page is over
    assert agree(phone)["Location"] == world.chat
    assert phone.get(world.chat).status_code == 200
    assert Binding.objects.count() == 1


def test_two_tabs_with_two_links(world: World, x: FakeX) -> None:
    """Each tab agrees to what it shows, whichever link was opened last, and each way back ends where it began."""
    other, case = another(world)
    browser = begun(world, world.maria.user)
    first_page = browser.get("/handoff/")
    browser.post(f"/welcome/{shortener.slug(other.link)}/")
    second_page = browser.get("/handoff/")
    first, second = agree(browser, shown=first_page), agree(browser, shown=second_page)
    assert (state(world.invitation), state(other)) == ("SIGNED_IN", "SIGNED_IN")
    answer = back_from_x(browser, x, first)
    assert answer["Location"] == world.chat
    assert settings.HANDOFF_COOKIE_NAME not in answer.cookies  # it points to the other one, which goes on
    x.person = {"id": "1900000000000000002", "name": "Maria", "username": "m_work"}
    answer = back_from_x(browser, x, second)
    assert answer["Location"] == f"/chat/{case.public_id}/"
    assert answer.cookies[settings.HANDOFF_COOKIE_NAME].value == ""


def test_two_tabs_do_not_mix_handles_up(world: World, x: FakeX) -> None:
    other, _case = another(world)
    browser = begun(world, world.maria.user)
    browser.post(f"/welcome/{shortener.slug(other.link)}/")
    assert through_x(browser, x).status_code == 403  # X said @maria_m, this one was written to @m_work
    assert (state(world.invitation), state(other)) == ("OPENED", "SIGNED_IN")


# What is agreed to, and what is kept of it.


def test_agreeing_comes_first_and_is_written_down(world: World, x: FakeX) -> None:
    browser = begun(world, world.maria.user)
    page = browser.get("/handoff/")
    text = page.content.decode()
    for said in ("What is linked", "Maria Silva", "@m…", "For how long", "Until you take it back", "My conversations"):
        assert said in text
    refused = browser.post("/handoff/", {"handoff": handoff.token(world.invitation)})
    assert refused.status_code == 422
    assert state(world.invitation) == "OPENED"
    assert x.seen == []
    agree(browser, shown=page)
    kept = Invitation.objects.get(pk=world.invitation.pk)
    assert kept.consented_at is not None
    assert AuditEvent.objects.get(verb="consented").user == world.maria.user


def test_each_proof_is_agreed_to(world: World, x: FakeX) -> None:
    browser = begun(world, world.maria.user)
    agree(browser)
    refused = browser.post("/handoff/", {"handoff": handoff.token(world.invitation)})
    assert refused.status_code == 422  # once before does not do
    assert through_x(browser, x)["Location"] == world.chat
    assert AuditEvent.objects.filter(verb="consented").count() == 2


def test_binding_says_who_what_when_and_how(world: World) -> None:
    before = now()
    proven(world)
    binding = Binding.objects.get()
    assert (binding.case, binding.customer, binding.invitation) == (world.case, world.maria, world.invitation)
    assert (binding.network, binding.recipient_id, binding.proven_id) == ("x", world.recipient_id, world.recipient_id)
    assert binding.assurance == "proven"
    assert binding.bound_at >= before
    agent = signed_in(world.maya.user).get(f"/workspace/cases/{world.case.public_id}/").content.decode()
    assert "@maria_m is bound to Maria Silva: the network said so just then." in agent


def test_database_refuses_a_binding_of_two_accounts(world: World) -> None:
    with pytest.raises(IntegrityError, match="binding_is_of_the_recipient"), transaction.atomic():
        Binding.objects.create(
            invitation=world.invitation,
            case=world.case,
            network="x",
            recipient_id=world.recipient_id,
            proven_id="666",
            customer=world.maria,
            assurance="proven",
            bound_at=now(),
        )


def test_what_is_not_bound_is_not_proven(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction: without the record nothing of it happened."""
    monkeypatch.setattr(handoff.Binding.objects, "create", lambda **row: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        proven(world)
    assert state(world.invitation) == "SIGNED_IN"
    assert Case.objects.get().customer is None
    assert not ProvenHandle.objects.exists()


# What is taken back.


def test_handle_taken_back_is_proven_again_and_the_open_chat_stays(world: World, x: FakeX) -> None:
    browser = begun(world, world.maria.user)
    through_x(browser, x)
    chat.join(Case.objects.get(), world.maria)
    browser.post("/my/", {"handle": ProvenHandle.objects.get().pk})
    assert browser.get(world.chat).status_code == 200
    assert AuditEvent.objects.get(verb="unlinked").case == world.case
    agent = signed_in(world.maya.user).get(f"/workspace/cases/{world.case.public_id}/").content.decode()
    assert "The proof of the handle was taken back." in agent
    again = invitations.create(_written_again(world), hours=72)
    browser.post(f"/welcome/{shortener.slug(again.link)}/")
    assert "You confirmed it before" not in browser.get("/handoff/").content.decode()
    assert browser.post("/handoff/", {"handoff": handoff.token(again)}).status_code == 422
    assert through_x(browser, x)["Location"] == world.chat
    assert list(Binding.objects.order_by("pk").values_list("assurance", flat=True)) == ["proven", "proven"]


def test_taking_back_is_told_to_open_cases_only(world: World) -> None:
    proven(world)
    Case.objects.update(status=Case.Status.CLOSED)
    assert customers.revoke_handle(ProvenHandle.objects.get(), by=world.maria.user) is True
    assert AuditEvent.objects.get(verb="unlinked").case is None
    assert customers.revoke_handle(ProvenHandle.objects.get(), by=world.maria.user) is False


def test_three_strangers_and_the_agent_is_offered_to_send_again(world: World, x: FakeX) -> None:
    world.case.brand.templates.create(use="invitation", language="en", name="Way", text="Here is the way:")
    for number in range(3):
        stranger = Customer.objects.create(user=person(f"eve{number}"), name="Eve")
        x.person = {"id": f"666{number}", "name": "Eve", "username": "eve"}
        assert through_x(begun(world, stranger.user), x).status_code == 403
    assert Client().get(world.welcome).status_code == 404
    page = signed_in(world.maya.user).get(f"/workspace/cases/{world.case.public_id}/").content.decode()
    assert "Somebody else signed in with this link. Nothing was shown to them." in page
    assert "Three strangers tried this link, so it opens nothing any more." in page
    assert "Send again" in page
    invitations.create(_written_again(world), hours=72)
    assert (
        "Send again" not in signed_in(world.maya.user).get(f"/workspace/cases/{world.case.public_id}/").content.decode()
    )


def _written_again(world: World) -> Outgoing:
    row = Outgoing.objects.get(pk=world.invitation.outgoing_id)
    row.pk, row.external_id, row.answers = None, "7009", None  # type: ignore[assignment]
    row.created_at = now()
    row.save()
    return row
