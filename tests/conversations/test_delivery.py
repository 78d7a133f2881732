"""That a text leaves once: through refusals, lost answers, dead and late workers, stops and clocks."""

import time
import unicodedata
from datetime import timedelta

import pytest
from django.db.models import Sum

from citisocial.clock import now
from conversations import assignment, credentials, delivery, eligibility, outbox, outreach, stops, ways
from conversations.models import Brand, BrandAccount, Outgoing, Usage
from conversations.networks.base import Tokens
from conversations.networks.errors import Unreachable
from links import shortener
from tests.factories.heard import Bank, person, post
from tests.factories.pressing import later, press
from tests.factories.walked import release

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize(("mode", "counted"), [("ok", 15_000), ("lost", 15_000), ("swallowed", 0)])
def test_what_was_written_is_counted_once_whether_or_not_the_answer_came(house, x, mode, counted):
    _b, maya, case = house
    x.mode = mode
    press(case, maya)
    delivery.deliver_waiting()
    delivery.look_up_doubtful()
    spent = Usage.objects.filter(resource="dm_create").aggregate(micros=Sum("micros"))["micros"]
    assert (spent or 0) == counted


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


def test_two_workers_do_not_spend_two_reads_on_one_look(house, x):
    _b, maya, case = house
    x.mode = "lost"
    outgoing = press(case, maya)
    delivery.deliver_waiting()
    later(outgoing, looked_at=now() - timedelta(seconds=5))  # another worker is at it
    assert (delivery.look_up_doubtful(), x.reads) == (0, 0)
    later(outgoing, looked_at=now() - timedelta(seconds=21))  # it died
    assert (delivery.look_up_doubtful(), x.reads) == (1, 1)
    outgoing.refresh_from_db()
    assert (outgoing.delivery, outgoing.looked_at) == ("SENT", None)


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


def test_pace_of_fifteen_in_fifteen_minutes(house, x, settings):
    settings.OUTREACH_RECIPIENT_PER_DAY = 99
    b, maya, case = house
    for _ in range(settings.OUTREACH_DM_LIMIT):
        press(case, maya)
        assert delivery.deliver_waiting() == 1
    press(case, maya)
    assert delivery.deliver_waiting() == 0
    waiting = Outgoing.objects.get(delivery="QUEUED")
    assert waiting.leaves_at > now() + timedelta(minutes=14)
    assert (outbox.outlook(b.care).left, len(x.sent)) == (0, settings.OUTREACH_DM_LIMIT)
    Outgoing.objects.filter(account=b.care, delivery="SENT").update(claimed_at=now() - timedelta(minutes=16))
    credentials.network.cache_clear()  # the adapter counts as well, by a clock of its own
    later(waiting, leaves_at=now())
    assert delivery.deliver_waiting() == 1


def due(outgoing):
    """The time to undo is over."""
    later(outgoing, leaves_at=now() - timedelta(seconds=1))
    outgoing.refresh_from_db()
    return outgoing


def look_again(outgoing):
    """Two minutes later."""
    later(outgoing, absent_at=now() - timedelta(seconds=121))
    delivery.look_up_doubtful()
    outgoing.refresh_from_db()


def states():
    return list(Outgoing.objects.order_by("pk").values_list("delivery", flat=True))


def test_nothing_follows_to_a_person_while_what_was_sent_before_is_in_doubt(house, x):
    """So one conversation never holds two texts to look for, and they arrive in the order they were written in."""
    _b, maya, case = house
    x.mode = "lost"
    for _ in range(2):
        due(outreach.message(case, maya, text="Are you there?"))
    delivery.deliver_waiting()
    delivery.deliver_waiting()
    assert (states(), x.posts) == (["DOUBTFUL", "QUEUED"], 1)
    delivery.look_up_doubtful()
    delivery.deliver_waiting()
    assert (states(), x.posts) == (["SENT", "DOUBTFUL"], 2)
    delivery.look_up_doubtful()
    assert states() == ["SENT", "SENT"]
    assert sorted(Outgoing.objects.values_list("external_id", flat=True)) == [sent["id"] for sent in x.sent]


def test_equal_words_that_left_before_are_not_taken_for_those_in_doubt(house, x):
    _b, maya, case = house
    due(outreach.message(case, maya, text="Are you there?"))
    assert delivery.deliver_waiting() == 1
    x.mode = "swallowed"
    second = due(outreach.message(case, maya, text="Are you there?"))
    delivery.deliver_waiting()
    delivery.look_up_doubtful()
    second.refresh_from_db()
    assert (second.delivery, second.absent_at is not None, x.posts) == ("DOUBTFUL", True, 2)


@pytest.mark.parametrize("text", ["Sorry. Please write to us & we will help.", "Señor, 1 < 2 & más:  por   favor"])
def test_lost_answer_of_a_public_reply_is_found_by_search(house, x, text):
    """X puts a name before it, escapes three signs, and stores letters in one form; the search sees it late."""
    _b, maya, case = house
    x.mode = "lost"
    outgoing = due(outreach.reply(case, maya, text=unicodedata.normalize("NFD", text)))
    delivery.deliver_waiting()
    assert delivery.look_up_doubtful() == 0
    assert x.reads == 0  # half a minute must go by before its absence would mean anything
    later(outgoing, claimed_at=now() - timedelta(seconds=46))
    x.sent[0]["created_at"] = (now() - timedelta(seconds=45)).isoformat()
    assert delivery.look_up_doubtful() == 1
    outgoing.refresh_from_db()
    assert (outgoing.delivery, outgoing.external_id, x.posts) == ("SENT", x.sent[0]["id"], 1)


def test_public_reply_that_never_arrived_is_sent_again_once(house, x):
    _b, maya, case = house
    x.mode = "swallowed"
    outgoing = due(outreach.reply(case, maya, text="Sorry to hear that."))
    delivery.deliver_waiting()
    later(outgoing, claimed_at=now() - timedelta(seconds=46))
    delivery.look_up_doubtful()
    x.mode = "ok"
    look_again(outgoing)
    assert (outgoing.delivery, outgoing.requeued) == ("QUEUED", True)
    assert delivery.deliver_waiting() == 1
    assert (x.posts, len(x.sent)) == (2, 1)


def abandoned_and_claimed_again(case, maya):
    """A worker's claim, taken from it as from a dead one, and another worker's newer claim."""
    outgoing = press(case, maya)
    late = delivery._claim(outgoing.pk)
    later(outgoing, claimed_at=now() - timedelta(seconds=91))
    delivery.look_up_doubtful()
    outgoing.refresh_from_db()
    look_again(outgoing)
    newer = delivery._claim(outgoing.pk)
    assert (late.attempts, newer.attempts) == (1, 2)
    return late


@pytest.mark.parametrize("word", ["sent", "failed", "doubtful", "put back"])
def test_a_worker_that_comes_back_late_records_nothing_over_a_newer_claim(house, x, word):
    _b, maya, case = house
    late = abandoned_and_claimed_again(case, maya)
    words = {
        "sent": lambda: delivery._record(late, "77"),
        "failed": lambda: delivery._fail(late, "gone"),
        "doubtful": lambda: outbox.move(late, "DOUBTFUL", verb="doubtful"),
        "put back": lambda: delivery._put_back(late, Unreachable("no")),
    }
    words[word]()
    stored = Outgoing.objects.get()
    assert (stored.delivery, stored.attempts, stored.external_id) == ("SENDING", 2, "")


def test_a_worker_that_comes_back_late_sends_nothing(house, x):
    _b, maya, case = house
    late = abandoned_and_claimed_again(case, maya)
    with pytest.raises(Unreachable):
        delivery._send(late)
    slow = Outgoing.objects.get()
    later(slow, claimed_at=now() - timedelta(seconds=46))  # its own claim, but nobody knows how old the rest is
    with pytest.raises(Unreachable):
        delivery._send(slow)
    assert x.posts == 0


def test_a_stop_between_claim_and_sending_holds_it(house, x, monkeypatch):
    _b, maya, case = house
    outgoing, ready = press(case, maya), credentials.ready
    held = []

    def slow(account):
        held.append(stops.start(account=account, by=maya.user, reason="Somebody sends in our name"))
        return ready(account)

    with monkeypatch.context() as patched:
        patched.setattr(credentials, "ready", slow)
        assert delivery.deliver_waiting() == 0
    assert (x.posts, states()) == (0, ["QUEUED"])
    release(held[0])
    due(outgoing)
    assert (delivery.deliver_waiting(), x.posts) == (1, 1)


def other_bank(name):
    """A second brand with an account and a case of its own."""
    brand = Brand.objects.create(name=name, slug=name, address=f"{name}.example/social")
    team = BrandAccount.objects.first().team
    care = BrandAccount.objects.create(brand=brand, external_id="2001", handle=name, team=team)
    credentials.store(care, Tokens("other", "refresh"))
    return Bank(brand, care, care, team)


def test_what_one_account_holds_back_does_not_stand_before_another(house, x):
    b, maya, case = house
    press(case, maya)
    other = other_bank("Other")
    theirs = other.hear(post("@Other help", person("jorge_p"), names=(other.care,)))[0].case
    assignment.take(theirs, maya)
    press(theirs, maya)
    stops.start(account=b.care, by=maya.user, reason="Somebody sends in our name")
    assert delivery.deliver_waiting(limit=1) == 1
    assert states() == ["QUEUED", "SENT"]


def test_one_text_that_cannot_be_dealt_with_does_not_stand_before_another(house, x, monkeypatch):
    _b, maya, case = house
    first, still = press(case, maya), eligibility.still
    due(outreach.reply(case, maya, text="Please write to us."))

    def broken(outgoing):
        if outgoing.pk == first.pk:
            raise RuntimeError("a bug")
        return still(outgoing)

    monkeypatch.setattr(eligibility, "still", broken)
    assert delivery.deliver_waiting() == 1
    assert states() == ["QUEUED", "SENT"]


def test_nothing_is_sent_that_could_not_be_looked_up(house, x):
    b, maya, case = house
    for _ in range(ways.DM_READS - delivery.LOOKS + 1):
        assert ways.take_dm_read(b.care)
    outgoing = press(case, maya)
    assert delivery.deliver_waiting() == 0
    outgoing.refresh_from_db()
    assert timedelta(minutes=14) < outgoing.leaves_at - now() <= ways.WINDOW
    b.care.cursors.update(window_at=now() - ways.WINDOW)
    assert (due(outgoing), delivery.deliver_waiting()) == (outgoing, 1)


def test_reads_are_kept_for_every_text_that_may_be_in_doubt(house, x):
    """Three are left: one text may leave, and the next when it is known what became of it."""
    b, maya, case = house
    for _ in range(ways.DM_READS - 3):
        ways.take_dm_read(b.care)
    jorge = b.hear(post("@AskCiti help", person("jorge_p"), names=(b.care,)))[0].case
    assignment.take(jorge, maya)
    assert delivery._claim(press(case, maya).pk) is not None
    second = press(jorge, maya)
    assert delivery._claim(second.pk) is None
    second.refresh_from_db()
    assert timedelta(0) < second.leaves_at - now() < timedelta(seconds=10)


def test_what_the_network_cannot_be_asked_about_is_given_to_a_person_after_an_hour(house, x):
    _b, maya, case = house
    x.mode = "lost"
    outgoing = press(case, maya)
    delivery.deliver_waiting()
    x.mode = "deaf"
    assert delivery.look_up_doubtful() == 0
    later(outgoing, claimed_at=now() - timedelta(minutes=61))
    assert delivery.look_up_doubtful() == 1
    outgoing.refresh_from_db()
    assert (outgoing.delivery, outgoing.reason) == ("FAILED", "undetermined")


def test_a_text_that_waited_long_is_tried_as_often_as_any(house, x):
    _b, maya, case = house
    outgoing = press(case, maya)
    claimed = delivery._claim(outgoing.pk)
    claimed.created_at -= timedelta(hours=5)
    delivery._put_back(claimed, Unreachable("refused"))
    outgoing.refresh_from_db()
    assert outgoing.delivery == "QUEUED"
    later(outgoing, attempts=delivery.MOST_ATTEMPTS - 1, leaves_at=now())
    delivery._put_back(delivery._claim(outgoing.pk), Unreachable("refused"))
    outgoing.refresh_from_db()
    assert (outgoing.delivery, outgoing.reason) == ("FAILED", "unreachable")


def test_link_code_and_address_are_put_in_when_it_leaves(house, x):
    _b, maya, case = house
    outgoing = press(case, maya, "Open {link} or type {address} and the code {code}")
    assert delivery.deliver_waiting() == 1
    link = outgoing.invitation.link
    code = shortener.code(link)
    assert x.sent[0]["text"] == f"Open {shortener.url(link)} or type citi.example/social and the code {code}"
    assert code not in Outgoing.objects.get().text


@pytest.mark.parametrize("hours", [1, -1])
def test_a_worker_whose_clock_is_wrong_by_an_hour_does_the_same(house, x, monkeypatch, hours):
    _b, maya, case = house
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    x.mode = "lost"
    outgoing = press(case, maya)
    delivery.deliver_waiting()
    x.mode = "ok"
    assert (delivery.look_up_doubtful(), states(), x.posts) == (1, ["SENT"], 1)
    second = due(outreach.message(case, maya, text="Are you there?"))
    assert delivery._claim(second.pk) is not None
    delivery.look_up_doubtful()
    second.refresh_from_db()
    assert second.delivery == "SENDING"  # nobody takes it from a worker that claimed it a moment ago
    assert Outgoing.objects.get(pk=outgoing.pk).sent_at - now() < timedelta(minutes=1)
