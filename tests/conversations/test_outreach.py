"""What an agent may send to whom, and that it leaves once: through refusals, lost answers and dead workers."""

from datetime import timedelta

import pytest
from django.conf import settings

from citisocial.clock import now
from conversations import assignment, cases, credentials, delivery, outreach
from conversations.errors import (
    BadText,
    NotAllowed,
    NotReachable,
    NotSummoned,
    SendingStopped,
    TooLate,
)
from conversations.models import Author, Case, Outgoing
from conversations.networks.base import Tokens
from tests.conversations import fake_x
from tests.factories.heard import bank, person, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def x(settings):
    with fake_x.running() as fake:
        settings.X_API_URL = fake.url
        credentials.network.cache_clear()
        yield fake
    credentials.network.cache_clear()


@pytest.fixture
def house(x):
    """A bank with a connected account, Maya with a case of @maria_m."""
    b = bank()
    credentials.store(b.care, Tokens("token", "refresh", now() + timedelta(hours=2)))
    maya = b.agent("Maya")
    maria = person("maria_m")
    case = b.hear(post("@AskCiti my card was declined", maria, names=(b.care,)))[0].case
    assignment.take(case, maya)
    return b, maya, case


def press(case, maya, text="Hi, this is Maya. Let us talk on our own site:"):
    """Pressed, and the time to undo is over."""
    outgoing = outreach.invite(case, maya, text=text)
    return outreach.send_now(outgoing.pk, maya)


def later(outgoing, **changes):
    Outgoing.objects.filter(pk=outgoing.pk).update(**changes)


def test_invitation_waits_for_undo_then_leaves_once_and_the_case_is_contacted(house, x):
    _b, maya, case = house
    outgoing = outreach.invite(case, maya, text="Hi, this is Maya:")
    assert delivery.deliver_waiting() == 0
    assert timedelta(seconds=10) < outgoing.leaves_at - now() <= timedelta(seconds=settings.OUTREACH_UNDO_SECONDS)
    outreach.send_now(outgoing.pk, maya)
    assert delivery.deliver_waiting() == 1
    assert delivery.deliver_waiting() == 0
    case.refresh_from_db()
    outgoing.refresh_from_db()
    assert (case.status, case.move, outgoing.delivery, len(x.sent)) == ("CONTACTED", "theirs", "SENT", 1)
    assert x.sent[0]["text"].startswith("Hi, this is Maya: http://localhost:8001/")


def test_slug_is_in_no_row(house, x):
    _b, maya, case = house
    press(case, maya)
    delivery.deliver_waiting()
    slug = x.sent[0]["text"].rsplit("/", 1)[1]
    assert slug
    assert not Outgoing.objects.filter(text__contains=slug).exists()
    assert outreach.LINK in Outgoing.objects.get().text


def test_taken_back_before_it_leaves(house, x):
    _b, maya, case = house
    outgoing = outreach.invite(case, maya, text="Hi:")
    outreach.cancel(outgoing.pk, maya)
    with pytest.raises(TooLate):
        outreach.send_now(outgoing.pk, maya)
    later(outgoing, leaves_at=now() - timedelta(minutes=1))
    assert delivery.deliver_waiting() == 0
    assert x.posts == 0


def test_refusal_is_an_outcome_and_is_remembered(house, x):
    _b, maya, case = house
    x.mode = "forbidden"
    outgoing = press(case, maya)
    delivery.deliver_waiting()
    outgoing.refresh_from_db()
    assert (outgoing.delivery, outgoing.reason) == ("FAILED", "not_reachable")
    assert Author.objects.get(pk=case.author_id).receives_dm is False
    with pytest.raises(NotReachable):
        outreach.invite(Case.objects.get(pk=case.pk), maya, text="Hi:")


@pytest.mark.parametrize("mode", ["lost", "error"])
def test_lost_answer_is_looked_up_and_never_sent_again(house, x, mode):
    _b, maya, case = house
    x.mode = mode
    outgoing = press(case, maya)
    delivery.deliver_waiting()
    outgoing.refresh_from_db()
    assert outgoing.delivery == "DOUBTFUL"
    x.mode = "ok"
    assert delivery.look_up_doubtful() == 1
    outgoing.refresh_from_db()
    assert (outgoing.delivery, outgoing.external_id, len(x.sent)) == ("SENT", x.sent[0]["id"], 1)


def test_absent_in_two_looks_is_sent_again_once_then_a_person_decides(house, x):
    _b, maya, case = house
    x.mode = "swallowed"
    outgoing = press(case, maya)
    delivery.deliver_waiting()
    seen = []
    for _ in range(6):
        delivery.look_up_doubtful()
        outgoing.refresh_from_db()
        seen.append((outgoing.delivery, x.posts))
        if outgoing.absent_at:
            delivery.look_up_doubtful()  # too early: nothing may change
            outgoing.refresh_from_db()
            assert seen[-1] == (outgoing.delivery, x.posts)
            later(outgoing, absent_at=now() - timedelta(seconds=121))
        delivery.deliver_waiting()
    assert (outgoing.delivery, outgoing.reason, x.posts) == ("FAILED", "undetermined", 2)


def test_dead_worker_leaves_a_row_that_is_looked_up(house, x):
    _b, maya, case = house
    outgoing = press(case, maya)
    assert delivery._claim(outgoing.pk) is not None  # claimed and committed; then the worker dies
    assert delivery.look_up_doubtful() == 0
    later(outgoing, claimed_at=now() - timedelta(seconds=91))
    delivery.look_up_doubtful()
    outgoing.refresh_from_db()
    assert (outgoing.delivery, x.posts) == ("DOUBTFUL", 0)


def test_too_many_waits_as_long_as_the_network_says(house, x):
    _b, maya, case = house
    x.mode = "busy"
    outgoing = press(case, maya)
    delivery.deliver_waiting()
    outgoing.refresh_from_db()
    assert outgoing.delivery == "QUEUED"
    assert timedelta(seconds=200) < outgoing.leaves_at - now() < timedelta(seconds=400)
    x.mode = "ok"
    later(outgoing, leaves_at=now() - timedelta(seconds=1))
    assert delivery.deliver_waiting() == 0  # the account is paused
    assert x.posts == 1


def test_pace_of_fifteen_in_fifteen_minutes(house, x):
    b, maya, case = house
    for _ in range(settings.OUTREACH_DM_LIMIT):
        press(case, maya)
        assert delivery.deliver_waiting() == 1
    press(case, maya)
    assert delivery.deliver_waiting() == 0
    waiting = Outgoing.objects.get(delivery="QUEUED")
    assert waiting.leaves_at > now() + timedelta(minutes=14)
    reach = outreach.reach(case)
    assert (reach.dm_left, len(x.sent)) == (0, settings.OUTREACH_DM_LIMIT)
    Outgoing.objects.filter(account=b.care, delivery="SENT").update(claimed_at=now() - timedelta(minutes=16))
    later(waiting, leaves_at=now())
    assert delivery.deliver_waiting() == 1


def test_stop_holds_everything_and_keeps_it(house, x):
    b, maya, case = house
    outgoing = press(case, maya)
    outreach.stop(b.brand, by=maya.user, reason="Somebody sends in our name")
    assert delivery.deliver_waiting() == 0
    with pytest.raises(SendingStopped):
        outreach.invite(case, maya, text="Hi:")
    outreach.resume(b.brand, by=maya.user)
    assert delivery.deliver_waiting() == 1
    assert (x.posts, Outgoing.objects.get(pk=outgoing.pk).delivery) == (1, "SENT")


def test_reply_goes_to_the_post_that_named_us(house, x):
    _b, maya, case = house
    outgoing = outreach.reply(case, maya, text="Sorry to hear that. Please write to us in private.")
    outreach.send_now(outgoing.pk, maya)
    assert delivery.deliver_waiting() == 1
    assert x.sent[0]["path"] == "/2/tweets"
    case.refresh_from_db()
    assert case.status == "CONTACTED"


def test_nobody_is_answered_in_public_who_did_not_name_us(x):
    b = bank()
    maya = b.agent("Maya")
    case = b.hear(post("citibank took my money"))[0].case
    assignment.take(case, maya)
    with pytest.raises(NotSummoned):
        outreach.reply(case, maya, text="Sorry to hear that.")


def test_closed_messages_are_a_sentence(x):
    b = bank()
    maya = b.agent("Maya")
    case = b.hear(post("my citi card", person("jorge_p", receives_dm=False)))[0].case
    assignment.take(case, maya)
    assert "do not accept" in outreach.reach(case).dm_why or "does not accept" in outreach.reach(case).dm_why
    with pytest.raises(NotReachable):
        outreach.invite(case, maya, text="Hi:")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Write something"),
        ("Hi {{first_name}}:", "first_name"),
        ("Your card 4111 1111 1111 1111:", "card number"),
        ("See https://evil.example/login:", "Only our own links"),
        ("See evil.example:", "Only our own links"),
        ("x" * 10_001, "shorten"),
    ],
)
def test_text_that_may_not_leave(house, text, why):
    _b, maya, case = house
    with pytest.raises(BadText, match=why):
        outreach.invite(case, maya, text=text)
    assert not Outgoing.objects.exists()


def test_only_the_cases_agent_writes(house):
    b, _maya, case = house
    omar = b.agent("Omar")
    with pytest.raises(NotAllowed, match="Maya works on this case"):
        outreach.invite(case, omar, text="Hi:")


def test_new_invitation_revokes_the_old_link(house, x):
    _b, maya, case = house
    old = outreach.invite(case, maya, text="Hi:").invitation
    new = outreach.invite(case, maya, text="Hi again:").invitation
    old.refresh_from_db()
    assert (old.handoff, new.handoff) == ("REVOKED", "UNOPENED")
    assert old.link.__class__.objects.get(pk=old.link_id).revoked_at


def test_resolving_without_a_customer_offers_no_survey(house):
    _b, maya, case = house
    assert cases.resolve(case, by=maya.user) is None
