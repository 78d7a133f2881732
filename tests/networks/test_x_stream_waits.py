"""The filtered stream over a real socket: how it comes back after each trouble, and how long it waits."""

import asyncio
import json
import time
from contextlib import aclosing

import pytest

from conversations.networks.base import Rule
from conversations.networks.errors import NetworkError, RateLimited, Refused, Unavailable
from conversations.networks.http import async_client
from conversations.networks.terms import Terms
from conversations.networks.x import feed as feeding
from conversations.networks.x import stream
from conversations.networks.x.adapter import X
from conversations.networks.x.stream import Backoff, Trouble
from tests.factories.streamed import END, HEAD, chunk, error, ids, line, read


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
    ],
    ids=["503", "409", "401", "429", "429 with a reset gone by"],
)
def test_a_refused_connection_waits_as_x_asks(raw_server, answer, expected) -> None:
    raw_server.scripts = [[answer]] * 3 + [[HEAD, chunk(line(1)), 5.0]]

    found, waits = read(raw_server.url, 1)

    assert ids(found) == ["1"]
    assert waits == expected


SLOT = {"title": "ConnectionException", "connection_issue": "TooManyConnections"}
FREED = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


@pytest.mark.parametrize(
    "taken",
    [error(429, SLOT), error(429, {"errors": [SLOT]}, x_rate_limit_reset="9999999999")],
    ids=["plain", "in a list"],
)
def test_a_slot_that_stays_taken_is_freed_once(raw_server, taken) -> None:
    """The connection in our way is one of ours whose end X has not noticed; a second time would not help more."""
    raw_server.scripts = [[taken], [taken], [FREED], [taken], [taken], [HEAD, chunk(line(1)), 5.0]]

    found, waits = read(raw_server.url, 1)

    assert ids(found) == ["1"]
    assert waits == [1.0, 2.0, 4.0, 8.0]
    asked = [head.split("?")[0].split(" HTTP")[0] for head in raw_server.heads]
    stream_ = "GET /2/tweets/search/stream"
    assert asked == [stream_, stream_, "DELETE /2/connections/filtered_stream", *[stream_] * 3]


def test_whoever_watches_is_told_of_every_end_and_of_the_wait(raw_server) -> None:
    raw_server.scripts = [
        [error(503, {})],
        [error(429, {})],
        [error(401, {})],
        [HEAD, END],
        [HEAD, chunk(line(1)), 5.0],
    ]
    told: list[NetworkError] = []

    async def never(seconds: float) -> None:
        pass

    async def run() -> None:
        x = X(raw_server.url, "app-token", "c", "s")
        async with aclosing(x.stream(troubled=told.append, sleep=never)) as chunks:
            async for heard in chunks:
                if heard.posts:
                    return

    asyncio.run(asyncio.wait_for(run(), 20))
    assert [(type(error), error.retry_after) for error in told] == [
        (Unavailable, 5.0),
        (RateLimited, 60.0),
        (Refused, None),
        (Unavailable, 0.0),
    ]


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


def test_an_endless_line_is_not_kept_in_memory(raw_server, monkeypatch) -> None:
    monkeypatch.setattr(feeding, "LONGEST_LINE", 1000)
    raw_server.scripts = [[HEAD, *[chunk(b"x" * 300)] * 9, 5.0], [HEAD, chunk(line(1)), 5.0]]

    found, waits = read(raw_server.url, 1)

    assert ids(found) == ["1"]
    assert waits == [0.0]


def test_the_waits_grow_to_their_ceilings_and_are_forgiven() -> None:
    backoff = Backoff()

    assert [backoff.wait(Trouble.HTTP) for _ in range(9)] == [5, 10, 20, 40, 80, 160, 320, 320, 320]
    assert [backoff.wait(Trouble.SLOT) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 64, 64]
    assert [backoff.wait(Trouble.LIMITED) for _ in range(6)] == [60, 120, 240, 480, 960, 960]
    assert backoff.wait(Trouble.LIMITED, reset_in=12.5) == 12.5
    assert [backoff.wait(Trouble.DROP) for _ in range(100)][-1] == 16
    backoff.forgive()
    assert [backoff.wait(trouble) for trouble in Trouble] == [0.0, 0.25, 5.0, 60.0, 1.0]


FIREHOSE = [
    {"data": {"id": "1", "text": "nothing for us", "author_id": "2"}},
    {"data": {"id": "2", "text": "my CITI-bank card", "author_id": "2"}},
    {
        "data": {
            "id": "3",
            "text": "short",
            "author_id": "2",
            "note_tweet": {"text": "long, and of @AskCiti at its end"},
        }
    },
    {"data": {"id": "4", "text": "not a word", "author_id": "2"}, "matching_rules": [{"tag": "x-said-so"}]},
    {"id": "5", "text": "a bare line of an archive about citibank", "author_id": "2"},
    {"id": "6", "text": "another about nothing", "author_id": "2"},
]


def test_of_a_feed_that_x_did_not_filter_only_what_our_terms_find_is_kept() -> None:
    terms = Terms([Rule('"citi bank" OR citibank', "words")], ["AskCiti"])
    feed = feeding.Feed(terms, web_url="https://x.com")
    body = b"".join(json.dumps(each).encode() + b"\r\n" for each in FIREHOSE)

    heard = [feed.feed(body[at : at + 50]) for at in range(0, len(body), 50)]

    posts = [post for each in heard for post in each.posts]
    assert [(post.external_id, post.matched) for post in posts] == [
        ("2", ("words",)),
        ("3", ("handles",)),
        ("4", ("x-said-so",)),
        ("5", ("words",)),
    ]
    assert [charge.external_id for each in heard for charge in each.charges] == ["4"]  # X charges for its own stream
    assert (feed.lines, feed.bad_lines) == (6, 0)


def test_bad_lines_are_counted_and_named_by_number() -> None:
    feed = feeding.Feed(Terms([Rule("citibank", "words")]), web_url="")
    lines = [
        b"{",
        b"",
        b'{"data":{"id":"7","text":"citibank \\ud83c","author_id":"2"}}',
        b"[" * 5000,
        b'{"a":1}',
        b"\xff",
    ]

    heard = feed.feed(b"\n".join(lines))

    assert feed.end().posts == ()
    assert [(post.external_id, post.text) for post in heard.posts] == [("7", "citibank ?")]
    assert (feed.lines, feed.bad_lines, feed.bad) == (6, 4, [1, 4, 5, 6])


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

            async with aclosing(
                stream.listen(
                    open_stream,
                    feed=lambda: feeding.Feed(None, web_url=""),
                    switch=lambda _: False,
                    sleep=note,
                    clock=clock,
                )
            ) as chunks:
                async for heard in chunks:
                    seen += len(heard.posts)
                    if seen == 2:
                        break
        return seen

    assert asyncio.run(asyncio.wait_for(run(), 20)) == 2
    assert waits == [0.0, 0.25, 0.0]
