"""What an agent may send to whom, and that it leaves once: through refusals, lost answers and dead workers."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings

from citisocial.clock import now
from conversations import assignment, cases, credentials, delivery, eligibility, mentions, outbox, outreach
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
    credentials.store(b.care, Tokens("token", "refresh"))
    maya = b.agent("Maya")
    maria = person("maria_m")
    case = b.hear(post("@AskCiti my card was declined", maria, names=(b.care,)))[0].case
    assignment.take(case, maya)
    return b, maya, case


def press(case, maya, text="Hi, this is Maya. Let us talk on our own site:"):
    """Pressed, and the time to undo is over."""
    outgoing = outreach.invite(case, maya, text=text)
    return outreach.send_now(outgoing.pk, maya)


def person_of(case):
    """The author of a case, as the network names them in what they write next."""
    return replace(person(case.author.handle), external_id=case.author.external_id)


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
    assert (outbox.allowance(b.care)[0], len(x.sent)) == (0, settings.OUTREACH_DM_LIMIT)
    Outgoing.objects.filter(account=b.care, delivery="SENT").update(claimed_at=now() - timedelta(minutes=16))
    credentials.network.cache_clear()  # the adapter counts as well, by a clock of its own
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


@pytest.mark.parametrize(
    "text",
    [
        "evil.com",
        "See evil.com.",
        "EVIL.COM",
        "bank.xyz",
        "citi-help.support/login",
        "(evil.com)",
        "see:evil.com",
        "evil.com中国",
        "https://evil.example/login",
        "http://10.0.0.1/",
        "10.0.0.1",
        "http://localhost:8000/x",
        "hxxps://evil.com",
        "www.evil.example",
        "ftp://evil.com",
        "//evil.com/x",
        "javascript:alert(1)",
        "mailto:help@evil.com",
        "help@evil.com",
        "bücher.de",
        "xn--bcher-kva.de",
        "пример.рф",
        "例え.テスト.みんな",
        "evil.corp/login",
        "evil\u200b.com",
        "e\u200bvil.com",
        "evil\u2024com",
        "ｅｖｉｌ．ｃｏｍ",
        "ⓔvil.com",
        "evil。com",
        "evil[.]com",
        "evil(dot)com",
        "evil [dot] com",
        "evil dot com",
        "evil . com",
        "t.co/abc",
        "thanks.no",
        "evil.com:8443",
        "go.evil.com?x=1",
    ],
)
def test_what_leads_elsewhere_is_a_link(text):
    with pytest.raises(BadText, match=r"Only our own links|a link"):
        outreach.check(f"Look: {text}", kind="dm")


@pytest.mark.parametrize(
    "text",
    [
        "Thanks.We will look at it.",
        "Thanks.we will",
        "Your card.If it is lost, tell us.",
        "at 9.30 a.m. or 5 p.m.",
        "i.e. the U.S. branch, e.g. St.Louis",
        "It costs 1.50 or 1,234.56",
        "and/or yes/no... well…ok",
        "version 2.1.3",
        "@maria_m we are here ^MV",
        "Citi.",
        "dot com boom",
        "No. 5. Me. It. So.",
        "ありがとう。またね",
        "Done.{link}",
        "{link}. Thanks.",
        "24/7, $5.00/month",
    ],
)
def test_a_missing_space_is_no_link(text):
    outreach.check(text, kind="dm")


def test_where_x_would_make_a_link_of_a_missing_space_the_sentence_says_what_to_do():
    with pytest.raises(BadText, match=r"X would make “done\.So” a link\. Put a space"):
        outreach.check("It is done.So we wait.", kind="dm")


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
