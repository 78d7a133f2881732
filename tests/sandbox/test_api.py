"""Who may call what: tokens, scopes, rate limits, parameters and both vocabularies, in X's shapes."""

from typing import Any

import pytest

from tests.sandbox.conftest import Process, Sandbox

INVALID = "https://api.x.com/2/problems/invalid-request"
WRITING = ["tweet.read", "users.read", "tweet.write"]


def test_without_a_good_token_nothing_is_told(sandbox: Sandbox) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic dGVzdC1iZWFyZXI6"},
        {"Authorization": "Bearer"},
    ):
        answer = sandbox.client(headers).get("/2/users/me")
        assert answer.status_code == 401
        assert answer.json() == {
            "title": "Unauthorized",
            "type": "about:blank",
            "status": 401,
            "detail": "Unauthorized",
        }
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert {"x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"} <= set(answer.headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/2/users/me"),
        ("POST", "/2/tweets"),
        ("DELETE", "/2/tweets/1"),
        ("POST", "/2/dm_conversations/with/1/messages"),
        ("GET", "/2/dm_events"),
        ("GET", "/2/dm_conversations/with/1/dm_events"),
        ("GET", "/2/dm_conversations/1-2/dm_events"),
    ],
)
def test_the_apps_own_token_does_not_act_for_people(sandbox: Sandbox, method: str, path: str) -> None:
    answer = sandbox.app.request(method, path)

    assert answer.status_code == 403
    assert answer.json() == {
        "title": "Unsupported Authentication",
        "detail": "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.  "
        "Supported authentication types are [OAuth 2.0 User Context].",
        "type": "https://api.x.com/2/problems/unsupported-authentication",
        "status": 403,
    }


@pytest.mark.parametrize(
    ("method", "path", "missing"),
    [
        ("GET", "/2/users/me", "users.read"),
        ("GET", "/2/users/me", "tweet.read"),
        ("GET", "/2/users/1/mentions", "tweet.read"),
        ("GET", "/2/tweets/search/recent?query=card", "tweet.read"),
        ("POST", "/2/tweets", "tweet.write"),
        ("DELETE", "/2/tweets/1", "tweet.write"),
        ("POST", "/2/dm_conversations/with/1/messages", "dm.write"),
        ("GET", "/2/dm_events", "dm.read"),
    ],
)
def test_a_missing_scope_is_forbidden(sandbox: Sandbox, method: str, path: str, missing: str) -> None:
    scopes = [scope for scope in (*WRITING, "dm.read", "dm.write") if scope != missing]

    answer = sandbox.user("maya_r", scopes).request(method, path, json={"text": "x"} if method == "POST" else None)

    assert answer.status_code == 403
    assert answer.json() == {"title": "Forbidden", "type": "about:blank", "status": 403, "detail": "Forbidden"}


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/2/users/me?colour=red", "colour"),
        ("/2/users/me?user.fields=shoe_size", "user.fields"),
        ("/2/users/me?expansions=author_id", "expansions"),
        ("/2/users/abc", "id"),
        ("/2/users/99999999999999999999", "id"),
        ("/2/users/9999999999999999999", "id"),
        ("/2/users/by/username/a-b", "username"),
        ("/2/users/by/username/abcdefghijklmnop", "username"),
        ("/2/users?ids=", "ids"),
        ("/2/users?ids=1,x", "ids"),
        ("/2/users/1/mentions?max_results=4", "max_results"),
        ("/2/users/1/mentions?max_results=101", "max_results"),
        ("/2/users/1/mentions?max_results=ten", "max_results"),
        ("/2/users/1/mentions?since_id=x", "since_id"),
        ("/2/users/1/mentions?pagination_token=x", "pagination_token"),
        ("/2/users/1/mentions?next_token=7140000000000000z", "next_token"),
        ("/2/users/1/mentions?start_time=yesterday", "start_time"),
        ("/2/users/1/mentions?tweet.fields=lang&post.fields=lang", "post.fields"),
        ("/2/users/1/mentions?post.fields=author_id", "post.fields"),
        ("/2/users/1/mentions?tweet.fields=lang&expansions=referenced_posts", "expansions"),
        ("/2/tweets/search/recent", "query"),
        ("/2/tweets/search/recent?query=lang:en", "query"),
        ("/2/tweets/search/recent?query=(card", "query"),
        ("/2/tweets/search/recent?query=card&max_results=9", "max_results"),
        ("/2/tweets/search/recent?query=card&since_id=1", "since_id"),
        ("/2/tweets/search/recent?query=card&start_time=2020-01-01T00:00:00Z", "start_time"),
        ("/2/tweets/search/recent?query=card&end_time=2999-01-01T00:00:00Z", "end_time"),
        ("/2/tweets/search/recent?query=card&sort_order=random", "sort_order"),
    ],
)
def test_what_is_not_understood_is_named(sandbox: Sandbox, path: str, parameter: str) -> None:
    answer = sandbox.user("maya_r").get(path)

    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert (body["title"], body["type"]) == ("Invalid Request", INVALID)
    assert list(body["errors"][0]["parameters"]) == [parameter]
    assert body["errors"][0]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": "x", "colour": "red"},
        {"text": 5},
        {"text": "x" * 281},
        {"text": "日" * 141},
        {"text": "x", "reply": {}},
        {"text": "x", "reply": {"in_reply_to_tweet_id": "abc"}},
        {"text": "x", "reply_settings": "nobody"},
        ["text"],
    ],
)
def test_a_post_that_is_not_one_is_refused(sandbox: Sandbox, body: Any) -> None:
    answer = sandbox.user("maya_r").post("/2/tweets", json=body)

    assert (answer.status_code, answer.json()["type"]) == (400, INVALID)


def test_unknown_paths_and_methods_are_answered_in_json(sandbox: Sandbox) -> None:
    assert sandbox.app.get("/2/nothing").json()["title"] == "Not Found"
    assert sandbox.app.put("/2/tweets").status_code == 405


def test_every_call_counts_in_its_window(sandbox: Sandbox) -> None:
    maya, omar = sandbox.user("maya_r"), sandbox.user("omar_h")

    for used in range(1, 76):
        answer = maya.get("/2/users/me")
        assert answer.status_code == 200
        assert answer.headers["x-rate-limit-limit"] == "75"
        assert answer.headers["x-rate-limit-remaining"] == str(75 - used)
    refused = maya.get("/2/users/me")

    assert refused.status_code == 429
    assert refused.json() == {
        "title": "Too Many Requests",
        "detail": "Too Many Requests",
        "type": "about:blank",
        "status": 429,
    }
    assert refused.headers["x-rate-limit-remaining"] == "0"
    assert refused.headers["x-rate-limit-reset"] == answer.headers["x-rate-limit-reset"]
    assert omar.get("/2/users/me").status_code == 200  # each person has a window
    assert maya.get("/2/users/by/username/omar_h").status_code == 200  # and each endpoint


def test_users_are_found_by_id_and_by_handle_in_any_case(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=False)

    assert sandbox.app.get("/2/users/by/username/askciti").json()["data"]["id"] == ids["AskCiti"]
    assert sandbox.app.get(f"/2/users/{ids['maya_r']}").json()["data"]["username"] == "maya_r"
    both = sandbox.app.get("/2/users", params={"ids": f"{ids['maya_r']},5,{ids['AskCiti']}"}).json()
    assert [user["username"] for user in both["data"]] == ["maya_r", "AskCiti"]
    assert [(error["resource_id"], error["title"]) for error in both["errors"]] == [("5", "Not Found Error")]


def test_nobody_is_an_error_in_an_answer_of_200(sandbox: Sandbox) -> None:
    answer = sandbox.app.get("/2/users/by/username/nobody")

    assert answer.status_code == 200
    assert answer.json() == {
        "errors": [
            {
                "value": "nobody",
                "detail": "Could not find user with username: [nobody].",
                "title": "Not Found Error",
                "resource_type": "user",
                "parameter": "username",
                "resource_id": "nobody",
                "type": "https://api.x.com/2/problems/resource-not-found",
            }
        ]
    }


def test_ids_follow_from_the_handle(sandbox: Sandbox) -> None:
    first = sandbox.people(maya_r=True)["maya_r"]
    sandbox.control("reset")

    assert sandbox.people(MAYA_R=True)["MAYA_R"] == first
    assert first.isdigit()
    assert 10 <= len(first) <= 18


def test_who_takes_messages_is_only_told_to_people(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True, jorge_p=False)
    brand = sandbox.user("AskCiti")
    asked = {
        "ids": f"{ids['maya_r']},{ids['jorge_p']},{ids['AskCiti']}",
        "user.fields": "receives_your_dm,connection_status",
    }

    told = {user["username"]: user["receives_your_dm"] for user in brand.get("/2/users", params=asked).json()["data"]}
    assert told == {"maya_r": True, "jorge_p": False, "AskCiti": False}
    assert all(
        set(user) == {"id", "name", "username"} for user in sandbox.app.get("/2/users", params=asked).json()["data"]
    )

    sandbox.control("dms", **{"from": "jorge_p", "to": "AskCiti", "text": "hello"})
    told = {user["username"]: user["receives_your_dm"] for user in brand.get("/2/users", params=asked).json()["data"]}
    assert told["jorge_p"] is True


def test_both_vocabularies_answer_in_their_own_words(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True)
    first = sandbox.tweet("maya_r", "@AskCiti declined")
    second = sandbox.tweet("maya_r", "still declined", in_reply_to=first["id"])
    path = f"/2/users/{ids['AskCiti']}/mentions"
    brand = sandbox.user("AskCiti")

    older = {
        "tweet.fields": "author_id,referenced_tweets,conversation_id,public_metrics",
        "expansions": "author_id,referenced_tweets.id",
    }
    newer = {"post.fields": "conversation_id,public_metrics", "expansions": "author_id,referenced_posts"}
    for http, where, query in ((brand, path, {}), (sandbox.app, "/2/tweets/search/recent", {"query": "declined"})):
        tweet = http.get(where, params=query | older).json()
        post = http.get(where, params=query | newer).json()
        assert tweet["data"][0]["edit_history_tweet_ids"] == post["data"][0]["edit_history_post_ids"]
        assert "edit_history_post_ids" not in tweet["data"][0]
        assert "retweet_count" in tweet["data"][0]["public_metrics"]
        assert "repost_count" in post["data"][0]["public_metrics"]
        assert {each["author_id"] for each in (*tweet["data"], *post["data"])} == {ids["maya_r"]}
        assert tweet["meta"] == post["meta"]
    found_older = sandbox.app.get(f"/2/tweets/{second['id']}", params=older).json()
    found_newer = sandbox.app.get(f"/2/tweets/{second['id']}", params=newer).json()
    assert found_older["data"]["referenced_tweets"] == [{"type": "replied_to", "id": first["id"]}]
    assert found_newer["data"]["referenced_posts"] == [{"type": "replied_to", "id": first["id"]}]
    assert found_older["includes"]["tweets"][0]["id"] == found_newer["includes"]["posts"][0]["id"] == first["id"]
    plain = sandbox.app.get(f"/2/tweets/{first['id']}").json()["data"]
    assert plain == {"id": first["id"], "text": "@AskCiti declined", "edit_history_tweet_ids": [first["id"]]}


def test_a_refusal_is_one_line_of_log(sandbox: Sandbox, process: Process) -> None:
    sandbox.app.get("/2/users/x%0A500%20GET%20forged", params={"user.fields": "name"})

    assert [line for line in process.log.read_text().splitlines() if "forged" in line and line.startswith("500")] == []
    assert "400 GET /2/users/x\\n500 GET forged by app" in process.log.read_text()
