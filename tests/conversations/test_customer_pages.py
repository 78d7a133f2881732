"""Takes customers who proved who they are, leaves proof of what is theirs: conversations, one chat, one survey."""

import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Customer, ProvenHandle
from conversations import cases, chat
from conversations.models import Case, Message, Survey
from conversations.views import customer as customer_pages
from tests.factories.invited import POST_TEXT, World, every_table, invited, person, proven, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    world = invited()
    world.case = proven(world)
    chat.join(world.case, world.maria)
    return world


@pytest.fixture
def maria(world: World) -> Client:
    return signed_in(world.maria.user)


@pytest.fixture
def eve(world: World) -> Client:
    return signed_in(Customer.objects.create(user=person("eve"), name="Eve").user)


def say(world: World, author: object, text: str) -> Message:
    return chat.post(world.case, author=author, client_id=uuid.uuid4(), text=text)  # type: ignore[arg-type]


def resolved(world: World) -> Survey:
    case = Case.objects.get(pk=world.case.pk)
    survey = cases.resolve(case, by=world.maya.user)
    assert survey is not None
    return survey


def ask(survey: Survey) -> str:
    return f"/survey/{survey.public_id}/"


# The list.


def test_anonymous_is_asked_to_sign_in(client: Client, world: World) -> None:
    for path in ["/my/", world.chat, ask(resolved(world)), "/handoff/"]:
        assert client.get(path)["Location"] == f"/accounts/login/?next={path}"


def test_my_page_lists_own_conversations_newest_first(world: World, maria: Client, eve: Client) -> None:
    say(world, world.maya, "The limit is lifted")
    older = Case.objects.get(pk=world.case.pk)
    older.pk, older.public_id, older.status, older.last_seq = None, uuid.uuid4(), Case.Status.CLOSED, 0
    older.changed_at = world.case.opened_at
    older.save()
    page = maria.get("/my/").content.decode()
    assert "Maya: The limit is lifted" in page
    assert 0 < page.index(str(world.case.public_id)) < page.index(str(older.public_id))
    assert "Maya" not in eve.get("/my/").content.decode()


def test_my_page_asks_the_database_no_more_for_more(world: World, maria: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert maria.get("/my/").status_code == 200
        return len(seen)

    one = queries()
    for _ in range(5):
        case = Case.objects.get(pk=world.case.pk)
        case.pk, case.public_id, case.status = None, uuid.uuid4(), Case.Status.CLOSED
        case.save()
    assert queries() == one


def test_handle_is_taken_back_by_its_owner_only(world: World, maria: Client, eve: Client) -> None:
    handle = ProvenHandle.objects.get()
    assert "@maria_m" in maria.get("/my/").content.decode()
    assert eve.post("/my/", {"handle": handle.pk}).status_code == 404
    assert ProvenHandle.objects.filter(revoked_at=None).exists()
    answer = maria.post("/my/", {"handle": handle.pk}, follow=True)
    assert not ProvenHandle.objects.filter(revoked_at=None).exists()
    page = answer.content.decode()
    assert "Taken back." in page
    assert f'name="handle" value="{handle.pk}"' not in page
    assert maria.post("/my/", {"handle": handle.pk}).status_code == 404


# The chat.


def test_chat_shows_the_post_on_top_and_what_was_said(world: World, maria: Client) -> None:
    say(world, world.maria, "Hi <b>Maya</b>")
    say(world, world.maya, "I see the three attempts")
    page = maria.get(world.chat).content.decode()
    order = [page.index(t) for t in [POST_TEXT, "Hi &lt;b&gt;Maya", "I see the three attempts", 'id="write"']]
    assert order == sorted(order)
    assert f'data-socket="/ws/case/{world.case.public_id}/"' in page
    assert 'data-last-seq="2"' in page
    assert "<b>Maya</b>" not in page


def test_chat_of_somebody_else_does_not_exist(world: World, eve: Client) -> None:
    missing = eve.get(f"/chat/{uuid.uuid4()}/")
    answer = eve.get(world.chat)
    assert answer.status_code == missing.status_code == 404
    assert POST_TEXT not in answer.content.decode()


def test_agent_has_no_way_in_by_the_customers_door(world: World) -> None:
    assert signed_in(world.maya.user).get(world.chat).status_code == 403


def test_reading_changes_nothing(world: World, maria: Client) -> None:
    say(world, world.maya, "Hello")
    survey = resolved(world)
    before = every_table()
    for path in ["/my/", world.chat, world.chat + "?all", ask(survey)]:
        for method in (maria.get, maria.head, maria.options):
            method(path)
    assert every_table() == before


def test_long_chat_begins_with_the_newest_and_can_show_all(
    world: World, maria: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_pages, "RECENT", 3)
    for n in range(5):
        say(world, world.maya, f"line {n}")
    page = maria.get(world.chat).content.decode()
    assert "line 4" in page
    assert "line 2" in page
    assert "line 1" not in page
    assert "line 0" in maria.get(world.chat + "?all").content.decode()


def test_solved_case_offers_the_survey_and_still_takes_a_word(world: World, maria: Client) -> None:
    assert "How did it go?" not in maria.get(world.chat).content.decode()
    survey = resolved(world)
    page = maria.get(world.chat).content.decode()
    assert ask(survey) in page
    assert 'id="write"' in page
    assert "Write here within 7 days" in page
    assert ask(survey) in maria.get("/my/").content.decode()


def test_closed_case_is_read_only(world: World, maria: Client) -> None:
    resolved(world)
    cases.transition(Case.objects.get(pk=world.case.pk), Case.Status.CLOSED, verb="closed", actor="cases")
    page = maria.get(world.chat).content.decode()
    assert 'id="write"' not in page
    assert "This conversation is closed." in page


# The survey.


def test_survey_starts_empty(world: World, maria: Client) -> None:
    page = maria.get(ask(resolved(world))).content.decode()
    assert page.count('type="radio"') == 12
    assert "checked" not in page
    assert "selected" not in page


def test_survey_is_answered_once(world: World, maria: Client) -> None:
    survey = resolved(world)
    said = {"solved": "no", "csat": "4", "effort": "", "comment": "Quick. My card 4111 1111 1111 1111 works."}
    answer = maria.post(ask(survey), said)
    assert answer.status_code == 200
    assert "Thank you" in answer.content.decode()
    survey.refresh_from_db()
    assert (survey.state, survey.csat, survey.solved, survey.effort) == ("ANSWERED", 4, False, None)
    assert "Quick." in survey.comment
    assert "4111" not in survey.comment
    again = maria.post(ask(survey), said | {"csat": "1"})
    assert again.status_code == 404
    assert "has been answered" in again.content.decode()
    survey.refresh_from_db()
    assert survey.csat == 4
    assert maria.get(ask(survey)).status_code == 404
    assert ask(survey) not in maria.get(world.chat).content.decode()


@pytest.mark.parametrize(
    "wrong", [{"csat": ""}, {"csat": "6"}, {"solved": "maybe"}, {"effort": "0"}, {"comment": "x" * 1001}]
)
def test_survey_says_what_is_missing_and_keeps_the_rest(world: World, maria: Client, wrong: dict[str, str]) -> None:
    survey = resolved(world)
    said = {"solved": "yes", "csat": "5", "effort": "2", "comment": "Thanks"}
    answer = maria.post(ask(survey), said | wrong)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'role="alert"' in page
    assert page.count(" checked") == len({"solved", "csat", "effort"} - set(wrong))
    survey.refresh_from_db()
    assert survey.state == "OFFERED"


def test_survey_of_somebody_else_does_not_exist(world: World, eve: Client) -> None:
    survey = resolved(world)
    for answer in [eve.get(ask(survey)), eve.post(ask(survey), {"solved": "no", "csat": "1"})]:
        assert answer.status_code == 404
    survey.refresh_from_db()
    assert survey.state == "OFFERED"


def test_pages_are_kept_by_nobody(world: World, maria: Client) -> None:
    for path in ["/my/", world.chat, ask(resolved(world))]:
        assert "no-store" in maria.get(path)["Cache-Control"]
