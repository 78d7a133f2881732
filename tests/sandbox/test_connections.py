"""Open streams, listed and ended by the app: for a slot that is stuck."""

import httpx
import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.test_stream import STREAM, stream

CONNECTIONS = "/2/connections"


def ended(answer: httpx.Response) -> tuple[int, int]:
    """How many were ended, and how many could not be."""
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return data["successful_kills"], data["failed_kills"]


def test_an_open_stream_is_listed(sandbox: Sandbox) -> None:
    sandbox.rule("card")
    assert sandbox.app.get(CONNECTIONS).json() == {"data": [], "meta": {"result_count": 0}}

    with stream(sandbox):
        (row,) = sandbox.app.get(CONNECTIONS).json()["data"]
        assert row.keys() == {"id", "endpoint_name", "connected_at", "client_ip"}
        assert (row["endpoint_name"], row["client_ip"]) == ("filtered_stream", "127.0.0.1")
        only = {"connection.fields": "id", "endpoints": "filtered_stream,sample_stream"}
        assert sandbox.app.get(CONNECTIONS, params=only).json()["data"] == [{"id": row["id"]}]
        assert sandbox.app.get(CONNECTIONS, params={"endpoints": "sample_stream"}).json()["data"] == []
        assert sandbox.app.get(CONNECTIONS, params={"status": "inactive"}).json()["data"] == []


@pytest.mark.parametrize("path", [f"{CONNECTIONS}/filtered_stream", f"{CONNECTIONS}/all", CONNECTIONS])
def test_a_stuck_slot_is_freed(sandbox: Sandbox, path: str) -> None:
    sandbox.rule("card")
    with stream(sandbox) as stuck:
        assert sandbox.app.get(STREAM).status_code == 429
        number = sandbox.app.get(CONNECTIONS).json()["data"][0]["id"]
        body = {"uuids": [number]} if path == CONNECTIONS else None

        answer = sandbox.app.request("DELETE", path, json=body)

        assert ended(answer) == (1, 0)
        assert answer.json()["data"]["results"] == [{"uuid": number, "success": True}]
        with stream(sandbox) as fresh:
            sandbox.tweet("maya_r", "my card")
            assert len(fresh.wait(1)) == 1
        assert stuck.lines == []
    (_, closed) = sandbox.app.get(CONNECTIONS, params={"status": "all"}).json()["data"]
    assert (closed["id"], closed["disconnect_reason"]) == (number, "terminated by request")
    assert closed["disconnected_at"] >= closed["connected_at"]


def test_where_nothing_is_open_nothing_is_ended(sandbox: Sandbox) -> None:
    assert ended(sandbox.app.delete(f"{CONNECTIONS}/all")) == (0, 0)
    assert ended(sandbox.app.delete(f"{CONNECTIONS}/sample_stream")) == (0, 0)
    unknown = sandbox.app.request("DELETE", CONNECTIONS, json={"uuids": ["nobody"]})
    assert ended(unknown) == (0, 1)
    assert unknown.json()["data"]["results"][0]["success"] is False
    assert sandbox.app.delete(f"{CONNECTIONS}/tea_stream").status_code == 400
    assert sandbox.app.request("DELETE", CONNECTIONS, json={"uuids": []}).status_code == 400
    assert sandbox.app.get(CONNECTIONS, params={"status": "odd"}).status_code == 400
    assert sandbox.user("AskCiti").get(CONNECTIONS).status_code == 403
