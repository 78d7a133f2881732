"""What an agent may send to whom, and what is refused in words."""

from datetime import timedelta

import pytest
from django.conf import settings

from citisocial.clock import now
from conversations import assignment, cases, delivery, eligibility, mentions, outbox, outreach, stops
from conversations.errors import (
    AlreadyReplied,
    BadText,
    NotAllowed,
    NotReachable,
    NotSummoned,
    OptedOut,
    SendingStopped,
    TooLate,
)
from conversations.models import Author, BrandAccount, Case, Outgoing
from tests.factories.heard import bank, person, post
from tests.factories.pressing import later, person_of, press
from tests.factories.walked import release

pytestmark = pytest.mark.django_db


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


def test_stop_holds_everything_and_keeps_it(house, x):
    b, maya, case = house
    outgoing = press(case, maya)
    stop = stops.start(brand=b.brand, by=maya.user, reason="Somebody sends in our name")
    assert delivery.deliver_waiting() == 0
    with pytest.raises(SendingStopped):
        outreach.invite(case, maya, text="Hi:")
    release(stop)
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


def test_one_reply_to_a_post_and_the_next_to_the_next_post(house, x):
    b, maya, case = house
    outreach.reply(case, maya, text="Sorry to hear that.")
    with pytest.raises(AlreadyReplied):
        outreach.reply(case, maya, text="Very sorry to hear that.")
    newer = b.hear(post("@AskCiti anybody?", person_of(case), names=(b.care,), minutes=5))[0]
    assert outreach.reply(case, maya, text="We are here.").answers == newer
    with pytest.raises(AlreadyReplied):
        outreach.reply(case, maya, text="Once more.")
    assert Outgoing.objects.count() == 2


def test_a_reply_that_was_taken_back_leaves_the_post_to_be_answered(house, x):
    _b, maya, case = house
    first = outreach.reply(case, maya, text="Sory to hear that.")
    outreach.cancel(first.pk, maya)
    assert outreach.reply(case, maya, text="Sorry to hear that.").answers == first.answers


def test_two_presses_at_one_moment_make_one_reply(house, x, monkeypatch):
    """Both saw the post unanswered: the ledger decides, and the second one reads a sentence."""
    _b, maya, case = house
    may = eligibility.of(case)
    monkeypatch.setattr(eligibility, "of", lambda case: may)
    outreach.reply(case, maya, text="Sorry to hear that.")
    with pytest.raises(AlreadyReplied):
        outreach.reply(case, maya, text="Very sorry.")
    assert Outgoing.objects.count() == 1


def opted_out(b, case):
    b.hear(post("STOP", person_of(case), kind="dm", minutes=9))


def deleted(b, case):
    mentions.delete("x", list(case.mentions.values_list("external_id", flat=True)))


def unreachable(b, case):
    Author.objects.update(receives_dm=False)


def disconnected(b, case):
    BrandAccount.objects.update(active=False)


@pytest.mark.parametrize(
    ("kind", "meanwhile", "reason"),
    [
        ("reply", deleted, "deleted"),
        ("message", unreachable, "not_reachable"),
        ("message", disconnected, "no_account"),
        ("reply", disconnected, "no_account"),
    ],
)
def test_asked_again_when_it_leaves(house, x, kind, meanwhile, reason):
    b, maya, case = house
    outgoing = getattr(outreach, kind)(case, maya, text="Sorry to hear that.")
    meanwhile(b, case)
    outreach.send_now(outgoing.pk, maya)
    assert delivery.deliver_waiting() == 0
    outgoing.refresh_from_db()
    assert (outgoing.delivery, outgoing.reason, x.posts) == ("FAILED", reason, 0)
    assert outbox.REASONS[reason]


@pytest.mark.parametrize("kind", ["reply", "message", "invite"])
def test_who_asks_us_to_stop_gets_nothing_that_waited_and_nothing_new(house, x, kind):
    b, maya, case = house
    outgoing = getattr(outreach, kind)(case, maya, text="Sorry to hear that.")
    opted_out(b, case)
    outgoing.refresh_from_db()
    assert (outgoing.delivery, outgoing.reason) == ("CANCELLED", "opted_out")
    case = Case.objects.get(pk=case.pk)
    for press_it in (outreach.invite, outreach.message, outreach.reply):
        with pytest.raises(OptedOut, match="asked us to stop writing on 22 Nov"):
            press_it(case, maya, text="Hello?")
    b.hear(post("start", person_of(case), kind="dm", minutes=20))
    outgoing = outreach.message(Case.objects.get(pk=case.pk), maya, text="Good to have you back.")
    outreach.send_now(outgoing.pk, maya)
    assert (delivery.deliver_waiting(), x.posts) == (1, 1)


def test_what_was_put_back_in_the_queue_is_not_sent_to_who_asked_us_to_stop(house, x):
    _b, maya, case = house
    outgoing = press(case, maya)
    Author.objects.update(opted_out_at=now())  # between the queue's emptying and this worker's look
    assert delivery.deliver_waiting() == 0
    outgoing.refresh_from_db()
    assert (outgoing.delivery, outgoing.reason, x.posts) == ("FAILED", "opted_out", 0)


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
    with pytest.raises(NotReachable, match="does not accept direct messages"):
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
