"""Takes cases with a past, leaves proof that they are told in order, cut by who could read it, at a fixed price."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from citisocial.clock import now
from conversations import audit, cases, chat, happenings, outbox, outreach, timeline
from conversations.models import AuditEvent, BrandAccount, Case, Invitation, Mention, Mismatch, Outgoing
from tests.factories.invited import POST_TEXT, World, invited, proven

pytestmark = pytest.mark.django_db

REASONS = {"gone": "The post is gone."}


@pytest.fixture
def world() -> World:
    world = invited()
    world.case.mentions.get().accounts.add(BrandAccount.objects.get())
    return world


def story(world: World) -> list[timeline.Run]:
    return timeline.of(Case.objects.get(pk=world.case.pk), reasons=REASONS)


def items(world: World) -> list[timeline.Item]:
    return [item for run in story(world) for item in run.items]


def heard(world: World, text: str, at: datetime, kind: str = "post") -> Mention:
    return Mention.objects.create(
        brand=world.case.brand,
        author=world.case.author,
        network="x",
        external_id=str(Mention.objects.count() + 6000),
        kind=kind,
        text=text,
        posted_at=at,
        ingested_at=at,
        state=Mention.State.CASED,
        case=world.case,
    )


def test_a_run_ends_where_the_readers_change(world: World) -> None:
    heard(world, "I am writing in private", now(), kind="dm")
    heard(world, "And again in public", now())
    runs = story(world)
    assert [(run.audience, len(run.items)) for run in runs] == [("public", 1), ("dm", 2), ("public", 1)]
    assert [run.heading for run in runs] == ["Public on X", "Direct message on X", "Public on X"]


def test_who_can_read_it_is_said_once_per_audience(world: World) -> None:
    heard(world, "And again in public", now())
    assert [bool(run.readers) for run in story(world)] == [True, True, False]


def test_the_walk_stands_where_the_link_was_opened(world: World) -> None:
    case = proven(world)
    chat.join(case, world.maria)
    chat.post(case, author=world.maria, client_id=uuid.uuid4(), text="Hello Maya")
    runs = story(world)
    assert [run.audience for run in runs] == ["public", "dm", "event", "secure"]
    walk = timeline.hand_off(runs)
    assert walk is not None
    assert [(step.text, step.at is not None) for step in walk.steps] == [
        ("Link opened", True),
        ("Signed in", True),
        ("Handle proven", True),
        ("Joined chat", True),
    ]


def test_open_steps_of_the_walk_have_no_time(world: World) -> None:
    assert timeline.hand_off(story(world)) is None
    Invitation.objects.update(handoff="OPENED", opened_at=now())
    walk = timeline.hand_off(story(world))
    assert walk is not None
    assert [step.at is not None for step in walk.steps] == [True, False, False, False]


def test_a_text_keeps_the_place_of_its_link_and_never_the_link(world: World) -> None:
    [sent] = [item for item in items(world) if isinstance(item, timeline.Written)]
    assert sent.pieces == ["Hi Maria, here we can talk safely: ", ""]
    assert world.slug not in repr(sent)


@pytest.mark.parametrize(
    ("delivery", "reason", "state", "why"),
    [
        ("QUEUED", "", "leaving", ""),
        ("SENDING", "", "sending", ""),
        ("SENT", "", "sent", ""),
        ("DOUBTFUL", "", "doubtful", ""),
        ("FAILED", "gone", "failed", "The post is gone."),
        ("FAILED", "unheard_of", "failed", "unheard_of"),
        ("AWAITING_APPROVAL", "", "approval", ""),
    ],
)
def test_states_of_what_we_wrote(world: World, delivery: str, reason: str, state: str, why: str) -> None:
    Outgoing.objects.update(delivery=delivery, reason=reason)
    [sent] = [item for item in items(world) if isinstance(item, timeline.Written)]
    assert (sent.state, sent.why) == (state, why)


def test_every_reason_of_the_outbox_has_a_sentence() -> None:
    assert [reason for reason, sentence in outbox.REASONS.items() if not str(sentence).endswith(".")] == []


def test_what_was_taken_back_is_one_line_and_not_its_text(world: World) -> None:
    outgoing = outreach.message(world.case, world.maya, text="Better not")
    outreach.cancel(outgoing.pk, world.maya)
    assert "Better not" not in repr(items(world))
    [line] = [item for item in items(world) if isinstance(item, happenings.Happened)]
    assert line.text == "Maya took a message back before it left"


def test_another_login_is_told_without_its_name(world: World) -> None:
    Mismatch.objects.create(invitation=world.invitation, user=world.jorge.user, external_id="666", at=now())
    audit.record("mismatch", case=world.case, user=world.jorge.user, actor="stranger", data={"external_id": "666"})
    [line] = [item for item in items(world) if isinstance(item, happenings.Happened)]
    assert line.text == "Somebody else signed in with this link. Nothing was shown to them."
    assert ("jorge" in repr(line), "666" in repr(line)) == (False, False)


def test_every_event_of_the_trail_that_is_shown_has_a_sentence(world: World) -> None:
    for verb in happenings.EVENTS:
        audit.record(verb, case=world.case, user=world.maya.user, actor="agent", data={"agent": "Omar", "csat": 4})
    lines = [item for item in items(world) if isinstance(item, happenings.Happened)]
    assert len(lines) == len(happenings.EVENTS)
    assert "Rated 4 of 5" in [line.text for line in lines]
    assert "Maya gave the case to Omar" in [line.text for line in lines]


def test_events_name_the_reason_of_an_assignment(world: World) -> None:
    audit.record("assigned", case=world.case, actor="assignment", data={"agent": "Maya", "reason": "speaks en"})
    [line] = [item for item in items(world) if isinstance(item, happenings.Happened)]
    assert (line.text, line.detail) == ("Assigned to Maya", "speaks en")


def test_a_new_day_begins_a_new_run_in_the_readers_zone(world: World) -> None:
    first = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    Outgoing.objects.update(delivery="CANCELLED")
    Mention.objects.update(posted_at=first)
    heard(world, "An hour later", first + timedelta(hours=1))
    assert [run.day for run in story(world)] == [first.date(), first.date() + timedelta(days=1)]
    with timezone.override("Asia/Tokyo"):
        assert [(run.day, len(run.items)) for run in story(world)] == [(first.date() + timedelta(days=1), 2)]


def test_an_address_that_is_no_web_page_is_no_link(world: World) -> None:
    Mention.objects.update(permalink="javascript:alert(1)")
    [post] = [item for item in items(world) if isinstance(item, timeline.Heard)]
    assert (post.permalink, post.text) == ("", POST_TEXT)


def test_masked_and_deleted_posts_say_so(world: World) -> None:
    Mention.objects.update(masked=2, permalink="https://x.com/maria_m/status/1")
    [post] = [item for item in items(world) if isinstance(item, timeline.Heard)]
    assert (post.masked, post.instead, post.permalink) == (2, "", "https://x.com/maria_m/status/1")
    at = now()
    Mention.objects.update(state="DELETED", deleted_at=at)
    [post] = [item for item in items(world) if isinstance(item, timeline.Heard)]
    assert (post.instead, post.deleted_at, post.permalink) == ("This post was deleted on X.", at, "")


def test_encrypted_message_stands_among_the_direct_messages(world: World) -> None:
    heard(world, "", now(), kind="opaque")
    [_, sealed] = [item for item in items(world) if isinstance(item, timeline.Heard)]
    sentence = "Answered in an encrypted chat. Open it on X to read it."
    assert (sealed.audience, sealed.instead, sealed.deleted_at) == ("dm", sentence, None)


def test_a_story_of_three_costs_as_much_as_one_of_one(world: World) -> None:
    def asked() -> int:
        case = Case.objects.select_related("author", "brand").get(pk=world.case.pk)
        with CaptureQueriesContext(connection) as queries:
            timeline.of(case, reasons=REASONS)
        return len(queries)

    once = asked()
    case = proven(world)
    chat.join(case, world.maria)
    for number in range(3):
        heard(world, f"Post {number}", now())
        chat.post(case, author=world.maria, client_id=uuid.uuid4(), text=f"Word {number}")
        outreach.message(Case.objects.get(pk=case.pk), world.maya, text=f"Message {number}")
    cases.resolve(Case.objects.get(pk=case.pk), by=world.maya.user)
    assert AuditEvent.objects.filter(verb__in=happenings.EVENTS).exists()
    assert asked() == once == 5
