"""Takes "stop sending", leaves a SendingStop until two people agree to end it: the only writer of SendingStop.

The scope is one account, one brand or everything. It is a row of the database, read in the transaction that claims a
text: it holds with Redis away, and nothing leaves after it was committed. What waits is kept.
"""

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounts.models import User
from citisocial.clock import now
from conversations import audit, events
from conversations.errors import BadText, NotAllowed
from conversations.masking import mask
from conversations.models import Brand, BrandAccount, Outgoing, SendingStop


def of_account(account: BrandAccount) -> SendingStop | None:
    """The stop that holds for what leaves as this account now, if any; the widest first."""
    return _holding().filter(_everything() | Q(brand=account.brand_id) | Q(account=account)).first()


def of_brand(brand: Brand) -> list[SendingStop]:
    """Every stop that holds for this brand or one of its accounts, the widest first."""
    return of_brands([brand])


def of_brands(brands: Sequence[Brand]) -> list[SendingStop]:
    """The same for several brands, each stop once."""
    return list(_holding().filter(_everything() | Q(brand__in=brands) | Q(account__brand__in=brands)))


def running() -> list[SendingStop]:
    """Every stop that holds now, the widest first."""
    return list(_holding())


def waiting(stop: SendingStop) -> int:
    """How many texts it holds back."""
    rows = Outgoing.objects.filter(delivery=Outgoing.Delivery.QUEUED)
    if stop.account_id:
        rows = rows.filter(account=stop.account_id)
    elif stop.brand_id:
        rows = rows.filter(account__brand=stop.brand_id)
    return rows.count()


def sentence(stop: SendingStop) -> str:
    """What is stopped, by whom, since when and why."""
    since = date_format(localtime(stop.started_at), "j M, H:i")
    by = stop.started_by
    who = f"{by.get_full_name() or by.get_username()}, {since}" if by else since
    what = _("Sending is stopped for %(scope)s.") % {"scope": scope(stop)}
    return f"{what} {who}: “{stop.reason}”."


def banner(held: Sequence[SendingStop]) -> str:
    """What everybody reads while something is stopped; "" while nothing is."""
    if not held:
        return ""
    return " ".join([*map(sentence, held), _("What waits is held, none is lost. Secure chat goes on.")])


def scope(stop: SendingStop) -> str:
    """What it stops, in words."""
    if stop.account:
        return str(stop.account)
    return str(stop.brand.name) if stop.brand else _("every account")


def start(
    *,
    by: User | None,
    reason: str,
    brand: Brand | None = None,
    account: BrandAccount | None = None,
    actor: str = "alarms",
) -> SendingStop:
    """Nothing of this scope leaves from now on. A stop of the same scope that holds already is returned as it is.

    Neither brand nor account: everything. Without `by`, `actor` says in the trail what pressed it.
    """
    reason = mask(reason.strip()).text[:200]
    if not reason:
        raise BadText(_("Say why sending is stopped: everybody will read it."))
    try:
        with transaction.atomic():
            held = SendingStop.objects.create(
                brand=brand, account=account, reason=reason, started_at=now(), started_by=by
            )
            actor = "supervisor" if by else actor
            audit.record("stopped", user=by, actor=actor, data={"scope": _named(held), "reason": held.reason})
            _poke(held)
    except IntegrityError:
        return _holding().get(brand=brand, account=account)
    return held


def ask_release(stop: SendingStop, *, by: User) -> None:
    """The first of the two people says that it may end; asked again, it is the newest who asked."""
    with transaction.atomic():
        asked = SendingStop.objects.filter(pk=stop.pk, ended_at=None).update(
            release_asked_at=now(), release_asked_by=by
        )
        if asked:
            audit.record("release_asked", user=by, actor="supervisor", data={"scope": _named(stop)})
            _poke(stop)


def release(stop: SendingStop, *, by: User) -> None:
    """The second agrees: what waits leaves again. NotAllowed for who asked, and when nobody has asked yet."""
    with transaction.atomic():
        held = _holding().select_for_update(of=("self",)).filter(pk=stop.pk).first()
        if held is None:
            return
        if held.release_asked_by_id is None:
            raise NotAllowed(_("Ask for the release first; then somebody else agrees to it."))
        if held.release_asked_by_id == by.pk:
            raise NotAllowed(_("You asked for the release. Somebody else has to agree to it."))
        SendingStop.objects.filter(pk=held.pk).update(ended_at=now(), ended_by=by)
        data = {"scope": _named(held), "asked_by": held.release_asked_by_id}
        audit.record("resumed", user=by, actor="supervisor", data=data)
        _poke(held)


def _holding() -> QuerySet[SendingStop]:
    rows = SendingStop.objects.filter(ended_at=None).select_related(
        "brand", "account", "started_by", "release_asked_by"
    )
    return rows.order_by("account_id", "brand_id").reverse()  # NULL is highest: everything, then brands, then accounts


def _everything() -> Q:
    return Q(brand=None, account=None)


def _named(stop: SendingStop) -> str:
    return f"account {stop.account}" if stop.account else f"brand {stop.brand.slug}" if stop.brand else "everything"


def _poke(stop: SendingStop) -> None:
    """Everybody whose banner changes."""
    brand_id = stop.account.brand_id if stop.account else stop.brand_id
    for pk in [brand_id] if brand_id else Brand.objects.values_list("pk", flat=True):
        events.poke_brand(pk)
