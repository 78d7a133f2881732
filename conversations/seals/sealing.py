"""Takes lines that nobody can add to any more, leaves them in the next seal, and the seal in the anchor file.

A transaction that is older than every running one is finished: no line of it can still appear. So a seal closes all
transactions up to a number, and what is found below that number later was put there by somebody else.
"""

import hashlib
import hmac
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import Func, Max, Min, QuerySet, TextField
from psycopg.errors import LockNotAvailable

from citisocial.clock import now
from conversations import audit
from conversations.models import AuditEvent, AuditSeal
from conversations.seals import anchors

LOCK = 0x63697469_7365616C  # of this database; one sealer at a time
NOTHING = bytes(32)
PATIENCE = "2s"  # for the lock on the table, which holds back who writes in the meantime
HOW = "Run manage.py verify_audit; docs/audit.md says what to do then."


class Busy(Exception):
    """Somebody is writing for long; it is tried again at the next round."""


class SealingRests(Exception):
    """Sealing would cover something up, or cannot be anchored; the text says what it is and what to do."""


def seal() -> AuditSeal | None:
    """Seal what is finished. None when there is nothing, or somebody else is at it. SealingRests says why not."""
    if not settings.AUDIT_ANCHORS:
        raise SealingRests("AUDIT_ANCHORS is not set: name the file in which the trail's seals are to be noted.")
    with alone() as mine:
        if not mine:
            return None
        newest = chain().last()
        _check_key(newest)
        try:
            _check_anchor(newest)
            made = _close(newest)
            if made:
                anchors.append(made)
        except Busy:
            return None
        except OSError as error:
            raise SealingRests(
                f"The anchor file {settings.AUDIT_ANCHORS} cannot be used ({error.strerror}): make it writable, or "
                "put it back from its copy. Lines are kept, and sealed when it is there again."
            ) from error
    return made[-1] if made else None


@contextmanager
def alone(*, wait: bool = False) -> Iterator[bool]:
    """Hold the sealers' lock; False when another holds it and we do not `wait`."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {'pg_advisory_lock' if wait else 'pg_try_advisory_lock'}(%s)", [LOCK])
        mine = cursor.fetchone()[0] is not False
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


class Micros(Func):
    """A time column as `audit.micros` writes it, also the times that Python cannot hold (infinity, 12 BC)."""

    template = "trunc(extract(epoch from %(expressions)s) * 1000000)::text"
    output_field = TextField()


def chain() -> "QuerySet[Any]":
    """The seals in order; `at` is when it was sealed, in microseconds."""
    return AuditSeal.objects.defer("sealed_at").annotate(at=Micros("sealed_at")).order_by("number")


def sealed(seal: AuditSeal, at: str) -> bytes:
    """The MAC that this seal must have; `at` is when it was sealed."""
    columns = [
        seal.number, seal.base, seal.from_xact, seal.upto_xact, seal.last_id, seal.rows, seal.total,
        bytes(seal.digest).hex(), bytes(seal.previous).hex(), at,
    ]  # fmt: skip
    return audit.sign("seal", json.dumps(columns).encode())


def counted(row: Any) -> bytes:
    """What a line adds to its seal's digest; `row` has id, xact and mac."""
    return struct.pack(">qq", row.id, row.xact) + bytes(row.mac)


def _check_key(newest: Any) -> None:
    """A seal under another key could not be taken back."""
    if newest is not None:
        fits = hmac.compare_digest(bytes(newest.mac), sealed(newest, newest.at))
    else:
        first = AuditEvent.objects.order_by("id").first()
        fits = first is None or hmac.compare_digest(bytes(first.mac), audit.mac_of(first))
    if not fits:
        what = f"Seal {newest.number}" if newest else "The first line"
        raise SealingRests(f"{what} does not fit AUDIT_KEY: it was changed, or the key is another one. {HOW}")


def _check_anchor(newest: AuditSeal | None) -> None:
    """The file ends with the newest seal. One line less is what a sealer leaves that was killed: it is added.

    More missing lines stay missing, for `verify` to see; a file that knows more than the database stops the sealing.
    """
    last = anchors.last()
    noted = last.number if last else 0
    number = newest.number if newest else 0
    if noted > number or (last and newest and noted == number and last != anchors.Anchor.of(newest)):
        raise SealingRests(
            f"The anchor file ends with seal {noted}, and that is not what the database ends with (seal {number}): "
            f"the trail was cut, or an older database was restored. {HOW}"
        )
    if newest and noted == number - 1 and (last is None or last.number):
        anchors.append([newest])


def _close(newest: AuditSeal | None) -> list[AuditSeal]:
    """The seals of what is finished, stored: none, one, or two when the server counts anew."""
    with transaction.atomic():
        finished = _finished()
        if newest is None:
            found = [_sealed(None, base=0, start=0, upto=finished)]
        elif (base := _counted_anew(newest, finished)) is None:
            found = [_sealed(newest, base=newest.base, start=newest.upto_xact, upto=finished)]
        else:
            highest = AuditEvent.objects.filter(id__lte=base).aggregate(highest=Max("xact"))["highest"] or 0
            rest = _sealed(newest, base=newest.base, start=newest.upto_xact, upto=highest, ends=base)
            found = [rest, _sealed(rest or newest, base=base, start=0, upto=_finished())]
        made = [each for each in found if each is not None]
        AuditSeal.objects.bulk_create(made)
    return made


def _finished() -> int:
    """The highest number below which (itself included) every transaction has ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1")
        return int(cursor.fetchone()[0])


def _counted_anew(newest: AuditSeal, finished: int) -> int | None:
    """The id after which a restored database counts its transactions from lower numbers; None: it does not.

    Ids go on over a dump and restore, so they tell old lines from new ones. The table is locked for a moment, so that
    nobody is still writing a line with an id from before the cut.
    """
    low = AuditEvent.objects.filter(id__gt=newest.last_id, xact__lte=newest.upto_xact)
    if finished >= newest.upto_xact and not low.exists():
        return None
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
            cursor.execute("LOCK TABLE conversations_auditevent IN SHARE MODE")
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise Busy from error
        raise
    first: int | None = low.aggregate(first=Min("id"))["first"]
    if first is not None:
        return first - 1
    return max(newest.last_id, AuditEvent.objects.aggregate(highest=Max("id"))["highest"] or 0)


def _sealed(before: AuditSeal | None, *, base: int, start: int, upto: int, ends: int | None = None) -> AuditSeal | None:
    """The seal of the lines from `start` (not itself) to `upto`, not stored yet; None when there is none."""
    lines = AuditEvent.objects.filter(id__gt=base, xact__gt=start, xact__lte=upto)
    if ends is not None:
        lines = lines.filter(id__lte=ends)
    digest, rows, last_id = hashlib.sha256(), 0, before.last_id if before else 0
    for row in lines.only("id", "xact", "mac").order_by("xact", "id").iterator(chunk_size=5000):
        digest.update(counted(row))
        rows, last_id = rows + 1, max(last_id, row.id)
    if not rows:
        return None
    found = AuditSeal(
        number=(before.number if before else 0) + 1, base=base, from_xact=start, upto_xact=upto, last_id=last_id,
        rows=rows, total=(before.total if before else 0) + rows, digest=digest.digest(),
        previous=bytes(before.mac) if before else NOTHING, sealed_at=now(),
    )  # fmt: skip
    found.mac = sealed(found, audit.micros(found.sealed_at))
    return found
