"""Takes Outgoing QUEUED, leaves it SENT, FAILED with a reason, or DOUBTFUL and then looked up.

A row is claimed and committed before the network is called, so that a worker's death at any point leaves a row that
says so. What may have happened is read back from the network; the short link in the text is the key it is found by.
A text without a link is known by its words: so one conversation never holds two texts that may have left, and nothing
is sent that could not be looked up.
"""

import logging
import time
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from citisocial.clock import now
from conversations import caps, cases, credentials, eligibility, metering, outbox, placeholders, rogues, stops, ways
from conversations.models import Author, BrandAccount, Outgoing
from conversations.networks.base import LINK, Sent, SentMessage
from conversations.networks.errors import NetworkError, RateLimited, Refused, Undetermined, Unreachable

log = logging.getLogger(__name__)
Kind, Delivery = Outgoing.Kind, Outgoing.Delivery

UNSURE = [Delivery.SENDING, Delivery.DOUBTFUL]
ROUND = 30.0  # seconds; where the network hangs, the rest is left to the next round and the workers to other work
LATE = timedelta(seconds=45)  # whoever claimed this long ago and has not sent yet does not send any more
ABANDONED = timedelta(seconds=90)  # a claim older than this belongs to a worker that died
LOOKING = timedelta(seconds=20)  # whoever began a look longer ago has died or hangs
BETWEEN_LOOKS = timedelta(seconds=120)
LOOKS = 2  # reads of direct messages that one doubtful text may take
UNTIL_SEARCHED = timedelta(seconds=45)  # X's search, which replies are looked up by, sees half a minute late
GIVE_UP = timedelta(hours=1)  # of looking
MOST_ATTEMPTS = 64  # with the waits between them about an hour of trying
SOON = timedelta(seconds=5)  # when those that are looked up now are known


def deliver_waiting(limit: int = 50) -> int:
    """Send what waits and may leave now, oldest first. Returns how many left this function SENT."""
    began, sent, tried = time.monotonic(), 0, 0
    held: dict[int, bool] = {}
    waiting = _leaving().order_by("leaves_at", "pk").values_list("pk", "account")
    for outgoing_id, account_id in list(waiting):
        if account_id not in held:  # what one account holds back must not stand before the others
            held[account_id] = stops.of_account(BrandAccount.objects.get(pk=account_id)) is not None
        if held[account_id]:
            continue
        if tried == limit or time.monotonic() - began > ROUND:
            break
        tried += 1
        try:
            sent += deliver(outgoing_id)
        except Exception:  # one that cannot be dealt with must not stand before the others either
            log.exception("outgoing %s could not be dealt with", outgoing_id)
    return sent


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


def _leaving() -> QuerySet[Outgoing]:
    """What is due, unless one before it to the same person by the same way may or may not have left."""
    same = {name: OuterRef(name) for name in ("account", "recipient", "kind")}
    unsure = Outgoing.objects.filter(delivery__in=UNSURE, **same)
    return Outgoing.objects.filter(~Exists(unsure), delivery=Delivery.QUEUED, leaves_at__lte=now())


def _claim(outgoing_id: int) -> Outgoing | None:
    """QUEUED → SENDING if nothing stops it and the account's pace allows; otherwise it goes on waiting.

    The account's row is locked, so that two workers do not both take the last message of the quarter of an hour, or
    two texts to one person; the stop is read in the same transaction, so that nothing leaves after it was committed.
    """
    with transaction.atomic():
        accounts = BrandAccount.objects.select_for_update(of=("self",))
        account = accounts.filter(outgoing=outgoing_id).first()
        queue = _leaving().select_related("case__author", "case__brand", "recipient", "answers", "pressed_by")
        outgoing = queue.filter(pk=outgoing_id).first()
        if account is None or outgoing is None:
            return None
        outgoing.account = account
        if stops.of_account(account) is not None:
            return None
        # Since it was pressed they may have asked us to stop, or deleted what it answers.
        if not (allowed := eligibility.still(outgoing)).ok:
            _fail(outgoing, allowed.code)
            return None
        if free_at := _free_at(outgoing):
            outbox.hurry(outgoing, at=free_at)
            return None
        claimed = outbox.move(
            outgoing, Delivery.SENDING, claimed_at=now(), attempts=outgoing.attempts + 1, absent_at=None
        )
        return outgoing if claimed else None


def _free_at(outgoing: Outgoing) -> datetime | None:
    """When it may be sent, or None for now: X's pause and our caps for everything; pace and reads for messages."""
    account, at = outgoing.account, now()
    if account.sending_paused_until is not None and account.sending_paused_until > at:
        return account.sending_paused_until
    if (free_at := caps.free_at(outgoing)) or outgoing.kind != Kind.DM:
        return free_at
    reads, until = ways.dm_reads(account)
    unsure = Outgoing.objects.filter(account=account, kind=Kind.DM, delivery__in=UNSURE).count()
    if reads < LOOKS:
        return until
    if reads < LOOKS * (unsure + 1):
        return at + SOON
    return outbox.free_at(account)


def _send(outgoing: Outgoing) -> Sent:
    network = credentials.network(outgoing.account.network)
    account = credentials.ready(outgoing.account)
    text = placeholders.as_sent(outgoing)
    _insist(outgoing)
    if outgoing.kind == Kind.DM:
        return network.send_direct_message(account, recipient_id=outgoing.recipient.external_id, text=text)
    assert outgoing.answers is not None  # a public reply is made with the post that it answers
    post, button = outgoing.answers.external_id, outgoing.message_button
    return network.reply(account, in_reply_to=post, text=text, message_button=button, summoned=_summoned(outgoing))


def _summoned(outgoing: Outgoing) -> bool:
    """Whether the post that is answered named us: networks charge less for that."""
    post = outgoing.answers
    return post is not None and post.accounts.filter(pk=outgoing.account_id).exists()


def _insist(outgoing: Outgoing) -> None:
    """At the last moment: the claim is still ours and young, and no stop came. Otherwise nothing is sent.

    New tokens may have taken their time, and a process that was stopped and continued does not know how late it is.
    """
    ours = Outgoing.objects.filter(pk=outgoing.pk, delivery=Delivery.SENDING, attempts=outgoing.attempts)
    if not ours.filter(claimed_at__gt=now() - LATE).exists() or stops.of_account(outgoing.account) is not None:
        raise Unreachable("It was too late, or stopped, before anything was sent.")


def _put_back(outgoing: Outgoing, error: NetworkError) -> None:
    """It definitely did not happen: wait as long as the network says, or a little, and give up after about an hour."""
    at, limited = now(), isinstance(error, RateLimited)
    if outgoing.attempts >= MOST_ATTEMPTS and not limited:
        _fail(outgoing, "unreachable")
        return
    wait = timedelta(seconds=error.retry_after or min(2.0**outgoing.attempts, 60.0))
    log.warning("outgoing %s: %s; again in %.0f s", outgoing.pk, error, wait.total_seconds())
    if limited:
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


def _meter(outgoing: Outgoing, found: SentMessage) -> None:
    """What it cost is said by the answer that we did not hear; counted on the day it was written."""
    slug, text = outgoing.account.network, placeholders.as_sent(outgoing)
    charge = credentials.network(slug).charged(
        found.external_id,
        text=text,
        kind="dm" if outgoing.kind == Kind.DM else "reply",
        summoned=_summoned(outgoing),
    )
    metering.record(slug, [charge], day=found.created_at.astimezone(UTC).date())


def look_up_doubtful(limit: int = 200) -> int:
    """Read back what may have happened: found → SENT, absent twice → QUEUED again, once. Returns how many ended."""
    for abandoned in Outgoing.objects.filter(delivery=Delivery.SENDING, claimed_at__lt=now() - ABANDONED):
        outbox.move(abandoned, Delivery.DOUBTFUL, verb="doubtful")
    began, ended = time.monotonic(), 0
    silent: set[int] = set()  # accounts for which the network does not answer now
    for outgoing_id, account_id in list(_doubtful().order_by("claimed_at").values_list("pk", "account")[:limit]):
        if account_id in silent:
            continue
        if time.monotonic() - began > ROUND:
            break
        if not _doubtful().filter(pk=outgoing_id).update(looked_at=now()):
            continue  # another worker is at it, or was faster: reads are few
        related = ("account__brand", "recipient", "answers", "case__brand", "pressed_by", "invitation__link")
        outgoing = Outgoing.objects.select_related(*related).get(pk=outgoing_id)
        try:
            ended += _look_up(outgoing)
        except NetworkError as error:
            silent.add(account_id)
            ended += _not_read(outgoing, error)
        except Exception:
            log.exception("outgoing %s could not be looked up", outgoing_id)
        finally:
            Outgoing.objects.filter(pk=outgoing_id).update(looked_at=None)
    return ended


def _doubtful() -> QuerySet[Outgoing]:
    """Whose look is due."""
    at = now()
    too_early = Q(absent_at__gt=at - BETWEEN_LOOKS) | Q(kind=Kind.REPLY, claimed_at__gt=at - UNTIL_SEARCHED)
    return Outgoing.objects.filter(delivery=Delivery.DOUBTFUL).exclude(too_early | Q(looked_at__gt=at - LOOKING))


def _look_up(outgoing: Outgoing) -> bool:
    """One read-back; whether the text's doubt has ended. Raises what the network raises."""
    if outgoing.kind == Kind.DM and not ways.take_dm_read(outgoing.account):
        raise RateLimited("The reads of direct messages are used up for now.")
    there = _sent_before(outgoing)
    found = next((m for m in there if _is_it(outgoing, m)), None)
    if found is not None:
        _record(outgoing, found.external_id)
        _meter(outgoing, found)
    if outgoing.kind == Kind.DM:
        rogues.look(outgoing.account, there)
    if found is None and outgoing.absent_at is None:
        seen = Outgoing.objects.filter(pk=outgoing.pk, delivery=Delivery.DOUBTFUL, attempts=outgoing.attempts)
        seen.update(absent_at=now())
        return False
    if found is None and outgoing.requeued:
        _fail(outgoing, "undetermined")
    elif found is None:
        outbox.move(outgoing, Delivery.QUEUED, requeued=True, leaves_at=now(), claimed_at=None)
    return True


def _not_read(outgoing: Outgoing, error: NetworkError) -> bool:
    """It stays doubtful until the network can be asked; after an hour a person decides, and says what to do next."""
    log.warning("outgoing %s could not be looked up: %s", outgoing.pk, error)
    assert outgoing.claimed_at is not None
    if outgoing.claimed_at > now() - GIVE_UP:
        return False
    _fail(outgoing, "undetermined")
    return True


def _sent_before(outgoing: Outgoing) -> list[SentMessage]:
    network = credentials.network(outgoing.account.network)
    account = credentials.ready(outgoing.account)
    if outgoing.kind == Kind.DM:
        return network.sent_direct_messages(account, recipient_id=outgoing.recipient.external_id)
    assert outgoing.answers is not None
    return network.sent_replies(account, in_reply_to=outgoing.answers.external_id)


def _is_it(outgoing: Outgoing, message: SentMessage) -> bool:
    """What was sent since the claim; the same words are one row's only."""
    assert outgoing.claimed_at is not None
    if not placeholders.shows(message, outgoing, since=outgoing.claimed_at):
        return False
    explained = Outgoing.objects.filter(account=outgoing.account, external_id=message.external_id)
    return LINK in outgoing.text or not explained.exists()
