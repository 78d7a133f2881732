"""A small count of `manage.py faults stop`: an agent's session in wrong hands, and a stop in the middle of sending."""

import itertools

import pytest
from django.test import Client
from django.urls import reverse

from citisocial.clock import now
from conversations import assignment, credentials, delivery, stops
from conversations.models import Alarm, Outgoing
from conversations.networks.base import Sent, Tokens
from conversations.networks.x import length
from tests.conversations.paper_x import PaperX
from tests.factories.heard import bank
from tests.factories.walked import opened, release, supervisor

pytestmark = pytest.mark.django_db


@pytest.fixture
def x(monkeypatch):
    """What left, in order; `then` is called after each."""
    paper = PaperX()
    paper.left, paper.then, paper.measure = [], lambda: None, length.measure

    def send(account, *, text, **_to):
        paper.left.append(text)
        paper.then()
        return Sent(str(60_000 + len(paper.left)), None)

    paper.send_direct_message = paper.reply = send
    monkeypatch.setattr(credentials, "network", lambda slug: paper)
    return paper


@pytest.fixture
def b(x, settings):
    settings.OUTREACH_DM_LIMIT = 1000  # X's pace is not what holds here
    made = bank()
    credentials.store(made.care, Tokens("token", "refresh"))
    return made


@pytest.fixture
def desk(b):
    """Maya, her session, and cases enough for three times her cap."""
    maya = b.agent("Maya")
    cases = []
    for _ in range(20):
        case = opened(b)
        assignment.take(case, maya)
        cases.append(case)
    client = Client()
    client.force_login(maya.user)
    return client, cases


def all_due():
    """Nothing waits for the undo or for somebody else's turn any more."""
    Outgoing.objects.filter(delivery="QUEUED").update(leaves_at=now())


def test_whatever_door_is_tried_no_more_leaves_than_one_agent_may_send(desk, x, settings):
    client, cases = desk
    doors = itertools.cycle(["invite", "message", "reply", "json", "again", "now", "admin"])
    for door, case in itertools.islice(zip(doors, itertools.cycle(cases), strict=False), 100):
        page, text = reverse("case", args=[case.public_id]), {"text": "Your account is locked, answer at once"}
        newest = Outgoing.objects.order_by("-pk").first()
        if door in {"again", "now"} and newest:
            client.post(reverse("cancel" if door == "again" else "now", args=[newest.pk]))
        if door == "admin" and newest:
            change = reverse("admin:conversations_outgoing_change", args=[newest.pk])
            assert client.post(change, {"delivery": "QUEUED"}).status_code != 200
        elif door != "now":
            wanted = {"headers": {"Accept": "application/json"}} if door == "json" else {}
            client.post(f"{page}{door if door in {'message', 'reply'} else 'invite'}/", text, **wanted)
    for _ in range(3):
        all_due()
        delivery.deliver_waiting(limit=200)
    assert 0 < len(x.left) <= settings.OUTREACH_AGENT_PER_HOUR
    assert Alarm.objects.filter(kind="cap").exists()


def test_what_got_into_the_queue_by_any_door_leaves_no_faster_than_the_cap(desk, x, settings):
    client, cases = desk
    for case in cases:
        client.post(reverse("message", args=[case.public_id]), {"text": "Are you there?"})
    settings.OUTREACH_AGENT_PER_HOUR = 5  # as if the twenty had got there in some other way
    all_due()
    assert delivery.deliver_waiting(limit=200) == 5
    assert delivery.deliver_waiting(limit=200) == 0
    assert Outgoing.objects.filter(delivery="QUEUED").count() == 15


def test_a_stop_in_the_middle_lets_nothing_more_out_and_keeps_the_order(b, desk, x):
    client, cases = desk
    for number, case in enumerate(cases):
        client.post(reverse("message", args=[case.public_id]), {"text": f"Number {number:02}"})
    all_due()
    grace, held = supervisor(), []
    x.then = lambda: held or (len(x.left) == 7 and held.append(stops.start(by=grace, reason="odd")))
    delivery.deliver_waiting(limit=200)
    assert len(x.left) == 7
    assert delivery.deliver_waiting(limit=200) == 0
    assert stops.waiting(held[0]) == 13
    release(held[0])
    delivery.deliver_waiting(limit=200)
    assert x.left == [f"Number {number:02}" for number in range(20)]
