"""Takes a verdict on a mention, or the network's word that it is gone, leaves `Mention.state`: its only writer.

NEW → CASED | IGNORED (which may become CASED later); anything → DELETED, and the words go with it, for good.
"""

import json
from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext as _

from citisocial.clock import now
from conversations import audit, events
from conversations.models import Case, Mention

State = Mention.State
LOCK = 0x7E1A6E
NETWORKS = {"x": "X"}  # what people call them

# By hand, because every batch of posts comes by: bulk_update builds a CASE of all rows for each column.
SAVE = """
UPDATE conversations_mention m SET state = given.state, reason = given.reason, because = given.because,
  triaged_at = given.triaged_at, case_id = given.case_id
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::jsonb[], %s::timestamptz[], %s::bigint[])
  AS given (id, state, reason, because, triaged_at, case_id)
WHERE m.id = given.id
"""


def decide(mention: Mention, *, reason: str, because: Sequence[dict[str, str]], at: datetime) -> None:
    """IGNORED for a named reason, or CASED for none; stored by `save`."""
    mention.reason = reason
    mention.because = list(because)
    mention.triaged_at = at
    mention.state = State.IGNORED if reason else State.CASED


def alone() -> None:
    """Until the transaction ends nobody else decides or deletes mentions: both lock mentions and cases, and would
    otherwise wait for each other in a circle, or call back what is gone."""
    with connection.cursor() as sql:
        sql.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def save(mentions: Sequence[Mention]) -> None:
    """Store what was decided, with the cases they joined. Call it in the transaction that read them `alone`."""
    if mentions:
        rows = [(m.pk, m.state, m.reason, json.dumps(m.because), m.triaged_at, m.case_id) for m in mentions]
        with connection.cursor() as sql:
            sql.execute(SAVE, [list(column) for column in zip(*rows, strict=True)])


def delete(network: str, external_ids: Sequence[str]) -> int:
    """The network says that these are gone: DELETED, without a word of them. Returns how many there were.

    The trail keeps the ids only. Safe to repeat: what is deleted already keeps the time of its first deletion.
    """
    if not external_ids:
        return 0
    with transaction.atomic():
        alone()
        found = Mention.objects.filter(network=network, external_id__in=external_ids)
        gone = list(found.exclude(state=State.DELETED).only("pk", "external_id", "brand", "case").order_by("pk"))
        if not gone:
            return 0
        at = now()
        Mention.objects.filter(pk__in=[m.pk for m in gone]).update(state=State.DELETED, text="", deleted_at=at)
        # An inbox that missed the poke asks for what changed since: the words must leave its list as well.
        Case.objects.filter(pk__in={m.case_id for m in gone if m.case_id}).update(changed_at=at)
        for mention in gone:
            _tell(mention)
    return len(gone)


def instead(kind: str, state: str, network: str) -> str:
    """The sentence that people read where a mention has no words (any more); empty when it has."""
    values = {"network": NETWORKS.get(network, network)}
    if state == State.DELETED and kind == Mention.Kind.POST:
        return _("This post was deleted on %(network)s.") % values
    if state == State.DELETED:
        return _("This message was deleted on %(network)s.") % values
    if kind == Mention.Kind.OPAQUE:
        return _("Answered in an encrypted chat. Open it on %(network)s to read it.") % values
    return ""


def _tell(mention: Mention) -> None:
    if mention.case is None:
        return
    audit.record("deleted", case=mention.case, actor="network", data={"post": mention.external_id})
    events.poke_case(mention.case.pk, "deleted")
    events.poke_inbox(mention.brand_id, {mention.case.pk: []})
