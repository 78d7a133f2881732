"""What colleagues say to each other about a case: read by them, and by no customer on any way."""

import asyncio
import json
import uuid

import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from accounts import agents
from conversations import cases, chat, notes, oversight, transfers
from conversations.models import AuditEvent, Case, Note
from conversations.urls import urlpatterns
from tests.factories.desks import press, queries, stranger, text_of
from tests.factories.invited import World, signed_in
from tests.factories.passing import chatting, colleague, page, supervisor
from tests.factories.plugged import socket

pytestmark = pytest.mark.django_db

SECRETS = ("ask her about the zebra", "the walrus is her cousin", "whisper of the narwhal")


@pytest.fixture
def world() -> World:
    return chatting()


@pytest.fixture
def maya(world: World) -> Client:
    return signed_in(world.maya.user)


def told(world: World) -> None:
    """A note, the note of an offer and a whisper."""
    omar = colleague(world, "omar")
    notes.add(world.case, by=world.maya, text=SECRETS[0])
    transfers.offer(world.case, by=world.maya.user, to_agent=omar, note=SECRETS[1])
    oversight.whisper(world.case, by=supervisor(), text=SECRETS[2])


def test_a_note_is_kept_masked_and_its_line_has_no_word_of_it(world: World, maya: Client) -> None:
    answered = maya.post(page(world.case) + "note/", {"text": " card 4111 1111 1111 1111,\r\nask again "})
    assert (answered.status_code, answered["Location"]) == (302, page(world.case))
    note = Note.objects.get()
    assert (note.text, note.masked, note.kind) == ("card [card number removed],\nask again", 1, "note")
    line = AuditEvent.objects.get(verb="noted")
    assert (line.case, line.user, line.data) == (world.case, world.maya.user, {"note": note.pk})


def test_colleagues_read_it_as_a_note_and_never_as_a_message(world: World, maya: Client) -> None:
    press(maya, page(world.case) + "note/", text="<b>Zebra</b>")
    html = text_of(signed_in(colleague(world, "omar").user).get(page(world.case)))
    at = html.index("&lt;b&gt;Zebra&lt;/b&gt;")
    run = html[html.rindex('<div class="run aud-', 0, at) : at]
    assert "aud-note" in run
    assert "never the customer" in run
    assert "Note of Maya" in html[at:]
    assert not world.case.messages.filter(text__contains="Zebra").exists()


def test_supervisors_read_notes_in_the_whole_story(world: World) -> None:
    told(world)
    html = text_of(signed_in(supervisor("hana")).get(f"/admin/conversations/case/{world.case.pk}/change/"))
    assert [secret for secret in SECRETS if secret in html] == list(SECRETS)
    assert "whisper to the agent" in html


@pytest.mark.parametrize(
    ("text", "sentence"), [("", "Write something first."), ("y" * 2001, "2001 characters of 2000")]
)
def test_what_is_not_kept_comes_back_and_not_into_the_composer(
    world: World, maya: Client, text: str, sentence: str
) -> None:
    refused = maya.post(page(world.case) + "note/", {"text": text})
    html = text_of(refused)
    assert (refused.status_code, Note.objects.count()) == (422, 0)
    assert sentence in html
    assert text in html
    assert "data-composer" not in html, "its button would send the note to the customer"


def test_a_case_that_is_over_takes_notes(world: World, maya: Client) -> None:
    cases.resolve(world.case, by=world.maya.user)
    assert maya.post(page(world.case) + "note/", {"text": "She called again"}).status_code == 302


def test_nobody_else_writes_or_reads_them(world: World) -> None:
    told(world)
    for who, status in ((stranger(), 404), (world.maria.user, 403), (world.jorge.user, 403)):
        browser = signed_in(who)
        assert browser.post(page(world.case) + "note/", {"text": "x"}).status_code == status
        for path in (page(world.case), page(world.case) + "timeline/", page(world.case) + "transfer/"):
            assert browser.get(path).status_code == status
    anybody = Client()
    assert anybody.post(page(world.case) + "note/", {"text": "x"})["Location"].startswith("/accounts/login/")
    assert Note.objects.count() == 3


def test_no_page_of_a_customer_has_a_word_of_them(world: World) -> None:
    """Every route that takes nothing or a case's id, asked by the case's customer and by another, before and after."""
    told(world)
    chat.post(world.case, author=world.maya, client_id=uuid.uuid4(), text="Hello from Maya")
    asked = []
    for who in (world.maria, world.jorge):
        browser = signed_in(who.user)
        for over in (False, True):
            Case.objects.filter(pk=world.case.pk).update(status="RESOLVED" if over else "CONNECTED")
            for route in urlpatterns:
                names = set(route.pattern.converters)
                if names <= {"case_id"}:
                    path = "/" + str(route.pattern).replace("<uuid:case_id>", str(world.case.public_id))
                    for query in ("", "?all"):
                        answer = browser.get(path + query)
                        html = b"".join(answer) if answer.streaming else answer.content
                        asked.append((path, answer.status_code))
                        assert not [s for s in SECRETS if s.encode() in html], path
    assert (world.chat, 200) in asked
    assert ("/my/", 200) in asked
    assert (page(world.case), 403) in asked
    assert "Hello from Maya" in text_of(signed_in(world.maria.user).get(world.chat))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
async def test_no_frame_of_a_customer_says_that_there_is_one(world: World) -> None:
    path = f"/ws/case/{world.case.public_id}/"
    sides = {}
    for name, who in (("customer", world.maria.user), ("agent", world.maya.user)):
        sides[name] = await socket(path, await sync_to_async(signed_in)(who))
        assert (await sides[name].connect())[0]
        await sides[name].send_json_to({"type": "resume", "after": 0})
    grace = await sync_to_async(supervisor)()
    omar = await sync_to_async(colleague)(world, "omar")
    await sync_to_async(notes.add)(world.case, by=world.maya, text=SECRETS[0])
    await sync_to_async(oversight.whisper)(world.case, by=grace, text=SECRETS[2])
    await sync_to_async(transfers.offer)(world.case, by=world.maya.user, to_agent=omar, note=SECRETS[1])
    await sync_to_async(chat.post)(world.case, author=world.maya, client_id=uuid.uuid4(), text="the end")
    heard: dict[str, list[dict[str, str]]] = {name: [] for name in sides}
    for name, side in sides.items():
        while True:
            frame = await asyncio.wait_for(side.receive_json_from(timeout=5), 5)
            heard[name].append(frame)
            if frame["type"] == "message" and frame["text"] == "the end":
                break
        await side.disconnect()
    numbers = await sync_to_async(lambda: list(Note.objects.order_by("pk").values_list("pk", flat=True)))()
    assert [frame["id"] for frame in heard["agent"] if frame["type"] == "note"] == numbers
    assert not [frame for frame in heard["customer"] if frame["type"] == "note"]
    said = json.dumps(heard["customer"])
    assert not [word for word in (*SECRETS, "noted", "whisper", "listened") if word in said]
    assert not [secret for secret in SECRETS if secret in json.dumps(heard["agent"])], "frames carry numbers"


def test_three_notes_cost_as_many_queries_as_one(world: World, maya: Client) -> None:
    agents.set_availability(world.maya, "busy")
    notes.add(world.case, by=world.maya, text="One")
    once = queries(maya, page(world.case))
    for by in (colleague(world, "omar"), colleague(world, "ina")):
        notes.add(world.case, by=by, text="More")
    assert queries(maya, page(world.case)) == once
