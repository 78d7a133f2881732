"""The filtered stream over a real socket: what is read, and what is passed over."""

import asyncio
import logging
import time
from contextlib import aclosing

import pytest

from conversations.networks.base import Charge, Heard
from conversations.networks.x.adapter import X
from tests.factories.streamed import END, HEAD, chunk, ids, line, read


def test_keep_alives_and_posts_come_chunk_by_chunk_with_what_x_charges(raw_server) -> None:
    raw_server.scripts = [[HEAD, chunk(b"\r\n"), 0.05, chunk(line(5) + line(6)), 5.0]]
    found: list[Heard] = []

    async def run() -> None:
        async with aclosing(X(raw_server.url, "app-token", "c", "s").stream()) as chunks:
            async for heard in chunks:
                found.append(heard)
                if heard.posts:
                    return

    asyncio.run(asyncio.wait_for(run(), 20))

    assert found[0] == Heard(())
    assert [(p.external_id, p.author.handle, p.matched) for p in found[-1].posts] == [
        ("5", "maya_r", ("handles",)),
        ("6", "maya_r", ("handles",)),
    ]
    maya = Charge("user", "2002", 10_000, "stream")
    assert found[-1].charges == (Charge("post", "5", 5_000, "stream"), maya, Charge("post", "6", 5_000, "stream"), maya)
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
    assert found[0].text == text


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

    found, waits = read(raw_server.url, 1, silence=0.4)

    assert ids(found) == ["1"]
    assert waits == []
