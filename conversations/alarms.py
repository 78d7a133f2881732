"""Takes something that a supervisor must look at now, leaves one Alarm for it: the only writer of Alarm."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from citisocial.clock import now
from conversations import audit
from conversations.masking import mask
from conversations.models import Alarm, BrandAccount

ADVICE = {
    Alarm.Kind.ROGUE: _(
        "Somebody wrote on the network as this account, and it was not sent from here. If it was one of us writing by "
        "hand: ask them to write here only, where the customer gets our link and nothing leaves unseen. If nobody "
        "knows of it: change the account's password on the network, end its sessions and take back the apps it "
        "allowed, then connect it again. Sending is stopped for the account until two people release it on the page "
        "“Sending”."
    ),
    Alarm.Kind.CAP: _(
        "Ask this agent whether they pressed send that often. If they did not, close their login: that ends every "
        "session of theirs. What is above the cap has not left."
    ),
    Alarm.Kind.TRAIL: _("Nobody may delete anything now. Ask whoever runs the database; docs/audit.md says how."),
}


def advice(alarm: Alarm) -> str:
    """What somebody has to do about it."""
    return str(ADVICE[Alarm.Kind(alarm.kind)])


def unclosed() -> QuerySet[Alarm]:
    """Those that nobody has looked at, the newest first."""
    return Alarm.objects.filter(closed_at=None).select_related("account", "user").order_by("-raised_at")


def raise_once(
    kind: str,
    key: str,
    *,
    account: BrandAccount | None = None,
    user: User | None = None,
    data: dict[str, Any] | None = None,
) -> bool:
    """True when this call raised it; what was raised under this key before, open or closed, stays as it is."""
    values = {"kind": kind, "account": account, "user": user, "data": data or {}, "raised_at": now()}
    with transaction.atomic():
        alarm, raised = Alarm.objects.get_or_create(key=key[:80], defaults=values)
        if not raised:
            return False
        audit.record("alarm", user=user, actor="alarms", data={"kind": kind, "about": alarm.key})
    return True


def close(alarm: Alarm, *, by: User, note: str) -> bool:
    """Somebody has looked at it. True when this call closed it."""
    with transaction.atomic():
        closed = Alarm.objects.filter(pk=alarm.pk, closed_at=None).update(
            closed_at=now(), closed_by=by, note=mask(note.strip()).text[:200]
        )
        if closed:
            audit.record("alarm_closed", user=by, actor="supervisor", data={"kind": alarm.kind, "about": alarm.key})
    return bool(closed)
