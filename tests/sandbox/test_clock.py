"""The clock that everything goes by, moved by the control door: simulated days take no time."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import CLIENT, Process, Sandbox

HOUR = 3600
DAY = 24 * HOUR


def seconds_ahead(answer: httpx.Response) -> float:
    """How far an answer's date is ahead of the machine."""
    assert len(answer.headers.get_list("date")) == 1
    return (parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)).total_seconds()


def test_every_answer_bears_the_sandboxs_date(sandbox: Sandbox) -> None:
    moved = sandbox.control("clock", offset_seconds=3 * HOUR)

    assert moved["offset_seconds"] == 3 * HOUR
    assert sandbox.anonymous.get("/_sandbox/clock").json()["offset_seconds"] == 3 * HOUR
    assert abs(datetime.fromisoformat(moved["now"]).timestamp() - datetime.now(UTC).timestamp() - 3 * HOUR) < 5
    for path in ("/2/users/by/username/nobody", "/healthz", "/", "/2/nothing", "/2/users/me"):
        assert abs(seconds_ahead(sandbox.app.get(path)) - 3 * HOUR) < 5, path


def test_a_reset_goes_by_the_machines_clock_again(sandbox: Sandbox) -> None:
    sandbox.control("clock", offset_seconds=9 * DAY)
    late = sandbox.tweet("maya_r", "late")
    sandbox.control("reset")

    early = sandbox.tweet("maya_r", "early")

    assert early["created_at"] < late["created_at"]
    assert int(early["id"]) < int(late["id"])
    assert abs(seconds_ahead(sandbox.app.get("/2/users/1"))) < 5


def test_ids_and_times_of_posts_move(sandbox: Sandbox) -> None:
    first = sandbox.tweet("maya_r", "before @AskCiti")
    sandbox.control("clock", offset_seconds=2 * DAY)
    second = sandbox.tweet("maya_r", "after @AskCiti")

    apart = datetime.fromisoformat(second["created_at"]) - datetime.fromisoformat(first["created_at"])
    assert 2 * DAY <= apart.total_seconds() < 2 * DAY + 60
    found = sandbox.app.get(
        "/2/tweets/search/recent", params={"query": "@AskCiti", "tweet.fields": "created_at"}
    ).json()
    assert [post["id"] for post in found["data"]] == [second["id"], first["id"]]


def test_search_forgets_after_seven_days(sandbox: Sandbox) -> None:
    sandbox.tweet("maya_r", "my card")
    search = {"query": "card"}
    sandbox.control("clock", offset_seconds=7 * DAY - HOUR)
    assert sandbox.app.get("/2/tweets/search/recent", params=search).json()["meta"]["result_count"] == 1

    sandbox.control("clock", offset_seconds=7 * DAY + HOUR)

    assert sandbox.app.get("/2/tweets/search/recent", params=search).json()["meta"]["result_count"] == 0


def test_an_access_token_lives_two_hours_and_a_refresh_token_longer(sandbox: Sandbox) -> None:
    pair = sandbox.control("tokens", handle="AskCiti", scopes=["users.read", "tweet.read", "offline.access"])
    user = sandbox.client({"Authorization": f"Bearer {pair['access_token']}"})
    sandbox.control("clock", offset_seconds=2 * HOUR - 60)
    assert user.get("/2/users/me").status_code == 200

    sandbox.control("clock", offset_seconds=2 * HOUR + 60)

    assert user.get("/2/users/me").status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
    assert sandbox.anonymous.post("/2/oauth2/token", data=form, auth=CLIENT).status_code == 200
    again = sandbox.anonymous.post("/2/oauth2/token", data=form, auth=CLIENT)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_request")


def test_a_rate_window_opens_again(sandbox: Sandbox) -> None:
    user = sandbox.user("AskCiti")
    answers = [user.get("/2/dm_events") for _ in range(16)]
    assert [answer.status_code for answer in answers] == [200] * 15 + [429]
    reset = int(answers[-1].headers["x-rate-limit-reset"])
    assert 0 < reset - datetime.now(UTC).timestamp() <= 15 * 60 + 1

    sandbox.control("clock", offset_seconds=15 * 60 + 1)

    answer = user.get("/2/dm_events")
    assert (answer.status_code, answer.headers["x-rate-limit-remaining"]) == (200, "14")


def test_fifteen_messages_a_quarter_and_1440_a_day(sandbox: Sandbox) -> None:
    other = sandbox.people(maya_r=True)["maya_r"]
    user = sandbox.user("AskCiti")
    path = f"/2/dm_conversations/with/{other}/messages"
    statuses = [user.post(path, json={"text": f"Hello {n}"}).status_code for n in range(16)]
    assert statuses == [201] * 15 + [429]

    sandbox.control("clock", offset_seconds=16 * 60)
    answer = user.post(path, json={"text": "Hello again"})

    assert answer.status_code == 201
    left = {name: answer.headers[f"{name}-remaining"] for name in ("x-rate-limit", "x-user-limit-24hour")}
    assert left == {"x-rate-limit": "14", "x-user-limit-24hour": "1424"}
    assert answer.headers["x-app-limit-24hour-remaining"] == "1424"


def test_a_used_up_window_stays_used_up_over_a_restart(sandbox: Sandbox, process: Process) -> None:
    user = sandbox.user("AskCiti")
    for _ in range(15):
        assert user.get("/2/dm_events").status_code == 200

    process.stop(kill=True)
    process.start()

    answer = user.get("/2/dm_events")
    assert (answer.status_code, answer.headers["x-rate-limit-remaining"]) == (429, "0")


@pytest.mark.parametrize("order", [{"offset_seconds": "soon"}, {"offset_seconds": 1e12}, {}, {"hours": 1}])
def test_a_clock_that_cannot_be_set_is_a_sentence(sandbox: Sandbox, order: dict[str, Any]) -> None:
    answer = sandbox.anonymous.post("/_sandbox/clock", json=order)

    assert answer.status_code == 400
    assert answer.json()["error"]
