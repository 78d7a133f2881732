"""Faults on demand: what the other side of the socket sees of each, and what the list says afterwards."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import KEEPALIVE, Receiver, Sandbox

STREAM = "/2/tweets/search/stream"
BROKEN = (httpx.RemoteProtocolError, httpx.ReadError)


def arm(sandbox: Sandbox, fault: str, endpoint: str, **more: Any) -> int:
    return int(sandbox.control("faults", fault=fault, endpoint=endpoint, **more)["id"])


def faults(sandbox: Sandbox) -> list[dict[str, Any]]:
    return list(sandbox.anonymous.get("/_sandbox/faults").json()["faults"])


def recovered(sandbox: Sandbox) -> list[str | None]:
    """When each firing of the newest fault recovered: the sandbox notes it right after the line was sent."""
    deadline = time.monotonic() + 2
    while None in (found := faults(sandbox)[-1]["recovered_at"]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return list(found)


def moments(texts: list[str | None]) -> list[float | None]:
    return [datetime.fromisoformat(text).timestamp() if text else None for text in texts]


class Lines:
    """What an open stream says, line by line; blank lines are left out."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.rest = b""
        self._chunks = response.iter_raw()

    def raw(self) -> bytes:
        """The next line as it came, blank ones too."""
        while b"\n" not in self.rest:
            self.rest += next(self._chunks)
        line, self.rest = self.rest.split(b"\n", 1)
        return line.strip()

    def next(self) -> Any:
        while not (line := self.raw()):
            pass
        return json.loads(line)

    def post(self) -> str:
        return str(self.next()["data"]["id"])


@contextmanager
def stream(sandbox: Sandbox) -> Iterator[Lines]:
    """An open stream, after its first blank line; a new one may have to wait for the old one to be gone."""
    deadline = time.monotonic() + 3
    while True:
        with sandbox.client({"Authorization": sandbox.app.headers["Authorization"]}).stream("GET", STREAM) as response:
            if response.status_code == 429 and "TooMany" in response.read().decode() and time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            assert response.status_code == 200, response.read()
            lines = Lines(response)
            assert lines.raw() == b""
            yield lines
            return


@pytest.fixture
def listening(sandbox: Sandbox) -> Sandbox:
    """A sandbox with a rule that takes posts about cards."""
    sandbox.rule("card")
    return sandbox


@pytest.fixture
def mentions(sandbox: Sandbox) -> str:
    """The path of AskCiti's mentions: five of them."""
    ids = sandbox.people(AskCiti=True, maya_r=True)
    posts = [{"author": "maya_r", "text": f"@AskCiti card {n}"} for n in range(5)]
    sandbox.control("posts", posts=posts)
    return f"/2/users/{ids['AskCiti']}/mentions"


@pytest.mark.parametrize(("fault", "title"), [("429", "Too Many Requests"), ("503", "Service Unavailable")])
def test_an_answer_is_refused_so_many_times_and_recovers(
    sandbox: Sandbox, mentions: str, fault: str, title: str
) -> None:
    number = arm(sandbox, fault, "mentions", times=2, seconds=30)
    before = time.time()

    first, second, third = (sandbox.app.get(mentions) for _ in range(3))

    assert [answer.status_code for answer in (first, second, third)] == [int(fault), int(fault), 200]
    assert first.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert first.json() == {"title": title, "detail": title, "type": "about:blank", "status": int(fault)}
    if fault == "429":
        assert (first.headers["x-rate-limit-limit"], first.headers["x-rate-limit-remaining"]) == ("300", "0")
        assert 29 <= int(first.headers["x-rate-limit-reset"]) - before <= 32
    (listed,) = faults(sandbox)
    assert {name: listed[name] for name in ("id", "fault", "endpoint", "left", "fired")} == {
        "id": number, "fault": fault, "endpoint": "mentions", "left": 0, "fired": 2,
    }  # fmt: skip
    fired, recovered = moments(listed["fired_at"]), moments(listed["recovered_at"])
    assert before - 0.1 <= fired[0] <= fired[1] <= recovered[0] == recovered[1] <= time.time()


def test_a_fault_hits_its_endpoint_alone_and_never_the_control_doors(sandbox: Sandbox, mentions: str) -> None:
    arm(sandbox, "503", "mentions")
    assert sandbox.app.get("/2/tweets/search/recent", params={"query": "card"}).status_code == 200
    assert sandbox.app.get(mentions).status_code == 503

    arm(sandbox, "503", "any", times=2)
    assert sandbox.anonymous.get("/").status_code == 200
    assert sandbox.anonymous.get("/healthz").status_code == 200
    assert sandbox.anonymous.post("/2/oauth2/token").status_code == 503
    assert sandbox.app.get("/2/tweets?ids=5").status_code == 503
    assert sandbox.app.get("/2/tweets?ids=5").status_code == 200


def test_clearing_and_resetting_forget_all(sandbox: Sandbox, mentions: str) -> None:
    arm(sandbox, "503", "any", times=9)
    assert sandbox.control("faults", clear=True) == {"cleared": True}
    assert (sandbox.app.get(mentions).status_code, faults(sandbox)) == (200, [])

    arm(sandbox, "503", "any", times=9)
    sandbox.control("reset")
    assert faults(sandbox) == []


@pytest.mark.parametrize(
    "order",
    [
        {"fault": "plague", "endpoint": "any"},
        {"fault": "429", "endpoint": "nowhere"},
        {"fault": "disconnect", "endpoint": "search"},
        {"fault": "429", "endpoint": "any", "times": 0},
        {"fault": "stall", "endpoint": "any", "seconds": -1},
        {"colour": "red"},
    ],
)
def test_an_order_that_means_nothing_is_said(sandbox: Sandbox, order: dict[str, Any]) -> None:
    answer = sandbox.anonymous.post("/_sandbox/faults", json=order)
    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 20
    assert faults(sandbox) == []


def test_items_come_twice_or_shuffled(sandbox: Sandbox, mentions: str) -> None:
    whole = sandbox.app.get(mentions).json()
    ids = [item["id"] for item in whole["data"]]
    arm(sandbox, "duplicate", "mentions")
    arm(sandbox, "out_of_order", "mentions")

    twice, shuffled = sandbox.app.get(mentions).json(), sandbox.app.get(mentions).json()

    assert [item["id"] for item in twice["data"]] == [number for number in ids for _ in range(2)]
    assert (twice["meta"], shuffled["meta"]) == (whole["meta"], whole["meta"])
    mixed = [item["id"] for item in shuffled["data"]]
    assert (sorted(mixed), mixed != ids) == (sorted(ids), True)


def test_an_empty_page_is_no_page_to_shuffle(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True)
    arm(sandbox, "out_of_order", "mentions")
    assert sandbox.app.get(f"/2/users/{ids['AskCiti']}/mentions").status_code == 200
    assert faults(sandbox)[0]["left"] == 1


def test_a_broken_body(sandbox: Sandbox, mentions: str) -> None:
    arm(sandbox, "bad_json", "mentions")
    arm(sandbox, "reset", "mentions")

    bad = sandbox.app.get(mentions)
    assert bad.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        bad.json()
    with pytest.raises(BROKEN):
        sandbox.app.get(mentions)
    assert sandbox.app.get(mentions).json()["meta"]["result_count"] == 5


def test_a_lost_answer_was_accepted(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, maya_r=True)
    brand = sandbox.user("AskCiti")
    post = sandbox.tweet("maya_r", "@AskCiti my card")
    arm(sandbox, "lost", "send_dm")
    arm(sandbox, "lost", "reply")

    with pytest.raises(BROKEN):
        brand.post(f"/2/dm_conversations/with/{ids['maya_r']}/messages", json={"text": "Hello"})
    with pytest.raises(BROKEN):
        brand.post("/2/tweets", json={"text": "Hi", "reply": {"in_reply_to_tweet_id": post["id"]}})

    assert [message["text"] for message in sandbox.control_dms("maya_r")] == ["Hello"]
    found = sandbox.app.get("/2/tweets/search/recent", params={"query": "from:AskCiti"}).json()
    assert [each["text"] for each in found["data"]] == ["@maya_r Hi"]
    again = brand.post("/2/tweets", json={"text": "Hi", "reply": {"in_reply_to_tweet_id": post["id"]}})
    assert "duplicate" in again.json()["detail"]
    assert faults(sandbox)[1]["recovered_at"] == [None]


def test_a_refusal_is_not_lost(sandbox: Sandbox) -> None:
    ids = sandbox.people(AskCiti=True, shy=False)
    arm(sandbox, "lost", "send_dm")
    refused = sandbox.user("AskCiti").post(f"/2/dm_conversations/with/{ids['shy']}/messages", json={"text": "Hello"})
    assert (refused.status_code, faults(sandbox)[0]["left"]) == (403, 1)


def test_late_and_silent_answers(sandbox: Sandbox, mentions: str) -> None:
    arm(sandbox, "slow", "mentions", seconds=0.2)
    started = time.monotonic()
    assert sandbox.app.get(mentions).status_code == 200
    assert time.monotonic() - started >= 0.2

    arm(sandbox, "stall", "mentions", seconds=0.2)
    started = time.monotonic()
    assert sandbox.app.get(mentions).status_code == 200
    assert time.monotonic() - started >= 0.2

    arm(sandbox, "stall", "reply", seconds=0)
    brand = sandbox.user("AskCiti")
    with pytest.raises(httpx.ReadTimeout):
        brand.post("/2/tweets", json={"text": "silence"}, timeout=0.2)
    found = sandbox.app.get("/2/tweets/search/recent", params={"query": "silence"}).json()
    assert found["meta"]["result_count"] == 0


@pytest.mark.parametrize("fault", ["429", "503", "409"])
def test_a_stream_ends_and_is_refused(listening: Sandbox, fault: str) -> None:
    with stream(listening) as lines:
        arm(listening, fault, "stream", times=2, seconds=30)
        with pytest.raises(StopIteration):  # a clean end
            lines.next()
    answers = [listening.app.get(STREAM) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [int(fault)] * 2
    if fault == "429":
        assert int(answers[0].headers["x-rate-limit-reset"]) - time.time() > 28
        assert answers[0].json()["title"] == "Too Many Requests"
    with stream(listening) as lines:
        assert faults(listening)[0]["recovered_at"] == [None, None]
        post = listening.tweet("maya_r", "card")
        assert lines.post() == post["id"]
        assert None not in recovered(listening)


@pytest.mark.parametrize(("fault", "rest"), [("reset", True), ("lost", False)])
def test_a_stream_breaks(listening: Sandbox, fault: str, rest: bool) -> None:
    with stream(listening) as lines:
        arm(listening, fault, "stream")
        broken = listening.tweet("maya_r", "card one")
        with pytest.raises(BROKEN):
            lines.next()
        assert (broken["id"].encode() in lines.rest) is rest
        assert not lines.rest.endswith(b"}")
    with stream(listening) as lines:
        after = listening.tweet("maya_r", "card two")
        assert lines.post() == after["id"]
        assert None not in recovered(listening)


def test_a_stream_says_goodbye(listening: Sandbox) -> None:
    with stream(listening) as lines:
        arm(listening, "disconnect", "stream")
        (error,) = lines.next()["errors"]
        assert (error["title"], error["disconnect_type"]) == (
            "operational-disconnect",
            "UpstreamOperationalDisconnect",
        )
        with pytest.raises(StopIteration):
            lines.next()
    with stream(listening) as lines:
        post = listening.tweet("maya_r", "card")
        assert lines.post() == post["id"]


def test_a_silent_stream_sends_no_keepalive_and_goes_on(listening: Sandbox) -> None:
    with stream(listening) as lines:
        arm(listening, "stall", "stream", seconds=1.5 * KEEPALIVE)
        started = time.monotonic()
        post = listening.tweet("maya_r", "card")
        assert post["id"].encode() in lines.raw()
        assert time.monotonic() - started >= 1.4 * KEEPALIVE
        assert None not in recovered(listening)


def test_a_stream_that_is_silent_for_good_frees_its_place_when_the_reader_goes(listening: Sandbox) -> None:
    with stream(listening) as lines:
        arm(listening, "stall", "stream", seconds=0)
        listening.tweet("maya_r", "card one")
        lines.response.stream.close()  # type: ignore[union-attr]
    with stream(listening) as lines:
        post = listening.tweet("maya_r", "card two")
        assert lines.post() == post["id"]


def test_lines_come_twice_late_broken_or_after_the_next(listening: Sandbox) -> None:
    with stream(listening) as lines:
        arm(listening, "duplicate", "stream")
        ids = [listening.tweet("maya_r", f"card {n}")["id"] for n in range(2)]
        assert [lines.post() for _ in range(3)] == [ids[0], *ids]

        arm(listening, "bad_json", "stream")
        listening.tweet("maya_r", "card broken")
        with pytest.raises(json.JSONDecodeError):
            lines.next()
        good = listening.tweet("maya_r", "card whole")
        assert lines.post() == good["id"]

        arm(listening, "out_of_order", "stream")
        posts = [{"author": "maya_r", "text": f"card batch {n}"} for n in range(3)]
        ids = [post["id"] for post in listening.control("posts", posts=posts)["posts"]]
        assert [lines.post() for _ in range(3)] == [ids[1], ids[0], ids[2]]

        arm(listening, "slow", "stream", seconds=0.2)
        started = time.monotonic()
        late = listening.tweet("maya_r", "card late")
        assert (lines.post(), time.monotonic() - started >= 0.2) == (late["id"], True)
        listening.tweet("maya_r", "card after")
        lines.next()
        assert None not in recovered(listening)
    assert all(None not in fault["recovered_at"] for fault in faults(listening))


def test_a_line_that_was_held_back_does_not_wait_for_ever(listening: Sandbox) -> None:
    with stream(listening) as lines:
        arm(listening, "out_of_order", "stream")
        only = listening.tweet("maya_r", "card")
        assert lines.post() == only["id"]


@pytest.mark.parametrize(
    ("fault", "times", "broken"), [("lost", 2, 0), ("duplicate", 2, 0), ("503", 1, 0), ("bad_json", 2, 1)]
)
def test_events_reach_a_webhook_through_faults(
    sandbox: Sandbox, receiver: Receiver, fault: str, times: int, broken: int
) -> None:
    """However it goes wrong on the way, X sends an event until it knows that it arrived."""
    ids = sandbox.people(AskCiti=True, maya_r=True)
    hook = sandbox.app.post("/2/webhooks", json={"url": receiver.url}).json()["data"]["id"]
    order = {"event_type": "post.mention.create", "filter": {"user_id": ids["AskCiti"]}, "webhook_id": hook}
    assert sandbox.user("AskCiti").post("/2/activity/subscriptions", json=order).status_code == 200
    arm(sandbox, fault, "webhook")
    receiver.statuses = [400] * broken

    sandbox.tweet("maya_r", "@AskCiti my card")

    deadline = time.monotonic() + 5
    while len(receiver.bodies) < times and time.monotonic() < deadline:
        time.sleep(0.01)
    whole = [json.loads(body)["data"]["event_uuid"] for body in receiver.bodies[broken:]]
    assert (len(whole), len(set(whole))) == (times - broken, 1)
    assert all(receiver.bodies[broken].startswith(body) for body in receiver.bodies[:broken])
    if fault != "duplicate":
        assert None not in recovered(sandbox)


def test_error_after_accepting_and_only_on_the_path_it_is_for(sandbox: Sandbox) -> None:
    """The message to the one is stored and answered with a 500; the one to the other is not touched."""
    people = sandbox.people(maria_m=True, jorge_p=True)
    arm(sandbox, "error", "send_dm", path=f"/with/{people['maria_m']}/")
    bank = sandbox.user("AskCiti")
    paths = {name: f"/2/dm_conversations/with/{people[name]}/messages" for name in people}
    assert bank.post(paths["jorge_p"], json={"text": "Hi Jorge"}).status_code == 201
    assert bank.post(paths["maria_m"], json={"text": "Hi Maria"}).status_code == 500
    assert bank.post(paths["maria_m"], json={"text": "Hi again"}).status_code == 201
    assert [dm["text"] for dm in sandbox.control_dms("maria_m")] == ["Hi again", "Hi Maria"]
    assert faults(sandbox)[-1]["fired"] == 1
