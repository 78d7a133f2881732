"""A detail that an agent asks for: given on a page of its own, sealed, read by permission, gone in time."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from citisocial.clock import now
from conversations import cases, chat, details, tasks
from conversations.models import AuditEvent, Case, SecureRequest
from tests.factories.desks import another_case, colleague, press, stranger, text_of
from tests.factories.detailed import (
    DIGITS,
    LABEL,
    SECRET,
    ask,
    asked,
    at_case,
    given,
    lines,
    page_of,
    told,
    trail,
    view,
)
from tests.factories.invited import World, invited, proven, signed_in
from tests.factories.walked import supervisor

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    world = invited()
    world.case = proven(world)
    chat.join(world.case, world.maria)
    return world


@pytest.fixture
def maya(world: World) -> Client:
    return signed_in(world.maya.user)


@pytest.fixture
def maria(world: World) -> Client:
    return signed_in(world.maria.user)


def too_late(one: SecureRequest) -> None:
    SecureRequest.objects.filter(pk=one.pk).update(expires_at=now() - timedelta(seconds=1))


# Asking.


def test_asking_leaves_a_line_a_request_and_the_trail(world: World, maya: Client, maria: Client) -> None:
    one = asked(maya, world)
    assert lines(world) == [("asked", "agent", LABEL, None)]
    assert (one.state, one.agent, one.expires_at - one.asked_at) == ("ASKED", world.maya, timedelta(minutes=60))
    assert trail(world) == ["detail_asked"]
    assert Case.objects.get(pk=world.case.pk).move == "theirs"
    shown = text_of(maria.get(world.chat))
    assert re.search(rf'href="{page_of(one)}" target="_blank" rel="noopener"', shown)
    assert "Waits for the customer" in text_of(maya.get(at_case(world)))


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("", "Choose or type"),
        ("x" * 81, "80 characters at most"),
        ("Is it 4111 1111 1111 1111?", "without numbers"),
        ("See http://evil.example", "Only our own links"),
        ("{{ name }}", "is missing"),
        ("Your password", "never ask"),
        ("PIN of your card", "never ask"),
        ("the p.i.n", "never ask"),
        ("One-time code", "never ask"),
        ("Full card number", "never ask"),
        ("Pаssword", "never ask"),  # with a Cyrillic letter
        ("CVV", "never ask"),
    ],
)
def test_what_may_not_be_asked_for_is_refused_with_a_sentence(
    label: str, sentence: str, world: World, maya: Client
) -> None:
    answer = ask(maya, world, label)
    assert answer.status_code == 422
    assert sentence in told(answer)["error"]["message"]
    assert not SecureRequest.objects.exists()
    assert lines(world) == []


@pytest.mark.parametrize("label", details.names())
def test_everything_on_the_list_may_be_asked_for(label: str, world: World, maya: Client) -> None:
    assert asked(maya, world, label).label == label


def test_only_the_cases_own_agent_asks_and_only_in_an_open_chat(world: World, maya: Client, maria: Client) -> None:
    tom, eve = signed_in(colleague(world, "tom").user), signed_in(stranger())
    statuses = [ask(client, world).status_code for client in (tom, eve, maria, Client())]
    assert statuses == [403, 404, 403, 401]
    cases.resolve(Case.objects.get(pk=world.case.pk), by=world.maya.user)
    assert told(ask(maya, world))["error"]["code"] == "case_closed"
    assert maya.get(at_case(world, "details")).status_code == 405
    assert not SecureRequest.objects.exists()


def test_before_the_customer_is_proven_nothing_is_asked() -> None:
    early = invited()
    answer = ask(signed_in(early.maya.user), early)
    assert told(answer)["error"]["code"] == "chat_not_open"


def test_the_same_is_not_asked_twice_and_not_everything_at_once(world: World, maya: Client) -> None:
    asked(maya, world)
    assert ask(maya, world, LABEL.upper()).status_code == 409
    for n in range(details.AT_ONCE - 1):
        asked(maya, world, f"Thing {'abcdef'[n]}")
    assert "wait for an answer" in told(ask(maya, world, "One more"))["error"]["message"]


# Answering.


def test_the_page_says_who_asks_for_what_who_reads_it_and_for_how_long(
    world: World, maya: Client, maria: Client
) -> None:
    answer = maria.get(page_of(asked(maya, world)))
    shown = text_of(answer)
    for said in ("Maya, Citi, asks for this", LABEL, "supervisors", "60 minutes", 'autocomplete="off"', "rather not"):
        assert said in shown
    assert "no-store" in answer["Cache-Control"]


def test_an_answer_is_sealed_said_to_be_there_and_not_shown_again(world: World, maya: Client, maria: Client) -> None:
    one = asked(maya, world)
    answer = maria.post(page_of(one), {"value": SECRET})
    assert (answer.status_code, answer["Location"]) == (302, page_of(one))
    one.refresh_from_db()
    assert one.state == "ANSWERED"
    assert SECRET.encode() not in bytes(one.sealed)
    assert lines(world)[1:] == [("answered", "customer", "answered", 1)]
    assert trail(world) == ["detail_asked", "detail_given"]
    assert Case.objects.get(pk=world.case.pk).move == "ours"
    for page in (maria.get(page_of(one)), maria.get(world.chat), maya.get(at_case(world))):
        assert DIGITS[:4] not in text_of(page)
    shown = text_of(maya.get(at_case(world)))
    assert re.search(r"Given · <span[^>]*>••••••</span> · <span[^>]*>60 minutes left", shown)
    assert told(view(maya, world, one))["value"] == SECRET


@pytest.mark.parametrize("typed", ["", "   ", SECRET + "x" * 480, SECRET + "\x00"])
def test_a_refused_answer_comes_back_empty_with_a_sentence(
    typed: str, world: World, maya: Client, maria: Client
) -> None:
    one = asked(maya, world)
    answer = maria.post(page_of(one), {"value": typed})
    shown = text_of(answer)
    assert answer.status_code == 422
    assert DIGITS[:4] not in shown
    assert 'translate="no" aria-invalid="true" aria-describedby="value-wrong"></textarea>' in shown
    assert 'role="alert"' in shown
    one.refresh_from_db()
    assert one.state == "ASKED"


def test_only_its_own_customer_may_give_it(world: World, maya: Client, maria: Client) -> None:
    one = asked(maya, world)
    for client, status in ((signed_in(world.jorge.user), 404), (maya, 403), (Client(), 302)):
        for call in (client.get, lambda path, client=client: client.post(path, {"value": SECRET})):
            assert call(page_of(one)).status_code == status
    for elsewhere in ([world.case.public_id, uuid4()], [uuid4(), one.public_id]):
        assert maria.get(reverse("detail", args=elsewhere)).status_code == 404
    one.refresh_from_db()
    assert (one.state, bytes(one.sealed)) == ("ASKED", b"")
    tries = AuditEvent.objects.filter(verb="refused_entry", data__reason="changed_id")
    assert set(tries.values_list("user", flat=True)) == {world.jorge.user_id, world.maria.user_id}


def test_nothing_is_given_by_get_or_without_the_token(world: World, maya: Client) -> None:
    one = asked(maya, world)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(world.maria.user)
    assert strict.post(page_of(one), {"value": SECRET}).status_code == 403
    assert strict.get(page_of(one), {"value": SECRET}).status_code == 200
    one.refresh_from_db()
    assert one.state == "ASKED"


def test_the_customer_may_decline(world: World, maya: Client, maria: Client) -> None:
    one = asked(maya, world)
    maria.post(page_of(one), {"decline": "yes", "value": SECRET})
    one.refresh_from_db()
    assert (one.state, bytes(one.sealed)) == ("WITHDRAWN", b"")
    assert lines(world)[1:] == [("answered", "customer", "withdrawn", 1)]
    assert "Declined or taken back" in text_of(maya.get(at_case(world)))
    assert "taken back" in told(view(maya, world, one))["error"]["message"]


def test_the_customer_may_take_it_back_and_the_agent_may_erase_it(world: World, maya: Client, maria: Client) -> None:
    one = given(world, maya, maria)
    maria.post(page_of(one), {"decline": "yes"})
    other = given(world, maya, maria)
    assert press(maya, at_case(world, "details", str(other.public_id), "withdraw")).status_code == 200
    for each in (one, other):
        each.refresh_from_db()
        assert (each.state, bytes(each.sealed)) == ("WITHDRAWN", b"")
        assert "value" not in told(view(maya, world, each))
    actors = AuditEvent.objects.filter(verb="detail_withdrawn").order_by("pk").values_list("actor", flat=True)
    assert list(actors) == ["customer", "agent"]


def test_a_colleague_erases_nothing(world: World, maya: Client, maria: Client) -> None:
    one = given(world, maya, maria)
    tom = signed_in(colleague(world, "tom").user)
    assert press(tom, at_case(world, "details", str(one.public_id), "withdraw")).status_code == 403
    one.refresh_from_db()
    assert one.state == "ANSWERED"


# Looking.


def test_who_may_look_and_that_each_look_is_in_the_trail(world: World, maya: Client, maria: Client) -> None:
    one = given(world, maya, maria)
    grace = supervisor()
    tom, eve = signed_in(colleague(world, "tom").user), signed_in(stranger())
    refused = [view(client, world, one).status_code for client in (tom, eve, maria, signed_in(world.jorge.user))]
    assert refused == [403, 404, 404, 404]
    assert view(Client(), world, one).status_code == 401
    assert not AuditEvent.objects.filter(verb="detail_viewed").exists()
    for client in (maya, maya, signed_in(grace)):
        answer = view(client, world, one)
        assert told(answer)["value"] == SECRET
        assert "no-store" in answer["Cache-Control"]
    looks = AuditEvent.objects.filter(verb="detail_viewed").order_by("pk")
    assert list(looks.values_list("user", "actor", "case")) == [
        (world.maya.user_id, "agent", world.case.pk),
        (world.maya.user_id, "agent", world.case.pk),
        (grace.pk, "supervisor", world.case.pk),
    ]
    assert {str(look.data) for look in looks} == {str({"detail": one.pk})}
    assert "Maya looked at a detail" in text_of(maya.get(at_case(world)))


def test_a_supervisor_finds_it_where_they_listen(world: World, maya: Client, maria: Client) -> None:
    one = given(world, maya, maria)
    grace = signed_in(supervisor())
    path = at_case(world, "details", str(one.public_id), "view")
    shown = text_of(grace.get(reverse("listen", args=[world.case.public_id])))
    assert f'action="{path}"' in shown
    assert "withdraw/" not in shown
    answer = text_of(grace.post(path))
    assert SECRET in answer
    assert f'href="{reverse("listen", args=[world.case.public_id])}"' in answer


def test_without_scripts_it_is_a_page_that_nobody_keeps(world: World, maya: Client, maria: Client) -> None:
    one = given(world, maya, maria, "<b>Lisbon</b>")
    path = at_case(world, "details", str(one.public_id), "view")
    answer = maya.post(path)
    assert "&lt;b&gt;Lisbon" in text_of(answer)
    assert "no-store" in answer["Cache-Control"]
    assert maya.get(path).status_code == 405


def test_who_has_only_a_password_looks_at_nothing(world: World, maya: Client, maria: Client) -> None:
    one = given(world, maya, maria)
    session = maya.session
    session["account_authentication_methods"] = [{"method": "password", "at": 1}]
    session.save()
    assert "value" not in told(view(maya, world, one))


def test_a_case_that_went_to_a_colleague_is_theirs_to_read(world: World, maya: Client, maria: Client) -> None:
    one = given(world, maya, maria)
    tom = colleague(world, "tom")
    Case.objects.filter(pk=world.case.pk).update(agent=tom)
    assert view(maya, world, one).status_code == 403
    assert told(view(signed_in(tom.user), world, one))["value"] == SECRET


def test_a_detail_of_another_case_is_not_found_by_this_ones_address(world: World, maya: Client, maria: Client) -> None:
    one = given(world, maya, maria)
    other = another_case(world, 1, agent=world.maya, customer=world.maria, status="CONNECTED")
    for verb in ("view", "withdraw"):
        assert press(maya, f"/workspace/cases/{other.public_id}/details/{one.public_id}/{verb}/").status_code == 404
    assert maria.get(reverse("detail", args=[other.public_id, one.public_id])).status_code == 404
    one.refresh_from_db()
    assert one.state == "ANSWERED"


# Its time.


def test_what_is_over_is_erased_by_beat_and_said_once(world: World, maya: Client, maria: Client) -> None:
    one, other = given(world, maya, maria), asked(maya, world, "Postal address")
    too_late(one)
    too_late(other)
    assert "The time for this is over" in text_of(maria.get(page_of(other)))
    assert "Over, nothing is kept" in text_of(maya.get(at_case(world)))
    tasks.expire()
    tasks.expire()
    for each in (one, other):
        each.refresh_from_db()
        assert (each.state, bytes(each.sealed)) == ("EXPIRED", b"")
    assert [line for line in lines(world) if line[2] == "expired"] == [
        ("answered", "house", "expired", 1),
        ("answered", "house", "expired", 3),
    ]
    assert trail(world).count("detail_expired") == 2


def test_nothing_is_given_or_read_after_its_time_even_before_beat_comes(
    world: World, maya: Client, maria: Client
) -> None:
    one, other = given(world, maya, maria), asked(maya, world, "Postal address")
    too_late(one)
    too_late(other)
    late = view(maya, world, one)
    assert (late.status_code, "time for this is over" in told(late)["error"]["message"]) == (409, True)
    answer = maria.post(page_of(other), {"value": SECRET})
    assert (answer.status_code, "time for this is over" in text_of(answer)) == (409, True)
    assert DIGITS[:4] not in text_of(answer)
    other.refresh_from_db()
    assert (other.state, bytes(other.sealed)) == ("ASKED", b"")


def test_a_second_answer_counts_for_nothing(world: World, maya: Client, maria: Client) -> None:
    one = given(world, maya, maria)
    answer = maria.post(page_of(one), {"value": "another one"})
    assert (answer.status_code, "The first answer counts" in text_of(answer)) == (409, True)
    assert told(view(maya, world, one))["value"] == SECRET
    assert len(lines(world)) == 2
