"""What the buttons of the workspace do, by HTTP alone."""

import uuid

import pytest
from django.test import Client

from accounts.models import Agent
from citisocial.clock import now
from conversations import cases, chat, stops
from conversations.models import Brand, Case, Outgoing, ReplyTemplate
from tests.factories.desks import another_case, page_of, press, stranger, text_of
from tests.factories.invited import World, proven

pytestmark = pytest.mark.django_db


def test_take_and_back_to_the_case(omar: Client, world: World) -> None:
    case = another_case(world, 1)
    response = omar.post(page_of(case) + "take/", {"tab": "unassigned"})
    assert (response.status_code, response["Location"]) == (302, page_of(case) + "?tab=unassigned")
    case.refresh_from_db()
    assert (case.status, case.agent and case.agent.name) == (Case.Status.ASSIGNED, "Omar")


def test_take_too_late_says_who_was_faster(omar: Client, world: World) -> None:
    response = omar.post(page_of(world.case) + "take/")
    assert response.status_code == 409
    assert "Maya took this case before you." in text_of(response)


def test_invitation_waits_to_leave_with_undo_and_send_now(maya: Client, world: World) -> None:
    response = maya.post(page_of(world.case) + "invite/", {"text": "Hi Maria, let us talk here:"})
    assert response["Location"] == page_of(world.case)
    outgoing = Outgoing.objects.latest("pk")
    assert (outgoing.delivery, outgoing.text) == ("QUEUED", "Hi Maria, let us talk here: {link}")
    html = text_of(maya.get(page_of(world.case)))
    assert f"/workspace/outgoing/{outgoing.pk}/cancel/" in html
    assert f"/workspace/outgoing/{outgoing.pk}/now/" in html
    assert "{link}" not in html


def test_undo_takes_it_back_and_send_now_hurries_it(maya: Client, world: World) -> None:
    for text in ["First", "Second"]:
        maya.post(page_of(world.case) + "message/", {"text": text})
    first, second = Outgoing.objects.order_by("pk")[1:]
    answer = press(maya, f"/workspace/outgoing/{first.pk}/cancel/").json()
    assert (answer["outgoing"]["delivery"], answer["outgoing"]["text"]) == ("CANCELLED", "First")
    press(maya, f"/workspace/outgoing/{second.pk}/now/")
    second.refresh_from_db()
    assert second.leaves_at <= now()
    html = text_of(maya.get(page_of(world.case)))
    assert "Maya took a message back before it left" in html
    assert press(maya, f"/workspace/outgoing/{first.pk}/cancel/").json()["error"]["code"] == "too_late"


def test_a_colleague_cannot_take_my_message_back(maya: Client, omar: Client, world: World) -> None:
    maya.post(page_of(world.case) + "message/", {"text": "Mine"})
    outgoing = Outgoing.objects.latest("pk")
    assert press(omar, f"/workspace/outgoing/{outgoing.pk}/cancel/").status_code == 403
    outgoing.refresh_from_db()
    assert outgoing.delivery == "QUEUED"


def test_a_refused_text_is_not_lost(maya: Client, world: World) -> None:
    response = maya.post(page_of(world.case) + "message/", {"text": "See http://evil.example", "audience": "dm"})
    html = text_of(response)
    assert response.status_code == 422
    assert "Only our own links can be sent, and they are added for you. Take “http://evil.example” out." in html
    assert ">See http://evil.example</textarea>" in html
    assert Outgoing.objects.count() == 1


def test_public_reply_with_its_button(maya: Client, world: World) -> None:
    maya.post(page_of(world.case) + "reply/", {"text": "@maria_m We can help. ^Maya", "message_button": "on"})
    outgoing = Outgoing.objects.latest("pk")
    assert (outgoing.kind, outgoing.message_button) == ("reply", True)
    assert "with a “Message us” button" in text_of(maya.get(page_of(world.case)))


def test_a_word_in_the_chat_without_a_socket_counts_once(maya: Client, world: World) -> None:
    case = proven(world)
    chat.join(case, world.maria)
    said = {"text": "I am here", "client_id": str(uuid.uuid4())}
    for _ in range(2):
        assert maya.post(page_of(case), said)["Location"] == page_of(case)
    assert list(case.messages.values_list("text", flat=True)) == ["I am here"]


def test_only_its_own_agent_writes_in_a_case(omar: Client, world: World) -> None:
    html = text_of(omar.get(page_of(world.case)))
    assert "Maya works on this case." in html
    assert 'id="composer"' not in html or '<textarea id="text"' not in html
    for action in ["invite/", "message/", "reply/", "resolve/"]:
        assert press(omar, page_of(world.case) + action, text="Hello").status_code == 403
    assert Outgoing.objects.count() == 1


def test_resolve_and_reopen(maya: Client, world: World) -> None:
    maya.post(page_of(world.case) + "resolve/")
    html = text_of(maya.get(page_of(world.case)))
    assert "Maya resolved the case" in html
    assert 'id="composer"' not in html or '<textarea id="text"' not in html
    maya.post(page_of(world.case) + "reopen/")
    world.case.refresh_from_db()
    assert world.case.status == Case.Status.CONTACTED


def test_stopped_sending_shows_why_and_closes_both_ways_out(maya: Client, world: World) -> None:
    stops.start(brand=world.case.brand, by=world.maya.user, reason="Strange messages from our account")
    html = text_of(maya.get(page_of(world.case)))
    assert "Strange messages from our account" in html
    for value in ["dm", "public"]:
        assert "disabled" in html.split(f'id="audience-{value}"')[1].split(">")[0]


@pytest.mark.parametrize(
    ("delivery", "reason", "words"),
    [
        ("SENT", "", "sent"),
        ("SENDING", "", "being sent"),
        ("DOUBTFUL", "", "X did not say whether it arrived. We are looking it up; do not send it again."),
        ("FAILED", "not_reachable", "They do not accept direct messages from us."),
        ("FAILED", "gone", "The post or the person is no longer on X."),
    ],
)
def test_every_delivery_has_its_words(maya: Client, world: World, delivery: str, reason: str, words: str) -> None:
    Outgoing.objects.update(delivery=delivery, reason=reason)
    html = text_of(maya.get(page_of(world.case) + "timeline/"))
    assert words in html.split('data-part="log"')[1].split('data-part="composer"')[0]


# What scripts ask.


def test_json_answers_are_what_the_composer_needs(maya: Client, world: World) -> None:
    answer = press(maya, page_of(world.case) + "message/", text="Are you there?").json()
    assert answer["ok"] is True
    assert set(answer["outgoing"]) == {"id", "delivery", "leaves_at"}
    refusal = press(maya, page_of(world.case) + "message/", text="")
    assert (refusal.status_code, refusal.json()) == (
        422,
        {"error": {"code": "bad_text", "message": "Write something first.", "at": None}},
    )
    marked = press(maya, page_of(world.case) + "message/", text="😀\r\nat evil.com").json()["error"]
    assert marked["at"] == [5, 13]  # code points of the text as it stands in its field, a line break being one


def test_signed_out_is_said_in_json(client: Client, world: World) -> None:
    refusal = press(client, page_of(world.case) + "message/", text="Kept")
    assert (refusal.status_code, refusal.json()["error"]["code"]) == (401, "signed_out")


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("reply", "a" * 280, {"used": 280, "limit": 280, "valid": True}),
        ("reply", "漢" * 141, {"used": 282, "limit": 280, "valid": False}),
        ("dm", "Hi {link}", {"used": 26, "limit": 10_000, "valid": True}),
    ],
)
def test_texts_are_counted_as_the_network_counts(maya: Client, kind: str, text: str, expected: object) -> None:
    assert press(maya, "/workspace/measure/", kind=kind, text=text).json() == expected


def test_template_comes_filled_in(maya: Client, world: World) -> None:
    brand = world.case.brand
    made = ReplyTemplate.objects.create(
        brand=brand, use="invitation", name="Invite", text="Hi {{first_name}}, {{agent}} here"
    )
    path = f"{page_of(world.case)}?template={made.pk}"
    answer = maya.get(path, headers={"accept": "application/json"}).json()
    assert (answer["text"], answer["audience"]) == ("Hi Maria, Maya here", "dm")
    assert ">Hi Maria, Maya here</textarea>" in text_of(maya.get(path))


def test_another_banks_template_is_not_there(maya: Client, world: World) -> None:
    stranger()
    other = ReplyTemplate.objects.create(brand=Brand.objects.get(slug="other"), use="chat", name="T", text="Secret")
    assert maya.get(f"{page_of(world.case)}?template={other.pk}").status_code == 404
    assert press(maya, page_of(world.case) + "invite/", text="Hi", template=str(other.pk)).status_code == 422


def test_availability_is_the_agents_own(maya: Client, world: World) -> None:
    assert press(maya, "/workspace/availability/", state="away").json() == {
        "ok": True,
        "state": "away",
        "label": "away",
    }
    world.maya.refresh_from_db()
    assert world.maya.availability == "away"
    assert press(maya, "/workspace/availability/", state="asleep").status_code == 422


def test_availability_leads_back_to_our_own_pages_only(maya: Client) -> None:
    for came, goes in [
        ("http://testserver/workspace/?tab=team", "http://testserver/workspace/?tab=team"),
        ("http://evil.example/", "/workspace/"),
    ]:
        response = maya.post("/workspace/availability/", {"state": "away"}, headers={"referer": came})
        assert response["Location"] == goes


def test_times_are_the_agents_own(maya: Client, world: World) -> None:
    Agent.objects.update(time_zone="Asia/Kolkata")
    html = text_of(maya.get(page_of(world.case)))
    assert 'data-zone="Asia/Kolkata"' in html
    assert "+05:30" in html


def test_resolved_cases_leave_the_list(maya: Client, world: World) -> None:
    cases.resolve(world.case, by=world.maya.user)
    assert "@maria_m" not in text_of(maya.get("/workspace/?tab=team"))
