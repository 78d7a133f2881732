"""What waits: for approval, for its time, for its place in the queue; and that every failure has words."""

import ast
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from django.test import Client
from django.utils.functional import Promise

import conversations
from citisocial.clock import now
from conversations import delivery, outbox, outreach
from conversations.errors import TooLate
from conversations.models import AuditEvent, BrandAccount, Outgoing
from conversations.networks import errors
from tests.factories.pressing import later, press

pytestmark = pytest.mark.django_db

ROOM = Path(conversations.__file__).parent
# Functions that give a reason, and where: the so-manyth argument, or the name of it.
GIVERS = {"_fail": 1, "_no": 0, "withdraw": "reason"}


def reasons_given() -> set[str]:
    """Every reason that the code gives as a word."""
    found = set()
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "func", None) and (getattr(node.func, "id", "") or getattr(node.func, "attr", ""))
            if name not in GIVERS:
                continue
            place = GIVERS[name]
            given = [k.value for k in node.keywords if k.arg == place] if isinstance(place, str) else node.args[place:]
            found |= {each.value for each in given[:1] if isinstance(each, ast.Constant)}
    return found


def test_every_reason_has_words():
    given = reasons_given()
    assert {"unreachable", "undetermined", "opted_out", "not_summoned"} <= given
    assert (given | set(get_args(errors.Reason)) | {"not_approved"}) - set(outbox.REASONS) == set()


def test_reasons_are_sentences_that_are_translated_when_they_are_shown():
    assert all(isinstance(words, Promise) and str(words).endswith(".") for words in outbox.REASONS.values())


def waiting(case, maya):
    """A text that waits for another person."""
    outgoing = Outgoing(case=case, account=BrandAccount.objects.first(), recipient=case.author, kind="dm", text="Hi")
    outgoing.pressed_by, outgoing.leaves_at, outgoing.created_at = maya.user, now(), now()
    return outbox.enqueue(outgoing, verb="messaged", waits=True)


def test_what_waits_for_approval_does_not_leave_until_it_is_queued(house, x):
    _b, maya, case = house
    outgoing = waiting(case, maya)
    assert (delivery.deliver_waiting(), x.posts) == (0, 0)
    with pytest.raises(TooLate):
        outbox.hurry(outgoing)
    assert outbox.move(outgoing, "QUEUED")
    assert (delivery.deliver_waiting(), x.posts) == (1, 1)


def test_what_waits_for_approval_can_be_taken_back_and_refused(house):
    _b, maya, case = house
    outgoing = waiting(case, maya)
    outbox.cancel(outgoing)
    with pytest.raises(TooLate):
        outbox.cancel(outgoing)
    assert not outbox.move(outgoing, "QUEUED")
    assert outbox.move(waiting(case, maya), "FAILED", verb="failed", reason="not_approved")
    assert AuditEvent.objects.filter(verb__in=["cancelled", "failed"]).count() == 2


def test_who_asked_us_to_stop_is_not_written_to_after_an_approval(house):
    _b, maya, case = house
    outgoing = waiting(case, maya)
    assert outbox.withdraw([case.author_id], reason="opted_out", why="STOP") == 1
    outgoing.refresh_from_db()
    assert outgoing.delivery == "CANCELLED"


@pytest.fixture
def queue(house, settings):
    """Fifteen left a while ago, a minute apart; two wait for their places."""
    settings.OUTREACH_RECIPIENT_PER_DAY = settings.OUTREACH_AGENT_PER_HOUR = 99
    b, maya, case = house
    began = now() - timedelta(minutes=13)
    for number in range(settings.OUTREACH_DM_LIMIT):
        gone = press(case, maya)
        later(gone, delivery="SENT", claimed_at=began + timedelta(seconds=number), sent_at=now(), external_id=number)
    return b, case, [press(case, maya), press(case, maya)]


def test_each_waiting_text_has_its_place_and_its_time(queue):
    b, _case, (first, second) = queue
    found = outbox.outlook(b.care)
    assert found.left == 0
    assert [found.places[o.pk].before for o in (first, second)] == [0, 1]
    times = [found.places[first.pk].leaves_at, found.places[second.pk].leaves_at, found.next.leaves_at]
    ahead = [(at - now()).total_seconds() for at in times]
    assert ahead == pytest.approx([120, 121, 122], abs=9)
    assert found.next.before == 2
    assert found.free_at == times[0]


def test_the_network_s_pause_is_in_every_time(queue):
    b, _case, (first, _second) = queue
    b.care.sending_paused_until = now() + timedelta(minutes=30)
    found = outbox.outlook(b.care)
    assert found.places[first.pk].leaves_at == found.free_at == b.care.sending_paused_until


def test_more_than_fifteen_waiting_take_more_than_a_quarter_of_an_hour(house, settings):
    settings.OUTREACH_RECIPIENT_PER_DAY = settings.OUTREACH_AGENT_PER_HOUR = 99
    b, maya, case = house
    for _ in range(settings.OUTREACH_DM_LIMIT):
        press(case, maya)
    found = outbox.outlook(b.care).next
    assert found.before == settings.OUTREACH_DM_LIMIT
    assert (found.leaves_at - now()) > timedelta(minutes=14)


def test_the_agent_reads_when_it_leaves_and_how_many_before_it(queue, x):
    _b, case, (_first, second) = queue
    page = Client()
    page.force_login(second.pressed_by)
    said = page.get(f"/workspace/cases/{case.public_id}/").content.decode()
    assert said.count("Leaves about ") == 2
    assert ", 1 before it" in said  # of the second that waits
    assert ", 2 before it" in said  # of one that would be pressed now


def test_the_agent_reads_that_it_waits_for_the_one_before(house, x):
    _b, maya, case = house
    x.mode = "lost"
    press(case, maya)
    delivery.deliver_waiting()
    outreach.message(case, maya, text="Are you there?")
    page = Client()
    page.force_login(maya.user)
    said = page.get(f"/workspace/cases/{case.public_id}/").content.decode()
    assert "Waits until it is known whether the one before it arrived" in said


def test_the_outlook_takes_three_queries_however_long_the_queue(queue, django_assert_num_queries):
    b, _case, _waiting = queue
    with django_assert_num_queries(3):
        outbox.outlook(b.care)
