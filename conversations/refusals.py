"""Takes an attempt to enter that was refused, leaves its line in the trail, and says who has guessed often enough.

The trail is the counter: PostgreSQL keeps it, so nothing changes while Redis is away. A line names no stranger: of
the address and the session it keeps keyed prints that nobody can compare beyond two windows.
"""

import hmac
import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.models import User
from citisocial.clock import now
from conversations import audit
from conversations.errors import TooManyTries
from conversations.models import AuditEvent, Case

VERB = "refused_entry"
WRONG_CODE = "wrong_code"
WINDOW = timedelta(minutes=10)
TRIES = 5  # wrong codes in a window, by address and by session
LINES = 20  # lines in a window, by address: a scanner does not fill the trail


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who tries. Never written down as such: see `prints`."""

    address: str = field(repr=False)
    session: str = field(repr=False)


def visitor(request: HttpRequest) -> Visitor:
    """By client address (IPv6: the /64, which is one household) and session, if there is one."""
    address = ipaddress.ip_address(get_adapter().get_client_ip(request))
    if address.version == 6:
        address = ipaddress.ip_network((address, 64), strict=False).network_address
    session = getattr(request, "session", None)
    return Visitor(str(address), (session.session_key or "") if session is not None else "")


def visitor_of(scope: Mapping[str, Any]) -> Visitor:
    """The same of a socket."""
    request = HttpRequest()
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    request.META = {"REMOTE_ADDR": scope["client"][0]} | ({"HTTP_X_FORWARDED_FOR": forwarded[-1]} if forwarded else {})
    request.session = scope["session"]
    return visitor(request)


def note(reason: str, who: Visitor, *, case: Case | None = None, user: User | None = None) -> None:
    """One line: `reason` is for programs. At most LINES of them for an address in a window."""
    with transaction.atomic():
        at = _one_at_a_time(who)
        if _lines(at).filter(data__from__in=prints(who.address, at)).count() < LINES:
            _write(reason, who, at, case=case, user=user)


def guess(who: Visitor) -> "Guess":
    """A try with a typed code, in the caller's transaction: one at a time for an address. TooManyTries when it is out
    of tries, with how long."""
    at = _one_at_a_time(who)
    ours = Q(data__from__in=prints(who.address, at))
    if who.session:
        ours |= Q(data__session__in=prints(who.session, at))
    wrong = _lines(at).filter(ours, data__reason=WRONG_CODE).order_by("-at").values_list("at", flat=True)
    latest = list(wrong[:TRIES])
    if len(latest) == TRIES:
        raise TooManyTries(math.ceil((latest[-1] + WINDOW - at).total_seconds()))
    return Guess(who, at)


@dataclass(frozen=True, slots=True)
class Guess:
    """A try that may be made."""

    who: Visitor
    at: datetime

    def wrong(self) -> None:
        """It was none of ours, or one that is over: counted."""
        _write(WRONG_CODE, self.who, self.at)


def prints(value: str, at: datetime) -> list[str]:
    """The keyed prints of an address or a session in this window and in the one before, newest first."""
    window = int(at.timestamp() // WINDOW.total_seconds())
    return [_print(value, number) for number in (window, window - 1)]


def _print(value: str, window: int) -> str:
    return hmac.digest(settings.SECRET_KEY.encode(), f"refusals:{window}:{value}".encode(), "sha256").hex()[:16]


def _one_at_a_time(who: Visitor) -> datetime:
    """Wait for this address's other tries: fifty at once are counted as fifty. Returns the time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"refusals:{who.address}"])
    return now()


def _lines(at: datetime) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(verb=VERB, at__gt=at - WINDOW)


def _write(reason: str, who: Visitor, at: datetime, *, case: Case | None = None, user: User | None = None) -> None:
    data = {"reason": reason, "from": prints(who.address, at)[0]}
    if who.session:
        data["session"] = prints(who.session, at)[0]
    audit.record(VERB, case=case, user=user, actor="stranger", data=data)
