"""What left as the brand and not from here: seen by poll, push and read-back, told apart from our own, and stopped."""

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from citisocial.clock import now
from conversations import alarms, assignment, credentials, outbox, outreach, push, rogues, stops, sweep
from conversations.models import Alarm, AuditEvent, BrandAccount, Outgoing, SendingStop
from conversations.networks.base import Event, Page, SentMessage, Tokens
from links import shortener
from tests.conversations.paper_x import PaperX
from tests.factories.heard import bank, person
from tests.factories.walked import opened, release, supervisor

pytestmark = pytest.mark.django_db


@pytest.fixture
def b():
    made = bank()
    credentials.store(made.care, Tokens("token", "refresh"))
    BrandAccount.objects.update(connected_at=now() - timedelta(days=1))
    made.care.refresh_from_db()
    return made


@pytest.fixture
def maya(b):
    return b.agent("Maya")


def sent(text="Click here", *, number=4711, urls=(), ago=timedelta(0)):
    return SentMessage(str(number), text, urls, now() - ago)


def pressed(b, maya, text=None):
    case = opened(b, author=person())
    assignment.take(case, maya)
    case.refresh_from_db()
    return outreach.message(case, maya, text=text) if text else outreach.invite(case, maya, text="Hi, here:")


def test_a_foreign_message_raises_one_alarm_and_stops_the_account(b):
    assert rogues.look(b.care, [sent("Your card 4111 1111 1111 1111, call us")]) == 1
    alarm, stop = Alarm.objects.get(), SendingStop.objects.get()
    assert (alarm.kind, alarm.key, alarm.account) == ("rogue", "rogue:x:4711", b.care)
    assert alarm.data["text"] == "Your card [card number removed], call us"
    assert (stop.account, stop.started_by, stop.reason) == (
        b.care,
        None,
        "A message left as this account and was not sent from here",
    )
    assert list(AuditEvent.objects.filter(actor="alarms").values_list("verb", flat=True)) == ["alarm", "stopped"]
    assert rogues.look(b.care, [sent("Your card 4111 1111 1111 1111, call us")]) == 0
    release(stop)
    assert rogues.look(b.care, [sent()]) == 0  # the same number: two people have looked at it
    assert not stops.running()
    assert rogues.look(b.care, [sent(number=4712)]) == 1
    assert stops.of_account(b.care)


def test_ours_is_no_rogue_at_any_moment_of_its_way(b, maya):
    invitation, word = pressed(b, maya), pressed(b, maya, text="Are you & yours   there?")
    link = shortener.url(invitation.invitation.link)
    seen = [
        sent(f"Hi, here: {link}", number=1, urls=(link,)),
        sent("Are you &amp; yours there?", number=2),
    ]
    for outgoing in (invitation, word):
        outbox.move(outgoing, "SENDING", claimed_at=now(), attempts=1)
    assert rogues.look(b.care, seen) == 0  # pushed before the answer was recorded
    for outgoing in (invitation, word):
        outbox.move(outgoing, "DOUBTFUL")
    assert rogues.look(b.care, seen) == 0  # the answer was lost
    for number, outgoing in enumerate((invitation, word), start=1):
        outbox.move(outgoing, "SENT", sent_at=now(), external_id=str(number))
    assert rogues.look(b.care, seen) == 0
    # Another number with the same link: somebody sent it a second time.
    assert rogues.look(b.care, [sent(f"Hi, here: {link}", number=3, urls=(link,))]) == 1


def test_what_only_waits_here_explains_nothing(b, maya):
    outgoing = pressed(b, maya, text="Are you there?")
    assert rogues.look(b.care, [sent("Are you there?")]) == 1
    assert Outgoing.objects.get(pk=outgoing.pk).delivery == "QUEUED"


def test_messages_from_before_the_account_was_connected_are_none_of_ours(b):
    assert rogues.look(b.care, [sent(ago=timedelta(days=2))]) == 0
    b.care.connected_at = None
    assert rogues.look(b.care, [sent()]) == 0


def test_the_poll_of_direct_messages_sees_it(b, monkeypatch):
    paper = PaperX()
    monkeypatch.setattr(credentials, "network", lambda slug: paper)
    monkeypatch.setattr(paper, "direct_messages", lambda account, page_token=None: Page((), None, None, (sent(),)))
    sweep.sweep()
    assert stops.of_account(b.care)


def test_a_push_sees_it_at_once_and_once(b):
    event = Event("e-1", b.care.external_id, "sent", sent=sent())
    assert push.take("x", [event, Event("e-2", "999", "sent", sent=sent(number=5))]) == 0
    assert push.take("x", [event]) == 0
    assert Alarm.objects.get().account == b.care


def test_an_alarm_is_on_every_admin_page_until_somebody_says_what_it_was(b):
    rogues.look(b.care, [sent()])
    grace = Client()
    user = supervisor()
    grace.force_login(user)
    banner = reverse("admin:conversations_brandaccount_alarm")
    alarm = Alarm.objects.get()
    assert "A message on the network that we did not send (@AskCiti)" in grace.get(banner).content.decode()
    shown = grace.get(reverse("admin:conversations_alarm_change", args=[alarm.pk])).content.decode()
    assert "take back the apps it allowed" in shown
    close = reverse("admin:conversations_alarm_close", args=[alarm.pk])
    answer = grace.post(close, {"note": " "})
    assert "Say what it was" in str(next(iter(get_messages(answer.wsgi_request))))
    assert grace.get(close).status_code == 405
    grace.post(close, {"note": "Omar wrote by hand"})
    alarm.refresh_from_db()
    assert (alarm.closed_by, alarm.note) == (user, "Omar wrote by hand")
    assert not alarms.close(alarm, by=user, note="again")
    assert "that we did not send" not in grace.get(banner).content.decode()
    assert stops.of_account(b.care)  # closing releases nothing
    assert AuditEvent.objects.get(verb="alarm_closed").user == user
