"""A body that is longer than anything we take ends at the door, whoever sends it and wherever to."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from citisocial.bodies import bounded

MEGABYTE = 1024 * 1024


async def posted(pieces: list[bytes], *, announced: int | None = None) -> tuple[list[Any], int]:
    """What the server is told to send, and how many bytes the site had."""
    had, sent = 0, []

    async def site(scope: Any, receive: Any, send: Any) -> None:
        nonlocal had
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            had += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def arriving() -> AsyncIterator[Any]:
        for place, piece in enumerate(pieces):
            yield {"type": "http.request", "body": piece, "more_body": place < len(pieces) - 1}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if announced is None else [(b"content-length", str(announced).encode())]
    await bounded(site)({"type": "http", "path": "/", "headers": headers}, arriving().__anext__, send)
    return sent, had


async def test_a_file_of_the_largest_size_passes(settings: Any) -> None:
    settings.ATTACHMENT_MB = 2
    sent, had = await posted([b"x" * MEGABYTE] * 3, announced=3 * MEGABYTE)
    assert (sent[0]["status"], had) == (200, 3 * MEGABYTE)


@pytest.mark.parametrize("announced", [None, 3 * MEGABYTE + 1, 10**15, 5])
async def test_more_than_that_is_refused_once_and_never_collected(announced: int | None, settings: Any) -> None:
    settings.ATTACHMENT_MB = 2
    sent, had = await posted([b"x" * MEGABYTE] * 100, announced=announced)
    assert [message.get("status") for message in sent] == [413, None]
    assert b"at most 2 MB" in sent[1]["body"]
    assert had <= 3 * MEGABYTE


async def test_the_site_itself_is_behind_it(settings: Any) -> None:
    """CVE-2026-5766 was of this kind: an upload without an announced length, collected without limit."""
    from citisocial.asgi import application

    settings.ATTACHMENT_MB = 1
    asked, sent = [], []

    async def receive() -> Any:
        asked.append(1)
        return {"type": "http.request", "body": os.urandom(10) * 50_000, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    for path in ("/accounts/login/", "/hooks/x/"):
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [(b"host", b"testserver"), (b"content-type", b"multipart/form-data; boundary=a")],
            "query_string": b"",
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
            "scheme": "http",
        }
        await application(scope, receive, send)
    assert [message["status"] for message in sent if "status" in message] == [413, 413]
    assert len(asked) <= 12
