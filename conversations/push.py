"""Takes events that a network pushed and signed, leaves them in `intake.ingest`, each once; and keeps them coming.

The web process takes them (`take`); beat looks after the webhook and its subscriptions (`keep_subscribed`).
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from itertools import groupby

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from citisocial.clock import now
from conversations import credentials, mentions, metering, rogues, ways
from conversations.intake import ingest
from conversations.models import BrandAccount, PushedEvent
from conversations.networks.base import Event, Post
from conversations.networks.errors import NetworkError

log = logging.getLogger(__name__)

WAY = "activity"
LATE = timedelta(minutes=5)  # a signature says nothing about when: older posts and messages come by the polls
KEPT = timedelta(days=7)  # in which a repeated event is told apart by its id
SOONEST, LATEST = 5.0, 300.0  # seconds between two tries to subscribe while it fails: less and less often

FIRST_TIME = """
INSERT INTO conversations_pushedevent (network, event_id, received_at)
SELECT %s, unnest(%s::text[]), %s ON CONFLICT DO NOTHING RETURNING event_id
"""


_waiting: deque[tuple[str, Sequence[Event], Future[int]]] = deque()  # deliveries that are not stored yet
_storing = threading.Lock()


def take(network: str, events: Sequence[Event]) -> int:
    """Store what was pushed; events that were here before change nothing. Returns how many mentions are new.

    A network delivers several at a time: what comes while one delivery is being stored goes into the next transaction
    together, and each is answered after its own commit. DatabaseError when nothing could be stored: the network must
    then be told to repeat.
    """
    stored: Future[int] = Future()
    _waiting.append((network, events, stored))
    with _storing:
        if not stored.done():  # nobody before us took ours along
            together = [_waiting.popleft() for _ in range(len(_waiting))]
            for slug in sorted({slug for slug, _, _ in together}):
                _store_together(slug, [(events, answer) for name, events, answer in together if name == slug])
    return stored.result()


def _store_together(network: str, together: Sequence[tuple[Sequence[Event], Future[int]]]) -> None:
    """One transaction for all of them; the first is told of the new mentions, so that triage is asked once.

    One that cannot be stored must not take the others with it, each time the network repeats it: so each by itself.
    """
    try:
        new = _store(network, [event for events, _ in together for event in events])
    except Exception as error:
        if len(together) > 1 and not isinstance(error, OperationalError | InterfaceError):
            for each in together:
                _store_together(network, [each])
            return
        for _, stored in together:
            stored.set_exception(error)
    else:
        for number, (_, stored) in enumerate(together):
            stored.set_result(0 if number else new)


def _store(network: str, events: Sequence[Event]) -> int:
    """One transaction. The network charges what it delivered, whatever becomes of it."""
    at = now()
    with transaction.atomic():
        first = _first_time(network, events, at)
        if deleted := [e.external_id for e in first if e.kind == "deleted"]:
            mentions.delete(network, deleted)
        stored = _heard(network, [e for e in first if e.post and not _late(e, at)])
        _sent(network, [e for e in first if e.sent])
        for account in _accounts(network, [e.account_id for e in first if e.kind == "revoked"]):
            credentials.refused(account)
        metering.record(network, [charge for event in events for charge in event.charges])
    return stored


def _first_time(network: str, events: Sequence[Event], at: datetime) -> list[Event]:
    """Those that were never here. Of several deliveries at the same moment one goes on and the others wait for it."""
    ids = sorted({event.event_id for event in events})
    with connection.cursor() as sql:
        sql.execute(FIRST_TIME, [network, ids, at])
        new = {row[0] for row in sql.fetchall()}
    once = {event.event_id: event for event in events if event.event_id in new}
    return list(once.values())


def _late(event: Event, at: datetime) -> bool:
    """A recording played again, or a delivery that took long. Encrypted messages are taken all the same:

    no poll brings those, and each is stored once for ever by its own id.
    """
    late = event.kind != "opaque" and event.post is not None and event.post.created_at < at - LATE
    if late:
        log.warning("event %s is too old to be taken from a push", event.event_id)
    return late


def _heard(network: str, events: Sequence[Event]) -> int:
    """Ingest posts and messages with the account they were pushed for; those of a stranger's account are dropped."""
    stored = 0
    ours = {account.external_id: account for account in _accounts(network, [e.account_id for e in events])}
    known = sorted((e for e in events if e.account_id in ours), key=lambda event: event.account_id)
    for account_id, group in groupby(known, key=lambda event: event.account_id):
        posts: list[Post] = [event.post for event in group if event.post]
        stored += ingest(ours[account_id], posts, way=WAY)
        # What arrives does not end a failure to subscribe: the other kinds of events may be missing still.
        ways.heard(ours[account_id], WAY, posts)
    return stored


def _sent(network: str, events: Sequence[Event]) -> None:
    """What left as our accounts is looked through for what did not leave from here."""
    for account in _accounts(network, [event.account_id for event in events]):
        rogues.look(account, [event.sent for event in events if event.sent and event.account_id == account.external_id])


def _accounts(network: str, ids: Iterable[str]) -> list[BrandAccount]:
    ids = set(ids)
    return list(BrandAccount.objects.filter(network=network, external_id__in=ids, active=True)) if ids else []


def keep_subscribed() -> int:
    """See to it that the network pushes to us whatever concerns a care account. Returns how many subscriptions it made.

    Asked every few seconds; an account's turn comes twice a minute, and at first every five seconds while it fails: the
    network proves the webhook by calling it, and at the start our web process may not be up yet.
    """
    if settings.X_PUSH == "off":
        return 0
    care = BrandAccount.objects.filter(active=True, purpose=BrandAccount.Purpose.CARE).order_by("network", "pk")
    due = [account for account in care if _due(account)]
    return sum(_subscribe(slug, list(accounts)) for slug, accounts in groupby(due, key=lambda a: a.network))


def _due(account: BrandAccount) -> bool:
    return ways.claim(account, WAY, ways.ACTIVITY_SECONDS if ways.pushed(account) else SOONEST)


def _subscribe(slug: str, accounts: list[BrandAccount]) -> int:
    network, made, webhook = credentials.network(slug), 0, ""
    for account in accounts:
        try:
            ready = credentials.ready(account)
            webhook = webhook or network.keep_webhook(f"{settings.SITE_URL}/hooks/{slug}/")
            missing = network.keep_subscriptions(ready, webhook_id=webhook)
        except NetworkError as error:
            _failed(account, error)
            continue
        if missing or not ways.pushed(account):  # there was a gap: the poll looks at once what came in it
            ways.hurry(account, "dm")
        ways.succeeded(account, WAY)
        made += missing
    return made


def _failed(account: BrandAccount, error: NetworkError) -> None:
    wait = min(max(ways.failing_for(account, WAY) / 2, SOONEST), LATEST)
    wait = ways.failed(account, WAY, error, seconds=wait)
    log.warning("@%s is not pushed anything: %s (again in %.0f s)", account.handle, error, wait)


def forget() -> int:
    """Take out the ids of events that are too old to be repeated. Returns how many."""
    return PushedEvent.objects.filter(received_at__lt=now() - KEPT).delete()[0]
