"""Activity subscriptions and the events that happenings make, in the shapes of X's documented examples."""

import json
import time
from typing import Any

import pytest

from tests.sandbox.conftest import EVERYTHING, Receiver, Sandbox
from tests.sandbox.test_shapes import DATA
from tests.sandbox.test_webhooks import create, subscribe

SUBSCRIPTIONS = "/2/activity/subscriptions"


def person(sandbox: Sandbox, handle: str, **more: Any) -> str:
    return str(sandbox.control("people", people=[{"handle": handle, **more}])["people"][0]["id"])


def wanted(number: str, kind: str = "post.mention.create", **more: str) -> dict[str, Any]:
    return {"event_type": kind, "filter": {"user_id": number}, **more}


def test_a_subscription_is_made_listed_changed_and_ended(sandbox: Sandbox, receiver: Receiver) -> None:
    number = person(sandbox, "AskCiti")
    webhook = create(sandbox, receiver)

    answer = sandbox.app.post(SUBSCRIPTIONS, json=wanted(number, tag="care", webhook_id=webhook))

    made = answer.json()["data"]["subscription"]
    assert answer.status_code == 200
    assert answer.json()["meta"] == {"total_subscriptions": 1}
    told = {name: made[name] for name in ("event_type", "filter", "tag", "webhook_id")}
    assert told == wanted(number, tag="care", webhook_id=webhook)
    assert made["created_at"] == made["updated_at"]
    listed = sandbox.app.get(SUBSCRIPTIONS).json()
    assert listed == {"data": [made], "meta": {"total_subscriptions": 1, "result_count": 1}}

    path = f"{SUBSCRIPTIONS}/{made['subscription_id']}"
    changed = sandbox.app.put(path, json={"tag": "other"}).json()["data"]
    assert changed["subscription"]["tag"] == "other"
    assert changed["subscription"]["webhook_id"] == webhook
    assert sandbox.app.delete(path).json() == {"data": {"deleted": True}, "meta": {"total_subscriptions": 0}}
    assert sandbox.app.delete(path).status_code == 400
    assert sandbox.app.put(path, json={"tag": "other"}).status_code == 400


def test_several_are_ended_at_once_and_lists_have_pages(sandbox: Sandbox) -> None:
    numbers = [person(sandbox, handle) for handle in ("AskCiti", "Citi", "maya_r")]
    made = [
        sandbox.app.post(SUBSCRIPTIONS, json=wanted(number)).json()["data"]["subscription"]["subscription_id"]
        for number in numbers
    ]

    first = sandbox.app.get(SUBSCRIPTIONS, params={"max_results": "2"}).json()
    assert [row["subscription_id"] for row in first["data"]] == made[:0:-1]
    rest = {"max_results": "2", "pagination_token": first["meta"]["next_token"]}
    second = sandbox.app.get(SUBSCRIPTIONS, params=rest).json()
    assert [row["subscription_id"] for row in second["data"]] == made[:1]
    assert "next_token" not in second["meta"]

    ended = sandbox.app.delete(SUBSCRIPTIONS, params={"ids": f"{made[0]},12,{made[1]}"}).json()
    assert ended["data"] == [
        {"subscription_id": made[0], "deleted": True},
        {"subscription_id": "12", "deleted": False},
        {"subscription_id": made[1], "deleted": True},
    ]
    assert ended["meta"] == {"total_subscriptions": 1}


@pytest.mark.parametrize(
    "body",
    [
        {"event_type": "post.shouted", "filter": {"user_id": "1"}},
        {"event_type": "post.mention.create", "filter": {}},
        {"event_type": "post.mention.create", "filter": {"user_id": "x"}},
        {"event_type": "post.mention.create", "filter": {"user_id": "1", "mood": "bad"}},
        {"event_type": "post.mention.create", "filter": {"user_id": "1", "direction": "up"}},
        {"event_type": "news.new", "filter": {"user_id": "1"}},
        {"event_type": "post.mention.create", "filter": {"user_id": "1"}, "tag": ""},
        {"event_type": "post.mention.create", "filter": {"user_id": "1"}, "webhook_id": "12"},
        {"event_type": "post.mention.create"},
        {"filter": {"user_id": "1"}},
    ],
)
def test_what_cannot_be_subscribed_to(sandbox: Sandbox, body: dict[str, Any]) -> None:
    answer = sandbox.app.post(SUBSCRIPTIONS, json=body)

    assert answer.status_code == 400
    assert answer.json()["type"] == "https://api.x.com/2/problems/invalid-request"


def test_nothing_is_subscribed_to_twice(sandbox: Sandbox) -> None:
    number = person(sandbox, "AskCiti")
    assert sandbox.app.post(SUBSCRIPTIONS, json=wanted(number)).status_code == 200

    again = sandbox.app.post(SUBSCRIPTIONS, json=wanted(number, tag="another"))

    assert again.status_code == 400
    assert again.json()["errors"][0]["message"].startswith("DuplicateSubscription")
    assert sandbox.app.post(SUBSCRIPTIONS, json=wanted(number, "post.delete")).status_code == 200


@pytest.mark.parametrize("kind", ["dm.received", "dm.sent", "chat.received", "chat.sent"])
def test_private_events_need_that_persons_token_and_its_scopes(sandbox: Sandbox, kind: str) -> None:
    number = person(sandbox, "AskCiti")
    body = wanted(number, kind)

    assert sandbox.app.post(SUBSCRIPTIONS, json=body).status_code == 403
    assert sandbox.user("maya_r").post(SUBSCRIPTIONS, json=body).status_code == 403
    for missing in ("dm.read", "tweet.read", "users.read"):
        scopes = [scope for scope in EVERYTHING if scope != missing]
        assert sandbox.user("AskCiti", scopes).post(SUBSCRIPTIONS, json=body).status_code == 403, missing
    assert sandbox.user("AskCiti").post(SUBSCRIPTIONS, json=body).status_code == 200
    assert sandbox.user("AskCiti").get(SUBSCRIPTIONS).status_code == 403  # listing takes the scope like.read


def test_a_persons_token_subscribes_to_their_own_mentions_only(sandbox: Sandbox) -> None:
    number = person(sandbox, "AskCiti")

    assert sandbox.user("maya_r").post(SUBSCRIPTIONS, json=wanted(number)).status_code == 403
    assert sandbox.user("AskCiti", ["users.read"]).post(SUBSCRIPTIONS, json=wanted(number)).status_code == 403
    assert sandbox.user("AskCiti", ["tweet.read"]).post(SUBSCRIPTIONS, json=wanted(number)).status_code == 200


def test_a_mention_is_told_with_its_post_and_people(sandbox: Sandbox, receiver: Receiver) -> None:
    number = person(sandbox, "AskCiti", name="Ask Citi")
    subscribe(sandbox, create(sandbox, receiver))

    post = sandbox.tweet("maya_r", "hey @AskCiti my card & PIN")

    (event,) = receiver.wait(1)
    assert event["event_type"] == "post.mention.create"
    assert event["filter"] == {"user_id": number}
    payload = event["payload"]
    assert (payload["id"], payload["text"]) == (post["id"], "hey @AskCiti my card &amp; PIN")
    assert payload["edit_history_tweet_ids"] == [post["id"]]
    assert payload["public_metrics"]["retweet_count"] == 0
    assert payload["public_metrics"]["retweet_count_str"] == "0"
    (named,) = payload["entities"]["mentions"]
    assert named == {
        "start": 4,
        "start_str": "4",
        "end": 12,
        "end_str": "12",
        "username": "AskCiti",
        "id": number,
    }
    assert [user["username"] for user in event["includes"]["users"]] == ["maya_r", "AskCiti"]
    assert event["includes"]["tweets"] == [payload]
    assert sandbox.bill() == {"post": 1}  # what it includes is not charged


def test_only_whom_the_author_named_is_told(sandbox: Sandbox, receiver: Receiver) -> None:
    subscribe(sandbox, create(sandbox, receiver))
    first = sandbox.tweet("AskCiti", "Good morning from @AskCiti")  # oneself
    sandbox.tweet("maya_r", "hello", in_reply_to=first["id"])  # X's own prefix
    sandbox.tweet("maya_r", "RT @AskCiti: Good morning", retweet=True, in_reply_to=first["id"])
    sandbox.tweet("maya_r", "mail me at maya@askciti.example, or @Citi")
    told = sandbox.tweet("maya_r", "@askciti hello", in_reply_to=first["id"])

    (event,) = receiver.wait(1)

    assert event["payload"]["id"] == told["id"]
    assert event["payload"]["in_reply_to_tweet_id"] == first["id"]
    assert event["payload"]["referenced_tweets"] == [{"type": "replied_to", "id": first["id"]}]


def test_a_message_is_told_to_both_sides(sandbox: Sandbox, receiver: Receiver) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True)
    webhook = create(sandbox, receiver)
    for kind in ("dm.received", "dm.sent"):
        subscribe(sandbox, webhook, kind=kind)

    sent = sandbox.control("dms", **{"from": "maya_r", "to": "AskCiti", "text": "My card #lost citi.com"})
    (event,) = receiver.wait(1)

    assert event["event_type"] == "dm.received"
    assert event["filter"] == {"user_id": ids["AskCiti"]}
    (row,) = event["payload"]["direct_message_events"]
    assert (row["type"], row["id"]) == ("message_create", sent["id"])
    assert abs(int(row["created_timestamp"]) / 1000 - time.time()) < 60
    made = row["message_create"]
    assert (made["sender_id"], made["target"]) == (ids["maya_r"], {"recipient_id": ids["AskCiti"]})
    assert made["message_data"]["entities"].keys() == {"hashtags", "symbols", "user_mentions", "urls"}
    assert made["message_data"]["entities"]["hashtags"] == [{"text": "lost", "indices": [8, 13]}]
    assert event["payload"]["users"][ids["maya_r"]]["data"]["username"] == "maya_r"
    assert sandbox.bill() == {"dm_event": 1}

    sandbox.control("dms", **{"from": "AskCiti", "to": "maya_r", "text": "Hello"})
    assert receiver.wait(2)[1]["event_type"] == "dm.sent"
    assert sandbox.bill() == {"dm_event": 1}


def test_an_encrypted_message_is_told_and_read_by_nobody(sandbox: Sandbox, receiver: Receiver) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True)
    subscribe(sandbox, create(sandbox, receiver), kind="chat.received")

    sent = sandbox.control("dms", **{"from": "maya_r", "to": "AskCiti", "text": "my secret", "encrypted": True})

    assert sent["encrypted"] is True
    (event,) = receiver.wait(1)
    assert (event["event_type"], event["payload"]["sender_id"]) == ("chat.received", ids["maya_r"])
    assert set(event["payload"]["conversation_id"].split(":")) == set(ids.values())
    assert b"secret" not in receiver.bodies[0]
    assert sandbox.control_dms("AskCiti") == []
    assert "data" not in sandbox.user("AskCiti").get("/2/dm_events").json()
    assert sandbox.bill() == {}


def test_a_deleted_post_is_told_to_who_watches_its_author(sandbox: Sandbox, receiver: Receiver) -> None:
    number = person(sandbox, "maya_r")
    webhook = create(sandbox, receiver)
    sandbox.app.post(SUBSCRIPTIONS, json=wanted(number, "post.delete", webhook_id=webhook, tag="gone"))
    posts = [sandbox.tweet("maya_r", f"card {n}")["id"] for n in range(2)]

    assert sandbox.control("posts", delete=[posts[0], "12"])["deleted"] == [posts[0]]
    assert sandbox.user("maya_r").delete(f"/2/tweets/{posts[1]}").json() == {"data": {"deleted": True}}

    events = receiver.wait(2)
    assert {event["payload"]["id"] for event in events} == set(posts)
    assert events[0]["payload"].keys() == {"id", "author_id"}
    assert events[0]["tag"] == "gone"
    assert events[0]["includes"]["users"][0]["data"]["id"] == number
    assert sandbox.bill() == {}
    assert "data" not in sandbox.app.get("/2/tweets", params={"ids": ",".join(posts)}).json()
    assert sandbox.anonymous.post("/_sandbox/posts", json={"delete": ["x"]}).status_code == 400


def test_a_person_who_withdraws_the_app_ends_what_rested_on_it(sandbox: Sandbox, receiver: Receiver) -> None:
    number = person(sandbox, "AskCiti", accepts_dm=True)
    webhook = create(sandbox, receiver)
    subscribe(sandbox, webhook, kind="dm.received")
    answer = sandbox.app.post(SUBSCRIPTIONS, json={"event_type": "oauth.revoke", "filter": {}, "webhook_id": webhook})
    assert answer.status_code == 200
    user = sandbox.user("AskCiti")

    assert sandbox.control("people", revoke="@AskCiti")["revoked"] == 4  # two grants, each with a refresh token

    (event,) = receiver.wait(1)
    assert (event["event_type"], event["filter"]) == ("oauth.revoke", {})
    assert event["payload"].keys() == {"date_time", "user_id", "app_id"}
    assert event["payload"]["user_id"] == number
    assert user.get("/2/users/me").status_code == 401
    sandbox.control("dms", **{"from": "maya_r", "to": "AskCiti", "text": "Hello?"})
    assert [row["event_type"] for row in sandbox.app.get(SUBSCRIPTIONS).json()["data"]] == ["oauth.revoke"]
    assert len(receiver.bodies) == 1
    assert sandbox.anonymous.post("/_sandbox/people", json={"revoke": "nobody"}).status_code == 400


def test_without_a_webhook_nothing_is_delivered(sandbox: Sandbox, receiver: Receiver) -> None:
    number = person(sandbox, "AskCiti")
    webhook = create(sandbox, receiver)
    made = sandbox.app.post(SUBSCRIPTIONS, json=wanted(number)).json()["data"]["subscription"]
    sandbox.tweet("maya_r", "@AskCiti to nobody")
    assert sandbox.anonymous.get("/_sandbox/webhooks").json()["deliveries"] == []

    sandbox.app.put(f"{SUBSCRIPTIONS}/{made['subscription_id']}", json={"webhook_id": webhook})
    sandbox.tweet("maya_r", "@AskCiti hello")
    receiver.wait(1)
    sandbox.app.delete(f"/2/webhooks/{webhook}")
    sandbox.tweet("maya_r", "@AskCiti to nobody again")

    assert len(sandbox.anonymous.get("/_sandbox/webhooks").json()["deliveries"]) == 1
    assert "webhook_id" not in sandbox.app.get(SUBSCRIPTIONS).json()["data"][0]


@pytest.mark.skipif(not DATA.is_dir(), reason="X's documented examples (shared data) are not here")
def test_events_have_no_field_that_xs_examples_lack(sandbox: Sandbox, receiver: Receiver) -> None:
    """Every event against X's own example of its kind: the same nesting, no name that is not X's."""
    sandbox.people(AskCiti=True, maya_r=True)
    webhook = create(sandbox, receiver)
    kinds = ["post.mention.create", "dm.received", "dm.sent", "chat.received", "chat.sent", "post.delete"]
    for kind in kinds:
        subscribe(sandbox, webhook, kind=kind)
    sandbox.app.post(SUBSCRIPTIONS, json={"event_type": "oauth.revoke", "filter": {}, "webhook_id": webhook})
    sandbox.tweet("maya_r", "hey @AskCiti")
    for sender, to in (("maya_r", "AskCiti"), ("AskCiti", "maya_r")):
        sandbox.control("dms", **{"from": sender, "to": to, "text": "hello!"})
        sandbox.control("dms", **{"from": sender, "to": to, "text": "hello!", "encrypted": True})
    sandbox.control("posts", delete=[sandbox.tweet("AskCiti", "Bye")["id"]])
    sandbox.control("people", revoke="AskCiti")

    events = {event["event_type"]: event for event in receiver.wait(7)}

    assert events.keys() == {*kinds, "oauth.revoke"}
    examples = [json.loads(line) for line in (DATA / "docs_examples.jsonl").read_text().splitlines()]
    for kind, event in events.items():
        (example,) = [row["json"]["data"] for row in examples if row["heading"] == f"`{kind}`"]
        known = _names(example) | {"tag", "domain_user_id"}
        assert _names(event) - known <= {".payload.conversation_key_change_event"}, kind


def _names(value: Any, where: str = "") -> set[str]:
    """The paths of all names in an object; ids that are names count as one name."""
    if isinstance(value, list):
        return set().union(*(_names(each, where) for each in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found: set[str] = set()
    for name, each in value.items():
        path = f"{where}.{'ID' if name.isdigit() else name}"
        found |= {path} | _names(each, path)
    return found
