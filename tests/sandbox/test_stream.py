"""The filtered stream and its rules, over a real connection."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.sandbox.conftest import KEEPALIVE, Process, Sandbox

STREAM = "/2/tweets/search/stream"


class Reader:
    """Reads the stream in a thread of its own: `lines` holds what came, blank ones counted apart."""

    def __init__(self, response: httpx.Response) -> None:
        self.lines: list[dict[str, Any]] = []
        self.blank: list[float] = []
        self._response = response
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        rest = b""
        try:
            for chunk in self._response.iter_raw():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    assert line.endswith(b"\r")
                    if line == b"\r":
                        self.blank.append(time.monotonic())
                    else:
                        self.lines.append(json.loads(line))
        except (httpx.TransportError, httpx.StreamError):
            pass

    def wait(self, count: int, seconds: float = 5) -> list[dict[str, Any]]:
        """The lines, once there are so many."""
        deadline = time.monotonic() + seconds
        while len(self.lines) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.lines) >= count, f"{len(self.lines)} lines instead of {count}"
        return self.lines


@contextmanager
def stream(sandbox: Sandbox, **params: str) -> Iterator[Reader]:
    with sandbox.app.stream("GET", STREAM, params=params) as response:
        assert response.status_code == 200, response.read()
        reader = Reader(response)
        deadline = time.monotonic() + 5
        while not reader.blank and time.monotonic() < deadline:
            time.sleep(0.01)
        yield reader


def test_posts_that_match_arrive_with_their_rules(sandbox: Sandbox) -> None:
    ids = sandbox.people(maya_r=True, AskCiti=True)
    first = sandbox.rule("@AskCiti", "handle").json()["data"][0]
    second = sandbox.rule("declined card", "cards").json()["data"][0]

    params = {
        "tweet.fields": "author_id,created_at,entities,referenced_tweets",
        "expansions": "author_id",
        "user.fields": "username",
    }
    with stream(sandbox, **params) as reader:
        both = sandbox.tweet("maya_r", "@AskCiti my card was declined", lang="en")
        sandbox.tweet("omar_h", "lovely weather")
        other = sandbox.tweet("omar_h", "card declined, says my card")
        lines = reader.wait(2)

    assert both["matched"] == ["handle", "cards"]
    assert [line["data"]["id"] for line in lines] == [both["id"], other["id"]]
    assert lines[0]["matching_rules"] == [{"id": first["id"], "tag": "handle"}, {"id": second["id"], "tag": "cards"}]
    assert lines[0]["data"]["author_id"] == ids["maya_r"]
    assert lines[0]["data"]["edit_history_tweet_ids"] == [both["id"]]
    assert lines[0]["includes"]["users"] == [{"id": ids["maya_r"], "name": "Maya_R", "username": "maya_r"}]
    assert lines[1]["includes"]["users"][0]["username"] == "omar_h"
    assert lines[0]["data"]["entities"]["mentions"][0]["id"] == ids["AskCiti"]


def test_without_expansions_there_are_no_includes(sandbox: Sandbox) -> None:
    sandbox.rule("card")

    with stream(sandbox) as reader:
        post = sandbox.tweet("maya_r", "card")
        (line,) = reader.wait(1)

    assert line["data"] == {"id": post["id"], "text": "card", "edit_history_tweet_ids": [post["id"]]}
    assert "includes" not in line


def test_a_quiet_stream_stays_alive(sandbox: Sandbox) -> None:
    sandbox.rule("card")

    with stream(sandbox) as reader:
        time.sleep(KEEPALIVE * 4)
        gaps = [later - earlier for earlier, later in zip(reader.blank, reader.blank[1:], strict=False)]

    assert len(reader.blank) >= 3
    assert max(gaps) < KEEPALIVE * 1.6


def test_a_second_connection_is_refused_until_the_first_goes(sandbox: Sandbox) -> None:
    sandbox.rule("card")

    with stream(sandbox):
        with sandbox.app.stream("GET", STREAM) as refused:
            assert refused.status_code == 429
            refused.read()
        assert refused.json() == {
            "title": "ConnectionException",
            "detail": "This stream is currently at the maximum allowed connection limit.",
            "connection_issue": "TooManyConnections",
            "type": "https://api.x.com/2/problems/streaming-connection",
        }
        assert refused.headers["x-rate-limit-limit"] == "50"

    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        with sandbox.app.stream("GET", STREAM) as again:
            if again.status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the connection was not freed")


def test_rules_apply_to_an_open_stream(sandbox: Sandbox) -> None:
    old = sandbox.rule("card").json()["data"][0]

    with stream(sandbox) as reader:
        sandbox.rule("loan", "new")
        sandbox.app.post(STREAM + "/rules", json={"delete": {"ids": [old["id"]]}})
        assert sandbox.tweet("maya_r", "card")["matched"] == []
        post = sandbox.tweet("maya_r", "loan")
        (line,) = reader.wait(1)

    assert line["data"]["id"] == post["id"]


def test_the_stream_needs_rules_and_the_apps_token(sandbox: Sandbox) -> None:
    without = sandbox.app.get(STREAM)
    assert (without.status_code, without.json()["connection_issue"]) == (409, "RuleConfigurationIssue")

    sandbox.rule("card")
    user = sandbox.user("maya_r").get(STREAM)
    assert user.status_code == 403
    assert user.json()["type"] == "https://api.x.com/2/problems/unsupported-authentication"
    newer = sandbox.app.get(STREAM, params={"post.fields": "lang"})
    assert (newer.status_code, list(newer.json()["errors"][0]["parameters"])) == (400, ["post.fields"])


def test_rules_are_added_listed_and_deleted(sandbox: Sandbox) -> None:
    url = STREAM + "/rules"
    assert "data" not in sandbox.app.get(url).json()

    added = sandbox.app.post(url, json={"add": [{"value": "card", "tag": "cards"}, {"value": "loan"}]})
    assert added.status_code == 201
    assert added.json()["meta"]["summary"] == {"created": 2, "not_created": 0, "valid": 2, "invalid": 0}
    listed = sandbox.app.get(url).json()
    assert listed["data"] == added.json()["data"]
    assert listed["data"][0] | {"id": ""} == {"id": "", "value": "card", "tag": "cards"}
    assert listed["meta"]["result_count"] == 2

    deleted = sandbox.app.post(url, json={"delete": {"values": ["card", "nothing"]}}).json()
    assert deleted["meta"]["summary"] == {"deleted": 1, "not_deleted": 1}
    assert deleted["errors"][0]["errors"][0]["parameters"] == {"values": ["nothing"]}
    assert [rule["value"] for rule in sandbox.app.get(url).json()["data"]] == ["loan"]
    assert sandbox.app.post(url, params={"delete_all": "true"}, json={}).json()["meta"]["summary"]["deleted"] == 1


def test_bad_and_doubled_rules_are_named(sandbox: Sandbox) -> None:
    url = STREAM + "/rules"
    sandbox.rule("card")

    mixed = sandbox.app.post(url, json={"add": [{"value": "card"}, {"value": "-(a b)"}, {"value": "loan"}]})

    assert mixed.status_code == 201
    body = mixed.json()
    assert body["meta"]["summary"] == {"created": 1, "not_created": 2, "valid": 1, "invalid": 2}
    assert [error["type"].rsplit("/", 1)[1] for error in body["errors"]] == ["duplicate-rules", "invalid-rules"]
    assert body["errors"][1]["details"] == ["Negating a group is not allowed: negate each term in it."]


def test_a_dry_run_changes_nothing(sandbox: Sandbox) -> None:
    url = STREAM + "/rules"

    answer = sandbox.app.post(url, params={"dry_run": "true"}, json={"add": [{"value": "card"}]})

    assert answer.json()["meta"]["summary"]["created"] == 1
    assert "data" not in sandbox.app.get(url).json()
    assert sandbox.tweet("maya_r", "card")["matched"] == []


def test_rules_are_refused_when_the_body_is_not_one(sandbox: Sandbox) -> None:
    url = STREAM + "/rules"
    for body in (
        {},
        {"add": []},
        {"add": [{"value": "a", "colour": "red"}]},
        {"delete": {}},
        {"drop": 1},
        {"add": [{}]},
    ):
        assert sandbox.app.post(url, json=body).status_code == 400, body
    assert sandbox.app.post(url, content=b"not json").status_code == 400
    assert sandbox.user("maya_r").get(url).status_code == 403


def test_a_killed_sandbox_goes_on_with_its_rules_and_rising_ids(sandbox: Sandbox, process: Process) -> None:
    sandbox.rule("card", "cards")
    before = sandbox.tweet("maya_r", "card")

    process.stop(kill=True)
    process.start()
    after = sandbox.tweet("maya_r", "another card")

    assert int(after["id"]) > int(before["id"])
    assert after["matched"] == ["cards"]
