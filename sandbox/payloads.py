"""Takes what happened, leaves it as X's Activity API tells it: the `payload` and `includes` of an event.

Shapes are those of X's documented examples (August 2026): posts in the older vocabulary with every number doubled as
a text, messages in the shape of the v1.1 API, encrypted ones as ciphertext that nobody here can read.
"""

import secrets
import uuid
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from sandbox import clock
from sandbox.api import fields, wire
from sandbox.models import DirectMessage, Person, Post
from sandbox.snowflakes import EPOCH_MS

Json = dict[str, Any]

EVERYTHING = fields.Wanted(
    post=frozenset(fields.TWEET_FIELDS),
    user=frozenset(fields.TWEET_USER_FIELDS),
)


def mention(post: Post, mentioned: Person) -> tuple[Json, Json]:
    """(payload, includes) of post.mention.create."""
    shown = doubled(wire.post_json(post, EVERYTHING) | {"paid_partnership": False})
    if post.in_reply_to:
        shown["in_reply_to_tweet_id"] = str(post.in_reply_to)
    return shown, {"users": _users([post.author, mentioned]), "tweets": [shown]}


def deletion(number: int, author: Person) -> tuple[Json, Json]:
    """(payload, includes) of post.delete."""
    payload = {"id": str(number), "author_id": str(author.pk)}
    return payload, {"users": [{"data": user} for user in _users([author])]}


def message(row: DirectMessage) -> Json:
    """The payload of dm.received and dm.sent."""
    created = {
        "target": {"recipient_id": str(row.recipient_id)},
        "sender_id": str(row.sender_id),
        "message_data": {"text": row.text, "entities": _older_entities(row)},
    }
    event = {
        "type": "message_create",
        "id": str(row.pk),
        "created_timestamp": str((row.pk >> 22) + EPOCH_MS),
        "message_create": created,
    }
    users = {user["id"]: {"data": user} for user in _users([row.sender, row.recipient])}
    return {"direct_message_events": [event], "users": users}


def ciphertext(sender: Person, recipient: Person) -> Json:
    """The payload of chat.received and chat.sent: who and when, and nothing of what."""
    larger, smaller = max(sender.pk, recipient.pk), min(sender.pk, recipient.pk)
    now = str(int(clock.epoch() * 1000))
    return {
        "conversation_token": secrets.token_urlsafe(48),
        "id": str(uuid.uuid4()),
        "created_at_msec": now,
        "sender_id": str(sender.pk),
        "conversation_id": f"{larger}:{smaller}",
        "conversation_key_version": now,
        "encoded_event": _noise(120),
        "message_event_signature": {
            "public_key_version": now,
            "signature": _noise(64),
            "signature_version": "7",
            "signing_public_key": _noise(91),
        },
    }


def revocation(person_id: int, app: str) -> Json:
    """The payload of oauth.revoke."""
    return {"date_time": clock.now().isoformat(timespec="seconds"), "user_id": str(person_id), "app_id": app}


def doubled(value: Any) -> Any:
    """The same with `name_str` beside every number in an object."""
    if isinstance(value, list):
        return [doubled(each) for each in value]
    if not isinstance(value, dict):
        return value
    told: Json = {}
    for name, each in value.items():
        told[name] = doubled(each)
        if isinstance(each, int) and not isinstance(each, bool):
            told[f"{name}_str"] = str(each)
    return told


def _users(people: Sequence[Person]) -> list[Json]:
    unique = {person.pk: person for person in people}
    return [doubled(user) for user in wire.users_json(list(unique.values()), EVERYTHING, viewer=None)]


def _older_entities(row: DirectMessage) -> Json:
    found = row.entities
    return {
        "hashtags": [{"text": each["tag"], "indices": _indices(each)} for each in found.get("hashtags", ())],
        "symbols": [{"text": each["tag"], "indices": _indices(each)} for each in found.get("cashtags", ())],
        "user_mentions": [
            {"screen_name": each["username"], "indices": _indices(each)}
            | ({"id": int(each["id"]), "id_str": each["id"]} if "id" in each else {})
            for each in found.get("mentions", ())
        ],
        "urls": [
            {name: each[name] for name in ("url", "expanded_url", "display_url")} | {"indices": _indices(each)}
            for each in found.get("urls", ())
        ],
    }


def _indices(entity: Json) -> list[int]:
    return [entity["start"], entity["end"]]


def _noise(length: int) -> str:
    return b64encode(secrets.token_bytes(length)).decode()
