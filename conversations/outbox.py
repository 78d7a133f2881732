"""Takes a text that was pressed, leaves the state of its delivery: the only writer of `Outgoing.delivery`.

DRAFT → [AWAITING_APPROVAL] → QUEUED → SENDING → SENT | DOUBTFUL | FAILED(reason); CANCELLED before it left.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from citisocial.clock import now
from conversations import audit, events
from conversations.errors import TooLate
from conversations.models import BrandAccount, Outgoing

Delivery = Outgoing.Delivery

LINK = "{link}"  # stands in a stored text where the link goes
PACE = timedelta(minutes=15)  # the time in which X counts direct messages

# Why something did not leave, in the agent's words.
REASONS = {
    "not_reachable": "They do not accept direct messages from us. Reply in public and ask for a message first.",
    "not_summoned": "X lets us reply only to people who named us. This post did not.",
    "already_replied": "We have answered this post. X allows one reply to a post.",
    "opted_out": "They asked us to stop writing before it left. They can write START.",
    "deleted": "They deleted the post before the answer left.",
    "retweet": "They only passed on somebody else’s post. There is nothing to answer.",
    "no_post": "They wrote no public post that is still there.",
    "no_account": "Our account is not connected any more. A supervisor can connect it.",
    "ours": "This is an account of our own. Nobody is there to answer.",
    "duplicate": "X has just had the same text from us. Change the wording and send it again.",
    "too_long": "X found the text too long. Shorten it and send it again.",
    "auth": "X does not accept our sign-in any more. A supervisor must connect the account again.",
    "scope": "Our account at X lacks the permission for this. A supervisor must connect it again.",
    "invalid": "X refused the text. Change it and send it again.",
    "gone": "The post or the person is no longer on X.",
    "unreachable": "X could not be reached in an hour of trying. Send it again.",
    "undetermined": "X did not say whether it arrived, and it was not found there. Look before you send it again.",
}

TRANSITIONS: dict[str, set[str]] = {
    Delivery.QUEUED: {Delivery.SENDING, Delivery.CANCELLED, Delivery.FAILED},
    Delivery.SENDING: {Delivery.SENT, Delivery.DOUBTFUL, Delivery.FAILED, Delivery.QUEUED},
    Delivery.DOUBTFUL: {Delivery.SENT, Delivery.QUEUED, Delivery.FAILED},
}


def enqueue(outgoing: Outgoing, *, verb: str) -> Outgoing:
    """Store a text that an agent pressed send for, with its line in the trail; it leaves at `leaves_at`."""
    with transaction.atomic():
        outgoing.delivery = Delivery.QUEUED
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

    `by_itself`: the trail's line names nobody, instead of the agent who pressed.
    """
    if to not in TRANSITIONS.get(outgoing.delivery, set()):
        return False
    columns = {"delivery": to} | columns
    with transaction.atomic():
        if not Outgoing.objects.filter(pk=outgoing.pk, delivery=outgoing.delivery).update(**columns):
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
    """Take a queued text back; TooLate when it has left."""
    if not move(outgoing, Delivery.CANCELLED, verb="cancelled"):
        raise TooLate
    return outgoing


def withdraw(recipients: Collection[int], *, reason: str, why: str) -> int:
    """Take back all that waits for these people, for a reason in REASONS (`why`: in the trail). How many it was."""
    if not recipients:
        return 0
    waiting = Outgoing.objects.filter(recipient__in=recipients, delivery=Delivery.QUEUED).select_related("case")
    data = {"reason": why}
    return sum(move(o, Delivery.CANCELLED, verb="cancelled", by_itself=True, data=data, reason=reason) for o in waiting)


def allowance(account: BrandAccount) -> tuple[int, datetime | None]:
    """Direct messages left to the account in X's 15 minutes, and when the next may leave (None: now)."""
    spent = Outgoing.objects.filter(account=account, kind=Outgoing.Kind.DM, claimed_at__gt=now() - PACE)
    limit = settings.OUTREACH_DM_LIMIT
    claims = [o.claimed_at for o in spent.only("claimed_at").order_by("-claimed_at")[:limit] if o.claimed_at]
    return limit - len(claims), claims[-1] + PACE if len(claims) == limit else None


def _poke(outgoing: Outgoing, what: str) -> None:
    events.poke_case(outgoing.case_id, what)
    events.poke_inbox(outgoing.case.brand_id, {outgoing.case_id: []})
