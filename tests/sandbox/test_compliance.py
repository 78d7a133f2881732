"""Compliance jobs: ids up, deletions down."""

import json
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Sandbox

JOBS = "/2/compliance/jobs"
MINUTE = 60
DAY = 24 * 3600


def create(sandbox: Sandbox, kind: str = "tweets", **more: str) -> dict[str, Any]:
    answer = sandbox.app.post(JOBS, json={"type": kind, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"])


def upload(sandbox: Sandbox, job: dict[str, Any], *lines: str) -> httpx.Response:
    return sandbox.anonymous.put(job["upload_url"], content="\n".join(lines), headers={"Content-Type": "text/plain"})


def results(sandbox: Sandbox, job: dict[str, Any]) -> list[dict[str, str]]:
    answer = sandbox.anonymous.get(job["download_url"])
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_job_tells_what_was_deleted(sandbox: Sandbox) -> None:
    kept, gone, never = sandbox.tweet("maya_r", "one"), sandbox.tweet("maya_r", "two"), "1346889436626259968"
    sandbox.control("posts", delete=[gone["id"]])
    job = create(sandbox, name="nightly")
    assert (job["type"], job["name"], job["status"]) == ("tweets", "nightly", "created")
    assert job["upload_url"].startswith(sandbox.url)

    assert upload(sandbox, job, kept["id"], gone["id"], "", "not_an_id", never, gone["id"]).status_code == 200

    done = sandbox.app.get(f"{JOBS}/{job['id']}").json()["data"]
    assert done["status"] == "complete"
    found, wrong = results(sandbox, done)
    assert found.keys() == {"id", "action", "created_at", "redacted_at", "deleted_at", "reason"}
    assert (found["id"], found["action"], found["reason"]) == (gone["id"], "delete", "deleted")
    assert found["created_at"] == gone["created_at"]
    assert found["redacted_at"] == found["deleted_at"] > found["created_at"]
    assert wrong == {"id": "not_an_id", "error": "invalid_id"}
    assert sandbox.bill() == {}


def test_a_post_that_its_author_deleted_by_the_api_is_told_too(sandbox: Sandbox) -> None:
    user = sandbox.user("maya_r")
    number = user.post("/2/tweets", json={"text": "Oh no"}).json()["data"]["id"]
    user.delete(f"/2/tweets/{number}")
    job = create(sandbox)

    upload(sandbox, job, number)

    assert [row["id"] for row in results(sandbox, job)] == [number]


def test_accounts_are_never_deleted_here(sandbox: Sandbox) -> None:
    job = create(sandbox, "users")

    upload(sandbox, job, sandbox.people(maya_r=True)["maya_r"])

    assert results(sandbox, job) == []


def test_one_unfinished_job_of_a_type_at_a_time(sandbox: Sandbox) -> None:
    first = create(sandbox)
    busy = sandbox.app.post(JOBS, json={"type": "tweets"})
    assert (busy.status_code, busy.json()["status"]) == (409, 409)
    create(sandbox, "users")

    upload(sandbox, first)
    second = create(sandbox)
    sandbox.control("clock", offset_seconds=16 * MINUTE)
    assert sandbox.app.get(f"{JOBS}/{second['id']}").json()["data"]["status"] == "expired"
    assert upload(sandbox, second, "1").status_code == 403
    create(sandbox)

    listed = sandbox.app.get(JOBS, params={"type": "tweets"}).json()
    assert [job["status"] for job in listed["data"]] == ["created", "expired", "complete"]
    assert listed["meta"] == {"result_count": 3}
    only = {"type": "tweets", "status": "complete", "compliance_job.fields": "id,status"}
    assert sandbox.app.get(JOBS, params=only).json()["data"] == [{"id": first["id"], "status": "complete"}]


def test_the_addresses_of_a_job(sandbox: Sandbox) -> None:
    job = create(sandbox)
    assert sandbox.anonymous.get(job["download_url"]).status_code == 404  # not complete
    guessed = job["upload_url"].rsplit("/", 1)[0] + "/" + "x" * 43
    assert sandbox.anonymous.put(guessed, content="1").status_code == 404
    wrong = {"Authorization": "Bearer wrong"}
    assert sandbox.anonymous.put(job["upload_url"], content="1", headers=wrong).status_code == 401
    assert sandbox.app.put(job["upload_url"], content="1").status_code == 200
    assert sandbox.app.put(job["upload_url"], content="1").status_code == 403  # once
    assert sandbox.anonymous.get(job["download_url"], headers=wrong).status_code == 401

    sandbox.control("clock", offset_seconds=7 * DAY + MINUTE)

    assert sandbox.anonymous.get(job["download_url"]).status_code == 404
    assert sandbox.app.get(JOBS, params={"type": "tweets"}).json()["data"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", JOBS, {"type": "posts"}),
        ("POST", JOBS, {}),
        ("POST", JOBS, {"type": "tweets", "name": "x" * 65}),
        ("POST", JOBS, {"type": "tweets", "resumable": True}),
        ("GET", JOBS, None),
        ("GET", f"{JOBS}?type=tweets&status=done", None),
        ("GET", f"{JOBS}/x", None),
    ],
)
def test_what_a_job_cannot_be(sandbox: Sandbox, method: str, path: str, body: dict[str, Any] | None) -> None:
    assert sandbox.app.request(method, path, json=body).status_code == 400
    assert sandbox.user("AskCiti").request(method, path, json=body).status_code == 403
    assert sandbox.app.get(f"{JOBS}/12").status_code == 404
