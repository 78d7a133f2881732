"""Takes a text that was pressed, leaves the state of its delivery: the only writer of `Outgoing.delivery`.

DRAFT → [AWAITING_APPROVAL] → QUEUED → SENDING → SENT | DOUBTFUL | FAILED(reason); CANCELLED before it left.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from citisocial.clock import now
from conversations import audit, events
from conversations.errors import TooLate
from conversations.models import BrandAccount, Outgoing

Delivery = Outgoing.Delivery

PACE = timedelta(minutes=15)  # the time in which X counts direct messages

# Why something did not leave, in the agent's words.
REASONS: dict[str, Promise] = {
    "not_reachable": _("They do not accept direct messages from us. Reply in public and ask for a message first."),
    "not_summoned": _("X lets us reply only to people who named us. This post did not."),
    "already_replied": _("We have answered this post. X allows one reply to a post."),
    "opted_out": _("They asked us to stop writing before it left. They can write START."),
    "deleted": _("They deleted the post before the answer left."),
    "retweet": _("They only passed on somebody else’s post. There is nothing to answer."),
    "no_post": _("They wrote no public post that is still there."),
    "no_account": _("Our account is not connected any more. A supervisor can connect it."),
    "ours": _("This is an account of our own. Nobody is there to answer."),
    "duplicate": _("X has just had the same text from us. Change the wording and send it again."),
    "too_long": _("X found the text too long. Shorten it and send it again."),
    "auth": _("X does not accept our sign-in any more. A supervisor must connect the account again."),
    "scope": _("Our account at X lacks the permission for this. A supervisor must connect it again."),
    "invalid": _("X refused the text. Change it and send it again."),
    "gone": _("The post or the person is no longer on X."),
    "not_approved": _("A colleague read it and did not approve it. Their note says why. Change it and send it again."),
    "unreachable": _("X could not be reached in an hour of trying. Send it again."),
    "undetermined": _("X did not say whether it arrived, and it was not found there. Look before you send it again."),
}

TRANSITIONS: dict[str, set[str]] = {
    Delivery.AWAITING_APPROVAL: {Delivery.QUEUED, Delivery.CANCELLED, Delivery.FAILED},
    Delivery.QUEUED: {Delivery.SENDING, Delivery.CANCELLED, Delivery.FAILED},
    Delivery.SENDING: {Delivery.SENT, Delivery.DOUBTFUL, Delivery.FAILED, Delivery.QUEUED},
    Delivery.DOUBTFUL: {Delivery.SENT, Delivery.QUEUED, Delivery.FAILED},
}


WAITING = [Delivery.AWAITING_APPROVAL, Delivery.QUEUED]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands in its account's queue: about when it leaves, and how many leave before it."""

    leaves_at: datetime
    before: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an account may send in X's 15 minutes, and when: `places` of what waits, by id; `next` of what is pressed.

    `free_at`: when the next direct message may leave; None: now.
    """

    left: int
    free_at: datetime | None
    places: dict[int, Place]
    next: Place


def enqueue(outgoing: Outgoing, *, verb: str, waits: bool = False) -> Outgoing:
    """Store a text that an agent pressed send for, with its line in the trail; it leaves at `leaves_at`.

    `waits`: for the eyes of another person; it leaves only when they have moved it to QUEUED.
    """
    with transaction.atomic():
        outgoing.delivery = Delivery.AWAITING_APPROVAL if waits else Delivery.QUEUED
        outgoing.save(force_insert=True)
        data = {"outgoing": outgoing.pk, "kind": outgoing.kind}
        audit.record(verb, case=outgoing.case, user=outgoing.pressed_by, actor="agent", data=data)
        _poke(outgoing, verb)
    return outgoing


def move(
    outgoing: Outgoing,
    to: str,
    *,
    verb: str = "",
    data: dict[str, Any] | None = None,
    by_itself: bool = False,
    **columns: Any,
) -> bool:
    """Move a delivery from the state that we saw, with other columns; False when somebody was faster.

    A worker that comes back late changes nothing: `attempts` tells its claim from a newer one.
    `by_itself`: the trail's line names nobody, instead of the agent who pressed.
    """
    if to not in TRANSITIONS.get(outgoing.delivery, set()):
        return False
    columns = {"delivery": to} | columns
    with transaction.atomic():
        seen = Outgoing.objects.filter(pk=outgoing.pk, delivery=outgoing.delivery, attempts=outgoing.attempts)
        if not seen.update(**columns):
            return False
        for name, value in columns.items():
            setattr(outgoing, name, value)
        if verb:
            data = {"outgoing": outgoing.pk, "kind": outgoing.kind} | (data or {})
            user = None if by_itself else outgoing.pressed_by
            audit.record(verb, case=outgoing.case, user=user, actor="outreach", data=data)
        _poke(outgoing, verb or str(to).lower())
    return True


def hurry(outgoing: Outgoing, *, at: datetime | None = None) -> Outgoing:
    """Let a queued text leave now (or at `at`); TooLate when it is not waiting any more."""
    at = at or now()
    if not Outgoing.objects.filter(pk=outgoing.pk, delivery=Delivery.QUEUED).update(leaves_at=at):
        raise TooLate
    outgoing.leaves_at = at
    _poke(outgoing, "queued")
    return outgoing


def cancel(outgoing: Outgoing) -> Outgoing:
    """Take a text back that waits, for its time or for approval; TooLate when it has left."""
    if not move(outgoing, Delivery.CANCELLED, verb="cancelled"):
        raise TooLate
    return outgoing


def withdraw(recipients: Collection[int], *, reason: str, why: str) -> int:
    """Take back all that waits for these people, for a reason in REASONS (`why`: in the trail). How many it was."""
    if not recipients:
        return 0
    waiting = Outgoing.objects.filter(recipient__in=recipients, delivery__in=WAITING).select_related("case")
    data = {"reason": why}
    return sum(move(o, Delivery.CANCELLED, verb="cancelled", by_itself=True, data=data, reason=reason) for o in waiting)


def outlook(account: BrandAccount) -> Outlook:
    """The account's next minutes as far as they are known now, in three queries. Public replies wait for no place."""
    at = now()
    paused = account.sending_paused_until
    start = max(at, paused) if paused else at
    claims = _claims(account, at)
    limit = settings.OUTREACH_DM_LIMIT
    # A place for each message of X's 15 minutes: free, or free again a quarter of an hour after it was taken.
    free = sorted([start] * (limit - len(claims)) + [max(start, claim + PACE) for claim in claims])
    waiting = Outgoing.objects.filter(account=account, delivery=Delivery.QUEUED).order_by("leaves_at", "pk")
    places, before = {}, 0
    for pk, kind, leaves_at in waiting.values_list("pk", "kind", "leaves_at"):
        if kind == Outgoing.Kind.DM:
            places[pk] = Place(max(leaves_at, _nth(free, before)), before)
            before += 1
        else:
            places[pk] = Place(max(leaves_at, start), 0)
    undo = timedelta(seconds=settings.OUTREACH_UNDO_SECONDS)
    return Outlook(
        limit - len(claims),
        free[0] if free[0] > at else None,
        places,
        Place(max(at + undo, _nth(free, before)), before),
    )


def _nth(free: list[datetime], before: int) -> datetime:
    """When the message after so many others finds a place."""
    return free[before % len(free)] + PACE * (before // len(free))


def free_at(account: BrandAccount) -> datetime | None:
    """When the account's next direct message may leave by X's pace; None: now."""
    at = now()
    claims = _claims(account, at)
    return claims[0] + PACE if len(claims) == settings.OUTREACH_DM_LIMIT else None


def _claims(account: BrandAccount, at: datetime) -> list[datetime]:
    """When the direct messages of the last 15 minutes were claimed, oldest first; no more than X allows."""
    spent = Outgoing.objects.filter(account=account, kind=Outgoing.Kind.DM, claimed_at__gt=at - PACE)
    newest = spent.order_by("-claimed_at").values_list("claimed_at", flat=True)[: settings.OUTREACH_DM_LIMIT]
    return sorted(claimed_at for claimed_at in newest if claimed_at)


def _poke(outgoing: Outgoing, what: str) -> None:
    events.poke_case(outgoing.case_id, what)
    events.poke_inbox(outgoing.case.brand_id, {outgoing.case_id: []})
