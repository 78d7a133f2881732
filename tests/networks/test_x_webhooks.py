"""What comes to the webhook: challenges answered only when they are some, and nothing believed that X did not sign."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.networks.base import Charge, Event
from conversations.networks.errors import Forged, Refused
from conversations.networks.x.adapter import X

SECRET = "consumer-secret"
BRAND, MAYA = "1001", "2002"


@pytest.fixture
def x() -> X:
    return X("https://api.test", "app", "c", "s", consumer_secret=SECRET)


def sign(body: bytes, secret: str = SECRET) -> str:
    """By X's own words: base64 of the HMAC of the body with the consumer secret."""
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def envelope(event_type: str, payload: Any, *, user: str | None = BRAND, **more: Any) -> bytes:
    data = {"event_uuid": "-6850472171600526495", "filter": {"user_id": user} if user else {}, "event_type": event_type}
    return json.dumps({"data": data | {"payload": payload} | more}).encode()


def opened(x: X, body: bytes) -> tuple[Event, ...]:
    return x.open_envelope(body, sign(body))


MENTION = {"id": "2080765813578191303", "author_id": MAYA, "text": "hey @AskCiti &amp; co", "lang": "und"}
MESSAGE = {
    "direct_message_events": [
        {
            "type": "message_create",
            "id": "2080765901528535096",
            "created_timestamp": "1784928224372",
            "message_create": {
                "target": {"recipient_id": BRAND},
                "sender_id": MAYA,
                "message_data": {"text": "hello!", "entities": {}},
            },
        }
    ],
    "users": {
        MAYA: {"data": {"id": MAYA, "username": "maya_r", "name": "Maya", "public_metrics": {"followers_count": 97}}}
    },
}


def test_a_challenge_is_answered_with_its_hmac(x) -> None:
    assert x.answer_challenge("MzQ4Nz+/_=-") == sign(b"MzQ4Nz+/_=-")


@pytest.mark.parametrize(
    "token",
    ['{"data":{}}', "", "a" * 129, "a b", "a\n", "a.b", "é", "%7B", '"'],
    ids=["an event", "empty", "long", "space", "line end", "dot", "letter", "escape", "quote"],
)
def test_a_challenge_that_is_none_is_not_signed(x, token) -> None:
    """It would be a signature for an event of the asker's choice."""
    with pytest.raises(Refused) as refused:
        x.answer_challenge(token)
    assert refused.value.reason == "invalid"


def test_without_a_secret_nothing_is_signed_and_nothing_believed() -> None:
    x, body = X("https://api.test", "app", "c", "s"), envelope("post.mention.create", MENTION)
    with pytest.raises(Refused):
        x.answer_challenge("abc")
    with pytest.raises(Forged):
        x.open_envelope(body, sign(body, ""))


GOOD = envelope("post.mention.create", MENTION)
FORGERIES = {
    "no signature": (GOOD, ""),
    "of other bytes": (GOOD, sign(b"{}")),
    "with another key": (GOOD, sign(GOOD, "another")),
    "hexadecimal": (GOOD, "sha256=" + hmac.new(SECRET.encode(), GOOD, hashlib.sha256).hexdigest()),
    "without its name": (GOOD, sign(GOOD).removeprefix("sha256=")),
    "another digest": (GOOD, "sha1=" + base64.b64encode(hmac.new(SECRET.encode(), GOOD, "sha1").digest()).decode()),
    "body changed": (GOOD.replace(b"hey", b"hay"), sign(GOOD)),
    "body written anew": (json.dumps(json.loads(GOOD), indent=1).encode(), sign(GOOD)),
    "cut short": (GOOD, sign(GOOD)[:-1]),
    "not ASCII": (GOOD, "sha256=é\udcff"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(x, name) -> None:
    body, signature = FORGERIES[name]
    with pytest.raises(Forged):
        x.open_envelope(body, signature)


@pytest.mark.parametrize("vocabulary", ["tweet", "post"])
def test_a_mention_is_a_post(x, vocabulary) -> None:
    more = {f"referenced_{vocabulary}s": [{"type": "replied_to", "id": "77"}]}
    users = [{"id": MAYA, "username": "maya_r", "name": "Maya"}, {"id": BRAND, "username": "AskCiti"}]

    (event,) = opened(x, envelope("post.mention.create", MENTION | more, includes={"users": users}))

    assert (event.event_id, event.account_id, event.kind) == ("-6850472171600526495", BRAND, "post")
    assert event.post is not None
    assert (event.post.external_id, event.post.author.handle) == (MENTION["id"], "maya_r")
    assert (event.post.text, event.post.in_reply_to) == ("hey @AskCiti & co", "77")
    assert event.charges == (Charge("post", MENTION["id"], 5_000, "activity"),)


def test_a_direct_message_in_the_older_shape(x) -> None:
    (event,) = opened(x, envelope("dm.received", MESSAGE))

    assert event.kind == "message"
    assert event.post is not None
    assert (event.post.kind, event.post.text, event.post.author.name) == ("dm", "hello!", "Maya")
    assert event.post.author.followers == 97
    assert event.post.conversation_id == f"{BRAND}-{MAYA}"
    assert event.post.created_at.isoformat() == "2026-07-24T21:23:44.342000+00:00"
    assert event.charges == (Charge("dm_event", "2080765901528535096", 10_000, "activity"),)


def test_what_left_as_the_account_is_told_with_its_links_and_costs_nothing(x) -> None:
    first = MESSAGE["direct_message_events"][0]
    link = {"url": "https://t.co/a", "expanded_url": "https://citi.example/s", "indices": [3, 17]}
    said = {"text": "hi https://t.co/a", "entities": {"urls": [link]}}
    created = first["message_create"] | {"sender_id": BRAND, "message_data": said}
    own = MESSAGE | {"direct_message_events": [first | {"message_create": created}]}

    (event,) = opened(x, envelope("dm.sent", own))

    assert (event.kind, event.post, event.charges) == ("sent", None, ())
    assert event.sent is not None
    assert (event.sent.external_id, event.sent.urls) == (first["id"], ("https://citi.example/s",))
    assert [each.kind for each in opened(x, envelope("dm.received", own))] == ["other"]
    assert [each.kind for each in opened(x, envelope("dm.sent", MESSAGE))] == ["other"]  # not by this account


def test_several_messages_in_one_event_are_told_apart(x) -> None:
    first = MESSAGE["direct_message_events"][0]
    both = MESSAGE | {"direct_message_events": [first, first | {"id": "2080765901528535097"}]}

    events = opened(x, envelope("dm.received", both))

    assert [event.event_id for event in events] == ["-6850472171600526495", "-6850472171600526495:1"]


def test_an_encrypted_message_says_only_that_it_came(x) -> None:
    payload = {
        "id": "e4f4d3fc-8bbf-4928-92eb-e5058d6bb6f6",
        "sender_id": MAYA,
        "conversation_id": f"{MAYA}:{BRAND}",
        "created_at_msec": "1784841183370",
        "encoded_event": "secretword",
    }

    (event,) = opened(x, envelope("chat.received", payload))

    assert event.kind == "opaque"
    assert event.post is not None
    assert (event.post.kind, event.post.text, event.post.author.external_id) == ("opaque", "", MAYA)
    assert event.post.external_id == "e4f4d3fc8bbf492892ebe5058d6bb6f6"
    assert event.charges == ()


def test_deletion_withdrawal_and_the_unknown(x) -> None:
    assert opened(x, envelope("post.delete", {"id": "5", "author_id": MAYA}, user=MAYA)) == (
        Event("-6850472171600526495", MAYA, "deleted", external_id="5"),
    )
    assert opened(x, envelope("oauth.revoke", {"user_id": BRAND, "app_id": "1"}, user=None)) == (
        Event("-6850472171600526495", BRAND, "revoked"),
    )
    for event_type, payload in (
        ("follow.followed", {"a": 1}),
        ("", None),
        ("post.mention.create", {"id": 5}),
        ("dm.received", {"direct_message_events": [{}]}),
        ("chat.received", []),
        ("post.delete", {"id": "../x"}),
    ):
        assert [event.kind for event in opened(x, envelope(event_type, payload))] == ["other"]


HOSTILE = {
    "not JSON": b"{",
    "empty": b"",
    "a list": b"[]",
    "no data": b'{"data":null}',
    "deep": b'{"data":{"event_type":"dm.received","payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "deep and open": b"[" * 100_000,
    "a huge number": b'{"data":{"event_uuid":' + b"9" * 10_000 + b"}}",
    "bytes": b"\xff\xfe\x00",
    "large": b'{"data":{"event_type":"post.delete","payload":{"id":"' + b"9" * 2_000_000 + b'"}}}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_signed_nonsense_is_nothing(x, name) -> None:
    assert opened(x, HOSTILE[name]) == ()


@pytest.mark.parametrize("field", ["id", "author_id", "created_at", "conversation_id", "in_reply_to_user_id", "lang"])
@pytest.mark.parametrize(
    "value", ["9" * 5000, "0001-01-01T00:00:00-14:00", "9999-12-31T23:59:59+14:00", "\x00", "\ud800"]
)
def test_odd_fields_never_break_it(x, field, value) -> None:
    (event,) = opened(x, envelope("post.mention.create", MENTION | {field: value}))
    if event.post:
        assert len(event.post.external_id) <= 32
        assert len(event.post.author.external_id) <= 32
        assert 2006 <= event.post.created_at.year < 9000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["post.mention.create", "dm.received", "chat.received", "post.delete", "oauth.revoke", "x"]),
    json_values,
    json_values,
)
def test_whatever_is_signed_never_raises(event_type, payload, includes) -> None:
    x = X("https://api.test", "app", "c", "s", consumer_secret=SECRET)
    opened(x, envelope(event_type, payload, includes=includes))


def test_words_and_secrets_stay_out_of_logs_and_reprs(x, caplog) -> None:
    caplog.set_level(10)
    events = [
        *opened(x, envelope("post.mention.create", MENTION | {"text": "secretword"})),
        *opened(x, envelope("post.mention.create", {"id": 5, "text": "secretword"})),
        *opened(x, envelope("dm.received", json.loads(json.dumps(MESSAGE).replace("hello!", "secretword")))),
    ]
    with pytest.raises(Forged):
        x.open_envelope(b'{"data": "secretword"}', "sha256=secretword")
    assert "secretword" not in caplog.text + repr(events)
    assert SECRET not in caplog.text + repr(x)
