"""Takes happenings, leaves an event for every subscription that asked for them, with the courier.

Who subscribed to what is in memory, so that a post nobody subscribed to costs no query.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from django.conf import settings

from sandbox import bill, clock, payloads
from sandbox.courier import Delivery, courier
from sandbox.models import DirectMessage, Person, Post, Subscription
from sandbox.webhooks import hooks

Json = dict[str, Any]
Told = Callable[[], tuple[Json, Json | None]]  # (payload, includes), made only when somebody wants them

MESSAGES = "dm.read tweet.read users.read"
# Events that only the person may have: the token that subscribes must be theirs, with these scopes.
SCOPES = dict.fromkeys(
    ("dm.received", "dm.sent", "dm.read", "dm.indicate_typing", "chat.received", "chat.sent"), MESSAGES
)
# X's newest documentation also calls this one private, its specification does not: the app's own token is taken too.
SCOPES_OF_USERS = SCOPES | {"post.mention.create": "tweet.read"}
REVOKED = "oauth.revoke"
# What X can be asked for, by its specification; here only those above ever happen.
EVENT_TYPES = frozenset(
    {
        "profile.update.bio",
        "profile.update.profile_picture",
        "profile.update.banner_picture",
        "profile.update.screenname",
        "profile.update.geo",
        "profile.update.url",
        "profile.update.verified_badge",
        "profile.update.affiliate_badge",
        "profile.update.handle",
        "news.new",
        "follow.follow",
        "follow.unfollow",
        "spaces.start",
        "spaces.end",
        "broadcast.start",
        "broadcast.end",
        "broadcast.chat",
        "chat.received",
        "chat.sent",
        "chat.conversation.join",
        "chat.conversation_join",
        "chat.conversation.member_added",
        "chat.conversation.member_removed",
        "chat.conversation.admin_added",
        "chat.conversation.admin_removed",
        "chat.update.group_name",
        "chat.update.restrictions",
        "dm.sent",
        "dm.received",
        "dm.indicate_typing",
        "dm.read",
        "post.create",
        "post.delete",
        "post.mention.create",
        "post.reply.create",
        "post.quote.create",
        "post.repost.create",
        "like.create",
        "mute.mute",
        "mute.unmute",
        "block.block",
        "block.unblock",
        REVOKED,  # documented, though the specification forgot it
    }
)


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription that is delivered somewhere."""

    filter: Json
    tag: str
    webhook: int


_subscribed: dict[tuple[str, str], list[Subscribed]] | None = None


def forget() -> None:
    """Read the subscriptions again next time; called by whoever changed them."""
    global _subscribed
    _subscribed = None


def mentioned(posts: Iterable[tuple[Post, Iterable[Person]]]) -> None:
    """Tell of posts and the people whom their authors named in so many words."""
    deliveries: list[Delivery] = []
    for post, people in posts:
        for person in people:
            deliveries += _events(
                "post.mention.create",
                str(person.pk),
                partial(payloads.mention, post, person),
                things=(("post", post.pk),),
            )
    courier.send(deliveries)


def wanted(event_type: str) -> bool:
    """Whether anybody subscribed to this kind at all."""
    return any(kind == event_type for kind, _ in _known())


def deleted(posts: Iterable[Post]) -> None:
    """Tell of posts that their authors, which are loaded, deleted."""
    deliveries: list[Delivery] = []
    for post in posts:
        deliveries += _events("post.delete", str(post.author_id), partial(payloads.deletion, post.pk, post.author))
    courier.send(deliveries)


def messaged(row: DirectMessage) -> None:
    """Tell both sides of a message whose people are loaded; X charges for the receiving side."""

    def told() -> tuple[Json, None]:
        return payloads.message(row), None

    received = _events("dm.received", str(row.recipient_id), told, things=(("dm_event", row.pk),))
    courier.send([*received, *_events("dm.sent", str(row.sender_id), told)])


def encrypted(sender: Person, recipient: Person) -> None:
    """Tell both sides that there was an encrypted message. It is kept nowhere: nobody but they could read it."""
    payload = payloads.ciphertext(sender, recipient)

    def told() -> tuple[Json, None]:
        return payload, None

    received = _events("chat.received", str(recipient.pk), told)
    courier.send([*received, *_events("chat.sent", str(sender.pk), told)])


def revoked(person: Person) -> None:
    """Tell that a person withdrew the app's permission, and end the subscriptions that rested on it."""

    def told() -> tuple[Json, None]:
        return payloads.revocation(person.pk, settings.SANDBOX_CLIENT_ID), None

    events = _events(REVOKED, str(person.pk), told)
    # In X's example the filter of this event is empty and there is no person to filter by.
    courier.send([*events, *_events(REVOKED, "", told)])
    Subscription.objects.filter(event_type__in=SCOPES_OF_USERS, filter__user_id=str(person.pk)).delete()
    forget()


def replay(webhook: int, deliveries: Iterable[Delivery]) -> int:
    """Send events again, as themselves; returns how many."""
    again = [
        Delivery(one.event_uuid, one.event_type, webhook, one.body, one.at, one.things)
        for one in deliveries
        if one.webhook == webhook
    ]
    courier.send(again)
    return len(again)


def _events(event_type: str, about: str, told: Told, *, things: tuple[bill.Thing, ...] = ()) -> list[Delivery]:
    """One event per subscription to this kind about this person."""
    found = _known().get((event_type, about))
    if not found:
        return []
    payload, includes = told()
    made: list[Delivery] = []
    for subscribed in found:
        if not hooks().get(subscribed.webhook):
            continue
        event: Json = {
            "event_uuid": str(secrets.randbits(64) - 2**63),
            "filter": subscribed.filter,
            "event_type": event_type,
        }
        event |= {"tag": subscribed.tag} if subscribed.tag else {}
        event |= {"payload": payload} | ({"includes": includes} if includes is not None else {})
        body = msgspec.json.encode({"data": event})
        made.append(Delivery(event["event_uuid"], event_type, subscribed.webhook, body, clock.now(), things))
    return made


def _known() -> dict[tuple[str, str], list[Subscribed]]:
    global _subscribed
    if _subscribed is None:
        found: dict[tuple[str, str], list[Subscribed]] = {}
        for row in Subscription.objects.exclude(webhook=None).order_by("id"):
            key = (row.event_type, row.filter.get("user_id", ""))
            found.setdefault(key, []).append(Subscribed(row.filter, row.tag, row.webhook_id or 0))
        _subscribed = found
    return _subscribed
