"""Being pushed to: the webhook and its subscriptions are kept, failures are tried again, gaps are read at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from citisocial.clock import now
from conversations import credentials, push, tasks, ways
from conversations.models import Cursor, Mention, PushedEvent
from conversations.networks.base import Event, Tokens
from conversations.networks.errors import RateLimited, Refused, Unavailable
from tests.conversations.paper_x import PaperX, message, once, said, turn
from tests.factories.heard import Bank, bank

pytestmark = pytest.mark.django_db


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> PaperX:
    paper = PaperX(missing=4)
    monkeypatch.setattr(credentials, "network", lambda slug: paper)
    return paper


@pytest.fixture
def b(x: PaperX, settings: object) -> Bank:
    settings.X_PUSH = "webhook"  # type: ignore[attr-defined]
    made = bank()
    credentials.store(made.care, Tokens("token", "refresh"))
    return made


def activity() -> Cursor:
    return Cursor.objects.get(way="activity")


def test_every_care_account_is_subscribed_at_our_address_and_then_left_alone(b, x):
    assert push.keep_subscribed() == 4
    assert x.calls == [("webhook", "http://localhost:8000/hooks/x/"), ("subscribe", "AskCiti")]
    assert (push.keep_subscribed(), len(x.calls)) == (0, 2)
    assert ways.pushed(b.care)


def test_it_is_looked_at_again_after_five_minutes(b, x):
    push.keep_subscribed()
    activity_asked(now() - timedelta(seconds=290))
    push.keep_subscribed()
    assert x.count("subscribe") == 2


def activity_asked(at):
    Cursor.objects.filter(way="activity").update(asked_at=at)


def test_nothing_is_asked_where_pushing_is_off(b, x, settings):
    settings.X_PUSH = "off"
    assert (push.keep_subscribed(), x.calls) == (0, [])


def test_while_our_web_process_is_not_up_it_is_tried_again_in_seconds(b, x):
    x.trouble = once(Refused("invalid", "X could not prove the webhook."), at=1)
    assert push.keep_subscribed() == 0
    assert (activity().error, ways.pushed(b.care)) == ("X could not prove the webhook.", False)
    assert activity().paused_until - now() <= timedelta(seconds=5)
    assert push.keep_subscribed() == 0  # not yet
    Cursor.objects.update(asked_at=now() - timedelta(seconds=5), paused_until=now())
    assert push.keep_subscribed() == 4
    assert (activity().error, activity().failing_since) == ("", None)


def test_the_longer_it_fails_the_less_often_it_is_tried(b, x):
    ways.failed(b.care, "activity", Unavailable("down"), seconds=5)
    waits = []
    for minutes in (1, 5, 600):
        Cursor.objects.update(failing_since=now() - timedelta(minutes=minutes))
        turn()
        x.trouble = once(Unavailable("down"), at=1)
        push.keep_subscribed()
        waits.append(round((activity().paused_until - now()).total_seconds() / 10) * 10)
    assert waits == [30, 150, 300]


@pytest.mark.parametrize(("error", "made"), [(Refused("auth"), 4), (RateLimited("Too many.", retry_after=300), 0)])
def test_an_account_that_was_connected_again_need_not_wait_for_its_turn(b, x, error, made):
    ways.failed(b.care, "activity", error, seconds=300)
    assert push.keep_subscribed() == 0
    ways.hurry(b.care, "activity")
    assert push.keep_subscribed() == made


def test_one_account_that_is_not_connected_leaves_the_others_subscribed(b, x):
    b.news.purpose = "care"
    b.news.save()
    assert push.keep_subscribed() == 4
    assert Cursor.objects.get(account=b.news).error.startswith("@Citi is not connected")
    assert Cursor.objects.get(account=b.care, way="activity").error == ""


def test_after_a_gap_messages_are_polled_at_once(b, x):
    def asked():
        return Cursor.objects.get(account=b.care, way="dm").asked_at

    ways.claim(b.care, "dm", 900)
    push.keep_subscribed()  # the first time: what came before is not pushed
    assert asked() is None
    ways.claim(b.care, "dm", 900)
    turn()
    ways.claim(b.care, "dm", 900)
    push.keep_subscribed()  # all was well
    assert asked() is not None
    x.missing = 1
    turn()
    ways.claim(b.care, "dm", 900)
    push.keep_subscribed()  # a subscription was gone
    assert asked() is None


def test_what_arrives_does_not_hide_that_a_subscription_fails(b, x):
    ways.failed(b.care, "activity", Refused("scope"), seconds=5)
    at = now()
    assert push.take("x", [Event("1", "1001", "post", said(at))]) == 1
    assert (activity().error != "", ways.pushed(b.care)) == (True, False)


def test_several_events_at_once_are_stored_with_their_accounts(b):
    at = now()
    events = [
        Event("1", "1001", "post", said(at)),
        Event("1", "1001", "post", said(at)),
        Event("2", "1001", "message", message(at)),
        Event("3", "1002", "post", said(at)),
        Event("4", "999", "post", said(at)),
        Event("5", "1001", "other"),
    ]
    assert push.take("x", events) == 3
    assert PushedEvent.objects.count() == 5
    assert set(Mention.objects.values_list("kind", flat=True)) == {"post", "dm"}
    assert push.take("x", []) == 0


def test_ids_of_events_are_forgotten_after_a_week(b):
    for age in (6, 8):
        PushedEvent.objects.create(network="x", event_id=str(age), received_at=now() - timedelta(days=age))
    tasks.expire()
    assert list(PushedEvent.objects.values_list("event_id", flat=True)) == ["6"]


@pytest.mark.django_db(transaction=True)
def test_deliveries_of_the_same_moment_share_a_transaction_and_a_bad_one_harms_none(b, monkeypatch):
    at, batches, real = now(), [], push.ingest

    def picky(account, posts, *, way):
        batches.append(len(posts))
        if any("poison" in post.text for post in posts):
            raise ValueError("this cannot be stored")
        return real(account, posts, way=way)

    monkeypatch.setattr(push, "ingest", picky)
    deliveries = [Event(str(n), "1001", "post", said(at)) for n in range(5)]
    bad = Event("9", "1001", "post", replace(said(at), text="poison"))

    def deliver(event):
        try:
            return push.take("x", [event])
        except ValueError:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        with push._storing:  # somebody else is storing while these come
            coming = [pool.submit(deliver, event) for event in [*deliveries, bad]]
            while len(push._waiting) < 6:
                time.sleep(0.005)
        answers = [each.result() for each in coming]
    assert answers == [1, 1, 1, 1, 1, "refused"]
    assert batches == [6, 1, 1, 1, 1, 1, 1]
    assert Mention.objects.count() == 5
    assert set(PushedEvent.objects.values_list("event_id", flat=True)) == {"0", "1", "2", "3", "4"}
