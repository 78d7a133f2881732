"""A supervisor at a live chat: no listening without a line, whispers stay among staff, what is taken over is theirs."""

import uuid

import pytest
from django.test import Client

from accounts.models import Agent, User
from conversations import cases, chat, oversight
from conversations.errors import CaseMoved
from conversations.models import AuditEvent, Case, Message, Note
from tests.factories.desks import press, queries, stranger, text_of
from tests.factories.invited import PASSWORD, World, signed_in
from tests.factories.passing import chatting, colleague, page, supervisor

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return chatting()


@pytest.fixture
def grace(world: World) -> User:
    return supervisor()


def listening(world: World) -> str:
    return f"/workspace/listen/{world.case.public_id}/"


def at_a_desk(user: User, world: World) -> Agent:
    """The supervisor answers customers as well."""
    agent = Agent.objects.create(user=user, name="Grace", languages=["en"], availability="online")
    agent.teams.add(world.maya.teams.get())
    return agent


# Listening.


def test_a_supervisor_without_a_desk_hears_the_chat_and_each_opening_is_a_line(world: World, grace: User) -> None:
    chat.post(world.case, author=world.maria, client_id=uuid.uuid4(), text="It happened at noon")
    browser = signed_in(grace)
    for _ in range(2):
        html = text_of(browser.get(listening(world)))
    assert "It happened at noon" in html
    assert "Maya works on it" in html
    found = AuditEvent.objects.filter(verb="listened")
    assert [(line.case, line.user, line.actor) for line in found] == [(world.case, grace, "supervisor")] * 2


def test_the_page_only_reads(world: World, grace: User) -> None:
    html = text_of(signed_in(grace).get(listening(world)))
    assert "data-composer" not in html
    assert f'action="{page(world.case)}"' not in html
    assert signed_in(grace).post(page(world.case), {"text": "Hello", "client_id": str(uuid.uuid4())}).status_code == 403
    assert not Message.objects.filter(kind="said").exists()


def test_nobody_reads_on_without_having_opened_it(world: World, grace: User) -> None:
    browser = signed_in(grace)
    assert browser.get(listening(world) + "log/").status_code == 403
    browser.get(listening(world))
    parts = browser.get(listening(world) + "log/")
    assert (parts.status_code, AuditEvent.objects.filter(verb="listened").count()) == (200, 1)
    assert 'data-part="log"' in text_of(parts)
    assert signed_in(supervisor("hana")).get(listening(world) + "log/").status_code == 403


def test_the_cases_page_in_supervision_leads_there(world: World, grace: User) -> None:
    assert f'href="{listening(world)}"' in text_of(
        signed_in(grace).get(f"/admin/conversations/case/{world.case.pk}/change/")
    )


@pytest.mark.parametrize("path", ["", "log/", "whisper/", "take-over/"])
def test_nobody_else_listens_whispers_or_takes_over(world: World, path: str) -> None:
    for who in (world.maya.user, stranger(), world.maria.user, world.jorge.user):
        browser = signed_in(who)
        ask = browser.post if path in ("whisper/", "take-over/") else browser.get
        assert ask(listening(world) + path, {"text": "x"}).status_code == 403
    assert not AuditEvent.objects.filter(verb__in=["listened", "whispered", "taken_over"]).exists()


def test_without_the_second_factor_or_a_session_there_is_nothing(world: World, grace: User) -> None:
    half = Client()
    assert half.login(username=grace.username, password=PASSWORD)
    assert half.get(listening(world)).status_code == 302
    assert press(half, listening(world) + "whisper/", text="x").status_code == 403
    assert Client().get(listening(world))["Location"].startswith("/accounts/login/")
    assert not AuditEvent.objects.filter(verb__in=["listened", "whispered"]).exists()


def test_a_case_that_is_not_there_is_not_found(grace: User) -> None:
    assert signed_in(grace).get(f"/workspace/listen/{uuid.uuid4()}/").status_code == 404


# Whispering.


def test_a_whisper_is_masked_and_reaches_the_agent_and_not_the_customer(world: World, grace: User) -> None:
    said = {"text": "Offer her the fee back, card 4111 1111 1111 1111"}
    assert signed_in(grace).post(listening(world) + "whisper/", said)["Location"] == listening(world)
    note = Note.objects.get()
    assert (note.kind, note.text, note.masked) == ("whisper", "Offer her the fee back, card [card number removed]", 1)
    assert AuditEvent.objects.get(verb="whispered").data == {"note": note.pk}
    html = text_of(signed_in(world.maya.user).get(page(world.case)))
    assert "Offer her the fee back" in html
    assert "Whisper of grace" in html
    customer = signed_in(world.maria.user)
    assert "Offer her" not in text_of(customer.get(world.chat)) + text_of(customer.get("/my/"))


@pytest.mark.parametrize("text", ["", "z" * 2001])
def test_a_whisper_that_cannot_be_kept_comes_back(world: World, grace: User, text: str) -> None:
    refused = signed_in(grace).post(listening(world) + "whisper/", {"text": text})
    assert (refused.status_code, Note.objects.count()) == (422, 0)
    assert text in text_of(refused)


# Taking over.


def test_taken_over_it_is_theirs_and_the_customer_reads_so(world: World, grace: User) -> None:
    at_a_desk(grace, world)
    done = signed_in(grace).post(listening(world) + "take-over/")
    assert (done.status_code, done["Location"]) == (302, page(world.case))
    case = Case.objects.select_related("agent").get(pk=world.case.pk)
    assert (case.agent and case.agent.name, case.status) == ("Grace", "CONNECTED")
    line = AuditEvent.objects.get(verb="taken_over")
    assert (line.actor, line.user, line.data) == ("supervisor", grace, {"agent": "Grace", "from": "Maya"})
    assert "Grace looks after you from now on." in text_of(signed_in(world.maria.user).get(world.chat))
    assert "Grace took the case over" in text_of(signed_in(world.maya.user).get(page(world.case)))
    again = signed_in(grace).post(listening(world) + "take-over/")
    assert (again.status_code, AuditEvent.objects.filter(verb="taken_over").count()) == (302, 1)
    assert Message.objects.filter(kind="event", text="transferred").count() == 1


def test_without_a_desk_they_read_what_to_do(world: World, grace: User) -> None:
    refused = signed_in(grace).post(listening(world) + "take-over/")
    assert (refused.status_code, "enter yourself as an agent" in text_of(refused)) == (403, True)
    Agent.objects.create(user=grace, name="Grace", languages=["en"], availability="online")
    refused = signed_in(grace).post(listening(world) + "take-over/")
    assert (refused.status_code, "You are in no team of Citi." in text_of(refused)) == (403, True)
    assert Case.objects.get(pk=world.case.pk).agent == world.maya


def test_what_is_over_or_has_changed_hands_meanwhile_is_not_taken_over(world: World, grace: User) -> None:
    at_a_desk(grace, world)
    seen = Case.objects.get(pk=world.case.pk)
    cases.hand_to(Case.objects.get(pk=seen.pk), colleague(world, "omar"), verb="reassigned", actor="supervisor")
    with pytest.raises(CaseMoved):
        oversight.take_over(seen, by=grace)
    cases.resolve(Case.objects.get(pk=seen.pk), by=world.maya.user)
    refused = signed_in(grace).post(listening(world) + "take-over/")
    assert (refused.status_code, "there is nothing to take over" in text_of(refused)) == (409, True)
    assert not AuditEvent.objects.filter(verb="taken_over").exists()


def test_a_case_that_nobody_has_and_nobody_proved_is_taken_over_without_a_line_in_the_chat(
    world: World, grace: User
) -> None:
    at_a_desk(grace, world)
    Case.objects.filter(pk=world.case.pk).update(status="OPEN", agent=None, customer=None)
    assert signed_in(grace).post(listening(world) + "take-over/").status_code == 302
    case = Case.objects.get(pk=world.case.pk)
    assert (case.status, case.agent and case.agent.name) == ("ASSIGNED", "Grace")
    assert not Message.objects.exists()


def test_three_whispers_cost_as_many_queries_as_one(world: World, grace: User) -> None:
    browser = signed_in(grace)
    oversight.whisper(world.case, by=grace, text="One")
    once = queries(browser, listening(world))
    for name in ("hana", "ida"):
        oversight.whisper(world.case, by=supervisor(name), text="More")
    assert queries(browser, listening(world)) == once
