"""How much may be sent: at the press and when it leaves, per agent, per brand and per person, and who hears of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from citisocial.clock import now
from conversations import assignment, caps, outbox, outreach
from conversations.errors import ConversationError, OverCap
from conversations.models import Alarm, Outgoing
from tests.factories.heard import bank, person, post
from tests.factories.walked import opened, supervisor

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limits(settings):
    """Small ones, which a test reaches soon."""
    settings.OUTREACH_AGENT_PER_HOUR = 4
    settings.OUTREACH_BRAND_PER_HOUR = 6
    settings.OUTREACH_RECIPIENT_PER_DAY = 3


@pytest.fixture
def b():
    return bank()


def taken(b, agent, author=None):
    case = opened(b, author=author)
    assignment.take(case, agent)
    case.refresh_from_db()
    return case


def left(outgoing, *, ago=timedelta(0)):
    """It left so long ago."""
    outbox.move(outgoing, "SENDING", claimed_at=now() - ago)
    outbox.move(outgoing, "SENT", sent_at=now() - ago, external_id=str(80_000 + outgoing.pk))


def refusal(case, agent):
    with pytest.raises(OverCap) as raised:
        outreach.message(case, agent, text="Are you there?")
    return str(raised.value)


def test_one_agent_presses_so_often_in_an_hour_and_the_sentence_says_when_there_is_room(b):
    maya = b.agent("Maya")
    for _ in range(4):
        outreach.message(taken(b, maya), maya, text="Are you there?")
    Outgoing.objects.update(created_at=now() - timedelta(minutes=50))
    case = taken(b, maya)
    at = now() + timedelta(minutes=10)
    assert (
        refusal(case, maya)
        == f"You pressed send 4 times in an hour, as often as one agent may. Room again: {at:%H:%M}."
    )
    alarm = Alarm.objects.get()
    assert (alarm.kind, alarm.user, alarm.data) == ("cap", maya.user, {"cap": "agent", "case": str(case.public_id)})
    refusal(case, maya)
    assert Alarm.objects.count() == 1  # once an hour
    Outgoing.objects.update(created_at=now() - timedelta(minutes=61))
    assert outreach.message(case, maya, text="Are you there?").pk


def test_what_was_taken_back_or_failed_makes_room(b):
    maya = b.agent("Maya")
    first, second, *_ = [outreach.message(taken(b, maya), maya, text="Are you there?") for _ in range(4)]
    outreach.cancel(first.pk, maya)
    outbox.move(second, "FAILED", reason="gone")
    for _ in range(2):
        outreach.message(taken(b, maya), maya, text="Are you there?")
    refusal(taken(b, maya), maya)


def test_a_brand_has_its_own_cap_over_all_agents(b):
    for name in ("Maya", "Omar"):
        agent = b.agent(name)
        for _ in range(3):
            outreach.message(taken(b, agent), agent, text="Are you there?")
    eve = b.agent("Eve")
    assert refusal(taken(b, eve), eve).startswith("Citi has sent 6 texts in an hour")


def test_somebody_who_does_not_answer_is_left_alone(b):
    maya, maria = b.agent("Maya"), person("maria_m")
    case = taken(b, maya, maria)
    for _ in range(3):
        outreach.message(case, maya, text="Are you there?")
    assert refusal(case, maya).startswith("We wrote to them 3 times and they have not answered.")
    b.hear(post("here I am", maria, kind="dm", created_at=now()))
    assert outreach.message(case, maya, text="Good.").pk


def test_a_cap_of_nothing_lets_nothing_out(b, settings):
    settings.OUTREACH_AGENT_PER_HOUR = 0
    maya = b.agent("Maya")
    assert "Room again" in refusal(taken(b, maya), maya)


def test_claims_are_counted_by_when_they_left(b):
    maya = b.agent("Maya")
    queued = [outreach.message(taken(b, maya), maya, text="Are you there?") for _ in range(4)]
    for number, each in enumerate(queued):
        left(each, ago=timedelta(minutes=10 * number))
    Outgoing.objects.update(created_at=now() - timedelta(hours=2))  # they waited long behind a stop
    late = outreach.message(taken(b, maya), maya, text="Are you there?")
    free_at = caps.free_at(late)
    assert abs(free_at - (now() + timedelta(minutes=30))) < timedelta(seconds=10)
    left(Outgoing.objects.get(pk=late.pk), ago=timedelta(hours=2))
    Outgoing.objects.filter(pk__in=[each.pk for each in queued]).update(claimed_at=now() - timedelta(minutes=61))
    assert caps.free_at(Outgoing.objects.select_related("case__brand").get(pk=late.pk)) is None


def test_the_agent_sees_what_is_left_before_typing(b):
    maya = b.agent("Maya")
    case = taken(b, maya)
    client = Client()
    client.force_login(maya.user)
    page = reverse("case", args=[case.public_id])
    assert "3 of 3 left until they write" in client.get(page).content.decode()
    for _ in range(2):
        outreach.message(case, maya, text="Are you there?")
    assert "1 of 3 left until they write" in client.get(page).content.decode()
    for _ in range(2):
        outreach.message(taken(b, maya), maya, text="Are you there?")
    assert "you: 0 of 4 left this hour" in client.get(page).content.decode()
    answer = client.post(page + "message/", {"text": "And again"}, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "over_cap")
    grace = Client()
    grace.force_login(supervisor())
    said = grace.get(reverse("admin:conversations_brandaccount_alarm")).content.decode()
    assert "pressed send more often than the caps allow (maya)" in said


@pytest.mark.django_db(transaction=True)
def test_many_presses_at_one_moment_do_not_slip_through(b):
    maya = b.agent("Maya")
    cases = [taken(b, maya) for _ in range(8)]

    def press(case):
        try:
            return bool(outreach.message(case, maya, text="Are you there?"))
        except ConversationError:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(press, cases)) == 4
    assert Outgoing.objects.count() == 4
