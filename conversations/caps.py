"""Takes a press or a claim, leaves it through or says when there is room again: how much one agent, one brand and one
person's inbox may carry.

Counted in the database: at the press what was pressed, so that nobody piles up a queue; in the claiming transaction
what has left, so that nothing that got into the queue by any door leaves above a cap.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounts.models import User
from citisocial.clock import now
from conversations import alarms
from conversations.errors import OverCap
from conversations.models import Alarm, Case, Mention, Outgoing

Delivery = Outgoing.Delivery
HOUR, DAY = timedelta(hours=1), timedelta(hours=24)
LEFT = (Delivery.SENDING, Delivery.DOUBTFUL, Delivery.SENT)  # what is, or may be, at the network
# Advisory locks of PostgreSQL, held to the end of the transaction: presses of one agent, and claims, one at a time.
PRESS, CLAIM = 0x5E4D01, 0x5E4D02


@dataclass(frozen=True, slots=True)
class Cap:
    """One of the limits, and how much of it is used. `about` names whom it is counted for, in alarms."""

    name: str  # agent | brand | recipient
    about: str
    limit: int
    span: timedelta
    times: tuple[datetime, ...]  # of what counts, newest first, at most `limit`
    who: str = ""

    @property
    def left(self) -> int:
        return max(0, self.limit - len(self.times))

    @property
    def free_at(self) -> datetime | None:
        """When there is room again, unless the person writes before; None: there is room now."""
        if self.left:
            return None
        # A limit of 0 lets nothing leave: it is looked at again later.
        return (self.times[-1] if self.times else now()) + self.span

    @property
    def words(self) -> str:
        """What is left, as the agent reads it before typing."""
        values = {"left": self.left, "limit": self.limit, "brand": self.who}
        return {
            "agent": _("you: %(left)s of %(limit)s left this hour"),
            "brand": _("%(brand)s: %(left)s of %(limit)s left this hour"),
            "recipient": _("%(left)s of %(limit)s left until they write"),
        }[self.name] % values

    @property
    def refusal(self) -> str:
        """Why not now, and when."""
        values = {"limit": self.limit, "brand": self.who, "at": _at(self.free_at)}
        return {
            "agent": _("You pressed send %(limit)s times in an hour, as often as one agent may. Room again: %(at)s."),
            "brand": _("%(brand)s has sent %(limit)s texts in an hour, as many as it may. Room again: %(at)s."),
            "recipient": _(
                "We wrote to them %(limit)s times and they have not answered. Wait until they do, or %(at)s."
            ),
        }[self.name] % values


def check(case: Case, user: User) -> None:
    """OverCap when a text by this agent to the person of this case is one too many. Call it in the transaction that
    stores the text: presses of one agent wait for each other here."""
    _lock(PRESS, user.pk)
    for cap in of(case, user):
        if not cap.left:
            raise OverCap(cap.refusal, cap=cap.name, about=cap.about)


def of(case: Case, user: User) -> tuple[Cap, ...]:
    """What this agent has left for the person of this case, as pressed. Four queries."""
    pressed = Outgoing.objects.exclude(delivery__in=[Delivery.CANCELLED, Delivery.FAILED])
    return _caps(pressed, "created_at", user=user.pk, case=case)


def tightest(case: Case, user: User) -> Cap:
    """The one of them that ends first."""
    return min(of(case, user), key=lambda cap: cap.left)


def free_at(outgoing: Outgoing) -> datetime | None:
    """When the caps let a queued text leave; None: now. Call it in the claiming transaction: claims wait for each
    other here, so that two workers do not both take the last place."""
    _lock(CLAIM, 0)
    gone = Outgoing.objects.filter(delivery__in=LEFT)
    times = [cap.free_at for cap in _caps(gone, "claimed_at", user=outgoing.pressed_by_id, case=outgoing.case)]
    return max((at for at in times if at), default=None)


@contextmanager
def alarming(case: Case, user: User) -> Iterator[None]:
    """Around the press's transaction, which a refusal rolls back: the alarm must stay."""
    try:
        yield
    except OverCap as over:
        data = {"cap": over.cap, "case": str(case.public_id)}
        alarms.raise_once(Alarm.Kind.CAP, f"cap:{over.about}:{now():%Y%m%d%H}", user=user, data=data)
        raise


def _caps(rows: QuerySet[Outgoing], column: str, *, user: int, case: Case) -> tuple[Cap, ...]:
    """Each limit with the times, in `column`, of those of the rows that count."""
    at = now()

    def times(limit: int, since: datetime, **whose: int) -> tuple[datetime, ...]:
        found = rows.filter(**whose, **{f"{column}__gt": since}).order_by(f"-{column}")
        return tuple(found.values_list(column, flat=True)[:limit])

    wrote = Mention.objects.filter(author=case.author_id, brand=case.brand_id).order_by("-posted_at")
    wrote_at = wrote.values_list("posted_at", flat=True).first()
    since = max(at - DAY, wrote_at) if wrote_at else at - DAY
    agent, brand, person = (
        settings.OUTREACH_AGENT_PER_HOUR,
        settings.OUTREACH_BRAND_PER_HOUR,
        settings.OUTREACH_RECIPIENT_PER_DAY,
    )
    to = times(person, since, recipient=case.author_id, account__brand=case.brand_id)
    return (
        Cap("agent", f"agent:{user}", agent, HOUR, times(agent, at - HOUR, pressed_by=user)),
        Cap(
            "brand",
            f"brand:{case.brand_id}",
            brand,
            HOUR,
            times(brand, at - HOUR, account__brand=case.brand_id),
            case.brand.name,
        ),
        Cap("recipient", f"recipient:{case.author_id}:{user}", person, DAY, to),
    )


def _lock(what: int, whose: int) -> None:
    with connection.cursor() as sql:
        sql.execute("SELECT pg_advisory_xact_lock(%s, %s)", [what, whose])


def _at(moment: datetime | None) -> str:
    local = localtime(moment)
    return date_format(local, "H:i" if local.date() == localtime(now()).date() else "j M, H:i")
