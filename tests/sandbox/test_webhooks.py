"""Webhooks: the challenge, the address's rules, signed deliveries at least once."""

import base64
import hashlib
import hmac
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from sandbox.challenge import wrong_with
from tests.sandbox.conftest import BEARER, CONSUMER_SECRET, Receiver, Sandbox

HOUR = 3600


def create(sandbox: Sandbox, receiver: Receiver) -> str:
    answer = sandbox.app.post("/2/webhooks", json={"url": receiver.url})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["id"])


def subscribe(sandbox: Sandbox, webhook: str, handle: str = "AskCiti", kind: str = "post.mention.create") -> str:
    number = sandbox.control("people", people=[{"handle": handle}])["people"][0]["id"]
    body = {"event_type": kind, "filter": {"user_id": number}, "webhook_id": webhook}
    answer = sandbox.user(handle).post("/2/activity/subscriptions", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["subscription"]["subscription_id"])


def deliveries(sandbox: Sandbox, status: str, seconds: float = 5) -> list[dict[str, object]]:
    """What the sandbox says of its deliveries, once none waits and the newest has this status."""
    deadline = time.monotonic() + seconds
    while True:
        told = sandbox.anonymous.get("/_sandbox/webhooks").json()
        rows = list(told["deliveries"])
        if (rows and rows[0]["status"] == status and not told["waiting"]) or time.monotonic() > deadline:
            return rows
        time.sleep(0.01)


def told(answer: httpx.Response) -> str:
    """Why a webhook was not taken."""
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "https://api.x.com/2/problems/invalid-request"
    return str(answer.json()["errors"][0]["message"]).split(":")[0]


def test_an_address_that_answers_the_challenge_is_taken(sandbox: Sandbox, receiver: Receiver) -> None:
    answer = sandbox.app.post("/2/webhooks", json={"url": receiver.url})

    data = answer.json()["data"]
    assert (answer.status_code, receiver.asked) == (200, 1)
    assert (data["url"], data["valid"]) == (receiver.url, True)
    assert sandbox.app.get("/2/webhooks").json() == {"data": [data], "meta": {"result_count": 1}}
    only = sandbox.app.get("/2/webhooks", params={"webhook_config.fields": "valid"}).json()
    assert only["data"] == [{"valid": True}]


def test_an_address_that_does_not_is_not(sandbox: Sandbox, receiver: Receiver) -> None:
    receiver.honest = False
    assert told(sandbox.app.post("/2/webhooks", json={"url": receiver.url})) == "CrcValidationFailed"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        assert told(sandbox.app.post("/2/webhooks", json={"url": url})) == "CrcValidationFailed"
    # One that redirects, even to an honest answer, is not asked further.
    url = f"{sandbox.url}/login?{receiver.url}"
    assert told(sandbox.app.post("/2/webhooks", json={"url": url})) == "CrcValidationFailed"
    assert sandbox.app.get("/2/webhooks").json() == {"data": [], "meta": {"result_count": 0}}


def test_a_challenge_does_not_hold_up_the_others(sandbox: Sandbox) -> None:
    """The sandbox works in one thread; an address that does not answer must not stop it."""
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as pool:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        asking = pool.submit(sandbox.app.post, "/2/webhooks", json={"url": url})
        with silent.accept()[0]:
            assert sandbox.client({"Authorization": f"Bearer {BEARER}"}).get("/2/tweets/1").status_code == 200
            assert not asking.done()
        assert told(asking.result()) == "CrcValidationFailed"


def test_one_webhook_for_an_app_and_none_twice(sandbox: Sandbox, receiver: Receiver) -> None:
    number = create(sandbox, receiver)

    assert told(sandbox.app.post("/2/webhooks", json={"url": receiver.url})) == "DuplicateUrlFailed"
    assert told(sandbox.app.post("/2/webhooks", json={"url": receiver.url + "2"})) == "WebhookLimitExceeded"
    assert sandbox.app.delete(f"/2/webhooks/{number}").json() == {"data": {"deleted": True}}
    assert told(sandbox.app.delete(f"/2/webhooks/{number}")) == "WebhookIdInvalid"
    assert told(sandbox.app.put(f"/2/webhooks/{number}")) == "WebhookIdInvalid"
    assert sandbox.app.post("/2/webhooks", json={"url": receiver.url + "2"}).status_code == 200
    assert sandbox.user("AskCiti").get("/2/webhooks").status_code == 403


@pytest.mark.parametrize(
    "url",
    [
        "http://bank.example/x",
        "https://bank.example:443/x",
        "https://bank.example:x/",
        "ftp://bank.example/",
        "",
        "https://",
        "https://bank.example/" + "x" * 180,
    ],
)
def test_an_address_that_x_does_not_take(url: str) -> None:
    assert wrong_with(url, local=False)


def test_the_addresses_that_x_takes() -> None:
    for url in ("https://bank.example/x", "https://bank.example/" + "x" * 179):
        assert not wrong_with(url, local=False)
    assert not wrong_with("http://localhost:8000/hooks/x/", local=True)
    assert wrong_with("ftp://localhost/", local=True)


def test_a_wrong_address_is_refused_unasked(sandbox: Sandbox) -> None:
    assert told(sandbox.app.post("/2/webhooks", json={"url": "ftp://localhost/"})) == "UrlValidationFailed"
    assert told(sandbox.app.post("/2/webhooks", json={})) == "$"


def test_a_delivery_is_signed_over_its_raw_bytes(sandbox: Sandbox, receiver: Receiver) -> None:
    subscribe(sandbox, create(sandbox, receiver))

    sandbox.tweet("maya_r", "@AskCiti ünïcode & <more>")

    receiver.wait(1)
    digest = hmac.new(CONSUMER_SECRET.encode(), receiver.bodies[0], hashlib.sha256).digest()
    assert receiver.headers[0]["x-twitter-webhooks-signature"] == "sha256=" + base64.b64encode(digest).decode()
    assert receiver.headers[0]["content-type"] == "application/json"
    (row,) = deliveries(sandbox, "delivered")
    assert row["event_type"] == "post.mention.create"
    assert (row["status"], row["attempts"]) == ("delivered", 1)


def test_what_was_not_taken_is_sent_again_and_charged_once(sandbox: Sandbox, receiver: Receiver) -> None:
    subscribe(sandbox, create(sandbox, receiver))
    receiver.statuses = [500, 302, 204]

    sandbox.tweet("maya_r", "@AskCiti hello")

    events = receiver.wait(4)
    assert len({event["event_uuid"] for event in events}) == 1
    assert len(set(receiver.bodies)) == 1
    (row,) = deliveries(sandbox, "delivered")
    assert (row["status"], row["attempts"]) == ("delivered", 4)
    assert sandbox.bill() == {"post": 1}


def test_an_event_that_never_arrives_is_not_charged(sandbox: Sandbox, receiver: Receiver) -> None:
    subscribe(sandbox, create(sandbox, receiver))
    receiver.statuses = [500] * 3

    sandbox.tweet("maya_r", "@AskCiti hello")

    receiver.wait(2)
    assert sandbox.anonymous.get("/_sandbox/webhooks").json()["deliveries"][0]["status"] == "retrying"
    assert sandbox.bill() == {}


def test_one_that_is_refused_does_not_hold_up_the_next(sandbox: Sandbox, receiver: Receiver) -> None:
    subscribe(sandbox, create(sandbox, receiver))
    receiver.statuses = [500]

    posts = sandbox.control("posts", posts=[{"author": "maya_r", "text": f"@AskCiti {n}"} for n in range(20)])["posts"]

    events = receiver.wait(21)
    assert {event["payload"]["id"] for event in events} == {post["id"] for post in posts}
    assert sandbox.bill() == {"post": 20}


def test_a_webhook_that_fails_the_hourly_challenge_gets_nothing_until_it_passes(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    number = create(sandbox, receiver)
    subscribe(sandbox, number)
    receiver.honest = False
    sandbox.control("clock", offset_seconds=HOUR - 60)
    sandbox.control("clock", offset_seconds=HOUR + 60)
    deadline = time.monotonic() + 5
    while sandbox.app.get("/2/webhooks").json()["data"][0]["valid"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sandbox.app.get("/2/webhooks").json()["data"][0]["valid"] is False
    assert receiver.asked == 2

    sandbox.tweet("maya_r", "@AskCiti lost")
    assert deliveries(sandbox, "dropped")[0]["status"] == "dropped"
    assert told(sandbox.app.put(f"/2/webhooks/{number}")) == "CrcValidationFailed"
    receiver.honest = True
    assert sandbox.app.put(f"/2/webhooks/{number}").json() == {"data": {"valid": True}}
    sandbox.tweet("maya_r", "@AskCiti found")

    (event,) = receiver.wait(1)
    assert event["payload"]["text"] == "@AskCiti found"


def test_events_can_be_had_again(sandbox: Sandbox, receiver: Receiver) -> None:
    number = create(sandbox, receiver)
    subscribe(sandbox, number)
    sandbox.tweet("maya_r", "@AskCiti hello")
    receiver.wait(1)
    day = sandbox.anonymous.get("/_sandbox/clock").json()["now"][:10].replace("-", "")
    window = {"from_date": f"{day}0000", "to_date": f"{day}2359"}

    answer = sandbox.app.post("/2/webhooks/replay", json={"webhook_id": number, **window})

    assert answer.json()["data"].keys() == {"job_id", "created_at"}
    receiver.wait(2)
    assert receiver.bodies[0] == receiver.bodies[1]
    assert sandbox.bill() == {"post": 1}
    earlier = {"from_date": "200001010000", "to_date": "200001020000"}
    assert sandbox.app.post("/2/webhooks/replay", json={"webhook_id": number, **earlier}).status_code == 200
    wrong = {"from_date": "200013010000", "to_date": "200001020000"}
    assert sandbox.app.post("/2/webhooks/replay", json={"webhook_id": number, **wrong}).status_code == 400


def test_a_reset_forgets_webhooks_and_deliveries(sandbox: Sandbox, receiver: Receiver) -> None:
    subscribe(sandbox, create(sandbox, receiver))
    sandbox.tweet("maya_r", "@AskCiti hello")
    receiver.wait(1)

    sandbox.control("reset")

    assert sandbox.anonymous.get("/_sandbox/webhooks").json() == {"deliveries": [], "waiting": 0}
    assert sandbox.app.get("/2/webhooks").json()["data"] == []
    assert sandbox.bill() == {}
    sandbox.tweet("maya_r", "@AskCiti hello")
    assert sandbox.anonymous.get("/_sandbox/webhooks").json()["deliveries"] == []
