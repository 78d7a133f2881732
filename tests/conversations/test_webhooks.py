"""The network's own door: its challenge is answered, what it signed is taken, and nobody else gets anything in."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from django.db import OperationalError, connection
from django.test import Client

from citisocial.clock import now
from conversations import credentials, push, tasks, ways
from conversations.models import Case, Cursor, Mention, PushedEvent, Usage
from tests.factories.heard import Bank, bank

SECRET = "the app's own secret"
ADDRESS = "/hooks/x/"
AUTHOR = "7001"

pytestmark = pytest.mark.django_db


@pytest.fixture
def b(settings: object) -> Iterator[Bank]:
    """A bank whose app is pushed events."""
    settings.X_PUSH, settings.X_CONSUMER_SECRET = "webhook", SECRET  # type: ignore[attr-defined]
    credentials.network.cache_clear()
    yield bank()
    credentials.network.cache_clear()


def milliseconds(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))


def event(kind: str, payload: dict, includes: dict | None = None, event_id: str = "") -> bytes:
    """What X posts."""
    said = {
        "event_uuid": event_id or str(uuid.uuid4().int >> 65),
        "filter": {"user_id": "1001"},
        "event_type": kind,
        "payload": payload,
    }
    return json.dumps({"data": said | ({"includes": includes} if includes else {})}).encode()


def mention(text: str = "@AskCiti my card was declined", at: datetime | None = None, event_id: str = "") -> bytes:
    at = at or now()
    payload = {
        "id": str(ways.id_of(at)),
        "text": text,
        "author_id": AUTHOR,
        "created_at": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "entities": {"mentions": [{"start": 0, "end": 8, "username": "AskCiti", "id": "1001"}]},
    }
    users = [{"id": AUTHOR, "username": "maria_m", "name": "Maria"}]
    return event("post.mention.create", payload, {"users": users}, event_id)


def dm(text: str = "it is me", at: datetime | None = None) -> bytes:
    at = at or now()
    created = {
        "type": "message_create",
        "id": str(ways.id_of(at)),
        "created_timestamp": milliseconds(at),
        "message_create": {
            "target": {"recipient_id": "1001"},
            "sender_id": AUTHOR,
            "message_data": {"text": text, "entities": {}},
        },
    }
    users = {AUTHOR: {"data": {"id": AUTHOR, "username": "maria_m", "name": "Maria"}}}
    return event("dm.received", {"direct_message_events": [created], "users": users})


def sealed(at: datetime | None = None) -> bytes:
    payload = {
        "id": str(uuid.uuid4()),
        "created_at_msec": milliseconds(at or now()),
        "sender_id": AUTHOR,
        "conversation_id": f"{AUTHOR}:1001",
        "encoded_event": "bm9pc2U=",
    }
    return event("chat.received", payload)


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def post(body: bytes, signed: str | None = None, client: Client | None = None):
    headers = {"x-twitter-webhooks-signature": signature(body) if signed is None else signed}
    client = client or Client(enforce_csrf_checks=True)
    return client.post(ADDRESS, body, content_type="application/json", headers=headers)


# What has a signature and what a forger has to start from: written down once.
BODY = mention(at=datetime.fromisoformat("2026-11-22T12:00:00+00:00"), event_id="1")


# The challenge.


def test_challenge_is_answered_with_its_proof_and_nothing_is_kept(b):
    answer = Client().get(ADDRESS, {"crc_token": "ZGVlcCBpbiB0aGUgbmlnaHQ"})
    assert answer.json() == {"response_token": signature(b"ZGVlcCBpbiB0aGUgbmlnaHQ")}
    assert (answer.status_code, "no-store" in answer["Cache-Control"], answer.cookies) == (200, True, {})


@pytest.mark.parametrize("token", [BODY.decode(), "", "a" * 129, "a b", "ä", "{}", "a\n"])
def test_challenge_that_might_be_an_event_gets_no_signature(b, token):
    """The same key signs events: whoever could have any text signed could write events."""
    answer = Client().get(ADDRESS, {"crc_token": token})
    assert (answer.status_code, b"sha256=" in answer.content) == (400, False)
    assert Client().get(ADDRESS).status_code == 400


# What is pushed.


def test_post_becomes_a_mention_and_the_push_is_known_to_work(b):
    answer = post(mention())
    assert (answer.status_code, answer.content, answer.cookies) == (200, b"", {})
    stored = Mention.objects.get()
    assert (stored.kind, stored.author.handle, stored.ways) == ("post", "maria_m", ["activity"])
    assert list(stored.accounts.all()) == [b.care]
    assert ways.pushed(b.care)
    assert Cursor.objects.get(way="activity").lag_ms < 5_000
    assert list(Usage.objects.values_list("resource", "call", "micros")) == [("post", "activity", 5_000)]


def test_message_that_also_comes_by_the_poll_is_one_mention(b):
    from conversations.intake import ingest

    body = dm("my card 4111 1111 1111 1111")
    post(body)
    [said] = [e.post for e in credentials.network("x").open_envelope(body, signature(body))]
    assert ingest(b.care, [said], way="dm") == 0
    stored = Mention.objects.get()
    assert (stored.kind, stored.ways, "4111" in stored.text) == ("dm", ["activity", "dm"], False)


def test_encrypted_message_opens_a_case_without_a_word_of_it(b):
    post(sealed())
    tasks.triage()
    stored = Mention.objects.get()
    assert (stored.kind, stored.text, stored.state) == ("opaque", "", "CASED")
    assert Case.objects.get() == stored.case


def test_repeat_of_an_event_stores_nothing_but_costs_nothing_either(b):
    body = mention()
    assert [post(body).status_code for _ in range(3)] == [200, 200, 200]
    assert (Mention.objects.count(), PushedEvent.objects.count(), Usage.objects.get().units) == (1, 1, 1)


def test_deletion_takes_the_words_and_a_second_delivery_does_not_bring_them_back(b):
    body = mention()
    post(body)
    external_id = Mention.objects.get().external_id
    post(event("post.delete", {"id": external_id, "author_id": AUTHOR}))
    PushedEvent.objects.all().delete()
    post(body)
    stored = Mention.objects.get()
    assert (stored.state, stored.text, stored.deleted_at is not None) == ("DELETED", "", True)


def test_withdrawn_permission_is_noted_on_the_account_it_is_about(b):
    from conversations.networks.base import Tokens

    credentials.store(b.care, Tokens("token", "refresh"))
    credentials.store(b.news, Tokens("token", "refresh"))
    post(event("oauth.revoke", {"user_id": "1001", "app_id": "1", "date_time": now().isoformat()}))
    b.care.refresh_from_db()
    b.news.refresh_from_db()
    assert (b.care.refused_at is not None, b.news.refused_at) == (True, None)


def test_event_for_an_account_that_is_not_ours_is_dropped(b):
    b.care.active = False
    b.care.save()
    assert (post(mention()).status_code, Mention.objects.count()) == (200, 0)


def test_old_post_or_message_is_left_to_the_polls_and_an_encrypted_one_is_taken(b):
    """Its signature is good for ever, so a recording played again later must bring nothing in."""
    old = now() - timedelta(minutes=6)
    assert [post(body).status_code for body in (mention(at=old), dm(at=old), sealed(at=old))] == [200, 200, 200]
    assert list(Mention.objects.values_list("kind", flat=True)) == ["opaque"]


# What is refused.


@pytest.mark.parametrize(
    "signed",
    [
        "",
        "sha256=",
        signature(BODY, "another secret"),
        signature(BODY, ""),
        signature(BODY + b" "),
        signature(BODY).removeprefix("sha256="),
        "sha256=" + hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest(),
        "sha256=" + base64.b64encode(hmac.new(SECRET.encode(), BODY, hashlib.sha1).digest()).decode(),
        signature(BODY).swapcase(),
        "sha256=é",
    ],
)
def test_forged_event_is_refused_and_leaves_nothing(b, signed, caplog):
    answer = post(BODY, signed)
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (403, True)
    assert (Mention.objects.count(), PushedEvent.objects.count(), Usage.objects.count()) == (0, 0, 0)
    assert "did not sign" in caplog.text
    assert "maria_m" not in caplog.text


def test_event_without_the_header_is_refused(b):
    assert Client().post(ADDRESS, BODY, content_type="application/json").status_code == 403


def test_one_changed_byte_is_refused(b):
    body = mention("@AskCiti please")
    assert post(body.replace(b"please", b"pleasE"), signature(body)).status_code == 403


def test_nothing_is_taken_without_a_secret(b, settings):
    settings.X_CONSUMER_SECRET = ""
    credentials.network.cache_clear()
    assert post(BODY, signature(BODY, "")).status_code == 403
    assert Client().get(ADDRESS, {"crc_token": "abc"}).status_code == 400


def test_too_long_a_body_is_refused_before_it_is_read(b):
    body = mention("@AskCiti " + "a" * 1_048_576)
    assert post(body).status_code == 413
    assert Mention.objects.count() == 0


def test_signed_nonsense_is_acknowledged_so_that_it_is_not_repeated(b):
    assert [post(body).status_code for body in (b"not json", b"{}", b"[]", event("like.create", {}))] == [200] * 4
    assert Mention.objects.count() == 0


@pytest.mark.parametrize("method", ["put", "delete", "patch", "head", "options"])
def test_other_methods_are_none_of_it(b, method):
    assert getattr(Client(), method)(ADDRESS).status_code == 405


def test_where_pushing_is_off_there_is_no_door(b, settings):
    settings.X_PUSH = "off"
    assert (post(mention()).status_code, Client().get(ADDRESS, {"crc_token": "abc"}).status_code) == (404, 404)


def test_while_the_database_is_down_the_network_is_told_to_repeat_and_then_it_is_taken(b, monkeypatch):
    body = mention()

    def down(*args: object, **kwargs: object) -> None:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as broken:
        broken.setattr(push, "ingest", down)
        assert post(body).status_code == 503
    assert PushedEvent.objects.count() == 0
    assert post(body).status_code == 200
    assert Mention.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_same_event_a_hundred_times_in_parallel_makes_one_mention(b):
    body, start = mention(), Barrier(20)

    def deliver(_: int) -> list[int]:
        try:
            start.wait(10)
            return [post(body).status_code for _ in range(5)]
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        assert [status for five in pool.map(deliver, range(20)) for status in five] == [200] * 100
    assert (Mention.objects.count(), PushedEvent.objects.count(), Usage.objects.get().units) == (1, 1, 1)
    tasks.triage()
    assert Case.objects.count() == 1
