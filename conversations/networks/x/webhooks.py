"""Takes what comes to our webhook, leaves X's challenges answered and its events opened; what X did not sign is Forged.

Events and challenges are signed with one key, so whoever may choose the text of a challenge could have an event
signed: a challenge is answered only when it has the shape of one, which no event has.
"""

import base64
import hashlib
import hmac
import logging
import re
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from conversations.networks.base import Event, EventKind, Post, SentMessage
from conversations.networks.errors import Forged, Refused
from conversations.networks.x import prices, pushed, reading, texts, wire

log = logging.getLogger(__name__)

T = TypeVar("T")

SIGNED = "sha256="
MOST_BYTES = 1024 * 1024  # X's events have some kilobytes
_CHALLENGE = re.compile(r"[A-Za-z0-9+/_=-]{1,128}\Z")
_POSTS = re.compile(r"(post|tweet)\.[a-z]+\.create\Z")


def answer_challenge(token: str, *, secret: str) -> str:
    """The proof that the webhook is ours. Refused("invalid") for a token that has not the shape of a challenge."""
    if not secret:
        raise Refused("invalid", "X_CONSUMER_SECRET is not set, so X's challenge cannot be answered. Set it.")
    if not _CHALLENGE.match(token):
        raise Refused("invalid", "This is not a challenge of X.")
    return sign(token.encode(), secret)


def sign(data: bytes, secret: str) -> str:
    return SIGNED + base64.b64encode(hmac.new(secret.encode(), data, hashlib.sha256).digest()).decode()


def open_envelope(body: bytes, signature: str, *, secret: str, web_url: str) -> tuple[Event, ...]:
    """The events in a body that X signed; Forged otherwise. What is signed and makes no sense is logged and is none."""
    # Without a secret the key would be the empty one, which everybody has.
    if not secret or not hmac.compare_digest(sign(body, secret).encode(), signature.encode("utf-8", "replace")):
        raise Forged
    if len(body) > MOST_BYTES:
        log.warning("X pushed an event of %d bytes, passed over", len(body))
        return ()
    try:
        given = wire.decode(body, pushed.Envelope).data
    except wire.BadAnswer as error:
        log.warning("X pushed something that cannot be read, passed over: %s", error)
        return ()
    return _events(given, _event_id(given, body), web_url)


def _events(given: pushed.Pushed, event_id: str, web_url: str) -> tuple[Event, ...]:
    account = _text(given.filter.user_id if given.filter else None)
    kind = given.event_type
    if _POSTS.match(kind):
        return (_post(given, event_id, account, web_url),)
    if kind == "dm.received":
        return _messages(given, event_id, account, web_url)
    if kind == "dm.sent":
        return _sent(given, event_id, account)
    if kind == "chat.received":
        return (_sealed(given, event_id, account, web_url),)
    if kind in {"post.delete", "tweet.delete"}:
        gone = _read(given.payload, pushed.Gone)
        if gone and reading.is_id(gone.id):
            return (Event(event_id, account, "deleted", external_id=gone.id),)
    elif kind == "oauth.revoke":
        revoked = _read(given.payload, pushed.Gone)
        return (Event(event_id, _text(revoked.user_id if revoked else None) or account, "revoked"),)
    return (Event(event_id, account, "other"),)


def _post(given: pushed.Pushed, event_id: str, account: str, web_url: str) -> Event:
    found = _read(given.payload, wire.Post)
    post = reading.post(found, _users(given.includes), (), web_url=web_url) if found else None
    if post is None:
        return Event(event_id, account, "other")
    return _event(event_id, account, "post", post, "post")


def _messages(given: pushed.Pushed, event_id: str, account: str, web_url: str) -> tuple[Event, ...]:
    """Each message of the event. X sends one; a second one would need an id of its own to be told apart."""
    payload = _read(given.payload, pushed.PushedMessages)
    users = {key: user for key, raw in ((payload and payload.users) or {}).items() if (user := _user(raw))}
    events: list[Event] = []
    for message in wire.items(payload.direct_message_events if payload else None, pushed.PushedMessage):
        made = message.message_create
        if made is None or not reading.is_id(message.id) or not reading.is_id(made.sender_id):
            continue
        if made.sender_id == account:  # our own; those are told as dm.sent
            continue
        us = (made.target.recipient_id if made.target else "") or account
        post = reading.message(
            message.id,
            users.get(made.sender_id) or wire.User(id=made.sender_id),
            made.message_data.text if made.message_data else "",
            conversation_id="-".join(sorted((made.sender_id, us), key=reading.order)),
            at=reading.moment(message.id, reading.milliseconds(message.created_timestamp)),
            web_url=web_url,
        )
        number = f"{event_id}:{len(events)}" if events else event_id
        events.append(_event(number, account, "message", post, "dm_event"))
    return tuple(events) or (Event(event_id, account, "other"),)


def _sent(given: pushed.Pushed, event_id: str, account: str) -> tuple[Event, ...]:
    """Each message of the event that left as the account, whoever sent it. X charges nothing for these."""
    payload = _read(given.payload, pushed.PushedMessages)
    events: list[Event] = []
    for message in wire.items(payload.direct_message_events if payload else None, pushed.PushedMessage):
        made = message.message_create
        if made is None or not reading.is_id(message.id) or made.sender_id != account:
            continue
        said = made.message_data or pushed.MessageData()
        sent = SentMessage(
            external_id=message.id,
            text=texts.clean(said.text),
            urls=texts.urls(said.text, said.entities),
            created_at=reading.moment(message.id, reading.milliseconds(message.created_timestamp)),
        )
        number = f"{event_id}:{len(events)}" if events else event_id
        events.append(Event(number, account, "sent", sent=sent))
    return tuple(events) or (Event(event_id, account, "other"),)


def _sealed(given: pushed.Pushed, event_id: str, account: str, web_url: str) -> Event:
    found = _read(given.payload, pushed.SealedMessage)
    if found is None or not reading.is_id(found.sender_id) or found.sender_id == account:
        return Event(event_id, account, "other")
    post = reading.sealed(
        _short(found.id),
        wire.User(id=found.sender_id),
        conversation_id=found.conversation_id,
        at=reading.milliseconds(found.created_at_msec) or datetime.now(UTC),
        web_url=web_url,
    )
    return Event(event_id, account, "opaque", post)


def _event(event_id: str, account: str, kind: EventKind, post: Post, resource: str) -> Event:
    return Event(event_id, account, kind, post, charges=(prices.one(resource, post.external_id, "activity"),))


def _users(raw: msgspec.Raw) -> dict[str, wire.User]:
    includes = _read(raw, wire.Includes)
    found = [_user(each) for each in (includes.users if includes else None) or ()]
    return {user.id: user for user in found if user}


def _user(raw: msgspec.Raw) -> wire.User | None:
    """Somebody, whom X wraps in a `data` of their own in some events and not in others."""
    wrapped = _read(raw, pushed.WrappedUser)
    return (wrapped and wrapped.data) or _read(raw, wire.User)


def _read(raw: msgspec.Raw, kind: type[T]) -> T | None:
    if bytes(raw) in {b"", b"null"}:
        return None
    try:
        return wire.decode(raw, kind)
    except wire.BadAnswer as error:
        log.warning("X pushed an event with something that cannot be read in it: %s", error)
        return None


def _event_id(given: pushed.Pushed, body: bytes) -> str:
    """X's own id; without one, what the body is: the same bytes are the same event."""
    said = _text(given.event_uuid)
    return said if 0 < len(said) <= 60 else hashlib.sha256(said.encode() or body).hexdigest()[:60]


def _short(external_id: str) -> str:
    """An id for our columns: a UUID without its dashes, anything longer as its digest."""
    plain = external_id.replace("-", "")
    return plain if plain.isalnum() and len(plain) <= 32 else hashlib.sha256(external_id.encode()).hexdigest()[:32]


def _text(value: str | int | None) -> str:
    text = "" if value is None else str(value)
    return text.replace("\x00", "")
