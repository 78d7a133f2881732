"""The e-mail to somebody who left: one an absence, without a word of the chat, and sent whatever dies on the way."""

import re
import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection

from citisocial import celery
from citisocial.clock import now
from conversations import chat, notices, stops, tasks
from conversations.models import Brand, Case, EmailNotice, Mark, Message
from tests.factories.desks import another_case
from tests.factories.invited import invited, proven

pytestmark = pytest.mark.django_db

WORDS = "Your card 4471 is on its way"


@pytest.fixture
def world():
    w = invited()
    w.case = proven(w)
    chat.join(w.case, w.maria)
    w.case.refresh_from_db()
    return w


def said(world, *, ago=180, case=None, author=None, text=WORDS) -> Message:
    """A message of the agent, that many seconds ago."""
    message = chat.post(case or world.case, author=author or world.maya, client_id=uuid4(), text=text)
    Message.objects.filter(pk=message.pk).update(sent_at=now() - timedelta(seconds=ago))
    return message


def read(case, seq) -> None:
    """The customer has read up to there."""
    Mark.objects.update_or_create(
        case=case, side="customer", defaults={"read": seq, "delivered": seq, "changed_at": now()}
    )


def look() -> int:
    """One round of beat: how many e-mails left."""
    before = len(mail.outbox)
    notices.note_absent()
    assert notices.send_waiting() == len(mail.outbox) - before
    return len(mail.outbox) - before


def aged(**spans: timedelta) -> EmailNotice:
    """The one notice, as if its times were that much earlier."""
    notice = EmailNotice.objects.get()
    EmailNotice.objects.filter(pk=notice.pk).update(**{n: getattr(notice, n) - s for n, s in spans.items()})
    return notice


class Broken(EmailBackend):
    """A mail server that says why not, with an address in it."""

    def send_messages(self, email_messages):
        raise OSError(f"no route for {email_messages[0].to[0]}")


@pytest.fixture
def broken(settings):
    stock = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = f"{__name__}.Broken"
    return lambda: setattr(settings, "EMAIL_BACKEND", stock)


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """The mail backend above is found by this module's name."""
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or __import__("types").ModuleType(__name__))
    sys.modules[__name__].Broken = Broken  # type: ignore[attr-defined]


def test_who_left_gets_one_email_and_no_second_before_they_read_and_left_again(world):
    first = said(world)
    assert look() == 1
    said(world)
    assert look() == 0
    read(world.case, first.seq)
    assert look() == 1, "the first was read, the second was not: they were here and left"
    read(world.case, first.seq + 1)
    assert look() == 0
    said(world)
    assert look() == 1
    assert EmailNotice.objects.filter(state="SENT").count() == 3
    assert world.case.trail.filter(verb="notice_sent", actor="notices").count() == 3


def test_an_absence_of_days_stays_one_whatever_is_said_meanwhile(world):
    said(world)
    assert look() == 1
    for day in (2, 3):
        Message.objects.update(sent_at=now() - timedelta(days=day))
        said(world)
        assert look() == 0
    other = another_case(world, 1, customer=world.maria, agent=world.maya, status="CONNECTED")
    said(world, case=other)
    assert look() == 0


def test_email_has_no_words_no_name_no_number_and_no_link(world):
    said(world)
    look()
    email = mail.outbox[0]
    assert email.to == ["maria@example.test"]
    whole = email.message().as_string() + email.subject + email.body
    assert "secure conversation with Citi" in email.body
    assert "type the address yourself" in email.body
    assert "My conversations" in email.body
    for secret in (WORDS, "4471", "Maya", "maria_m", str(world.case.pk), str(world.case.public_id), world.slug):
        assert secret not in whole
    assert not re.search(r"https?:|www\.|://|<a\b|\w\.(com|test|example)\b", email.subject + email.body)
    assert email.message().get_content_type() == "text/plain"
    assert email.extra_headers["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("name", ["Citi\nBcc: everybody@example.test", "Citi <b>&amp;</b> & Sons"])
def test_a_banks_name_stays_a_name(world, name):
    Brand.objects.update(name=name)
    said(world)
    assert look() == 1
    assert list(mail.outbox[0].message().keys()).count("Bcc") == 0
    assert "\n" not in mail.outbox[0].subject
    assert "&amp;amp;" not in mail.outbox[0].body


def test_who_reads_in_time_or_spoke_last_or_has_nothing_unread_gets_none(world):
    said(world, ago=60)
    assert look() == 0
    read(world.case, 1)
    said(world, author=world.maria)
    assert look() == 0
    said(world, ago=2 * 24 * 3600)
    assert look() == 0, "two days old: no news, and no flood where notices are switched on"
    assert not EmailNotice.objects.exists()


def test_a_message_that_was_taken_back_is_no_news(world):
    message = said(world)
    Message.objects.create(
        case=world.case, seq=message.seq + 1, client_id=uuid4(), kind="removed", about=message.seq, side="agent",
        agent=world.maya, text="", sent_at=now(),
    )  # fmt: skip
    Case.objects.filter(pk=world.case.pk).update(last_seq=message.seq + 1)
    assert look() == 0


def test_who_came_back_before_it_left_needs_none(world):
    message = said(world)
    notices.note_absent()
    read(world.case, message.seq)
    assert notices.send_waiting() == 0
    assert EmailNotice.objects.get().state == "NEEDLESS"


def test_two_conversations_are_one_absence(world):
    other = another_case(world, 1, customer=world.maria, agent=world.maya, status="CONNECTED")
    said(world)
    said(world, case=other)
    assert look() == 1
    assert look() == 0
    assert look() == 0
    for case in (world.case, other):
        read(case, 1)
    said(world, case=other)
    assert look() == 1


def test_it_is_made_by_one_statement_however_many_left(world, django_assert_num_queries):
    with django_assert_num_queries(4):  # a savepoint and its end, the lock, the statement
        assert notices.note_absent() == 0
    said(world)
    for number in range(1, 4):
        from accounts.models import Customer
        from tests.factories.invited import person

        customer = Customer.objects.create(user=person(f"customer{number}"), name="")
        said(world, case=another_case(world, number, customer=customer, agent=world.maya, status="CONNECTED"))
    with django_assert_num_queries(4):
        assert notices.note_absent() == 4


def test_a_mail_server_that_refuses_is_asked_three_times_and_what_it_said_is_not_kept(world, broken, caplog):
    said(world)
    notices.note_absent()
    for tried in (1, 2, 3):
        assert notices.send_waiting() == 0
        assert EmailNotice.objects.get().tried == tried
        assert notices.send_waiting() == 0, "not at once again"
        aged(due_at=timedelta(minutes=10))
    notice = EmailNotice.objects.get()
    assert (notice.state, notice.tried, notice.why) == ("FAILED", 3, "OSError")
    assert "maria@" not in caplog.text
    assert world.case.trail.get(verb="notice_failed").data == {"notice": notice.pk, "reason": "OSError"}
    broken()
    assert look() == 0


def test_one_that_failed_once_leaves_later(world, broken):
    said(world)
    assert look() == 0
    broken()
    aged(due_at=timedelta(minutes=2))
    assert look() == 1
    assert EmailNotice.objects.get().state == "SENT"


def test_a_claim_of_a_worker_that_died_is_sent_again_three_times_at_most(world):
    said(world)
    notices.note_absent()
    for tried in (1, 2, 3):
        claimed = notices._claim(EmailNotice.objects.get().pk)  # and the worker dies
        assert claimed is not None
        assert claimed.tried == tried
        assert notices.send_waiting() == 0, "five minutes are its own"
        aged(claimed_at=timedelta(minutes=5))
        if tried == 1:
            late = claimed
    assert notices.send_waiting() == 0
    assert (EmailNotice.objects.get().state, EmailNotice.objects.get().why) == (
        "FAILED",
        "nobody knows whether it left",
    )
    notices._put_back(late, "OSError")
    assert EmailNotice.objects.get().state == "FAILED", "who lost the claim records nothing"


def test_an_abandoned_claim_leaves_by_the_next_worker(world):
    said(world)
    notices.note_absent()
    notices._claim(EmailNotice.objects.get().pk)
    aged(claimed_at=timedelta(minutes=5))
    assert notices.send_waiting() == 1
    assert (EmailNotice.objects.get().state, EmailNotice.objects.get().tried) == ("SENT", 2)


def test_without_an_address_or_with_a_closed_login_nobody_is_told(world):
    said(world)
    world.maria.user.email = ""
    world.maria.user.save()
    assert look() == 0
    assert (EmailNotice.objects.get().state, EmailNotice.objects.get().why) == ("FAILED", "no address")


def test_notices_can_be_switched_off_and_stops_of_sending_do_not_concern_them(world, settings):
    stops.start(by=world.maya.user, reason="everything stands still")
    said(world)
    settings.NOTICES = False
    assert look() == 0
    settings.NOTICES = True
    assert look() == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_open_in_the_database_while_the_mail_server_is_asked(monkeypatch):
    w = invited()
    w.case = proven(w)
    chat.join(w.case, w.maria)
    said(w)
    seen = []
    stock = EmailBackend.send_messages

    def send_messages(self, found):
        seen.append((connection.in_atomic_block, EmailNotice.objects.get().state))
        return stock(self, found)

    monkeypatch.setattr(EmailBackend, "send_messages", send_messages)
    assert look() == 1
    assert seen == [(False, "SENDING")]


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_sends_it():
    w = invited()
    w.case = proven(w)
    chat.join(w.case, w.maria)
    said(w)
    start = threading.Barrier(6)

    def work():
        start.wait()
        try:
            notices.note_absent()
            notices.send_waiting()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert EmailNotice.objects.get().state == "SENT"
    assert len(mail.outbox) == 1


def test_beat_asks_for_it(world):
    assert celery.app.conf.beat_schedule["7 notify"]["task"] == tasks.notify.name
    said(world)
    tasks.notify()
    assert len(mail.outbox) == 1
