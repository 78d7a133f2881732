"""Takes agents at their browser, leaves proof of what the workspace shows, and to whom."""

import uuid
from datetime import UTC, datetime

import pytest
from django.test import Client

from accounts.models import Agent
from conversations import chat, outbox, outreach
from conversations.models import Author, Case, Mention, Message, Outgoing, ReplyTemplate
from tests.factories.desks import another_case, colleague, page_of, press, queries, stranger, text_of
from tests.factories.invited import POST_TEXT, World, proven, signed_in

pytestmark = pytest.mark.django_db


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
    assert queries(maya, "/workspace/?tab=team") == once == 10


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
