"""What X charges, counted from what it answered: each thing once per resource and UTC day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.test_stream import stream

SEARCH = "/2/tweets/search/recent"
DAY = 24 * 3600


def search(sandbox: Sandbox, **more: str) -> dict[str, Any]:
    answer = sandbox.app.get(SEARCH, params={"query": "card", **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_post_and_its_author_are_charged_once_a_day(sandbox: Sandbox) -> None:
    sandbox.tweet("maya_r", "my card")
    sandbox.tweet("maya_r", "my card again")

    for _ in range(3):
        search(sandbox, expansions="author_id")

    told = sandbox.anonymous.get("/_sandbox/bill").json()
    today = datetime.now(UTC).date().isoformat()
    assert told == {
        "micros": 20_000,
        "lines": [
            {"day": today, "resource": "post", "units": 2, "micros": 10_000},
            {"day": today, "resource": "user", "units": 1, "micros": 10_000},
        ],
    }


def test_the_next_utc_day_is_charged_anew(sandbox: Sandbox) -> None:
    sandbox.tweet("maya_r", "my card")
    search(sandbox)
    sandbox.control("clock", offset_seconds=DAY)
    search(sandbox)

    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert sandbox.bill() == {"post": 2}
    assert sandbox.bill(tomorrow) == {"post": 1}
    assert sandbox.bill("2020-01-01") == {}
    assert sandbox.anonymous.get("/_sandbox/bill", params={"day": "today"}).status_code == 400


def test_what_was_charged_survives_that_it_was_forgotten_here(sandbox: Sandbox, make_old: Any) -> None:
    """The rows are the bill, not this process's memory: what is already there is not counted twice."""
    post = sandbox.tweet("maya_r", "my card")
    today = datetime.now(UTC).date().isoformat()
    make_old(
        f"INSERT INTO sandbox_charge (day, resource, thing, micros) VALUES ('{today}', 'post', {post['id']}, 5000)"
    )

    search(sandbox)

    assert sandbox.bill() == {"post": 1}


def test_the_app_owners_mentions_are_cheap_and_what_they_include_is_not(sandbox: Sandbox) -> None:
    sandbox.control("people", people=[{"handle": "AskCiti", "owns_app": True}])
    brand = sandbox.user("AskCiti")
    number = brand.get("/2/users/me").json()["data"]["id"]
    first = sandbox.tweet("AskCiti", "Good morning")
    sandbox.tweet("maya_r", "@AskCiti hello", in_reply_to=first["id"])
    sandbox.tweet("maya_r", "@AskCiti hello again")
    assert sandbox.bill() == {"user": 1}

    brand.get(f"/2/users/{number}/mentions", params={"expansions": "author_id,referenced_tweets.id"})

    assert sandbox.bill() == {"user": 2, "owned_post": 2, "post": 1}
    brand.get("/2/tweets", params={"ids": first["id"]})
    assert sandbox.bill()["post"] == 1
    # The same mentions, read by the app or by somebody else, are posts like any others.
    sandbox.app.get(f"/2/users/{number}/mentions")
    assert sandbox.bill() == {"user": 2, "owned_post": 2, "post": 3}


def test_mentions_of_an_account_that_does_not_own_the_app_are_posts(sandbox: Sandbox) -> None:
    brand = sandbox.user("AskCiti")
    number = sandbox.control("people", people=[{"handle": "AskCiti"}])["people"][0]["id"]
    sandbox.tweet("maya_r", "@AskCiti hello")

    brand.get(f"/2/users/{number}/mentions")

    assert sandbox.bill() == {"post": 1}


def test_what_writing_costs(sandbox: Sandbox) -> None:
    ids = sandbox.people(maya_r=True)
    brand = sandbox.user("AskCiti")
    mention = sandbox.tweet("maya_r", "@AskCiti hello")
    reply = {"in_reply_to_tweet_id": mention["id"]}

    def post(**body: Any) -> str:
        answer = brand.post("/2/tweets", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["id"])

    own = post(text="We are here")
    assert sandbox.bill() == {"post_create": 1}
    post(text="Hello Maya", reply=reply)
    assert sandbox.bill() == {"post_create": 1, "reply_summoned": 1}
    post(text="Hello, see citi.com/help", reply=reply)
    post(text="And https://citi.com/cards")
    post(text="More of it", reply={"in_reply_to_tweet_id": own})
    brand.post(f"/2/dm_conversations/with/{ids['maya_r']}/messages", json={"text": "Hello, see citi.com/help"})

    assert sandbox.bill() == {"post_create": 2, "reply_summoned": 1, "post_create_url": 2, "dm_create": 1}
    assert sandbox.anonymous.get("/_sandbox/bill").json()["micros"] == 2 * 15_000 + 10_000 + 2 * 200_000 + 15_000


def test_messages_read_are_charged_each_once(sandbox: Sandbox) -> None:
    sandbox.people(AskCiti=True, maya_r=True)
    for text in ("one", "two"):
        sandbox.control("dms", **{"from": "maya_r", "to": "AskCiti", "text": text})
    brand = sandbox.user("AskCiti")

    for _ in range(2):
        brand.get("/2/dm_events", params={"expansions": "sender_id"})

    assert sandbox.bill() == {"dm_event": 2, "user": 1}


def test_refusals_and_rules_and_lists_of_nothing_are_free(sandbox: Sandbox) -> None:
    sandbox.people(maya_r=False)
    brand = sandbox.user("AskCiti")
    sandbox.rule("card", "cards")
    sandbox.app.get("/2/tweets/search/stream/rules")
    sandbox.app.get("/2/usage/tweets")
    sandbox.app.get(SEARCH, params={"query": "card"})
    sandbox.app.get("/2/tweets/1")
    sandbox.app.get("/2/users/me")
    brand.get("/2/users/1/mentions")
    brand.post("/2/tweets", json={"text": ""})

    assert sandbox.bill() == {}


def test_lines_of_the_stream_are_charged_with_what_they_include(sandbox: Sandbox) -> None:
    sandbox.rule("card")
    with stream(sandbox, expansions="author_id") as reader:
        sandbox.control("posts", posts=[{"author": "maya_r", "text": f"card {n}"} for n in range(3)])
        sandbox.tweet("maya_r", "nothing of note")
        reader.wait(3)

        assert sandbox.bill() == {"post": 3, "user": 1}


def test_xs_own_account_of_the_usage_counts_posts(sandbox: Sandbox) -> None:
    sandbox.control("posts", posts=[{"author": "maya_r", "text": f"card {n}"} for n in range(3)])
    search(sandbox, expansions="author_id")
    sandbox.control("clock", offset_seconds=DAY)
    search(sandbox)

    data = sandbox.app.get("/2/usage/tweets").json()["data"]

    today = datetime.now(UTC).date()
    days = [f"{today + timedelta(days=n)}T00:00:00.000Z" for n in (0, 1)]
    usage = [{"date": day, "usage": "3"} for day in days]
    assert data["daily_project_usage"] == {"project_id": "1", "usage": usage}
    assert data["daily_client_app_usage"] == [{"client_app_id": "test-client", "usage": usage, "usage_result_count": 2}]
    assert (data["project_cap"], data["cap_reset_day"]) == ("3000000", 1)
    only = sandbox.app.get("/2/usage/tweets", params={"days": "1", "usage.fields": "daily_project_usage"}).json()
    assert only == {"data": {"daily_project_usage": {"project_id": "1", "usage": usage[1:]}}}


@pytest.mark.parametrize("query", [{"days": "0"}, {"days": "91"}, {"usage.fields": "weekly"}, {"month": "1"}])
def test_what_the_usage_is_not_asked_for(sandbox: Sandbox, query: dict[str, str]) -> None:
    assert sandbox.app.get("/2/usage/tweets", params=query).status_code == 400
    assert sandbox.user("AskCiti").get("/2/usage/tweets").status_code == 403
