"""Takes Outgoing QUEUED, leaves it SENT, FAILED with a reason, or DOUBTFUL and then looked up.

A row is claimed and committed before the network is called, so that a worker's death at any point leaves a row that
says so. What may have happened is read back from the network; the short link in the text is the key it is found by.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction

from citisocial.clock import now
from conversations import cases, credentials, eligibility, outbox, ways
from conversations.models import Author, BrandAccount, Outgoing, SendingStop
from conversations.networks.base import Sent, SentMessage
from conversations.networks.errors import NetworkError, RateLimited, Refused, Undetermined
from links import shortener

log = logging.getLogger(__name__)
Delivery = Outgoing.Delivery

ABANDONED = timedelta(seconds=90)  # a claim older than this belongs to a worker that died
BETWEEN_LOOKS = timedelta(seconds=120)
GIVE_UP = timedelta(hours=1)
CLOCKS_APART = timedelta(seconds=5)  # the network's and ours
MAX_LOOKS = 3  # read-backs in one go; those of direct messages share X's 15 reads in 15 minutes with the polls


def deliver_waiting(limit: int = 50) -> int:
    """Send what waits and may leave now, oldest first. Returns how many left this function SENT."""
    waiting = Outgoing.objects.filter(delivery=Delivery.QUEUED, leaves_at__lte=now())
    return sum(
        deliver(outgoing_id) for outgoing_id in list(waiting.order_by("leaves_at").values_list("pk", flat=True)[:limit])
    )


def deliver(outgoing_id: int) -> bool:
    """Claim one, commit, call the network, record what it said. True when it was sent."""
    outgoing = _claim(outgoing_id)
    if outgoing is None:
        return False
    try:
        sent = _send(outgoing)
    except Refused as error:
        _fail(outgoing, error.reason)
    except Undetermined as error:
        log.warning("outgoing %s: %s; it will be looked up", outgoing.pk, error)
        outbox.move(outgoing, Delivery.DOUBTFUL, verb="doubtful")
    except NetworkError as error:
        _put_back(outgoing, error)
    else:
        _record(outgoing, sent.external_id)
        return True
    return False


def _claim(outgoing_id: int) -> Outgoing | None:
    """QUEUED → SENDING if nothing stops it and the account's pace allows; otherwise it goes on waiting.

    The account's row is locked, so that two workers do not both take the last message of the quarter of an hour;
    the stop is read in the same transaction, so that nothing leaves after it was committed.
    """
    with transaction.atomic():
        queue = Outgoing.objects.select_related("case__author", "case__brand", "recipient", "answers", "pressed_by")
        outgoing = queue.filter(pk=outgoing_id, delivery=Delivery.QUEUED, leaves_at__lte=now()).first()
        if outgoing is None:
            return None
        account = BrandAccount.objects.select_for_update().get(pk=outgoing.account_id)
        outgoing.account = account
        if SendingStop.objects.filter(brand=account.brand_id, ended_at=None).exists():
            return None
        # Since it was pressed they may have asked us to stop, or deleted what it answers.
        if not (allowed := eligibility.still(outgoing)).ok:
            _fail(outgoing, allowed.code)
            return None
        if free_at := _free_at(account, outgoing.kind):
            outbox.hurry(outgoing, at=free_at)
            return None
        claimed = outbox.move(
            outgoing, Delivery.SENDING, claimed_at=now(), attempts=outgoing.attempts + 1, absent_at=None
        )
        return outgoing if claimed else None


def _free_at(account: BrandAccount, kind: str) -> datetime | None:
    """When the account may send next, or None for now: X's pause for everything, its pace for direct messages."""
    paused = account.sending_paused_until
    if paused is not None and paused > now():
        return paused
    return outbox.allowance(account)[1] if kind == Outgoing.Kind.DM else None


def _send(outgoing: Outgoing) -> Sent:
    network = credentials.network(outgoing.account.network)
    account = credentials.ready(outgoing.account)
    text = outgoing.text
    if outbox.LINK in text:
        text = text.replace(outbox.LINK, shortener.url(outgoing.invitation.link))
    if outgoing.kind == Outgoing.Kind.DM:
        return network.send_direct_message(account, recipient_id=outgoing.recipient.external_id, text=text)
    assert outgoing.answers is not None  # a public reply is made with the post that it answers
    post, button = outgoing.answers.external_id, outgoing.message_button
    summoned = outgoing.answers.accounts.filter(pk=outgoing.account_id).exists()
    return network.reply(account, in_reply_to=post, text=text, message_button=button, summoned=summoned)


def _put_back(outgoing: Outgoing, error: NetworkError) -> None:
    """It definitely did not happen: wait as long as the network says, or a little, and give up after an hour."""
    at = now()
    if outgoing.created_at < at - GIVE_UP:
        _fail(outgoing, "unreachable")
        return
    wait = timedelta(seconds=error.retry_after or min(2.0**outgoing.attempts, 60.0))
    log.warning("outgoing %s: %s; again in %.0f s", outgoing.pk, error, wait.total_seconds())
    if isinstance(error, RateLimited):
        BrandAccount.objects.filter(pk=outgoing.account_id).update(sending_paused_until=at + wait)
    outbox.move(outgoing, Delivery.QUEUED, leaves_at=at + wait, claimed_at=None)


def _fail(outgoing: Outgoing, reason: str) -> None:
    """A definite end: the agent reads why. What the network said of the person is remembered for the next try."""
    outbox.move(outgoing, Delivery.FAILED, verb="failed", data={"reason": reason}, reason=reason)
    if reason == "not_reachable":
        Author.objects.filter(pk=outgoing.recipient_id).update(receives_dm=False)


def _record(outgoing: Outgoing, external_id: str) -> None:
    with transaction.atomic():
        if outbox.move(outgoing, Delivery.SENT, verb="sent", sent_at=now(), external_id=external_id):
            cases.contacted(outgoing.case, user=outgoing.pressed_by)


def look_up_doubtful() -> int:
    """Read back what may have happened: found → SENT, absent twice → QUEUED again, once. Returns how many ended."""
    at = now()
    for outgoing in Outgoing.objects.filter(delivery=Delivery.SENDING, claimed_at__lt=at - ABANDONED):
        outbox.move(outgoing, Delivery.DOUBTFUL, verb="doubtful")
    doubtful = Outgoing.objects.filter(delivery=Delivery.DOUBTFUL).exclude(absent_at__gt=at - BETWEEN_LOOKS)
    doubtful = doubtful.select_related("account", "recipient", "answers", "case", "pressed_by")
    return sum(_look_up(outgoing) for outgoing in doubtful.order_by("claimed_at")[:MAX_LOOKS])


def _look_up(outgoing: Outgoing) -> bool:
    if outgoing.kind == Outgoing.Kind.DM and not ways.take_dm_read(outgoing.account):
        return False  # X's reads are used up: it stays doubtful until there is one again
    try:
        found = next((m for m in _sent_before(outgoing) if _is_it(outgoing, m)), None)
    except NetworkError as error:
        log.warning("outgoing %s could not be looked up: %s", outgoing.pk, error)
        return False
    if found is not None:
        _record(outgoing, found.external_id)
    elif outgoing.absent_at is None:
        Outgoing.objects.filter(pk=outgoing.pk, delivery=Delivery.DOUBTFUL).update(absent_at=now())
        return False
    elif outgoing.requeued:
        _fail(outgoing, "undetermined")
    else:
        outbox.move(outgoing, Delivery.QUEUED, requeued=True, leaves_at=now(), claimed_at=None)
    return True


def _sent_before(outgoing: Outgoing) -> list[SentMessage]:
    network = credentials.network(outgoing.account.network)
    account = credentials.ready(outgoing.account)
    if outgoing.kind == Outgoing.Kind.DM:
        return network.sent_direct_messages(account, recipient_id=outgoing.recipient.external_id)
    assert outgoing.answers is not None
    return network.sent_replies(account, in_reply_to=outgoing.answers.external_id)


def _is_it(outgoing: Outgoing, message: SentMessage) -> bool:
    """The same link; for a text without one, the same words, sent since the claim and claimed by no other row."""
    if outbox.LINK in outgoing.text:
        return any(shortener.matches(outgoing.invitation.link, url) for url in message.urls)
    assert outgoing.claimed_at is not None
    # A network may put the names of those who are answered before a reply.
    same = message.text.strip().endswith(outgoing.text) and message.created_at >= outgoing.claimed_at - CLOCKS_APART
    return same and not Outgoing.objects.filter(account=outgoing.account, external_id=message.external_id).exists()
