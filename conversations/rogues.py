"""Takes what a network says left as one of our accounts, leaves an alarm and a stop for what did not leave from here.

Whoever writes as the brand by another way (a stolen password, another app, the network's own app) is seen here, by
the poll of direct messages, by what is pushed, and by read-backs.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from citisocial.clock import now
from conversations import alarms, stops
from conversations.masking import mask
from conversations.models import Alarm, BrandAccount, Outgoing
from conversations.networks.base import SentMessage
from conversations.placeholders import shows

log = logging.getLogger(__name__)

Delivery = Outgoing.Delivery
KEPT = timedelta(days=31)  # X shows the messages of the last 30 days
SHOWN = 200  # characters of a rogue message, for whoever looks into it


def look(account: BrandAccount, sent: Sequence[SentMessage]) -> int:
    """How many of these direct messages are new, and left neither from here nor before the account was connected.

    Each raises an alarm once; the first one stops the account. A message whose answer was lost is ours all the same.
    """
    since = account.connected_at
    found = {each.external_id: each for each in sent if since is not None and each.created_at >= since}
    if not found:
        return 0
    # In this order: what gets its number between the two questions is in the second answer.
    unsure = list(_unsure(account))
    ours = Outgoing.objects.filter(account=account, external_id__in=found).values_list("external_id", flat=True)
    known = set(ours)
    new = [each for key, each in found.items() if key not in known]
    strange = [each for each in new if not any(shows(each, row, since=row.created_at) for row in unsure)]
    return sum(_raise(account, message) for message in strange)


def _unsure(account: BrandAccount) -> QuerySet[Outgoing]:
    """What may have arrived at the network without our knowing its number there."""
    open_ended = Q(delivery__in=[Delivery.SENDING, Delivery.DOUBTFUL]) | Q(requeued=True) | Q(reason="undetermined")
    rows = Outgoing.objects.filter(open_ended, account=account, kind=Outgoing.Kind.DM, external_id="")
    return rows.filter(created_at__gt=now() - KEPT).select_related("invitation__link", "account__brand")


def _raise(account: BrandAccount, message: SentMessage) -> bool:
    data = {"message": message.external_id, "at": message.created_at.isoformat(timespec="seconds")}
    data["text"] = mask(message.text).text[:SHOWN]
    with transaction.atomic():
        key = f"rogue:{account.network}:{message.external_id}"
        if not alarms.raise_once(Alarm.Kind.ROGUE, key, account=account, data=data):
            return False
        stops.start(by=None, account=account, reason=_("A message left as this account and was not sent from here"))
    log.warning("message %s left as @%s and was not sent from here", message.external_id, account.handle)
    return True
