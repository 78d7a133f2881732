"""The filtered stream over a real socket: what is read, what is passed over, how it comes back after each trouble."""

import asyncio
import json
import logging
import time
from contextlib import aclosing
from typing import Any

import pytest

from conversations.networks.base import Keepalive, Post
from conversations.networks.http import async_client
from conversations.networks.x import stream
from conversations.networks.x.adapter import X
from conversations.networks.x.stream import Backoff, Ended, Trouble

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


def read(url: str, count: int, *, silence: float = 5.0) -> tuple[list[Post | Keepalive], list[float]]:
    """The first `count` things from a stream, and the waits that it asked for (none of them waited)."""
    waits: list[float] = []
    found: list[Post | Keepalive] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        assert len(waits) < 50, "it never came back"

    async def run() -> None:
        async with aclosing(X(url, "app-token", "c", "s").stream(silence=silence, sleep=note)) as posts:
            async for post in posts:
                found.append(post)
                if len(found) == count:
                    return

    asyncio.run(asyncio.wait_for(run(), 20))
    return found, waits


def ids(found: list[Post | Keepalive]) -> list[str]:
    return [post.external_id for post in found if isinstance(post, Post)]


def test_a_post_and_a_keep_alive(raw_server) -> None:
    raw_server.scripts = [[HEAD, chunk(b"\r\n"), chunk(line(5)), 5.0]]

    found, waits = read(raw_server.url, 2)

    assert found[0] == Keepalive()
    assert isinstance(found[1], Post)
    assert (found[1].external_id, found[1].author.handle, found[1].matched) == ("5", "maya_r", ("handles",))
    assert waits == []
    head = raw_server.heads[0]
    assert head.startswith("GET /2/tweets/search/stream?tweet.fields=")
    assert "authorization: bearer app-token" in head.lower()


def test_a_letter_cut_in_two_and_a_line_separator_inside_a_post(raw_server) -> None:
    """The three characters at which str.splitlines would cut stand unescaped in X's JSON."""
    text = "Überweisung 🏦 one\u2028two\u2029three\u0085four"
    whole = line(5, text)
    cut = whole.index("🏦".encode()) + 2
    raw_server.scripts = [
        [HEAD, chunk(whole[:cut]), 0.05, chunk(whole[cut:-1]), 0.05, chunk(whole[-1:] + line(6) + line(7)), 5.0]
    ]

    found, _ = read(raw_server.url, 3)

    assert ids(found) == ["5", "6", "7"]
    assert [post.text for post in found[:1] if isinstance(post, Post)] == [text]


def test_what_is_not_understood_is_passed_over_and_its_words_are_not_logged(raw_server, caplog) -> None:
    strange = [
        b'{"surprise":{"text":"secretword"}}\r\n',
        b'{"data":{"id":7,"text":"secretword"}}\r\n',
        b'{"data":{"id":"8","text":"secretword, by nobody"}}\r\n',
        b'{"data":null,"errors":[{"title":"Odd","detail":"secretword"}]}\r\n',
        b'{"data": secretword\r\n',
        b"\xff\xfe\r\n",
        b"[]\r\n",
    ]
    raw_server.scripts = [[HEAD, chunk(b"".join(strange)), chunk(line(9, errors=[{"title": "partial"}])), 5.0]]

    with caplog.at_level(logging.DEBUG):
        found, waits = read(raw_server.url, 1)

    assert ids(found) == ["9"]
    assert waits == []
    assert "surprise" in caplog.text
    assert "secretword" not in caplog.text
    assert "app-token" not in caplog.text


def test_a_clean_close_is_followed_at_once_but_never_hotly(raw_server) -> None:
    raw_server.scripts = [[HEAD, chunk(line(number)), END] for number in range(1, 6)]

    found, waits = read(raw_server.url, 5)

    assert ids(found) == ["1", "2", "3", "4", "5"]
    assert waits == [0.0, 0.25, 0.5, 0.75]


def test_a_server_that_only_closes_is_not_asked_hotly(raw_server) -> None:
    raw_server.scripts = [[HEAD, END]] * 4 + [[HEAD, chunk(line(1)), 5.0]]

    _, waits = read(raw_server.url, 1)

    assert waits == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("end", [[], ["reset"]], ids=["cut off", "reset"])
def test_a_connection_broken_in_the_middle_of_a_line(raw_server, end) -> None:
    raw_server.scripts = [[HEAD, chunk(line(1) + line(2)[:40]), 0.05, *end], [HEAD, chunk(line(2)), 5.0]]

    found, waits = read(raw_server.url, 2)

    assert ids(found) == ["1", "2"]
    assert waits in ([0.0], [0.25])


def test_silence_counts_as_dead(raw_server) -> None:
    raw_server.scripts = [[HEAD, chunk(line(1)), 9.0], [HEAD, chunk(line(2)), 9.0]]

    before = time.monotonic()
    found, waits = read(raw_server.url, 2, silence=0.4)

    assert ids(found) == ["1", "2"]
    assert waits == [0.25]
    assert 0.3 < time.monotonic() - before < 3


def test_keep_alives_keep_it_alive(raw_server) -> None:
    raw_server.scripts = [[HEAD, *[step for _ in range(6) for step in (chunk(b"\r\n"), 0.15)], chunk(line(1)), 5.0]]

    found, waits = read(raw_server.url, 7, silence=0.4)

    assert ids(found) == ["1"]
    assert waits == []


def test_nobody_there_is_asked_ever_more_slowly() -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 70:
            raise KeyError("enough")

    async def run() -> None:
        async with aclosing(X("http://127.0.0.1:9", "t", "c", "s").stream(sleep=note)) as posts:
            async for _ in posts:
                pass

    with pytest.raises(KeyError):
        asyncio.run(asyncio.wait_for(run(), 20))
    assert waits[:4] == [0.25, 0.5, 0.75, 1.0]
    assert waits[63:] == [16.0] * 7


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(503, {}), [5.0, 10.0, 20.0]),
        (error(409, {"title": "ConnectionException", "connection_issue": "RuleConfigurationIssue"}), [5.0, 10.0, 20.0]),
        (error(401, {"title": "Unauthorized"}), [5.0, 10.0, 20.0]),
        (error(429, {"title": "Too Many Requests"}), [60.0, 120.0, 240.0]),
        (error(429, {}, x_rate_limit_reset="1"), [60.0, 120.0, 240.0]),
        (error(429, {"title": "ConnectionException", "connection_issue": "TooManyConnections"}), [1.0, 2.0, 4.0]),
        (
            error(429, {"errors": [{"connection_issue": "TooManyConnections"}]}, x_rate_limit_reset="9999999999"),
            [1.0, 2.0, 4.0],
        ),
    ],
    ids=["503", "409", "401", "429", "429 with a reset gone by", "slot", "slot in a list"],
)
def test_a_refused_connection_waits_as_x_asks(raw_server, answer, expected) -> None:
    raw_server.scripts = [[answer]] * 3 + [[HEAD, chunk(line(1)), 5.0]]

    found, waits = read(raw_server.url, 1)

    assert ids(found) == ["1"]
    assert waits == expected


def test_a_limit_s_own_time_is_honoured(raw_server) -> None:
    raw_server.scripts = [
        [error(429, {}, x_rate_limit_reset=str(int(time.time()) + 500))],
        [HEAD, chunk(line(1)), 5.0],
    ]

    _, waits = read(raw_server.url, 1)

    assert waits == [pytest.approx(500, abs=3)]


@pytest.mark.parametrize(
    ("goodbye", "wait"),
    [
        ({"errors": [{"title": "operational-disconnect", "disconnect_type": "UpstreamOperationalDisconnect"}]}, 0.0),
        ({"title": "ConnectionException", "connection_issue": "TooManyConnections"}, 1.0),
    ],
)
def test_an_error_line_ends_the_connection(raw_server, goodbye, wait) -> None:
    raw_server.scripts = [
        [HEAD, chunk(line(1) + json.dumps(goodbye).encode() + b"\r\n"), 9.0],
        [HEAD, chunk(line(2)), 5.0],
    ]

    found, waits = read(raw_server.url, 2)

    assert ids(found) == ["1", "2"]
    assert waits == [wait]


def test_the_other_vocabulary_is_asked_for_at_once(raw_server) -> None:
    problem = {
        "errors": [{"parameters": {"tweet.fields": ["x"]}, "message": "not one of"}],
        "type": "https://api.x.com/2/problems/invalid-request",
    }
    raw_server.scripts = [[error(400, problem)], [HEAD, chunk(line(1)), 5.0]]

    found, waits = read(raw_server.url, 1)

    assert ids(found) == ["1"]
    assert waits == [0.0]
    assert "tweet.fields=" in raw_server.heads[0]
    assert "post.fields=" in raw_server.heads[1]


def test_an_endless_line_is_not_kept_in_memory(monkeypatch) -> None:
    monkeypatch.setattr(stream, "LONGEST_LINE", 1000)

    async def chunks():
        while True:
            yield b"x" * 300

    async def run() -> None:
        async for _ in stream.split_lines(chunks()):
            pass

    with pytest.raises(Ended):
        asyncio.run(run())


def test_the_waits_grow_to_their_ceilings_and_are_forgiven() -> None:
    backoff = Backoff()

    assert [backoff.wait(Trouble.HTTP) for _ in range(9)] == [5, 10, 20, 40, 80, 160, 320, 320, 320]
    assert [backoff.wait(Trouble.SLOT) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 64, 64]
    assert [backoff.wait(Trouble.LIMITED) for _ in range(6)] == [60, 120, 240, 480, 960, 960]
    assert backoff.wait(Trouble.LIMITED, reset_in=12.5) == 12.5
    assert [backoff.wait(Trouble.DROP) for _ in range(100)][-1] == 16
    backoff.forgive()
    assert [backoff.wait(trouble) for trouble in Trouble] == [0.0, 0.25, 5.0, 60.0, 1.0]


def test_a_connection_that_lived_long_forgives_earlier_failures(raw_server) -> None:
    """By a clock that the test moves: each line comes half a minute after the one before."""
    raw_server.scripts = [[HEAD, END], [HEAD, END], [HEAD, chunk(line(1)), END], [HEAD, chunk(line(2)), 5.0]]
    waits: list[float] = []
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 30.0
        return now

    async def note(seconds: float) -> None:
        waits.append(seconds)

    async def run() -> int:
        seen = 0
        async with async_client(raw_server.url, connect=5, read=5) as client:

            def open_stream() -> stream.Opening:
                return client.stream("GET", "/")

            async with aclosing(stream.listen(open_stream, switch=lambda _: False, sleep=note, clock=clock)) as lines:
                async for _ in lines:
                    seen += 1
                    if seen == 2:
                        break
        return seen

    assert asyncio.run(asyncio.wait_for(run(), 20)) == 2
    assert waits == [0.0, 0.25, 0.0]
