"""Takes agents at their browser, leaves proof of what the workspace shows and what its buttons do, by HTTP alone."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Agent, Team, User
from citisocial.clock import now
from conversations import cases, chat, outbox, outreach, stops
from conversations.models import Author, Brand, BrandAccount, Case, Mention, Message, Outgoing, ReplyTemplate
from tests.factories.invited import POST_TEXT, World, invited, person, proven, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    world = invited()
    post = world.case.mentions.get()
    post.accounts.add(BrandAccount.objects.get())
    return world


@pytest.fixture
def maya(world: World) -> Client:
    return signed_in(world.maya.user)


@pytest.fixture
def omar(world: World) -> Client:
    return signed_in(colleague(world, "omar").user)


def colleague(world: World, name: str) -> Agent:
    agent = Agent.objects.create(user=person(name), name=name.capitalize(), languages=["en"])
    agent.teams.add(world.maya.teams.get())
    return agent


def stranger() -> User:
    """An agent of another bank, with a case of their own: what eve must not see, and what must not be seen of hers."""
    team = Team.objects.create(name="Elsewhere")
    eve = Agent.objects.create(user=person("eve"), name="Eve", languages=["en"])
    eve.teams.add(team)
    brand = Brand.objects.create(name="Other", slug="other", address="other.example")
    BrandAccount.objects.create(brand=brand, external_id="2002", handle="OtherBank", team=team)
    return eve.user


def another_case(world: World, number: int, **columns: object) -> Case:
    at = now() - timedelta(minutes=number)
    author = Author.objects.create(
        network="x", external_id=f"77{number}", handle=f"person_{number}", name="", first_seen_at=at
    )
    case = Case.objects.create(
        brand=world.case.brand, author=author, opened_at=at, changed_at=at, waiting_since=at, **columns
    )
    mention = Mention.objects.create(
        brand=case.brand,
        author=author,
        network="x",
        external_id=f"88{number}",
        text=f"Post number {number}",
        posted_at=at,
        ingested_at=at,
        state=Mention.State.CASED,
        case=case,
    )
    mention.accounts.add(BrandAccount.objects.get(brand=case.brand))
    return case


def page_of(case: Case) -> str:
    return f"/workspace/cases/{case.public_id}/"


def press(client: Client, path: str, **fields: str) -> HttpResponse:
    return client.post(path, fields, headers={"accept": "application/json"})


def text_of(response: HttpResponse) -> str:
    return response.content.decode()


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200
    return len(asked)


# Who may come in.


def test_anonymous_is_asked_to_sign_in(client: Client, world: World) -> None:
    for path in ["/workspace/", page_of(world.case), page_of(world.case) + "timeline/"]:
        assert client.get(path)["Location"] == f"/accounts/login/?next={path}"


def test_a_customer_is_refused(world: World) -> None:
    maria = signed_in(world.maria.user)
    assert maria.get("/workspace/").status_code == 403
    assert maria.get(page_of(world.case)).status_code == 403
    assert press(maria, page_of(world.case) + "take/").status_code == 403


def test_an_agent_of_another_bank_sees_nothing_of_ours(world: World) -> None:
    eve = signed_in(stranger())
    assert "maria_m" not in text_of(eve.get("/workspace/?tab=team"))
    for path in ["", "timeline/"]:
        response = eve.get(page_of(world.case) + path)
        assert (response.status_code, POST_TEXT in text_of(response)) == (404, False)
    for action in ["take/", "invite/", "message/", "reply/", "resolve/", "reopen/", ""]:
        assert press(eve, page_of(world.case) + action, text="Hello", client_id=str(uuid.uuid4())).status_code == 404
    assert Outgoing.objects.count() == 1
    assert Message.objects.count() == 0


def test_actions_are_posts_only(maya: Client, world: World) -> None:
    for action in ["take/", "invite/", "message/", "reply/", "resolve/", "reopen/"]:
        assert maya.get(page_of(world.case) + action).status_code == 405


def test_actions_want_a_csrf_token(world: World) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(world.maya.user, backend="accounts.backends.Backend")
    assert press(strict, page_of(world.case) + "resolve/").status_code == 403


# The list.


def test_tabs_hold_mine_the_unassigned_and_the_teams(maya: Client, world: World) -> None:
    another_case(world, 1)
    another_case(world, 2, status=Case.Status.ASSIGNED, agent=colleague(world, "lena"))
    shown = {tab: text_of(maya.get(f"/workspace/?tab={tab}")) for tab in ["mine", "unassigned", "team"]}
    found = {
        tab: [handle for handle in ["@maria_m", "@person_1", "@person_2"] if handle in html.split("</nav>")[1]]
        for tab, html in shown.items()
    }
    assert found == {
        "mine": ["@maria_m"],
        "unassigned": ["@person_1"],
        "team": ["@maria_m", "@person_1", "@person_2"],
    }


def test_our_move_stands_above_theirs_and_the_longest_wait_on_top(maya: Client, world: World) -> None:
    for number in [5, 50]:
        another_case(world, number, status=Case.Status.ASSIGNED, agent=world.maya)
    html = text_of(maya.get("/workspace/"))
    places = [html.index(f"@{handle}") for handle in ["person_50", "person_5<", "maria_m"]]
    assert places == sorted(places)  # maria was written to: the move is hers
    assert "50 min" in html


def test_list_asks_as_often_for_three_cases_as_for_one(maya: Client, world: World) -> None:
    maya.get("/workspace/")
    once = queries(maya, "/workspace/?tab=team")
    for number in [1, 2]:
        another_case(world, number, status=Case.Status.ASSIGNED, agent=world.maya)
    assert queries(maya, "/workspace/?tab=team") == once == 9


# The conversation.


def test_page_asks_as_often_for_a_long_story_as_for_a_short_one(maya: Client, world: World) -> None:
    once = queries(maya, page_of(world.case))
    case = proven(world)
    chat.join(case, world.maria)
    for number in [1, 2]:
        chat.post(case, author=world.maya, client_id=uuid.uuid4(), text=f"Message {number}")
        closed = another_case(world, number, status=Case.Status.CLOSED)
        Case.objects.filter(pk=closed.pk).update(customer=world.maria)
        ReplyTemplate.objects.create(brand=case.brand, use="chat", language="en", name=f"T{number}", text="Hello")
    outreach.message(Case.objects.get(pk=case.pk), world.maya, text="Are you there?")
    assert queries(maya, page_of(world.case)) == once + 1  # the ratings of past cases, once there are any


def test_conversation_says_who_can_read_each_part(maya: Client, world: World) -> None:
    case = proven(world)
    chat.join(case, world.maria)
    chat.post(case, author=world.maria, client_id=uuid.uuid4(), text="It is the card ending 4471")
    html = text_of(maya.get(page_of(case)))
    for words in ["everyone can read this", "only @maria_m", "on the bank’s site, both sides proven"]:
        assert html.count(words) == 1
    assert POST_TEXT in html
    assert "It is the card ending 4471" in html
    for check in ["Link opened", "Signed in", "Handle proven", "Joined chat"]:
        assert check in html
    assert "Both proven" in html


def test_secure_chat_is_closed_with_its_reason_until_both_proofs(maya: Client, world: World) -> None:
    html = text_of(maya.get(page_of(world.case)))
    radio = html[html.index('id="audience-secure"') :].split(">")[0]
    assert "disabled" in radio
    assert "Opens when both proofs are there" in html
    case = proven(world)
    chat.join(case, world.maria)
    radio = text_of(maya.get(page_of(case))).split('id="audience-secure"')[1].split(">")[0]
    assert ("disabled" in radio, "checked" in radio) == (False, True)


def test_direct_message_is_closed_to_who_does_not_accept_them(maya: Client, world: World) -> None:
    Author.objects.update(receives_dm=False)
    html = text_of(maya.get(page_of(world.case)))
    assert "disabled" in html.split('id="audience-dm"')[1].split(">")[0]
    assert "does not accept direct messages" in html


def radio(html: str, audience: str) -> str:
    return html.split(f'id="audience-{audience}"')[1].split(">")[0]


def test_each_way_says_before_a_word_is_typed_whether_it_is_open_and_why(maya: Client, world: World) -> None:
    html = text_of(maya.get(page_of(world.case)))
    assert [("disabled" in radio(html, way)) for way in ("secure", "dm", "public")] == [True, False, False]
    for words in ["They accept direct messages.", "They named us, so we may reply."]:
        assert html.count(words) == 2  # at the composer and beside the conversation
    assert "Watch only" not in html


def test_where_nothing_may_be_sent_it_says_watch_only(maya: Client, world: World) -> None:
    Author.objects.update(receives_dm=False)
    world.case.mentions.get().accounts.clear()
    html = text_of(maya.get(page_of(world.case)))
    assert [("disabled" in radio(html, way)) for way in ("secure", "dm", "public")] == [True, True, True]
    assert html.count("Watch only") == 2
    assert "X lets us reply only to people who named us. This post did not." in html


def test_who_asked_us_to_stop_is_shown_as_such_and_the_chat_stays_open(maya: Client, world: World) -> None:
    case = proven(world)
    chat.join(case, world.maria)
    Author.objects.update(opted_out_at=datetime(2026, 11, 12, 23, 30, tzinfo=UTC))
    Agent.objects.update(time_zone="Europe/Berlin")
    html = text_of(maya.get(page_of(case)))
    sentence = "They asked us to stop writing on 13 Nov. They can write START. The secure chat goes on."
    assert sentence in html.split('data-part="head"')[1].split("</header>")[0]
    assert [("disabled" in radio(html, way)) for way in ("secure", "dm", "public")] == [False, True, True]
    refusal = press(maya, page_of(case) + "message/", text="Hello?")
    assert (refusal.status_code, refusal.json()["error"]) == (409, {"code": "opted_out", "message": sentence})


def test_what_was_taken_back_for_them_is_in_the_story(maya: Client, world: World) -> None:
    outreach.message(Case.objects.get(pk=world.case.pk), world.maya, text="Are you there?")
    outbox.withdraw([world.case.author_id], reason="opted_out", why="they asked us to stop")
    html = text_of(maya.get(page_of(world.case) + "timeline/"))
    assert "The system took a message back before it left (they asked us to stop)" in html


def test_what_people_write_is_shown_as_text(maya: Client, world: World) -> None:
    Mention.objects.update(text="<script>alert(1)</script>", permalink="javascript:alert(1)")
    Author.objects.update(name='"><img src=x onerror=alert(1)>')
    html = text_of(maya.get(page_of(world.case)))
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "javascript:" not in html


def test_page_has_no_inline_script_or_style(maya: Client, world: World) -> None:
    html = text_of(maya.get(page_of(world.case)))
    assert " style=" not in html
    assert "<style" not in html
    assert not [tag for tag in html.split("<script")[1:] if "src=" not in tag.split(">")[0]]


# What the buttons do, without a script.


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
    assert "<textarea" not in html
    for action in ["invite/", "message/", "reply/", "resolve/"]:
        assert press(omar, page_of(world.case) + action, text="Hello").status_code == 403
    assert Outgoing.objects.count() == 1


def test_resolve_and_reopen(maya: Client, world: World) -> None:
    maya.post(page_of(world.case) + "resolve/")
    html = text_of(maya.get(page_of(world.case)))
    assert "Maya resolved the case" in html
    assert "<textarea" not in html
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
