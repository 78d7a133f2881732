"""tweepy's asynchronous stream against the sandbox: a reader of X's stream that is not ours, through every fault.

Its host is written into it; the subclass here names another, and notes what it is told. It waits between attempts as
X's documentation asks (5 and 60 seconds): the waits are noted, not slept.
"""

import asyncio
import importlib
import importlib.util
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from tests.sandbox.conftest import BEARER, KEEPALIVE, Sandbox

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("tweepy") is None, reason="tweepy is not here: see docs/dependencies.md"
    ),
    pytest.mark.xdist_group("conformance"),
    pytest.mark.filterwarnings("ignore:enable_cleanup_closed:DeprecationWarning"),
]


class Heard:
    """What the stream told: posts, other lines, keep-alives and troubles, in the order they came."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.waits: list[float] = []
        self.quiet = 0
        self._came = asyncio.Event()

    def note(self, *what: Any) -> None:
        self.told.append(what)
        self._came.set()

    async def until(self, *expected: Any, seconds: float = 5) -> None:
        """Wait until these came, in this order, and nothing else since the last time."""
        async with asyncio.timeout(seconds):
            while len(self.told) < len(expected):
                await self._came.wait()
                self._came.clear()
        assert self.told == list(expected)
        self.told.clear()


def reader(host: str, heard: Heard, silence: float) -> Any:
    """tweepy's client, told where X is."""
    tweepy = importlib.import_module("tweepy.asynchronous")
    base = importlib.import_module("tweepy.asynchronous.streaming").AsyncBaseStream

    class Stream(tweepy.AsyncStreamingClient):  # type: ignore[misc, name-defined]
        async def _connect(self, method: str, endpoint: str, **options: Any) -> None:
            url = f"{host}/2/tweets/{endpoint}/stream"
            headers = {"Authorization": f"Bearer {self.bearer_token}"}
            await base._connect(self, method, url, headers=headers, timeout=silence, **options)

        async def on_connect(self) -> None:
            heard.note("connected")

        async def on_keep_alive(self) -> None:
            heard.quiet += 1

        async def on_response(self, response: Any) -> None:
            if response.data is not None:
                tags = [rule.tag for rule in response.matching_rules]
                heard.note("post", str(response.data.id), response.data.text, tags)

        async def on_errors(self, errors: Any) -> None:
            heard.note("errors", [error["title"] for error in errors])

        async def on_closed(self, response: Any) -> None:
            heard.note("closed")

        async def on_connection_error(self) -> None:
            heard.note("broken")

        async def on_request_error(self, status_code: int) -> None:
            heard.note("refused", status_code)

        async def on_exception(self, exception: Exception) -> None:
            heard.note("exception", type(exception))

    return Stream(BEARER)


@pytest.fixture
def listen(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """async with listen(silence=…) as heard: tweepy is connected, and reads until the end of the block."""
    streaming = importlib.import_module("tweepy.asynchronous.streaming")
    sandbox.rule("card", "cards")

    @asynccontextmanager
    async def connected(silence: float = 21) -> AsyncIterator[Heard]:
        heard = Heard()

        async def noted(seconds: float) -> None:
            heard.waits.append(seconds)
            await asyncio.sleep(0.02)

        known = SimpleNamespace(sleep=noted, CancelledError=asyncio.CancelledError, create_task=asyncio.create_task)
        monkeypatch.setattr(streaming, "asyncio", known)
        client = reader(sandbox.url, heard, silence)
        task = client.filter(tweet_fields=["created_at"])
        try:
            await heard.until(("connected",))
            yield heard
        finally:
            client.disconnect()
            await asyncio.gather(task, return_exceptions=True)

    return connected


def told(post: dict[str, Any], text: str) -> tuple[Any, ...]:
    return ("post", post["id"], text, ["cards"])


async def test_posts_keepalives_and_the_clean_end(sandbox: Sandbox, listen: Callable[..., Any]) -> None:
    text = "card " + "ü💳\u2028" * 60  # cut by the network wherever it likes
    async with listen() as heard:
        post = sandbox.tweet("maya_r", text)
        await heard.until(told(post, text))
        quiet = heard.quiet
        await asyncio.sleep(KEEPALIVE * 1.5)
        assert heard.quiet > quiet
        sandbox.app.delete("/2/connections/all")
        await heard.until(("closed",), ("connected",))
        post = sandbox.tweet("maya_r", "card again")
        await heard.until(told(post, "card again"))
    assert heard.waits == []


@pytest.mark.parametrize(("status", "wait"), [(429, 60), (503, 5), (409, 5)])
async def test_refusals_make_it_wait_as_x_asks(
    sandbox: Sandbox, listen: Callable[..., Any], status: int, wait: float
) -> None:
    async with listen() as heard:
        sandbox.control("faults", fault=str(status), endpoint="stream", times=2)
        await heard.until(("closed",), ("refused", status), ("refused", status), ("connected",))
        post = sandbox.tweet("maya_r", "card")
        await heard.until(told(post, "card"))
    assert heard.waits == [wait, wait * 2]


async def test_a_goodbye_is_an_error_and_then_the_end(sandbox: Sandbox, listen: Callable[..., Any]) -> None:
    async with listen() as heard:
        sandbox.control("faults", fault="disconnect", endpoint="stream")
        await heard.until(("errors", ["operational-disconnect"]), ("closed",), ("connected",))


async def test_a_silence_is_noticed(sandbox: Sandbox, listen: Callable[..., Any]) -> None:
    async with listen(silence=KEEPALIVE * 1.5) as heard:
        await asyncio.sleep(KEEPALIVE * 2)
        assert heard.told == []  # keep-alives were enough until now
        sandbox.control("faults", fault="stall", endpoint="stream", seconds=0)
        await heard.until(("broken",), ("connected",))
        post = sandbox.tweet("maya_r", "card")
        await heard.until(told(post, "card"))


async def test_a_break_in_a_line_and_a_line_twice(sandbox: Sandbox, listen: Callable[..., Any]) -> None:
    async with listen() as heard:
        sandbox.control("faults", fault="reset", endpoint="stream")
        sandbox.tweet("maya_r", "card lost")
        await heard.until(("broken",), ("connected",))
        sandbox.control("faults", fault="duplicate", endpoint="stream")
        post = sandbox.tweet("maya_r", "card twice")
        await heard.until(told(post, "card twice"), told(post, "card twice"))


async def test_what_is_no_json_ends_it(sandbox: Sandbox, listen: Callable[..., Any]) -> None:
    """tweepy's own weakness; that it stops shows that the line was really broken."""
    async with listen() as heard:
        sandbox.control("faults", fault="bad_json", endpoint="stream")
        sandbox.tweet("maya_r", "card")
        await heard.until(("exception", json.JSONDecodeError))
