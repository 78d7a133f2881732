"""Takes wishes to be told of events, leaves subscriptions: /2/activity/subscriptions. Delivered by webhook only."""

from typing import Any

import msgspec
from django.db.models import QuerySet

from sandbox import activity, clock
from sandbox.api import pages, problems, wire
from sandbox.api.calls import Answer, Call, endpoint, post_id
from sandbox.models import Subscription, Webhook
from sandbox.snowflakes import next_id

MAX_SUBSCRIPTIONS = 1_500
CALLS = 500
Json = dict[str, Any]


class _Filter(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    user_id: str | None = None
    keyword: str | None = None
    direction: str | None = None


class _New(msgspec.Struct, forbid_unknown_fields=True):
    event_type: str
    filter: _Filter
    tag: str | None = None
    webhook_id: str | None = None


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    tag: str | None = None
    webhook_id: str | None = None


@endpoint("POST activity/subscriptions", user=CALLS, app=CALLS)
def create(call: Call) -> Answer:
    """Subscribe to one kind of event about one person."""
    new = call.body(_New)
    _check_filter(new)
    _check_permission(call, new)
    chosen = msgspec.to_builtins(new.filter)
    webhook, tag = _webhook(new.webhook_id), _tag(new.tag)
    rows = Subscription.objects.all()
    if rows.filter(event_type=new.event_type, filter=chosen).exists():
        raise problems.invalid("DuplicateSubscription: there is a subscription to this event with this filter.")
    if rows.count() >= MAX_SUBSCRIPTIONS:
        raise problems.forbidden(f"An app can have {MAX_SUBSCRIPTIONS} subscriptions.")
    now = clock.now()
    row = rows.create(
        id=next_id(),
        event_type=new.event_type,
        filter=chosen,
        tag=tag or "",
        webhook=webhook,
        created_at=now,
        updated_at=now,
    )
    activity.forget()
    return Answer({"data": {"subscription": _shown(row)}, "meta": _total()})


@endpoint(
    "activity/subscriptions",
    user=CALLS,
    app=CALLS,
    scopes="like.read tweet.read",
    query=("max_results", "pagination_token"),
)
def listing(call: Call) -> Answer:
    """The subscriptions, newest first; a person's token shows those about that person."""
    most = call.number("max_results", least=1, most=1000, default=1000)
    rows: QuerySet[Subscription] = Subscription.objects.order_by("-id")
    if call.person is not None:
        rows = rows.filter(filter__user_id=str(call.person.pk))
    if (before := pages.before(call, "pagination_token")) is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: most + 1])
    shown = found[:most]
    meta: Json = _total() | {"result_count": len(shown)}
    if len(found) > most:
        meta["next_token"] = pages.token(shown[-1].pk)
    return Answer({"data": [_shown(row) for row in shown], "meta": meta})


@endpoint("PUT activity/subscriptions/:id", app=CALLS)
def change(call: Call, *, id: str) -> Answer:
    """Another tag, or another place to deliver to."""
    row = _existing(id)
    new = call.body(_Change)
    tag = _tag(new.tag)
    row.tag = row.tag if tag is None else tag
    row.webhook = row.webhook if new.webhook_id is None else _webhook(new.webhook_id)
    row.updated_at = clock.now()
    row.save(update_fields=["tag", "webhook", "updated_at"])
    activity.forget()
    return Answer({"data": {"subscription": _shown(row)} | _total(), "meta": _total()})


@endpoint("DELETE activity/subscriptions/:id", app=CALLS)
def delete(call: Call, *, id: str) -> Answer:
    """End one subscription."""
    _existing(id).delete()
    activity.forget()
    return Answer({"data": {"deleted": True}, "meta": _total()})


@endpoint("DELETE activity/subscriptions", app=CALLS, query=("ids",))
def delete_several(call: Call) -> Answer:
    """End up to 100 subscriptions."""
    wanted = call.ids()
    rows = Subscription.objects.filter(pk__in=[int(number) for number in wanted])
    found = {str(number) for number in rows.values_list("pk", flat=True)}
    rows.delete()
    activity.forget()
    ended = [{"subscription_id": number, "deleted": number in found} for number in wanted]
    return Answer({"data": ended, "meta": _total()})


def _check_filter(new: _New) -> None:
    if new.event_type not in activity.EVENT_TYPES:
        raise problems.invalid(
            "$.event_type: does not have a value in the enumeration", {"event_type": [new.event_type]}
        )
    if new.filter.user_id is not None:
        post_id(new.filter.user_id, "filter.user_id")
    by_keyword, anybody = new.event_type == "news.new", new.event_type == activity.REVOKED
    if (new.filter.keyword if by_keyword else new.filter.user_id) is None and not anybody:
        raise problems.invalid(f"$.filter: {'keyword' if by_keyword else 'user_id'} is required", {"filter": [""]})
    if new.filter.direction not in (None, "inbound", "outbound"):
        raise problems.invalid("$.filter.direction: does not have a value in the enumeration")


def _check_permission(call: Call, new: _New) -> None:
    """Private events need the token of the person they are about."""
    needed = activity.SCOPES if call.person is None else activity.SCOPES_OF_USERS
    if (scopes := needed.get(new.event_type)) is None:
        return
    if call.person is None:
        raise problems.forbidden(
            f"{new.event_type} is private: subscribe with the token of the user it is about.",
            why=f"{new.event_type} needs a user's token",
        )
    if new.filter.user_id != str(call.person.pk):
        raise problems.forbidden(why=f"{new.event_type} about somebody else")
    if missing := set(scopes.split()) - call.scopes:
        raise problems.forbidden(why=f"the token lacks the scopes {' '.join(sorted(missing))}")


def _webhook(number: str | None) -> Webhook | None:
    if number is None:
        return None
    row = Webhook.objects.filter(pk=post_id(number, "webhook_id")).first()
    if row is None:
        raise problems.invalid("WebhookIdInvalid: there is no such webhook.", {"webhook_id": [number]})
    return row


def _tag(tag: str | None) -> str | None:
    if tag is not None and not 1 <= len(tag) <= 200:
        raise problems.invalid("$.tag: must be 1 to 200 characters long", {"tag": [tag]})
    return tag


def _existing(number: str) -> Subscription:
    row = Subscription.objects.select_related("webhook").filter(pk=post_id(number, "subscription_id")).first()
    if row is None:
        raise problems.invalid("There is no such subscription.", {"subscription_id": [number]})
    return row


def _total() -> Json:
    return {"total_subscriptions": Subscription.objects.count()}


def _shown(row: Subscription) -> Json:
    shown: Json = {
        "subscription_id": str(row.pk),
        "event_type": row.event_type,
        "filter": row.filter,
        "created_at": wire.timestamp(row.created_at),
        "updated_at": wire.timestamp(row.updated_at),
    }
    shown |= {"tag": row.tag} if row.tag else {}
    return shown | ({"webhook_id": str(row.webhook_id)} if row.webhook_id else {})
