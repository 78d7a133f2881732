"""What X's stream sends, byte by byte, and somebody who reads it."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

from conversations.networks.base import Post
from conversations.networks.x.adapter import X

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def line(number: int, text: str = "hello", **more: Any) -> bytes:
    body = {
        "data": {"id": str(number), "text": text, "author_id": "2002"},
        "includes": {"users": [{"id": "2002", "username": "maya_r", "name": "Maya"}]},
        "matching_rules": [{"id": "1", "tag": "handles"}, {"id": "2"}],
    }
    return json.dumps(body | more, ensure_ascii=False).encode() + b"\r\n"


def error(status: int, body: dict[str, Any], **headers: str) -> bytes:
    content = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} No", f"content-length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def read(url: str, count: int, *, silence: float = 5.0) -> tuple[list[Post], list[float]]:
    """The first `count` posts from a stream, and the waits that it asked for (none of them waited)."""
    waits: list[float] = []
    found: list[Post] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        assert len(waits) < 50, "it never came back"

    async def run() -> None:
        async with aclosing(X(url, "app-token", "c", "s").stream(silence=silence, sleep=note)) as chunks:
            async for heard in chunks:
                found.extend(heard.posts)
                if len(found) >= count:
                    return

    asyncio.run(asyncio.wait_for(run(), 20))
    return found, waits


def ids(found: list[Post]) -> list[str]:
    return [post.external_id for post in found]
