"""Takes messages that nobody read, leaves their customer told by e-mail, once an absence: only writer of EmailNotice.

The e-mail says that a message waits and nothing of it: no words, no name, no number, no link. It leaves at any hour. It
is made from rows, by beat: nothing of this is in a message's way. An e-mail twice is harmless, so one that may have
left is sent again; none at all is not.
"""

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.template.loader import render_to_string

from citisocial import clock
from citisocial.clock import now
from conversations import audit, events
from conversations.models import EmailNotice, Mark, Side

log = logging.getLogger(__name__)
State = EmailNotice.State

ROUND = 30.0  # seconds; where the mail server hangs, the rest is left to the next round and the workers to other work
ABANDONED = timedelta(minutes=5)  # a claim older than this belongs to a worker that died
TRIES = 3
BETWEEN_TRIES = timedelta(minutes=1)

# An absence begins with the first message of an agent that stays unread, and ends when that is read: until then there
# is no second notice, whichever of their conversations a message is in. What is older than a day is no news: whoever
# has not read for that long was told, or reads on a page that does not say so.
NOTE = f"""
INSERT INTO conversations_emailnotice (case_id, customer_id, seq, state, due_at, tried, why)
SELECT DISTINCT ON (c.customer_id) c.id, c.customer_id, m.seq, 'WAITING', t.at, 0, ''
FROM (SELECT {{clock}} AS at) t
CROSS JOIN conversations_brand b
JOIN LATERAL (SELECT * FROM conversations_case
  WHERE brand_id = b.id AND changed_at > t.at - interval '1 day' AND customer_id IS NOT NULL) c ON true
LEFT JOIN conversations_mark k ON k.case_id = c.id AND k.side = '{Side.CUSTOMER}'
JOIN LATERAL (SELECT seq, sent_at FROM conversations_message said
  WHERE case_id = c.id AND seq > coalesce(k.read, 0) AND side = '{Side.AGENT}'
    AND kind IN ('said', 'file', 'asked', 'check') AND sent_at > t.at - interval '1 day'
    AND NOT EXISTS (SELECT FROM conversations_message gone
      WHERE gone.case_id = c.id AND gone.about = said.seq AND gone.kind = 'removed')
  ORDER BY seq LIMIT 1) m ON true
WHERE c.last_seq > coalesce(k.read, 0) AND m.sent_at <= t.at - %s * interval '1 second'
  AND NOT EXISTS (SELECT FROM conversations_emailnotice n
    LEFT JOIN conversations_mark r ON r.case_id = n.case_id AND r.side = '{Side.CUSTOMER}'
    WHERE n.customer_id = c.customer_id AND n.seq > coalesce(r.read, 0))
ORDER BY c.customer_id, m.sent_at
ON CONFLICT DO NOTHING"""


def note_absent() -> int:
    """A notice for everybody who left and has something to read now. Returns how many."""
    if not settings.NOTICES:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('notices', 0))")
        cursor.execute(NOTE.format(clock=clock.expression()), [settings.NOTICE_AFTER_SECONDS])
        return int(cursor.rowcount)


def send_waiting(limit: int = 200) -> int:
    """Send what waits, oldest first. Returns how many left this function SENT."""
    if not settings.NOTICES:
        return 0
    _give_up()
    began, sent = time.monotonic(), 0
    for pk in list(_due().order_by("due_at", "pk").values_list("pk", flat=True)[:limit]):
        if time.monotonic() - began > ROUND:
            break
        sent += send(pk)
    return sent


def send(pk: int) -> bool:
    """Claim one, commit, hand it to the mail server, record what that said. True when it was sent."""
    notice = _claim(pk)
    if notice is None:
        return False
    try:
        _email(notice).send()
    except Exception as error:  # what a mail server says names people: only its kind is kept
        log.warning("notice %s: %s", notice.pk, type(error).__name__)
        _put_back(notice, type(error).__name__)
        return False
    with transaction.atomic():
        _still(notice).update(state=State.SENT, sent_at=now())
        audit.record("notice_sent", case=notice.case, actor="notices", data={"notice": notice.pk})
        events.poke_case(notice.case_id, "notice_sent")
    return True


def _due() -> QuerySet[EmailNotice]:
    at = now()
    abandoned = Q(state=State.SENDING, claimed_at__lte=at - ABANDONED, tried__lt=TRIES)
    return EmailNotice.objects.filter(Q(state=State.WAITING, due_at__lte=at) | abandoned)


def _claim(pk: int) -> EmailNotice | None:
    """SENDING, for this worker alone; None when another has it, or when they came back or cannot be told."""
    with transaction.atomic():
        if not _due().filter(pk=pk).update(state=State.SENDING, claimed_at=now(), tried=F("tried") + 1):
            return None
        notice = EmailNotice.objects.select_related("case__brand", "customer__user").get(pk=pk)
        if Mark.objects.filter(case=notice.case_id, side=Side.CUSTOMER, read__gte=notice.seq).exists():
            _still(notice).update(state=State.NEEDLESS)
            return None
        user = notice.customer.user
        if not (user.is_active and user.email):
            _lost(notice, "no address" if user.is_active else "closed login")
            return None
        return notice


def _email(notice: EmailNotice) -> EmailMessage:
    bank = " ".join(notice.case.brand.name.split())
    return EmailMessage(
        subject=render_to_string("customer/email/notice_subject.txt", {"bank": bank}).strip(),
        body=render_to_string("customer/email/notice.txt", {"bank": bank}),
        to=[notice.customer.user.email],
        headers={"Auto-Submitted": "auto-generated"},  # holiday replies need not answer
    )


def _still(notice: EmailNotice) -> QuerySet[EmailNotice]:
    """The row, while this claim is the last one."""
    return EmailNotice.objects.filter(pk=notice.pk, state=State.SENDING, claimed_at=notice.claimed_at)


def _put_back(notice: EmailNotice, why: str) -> None:
    if notice.tried >= TRIES:
        with transaction.atomic():
            _lost(notice, why)
        return
    later = now() + BETWEEN_TRIES * notice.tried
    _still(notice).update(state=State.WAITING, due_at=later, why=why)


def _give_up() -> None:
    """Claims that died with their worker once too often."""
    dead = EmailNotice.objects.filter(state=State.SENDING, claimed_at__lte=now() - ABANDONED, tried__gte=TRIES)
    for notice in dead.select_related("case")[:200]:
        with transaction.atomic():
            _lost(notice, "nobody knows whether it left")


def _lost(notice: EmailNotice, why: str) -> None:
    if _still(notice).update(state=State.FAILED, why=why):
        data = {"notice": notice.pk, "reason": why}
        audit.record("notice_failed", case=notice.case, actor="notices", data=data)
