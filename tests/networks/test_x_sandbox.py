"""The whole adapter against the sandbox, as one process with a database of its own: two programs that were written from
X's documents and share no code agree about X."""

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conversations.networks.base import Account, Post, Rule
from conversations.networks.errors import RateLimited, Refused
from conversations.networks.x.adapter import X

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.xdist_group("x-sandbox")  # each worker that has one of these starts the sandboxes
BRAND_SCOPES = ["tweet.read", "tweet.write", "users.read", "dm.read", "dm.write", "offline.access"]


@dataclass
class Sandbox:
    url: str
    bearer: str
    client: tuple[str, str]

    def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/_sandbox/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def account(self, handle: str, scopes: list[str] | None = None) -> Account:
        person = self.people(handle)[0]
        tokens = self.control("tokens", {"handle": handle, "scopes": scopes or BRAND_SCOPES})
        return Account(external_id=str(person["id"]), handle=handle, access_token=tokens["access_token"])

    def people(self, *handles: str, accepts_dm: bool = True) -> list[dict[str, Any]]:
        people = [{"handle": handle, "name": handle.title(), "accepts_dm": accepts_dm} for handle in handles]
        found: list[dict[str, Any]] = self.control("people", {"people": people})["people"]
        return found

    def post(self, author: str, text: str, **more: Any) -> str:
        made = self.control("posts", {"posts": [{"author": author, "text": text, "key": "k"} | more]})
        return str(made["posts"][0]["id"])


@pytest.fixture(scope="module", params=["any", "tweet", "post"])
def sandbox(request: pytest.FixtureRequest, make_database: Callable[[str], str]) -> Iterator[Sandbox]:
    """A running sandbox that takes both of X's vocabularies, or refuses one."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = Sandbox(f"http://127.0.0.1:{port}", secrets.token_hex(8), ("client", secrets.token_hex(8)))
    environment = os.environ | {
        "SANDBOX_DATABASE_URL": make_database(f"x_{request.param}"),
        "SANDBOX_URL": found.url,
        "SANDBOX_BEARER_TOKEN": found.bearer,
        "SANDBOX_CLIENT_ID": found.client[0],
        "SANDBOX_CLIENT_SECRET": found.client[1],
        "SANDBOX_REDIRECT_URIS": "http://localhost/x/callback",
        "SANDBOX_VOCABULARY": request.param,
        "SANDBOX_KEEPALIVE_SECONDS": "0.3",
        "LOG_LEVEL": "WARNING",
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    subprocess.run([sys.executable, "-m", "sandbox", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)
    serve = [sys.executable, "-m", "uvicorn", "sandbox.asgi:application", "--port", str(port)]
    serve += ["--no-date-header", "--log-level", "error"]
    process = subprocess.Popen(serve, cwd=ROOT, env=environment)
    try:
        _wait_for(found.url + "/healthz", process)
        yield found
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        assert process.poll() is None, "the sandbox did not start"
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the sandbox does not answer")


@pytest.fixture
def x(sandbox: Sandbox) -> Iterator[X]:
    sandbox.control("reset", {})
    network = X(sandbox.url, sandbox.bearer, *sandbox.client, web_url=sandbox.url)
    yield network
    network.close()


def test_mentions_in_pages_and_since_a_cursor(sandbox: Sandbox, x: X) -> None:
    brand = sandbox.account("AskCiti")
    (maya,) = sandbox.people("maya_r")
    first = sandbox.post("maya_r", "@AskCiti my card & phone < 3 are gone", lang="en")
    second = sandbox.post("omar_k", "@Citi @askciti hola", in_reply_to=first, lang="es")

    page = x.mentions(brand)

    newer, older = page.posts
    assert page.newest_id == second
    assert (older.external_id, older.text) == (first, "@AskCiti my card & phone < 3 are gone")
    assert (older.author.external_id, older.author.handle, older.author.receives_dm) == (
        str(maya["id"]),
        "maya_r",
        True,
    )
    assert older.names == (brand.external_id,)
    assert older.conversation_id == first
    assert (newer.in_reply_to, newer.in_reply_to_author, newer.language) == (first, str(maya["id"]), "es")
    # X begins a reply with whom it answers.
    assert [handle.lower() for handle in newer.named_handles] == ["maya_r", "citi", "askciti"]
    assert [post.external_id for post in x.mentions(brand, since_id=first).posts] == [second]
    assert x.mentions(brand, since_id=second).posts == ()


def test_how_many_follow_somebody_comes_with_whatever_they_write(sandbox: Sandbox, x: X) -> None:
    brand = sandbox.account("AskCiti")
    (maya,) = sandbox.people("maya_r")
    sandbox.control("people", {"people": [{"handle": "maya_r", "followers": 120_000}]})
    sandbox.post("maya_r", "@AskCiti help")
    sandbox.control("dms", {"from": "maya_r", "to": "AskCiti", "text": "hello"})
    with pytest.raises(urllib.error.HTTPError):
        sandbox.control("people", {"people": [{"handle": "maya_r", "followers": -1}]})

    (mention,), (found,) = x.mentions(brand).posts, x.search("@AskCiti").posts
    (message,), (met,) = x.direct_messages(brand).posts, x.introduce(brand, [str(maya["id"])])

    told = {each.followers for each in (mention.author, found.author, message.author, met)}
    assert told == {120_000}


def test_search_pages_through_everything_once(sandbox: Sandbox, x: X) -> None:
    posts = [{"author": "maya_r", "text": f"@AskCiti number {n}", "key": str(n)} for n in range(150)]
    made = sandbox.control("posts", {"posts": posts})["posts"]

    one = x.search("@AskCiti -is:retweet")
    two = x.search("@AskCiti -is:retweet", page_token=one.next_token)

    assert len(one.posts) == 100
    assert [post.external_id for post in one.posts + two.posts] == [str(post["id"]) for post in reversed(made)]
    assert one.newest_id == one.posts[0].external_id
    assert two.next_token is None


def test_retweets_and_quotes_say_so(sandbox: Sandbox, x: X) -> None:
    brand = sandbox.account("AskCiti")
    sandbox.post("maya_r", "RT @AskCiti: news", retweet=True)

    (post,) = x.mentions(brand).posts

    assert post.is_retweet


def test_lookup(sandbox: Sandbox, x: X) -> None:
    (maya,) = sandbox.people("maya_r")

    assert x.lookup("maya_r").external_id == str(maya["id"])
    with pytest.raises(Refused) as refused:
        x.lookup("nobody_at_all")
    assert refused.value.reason == "gone"


def test_a_direct_message_there_and_back(sandbox: Sandbox, x: X) -> None:
    brand, (maya,) = sandbox.account("AskCiti"), sandbox.people("maya_r")
    text = "Hello Maya, write to us: https://go.bank.com/Abc123 & more <here>"

    sent = x.send_direct_message(brand, recipient_id=str(maya["id"]), text=text)
    sandbox.control("dms", {"from": "maya_r", "to": "AskCiti", "text": "thanks & bye"})

    (found,) = x.sent_direct_messages(brand, recipient_id=str(maya["id"]))
    assert found.external_id == sent.external_id
    assert found.urls == ("https://go.bank.com/Abc123",)
    page = x.direct_messages(brand)
    (answer,) = page.posts
    assert (answer.author.handle, answer.conversation_id) == ("maya_r", sent.conversation_id)
    assert page.newest_id == answer.external_id
    assert "thanks" in answer.text


def test_who_cannot_be_written_to(sandbox: Sandbox, x: X) -> None:
    brand, (closed,) = sandbox.account("AskCiti"), sandbox.people("omar_k", accepts_dm=False)

    with pytest.raises(Refused) as refused:
        x.send_direct_message(brand, recipient_id=str(closed["id"]), text="hello")
    assert refused.value.reason == "not_reachable"
    with pytest.raises(Refused) as refused:
        x.send_direct_message(brand, recipient_id="12345", text="hello")
    assert refused.value.reason == "gone"
    with pytest.raises(Refused) as refused:
        x.send_direct_message(brand, recipient_id=str(closed["id"]), text="x" * 10_001)
    assert refused.value.reason == "too_long"


def test_fifteen_messages_and_then_a_wait(sandbox: Sandbox, x: X) -> None:
    brand, (maya,) = sandbox.account("AskCiti"), sandbox.people("maya_r")
    for number in range(15):
        x.send_direct_message(brand, recipient_id=str(maya["id"]), text=f"hello {number}")

    with pytest.raises(RateLimited) as limited:
        x.send_direct_message(brand, recipient_id=str(maya["id"]), text="hello again")

    assert limited.value.retry_after is not None
    assert 0 < limited.value.retry_after <= 15 * 60 + 1


def test_a_reply_with_a_button_there_and_back(sandbox: Sandbox, x: X) -> None:
    brand = sandbox.account("AskCiti")
    asked = sandbox.post("maya_r", "@AskCiti help")
    other = sandbox.post("omar_k", "@AskCiti help me too")

    sent = x.reply(brand, in_reply_to=asked, text="We are here, Maya.", message_button=True)
    x.reply(brand, in_reply_to=other, text="We are here, Omar.", message_button=False)

    assert [reply.external_id for reply in x.sent_replies(brand, in_reply_to=asked)] == [sent.external_id]
    assert x.sent_replies(brand, in_reply_to=sent.external_id) == []


def test_who_cannot_be_replied_to(sandbox: Sandbox, x: X) -> None:
    brand = sandbox.account("AskCiti")
    unasked, asked = sandbox.post("maya_r", "banks are awful"), sandbox.post("omar_k", "@AskCiti help")

    def refusal(in_reply_to: str, text: str) -> str:
        with pytest.raises(Refused) as refused:
            x.reply(brand, in_reply_to=in_reply_to, text=text, message_button=False)
        return refused.value.reason

    assert refusal(unasked, "hello") == "not_summoned"
    assert refusal("12345", "hello") == "gone"
    assert refusal(asked, "x" * 281) == "too_long"
    x.reply(brand, in_reply_to=asked, text="We are here.", message_button=False)
    assert refusal(asked, "We are here.") == "duplicate"


def test_what_a_token_may_not_do(sandbox: Sandbox, x: X) -> None:
    reader, (maya,) = sandbox.account("AskCiti", ["tweet.read", "users.read"]), sandbox.people("maya_r")

    with pytest.raises(Refused) as refused:
        x.send_direct_message(reader, recipient_id=str(maya["id"]), text="hello")
    assert refused.value.reason == "scope"
    with pytest.raises(Refused) as refused:
        x.mentions(Account(reader.external_id, "AskCiti", "no-such-token"))
    assert refused.value.reason == "auth"
    with pytest.raises(Refused) as refused:
        x.send_direct_message(Account(reader.external_id, "AskCiti", sandbox.bearer), recipient_id="1", text="hello")
    assert refused.value.reason == "auth"


def test_refresh_tokens_are_used_once(sandbox: Sandbox, x: X) -> None:
    sandbox.people("AskCiti")
    old = sandbox.control("tokens", {"handle": "AskCiti", "scopes": BRAND_SCOPES})["refresh_token"]

    tokens = x.refresh(old)

    brand = sandbox.account("AskCiti")
    assert x.mentions(Account(brand.external_id, "AskCiti", tokens.access_token)).posts == ()
    with pytest.raises(Refused) as refused:
        x.refresh(old)
    assert refused.value.reason == "auth"


def test_rules_and_stream(sandbox: Sandbox, x: X) -> None:
    x.set_rules([Rule("@AskCiti", "care"), Rule("old words", "old")])
    x.set_rules([Rule("@AskCiti", "care"), Rule('"citi card" lang:en', "words")])
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(min(seconds, 0.1))

    async def run() -> list[Post]:
        found: list[Post] = []
        said = False
        async with aclosing(x.stream(sleep=note)) as chunks:
            async for heard in chunks:
                found += heard.posts
                if len(found) == 2:
                    return found
                if not said:
                    said = True
                    text = "@AskCiti my citi card & I\u2028are done"
                    await asyncio.to_thread(sandbox.post, "maya_r", text, lang="en")
                    await asyncio.to_thread(sandbox.post, "omar_k", "old words")
                    await asyncio.to_thread(sandbox.post, "omar_k", "@AskCiti second")
        return found

    first, second = asyncio.run(asyncio.wait_for(run(), 20))

    assert sorted(first.matched) == ["care", "words"]
    assert first.text == "@AskCiti my citi card & I\u2028are done"
    assert (first.author.handle, second.text, second.matched) == ("maya_r", "@AskCiti second", ("care",))
    assert waits == []


def test_the_second_connection_waits_for_the_slot(sandbox: Sandbox, x: X) -> None:
    """The first is closed while the second is refused; X (and the sandbox) then give the slot back."""
    x.set_rules([Rule("@AskCiti", "care")])
    waits: list[float] = []

    async def run() -> None:
        first = x.stream()
        await anext(first)

        async def note(seconds: float) -> None:
            waits.append(seconds)
            await first.aclose()
            await asyncio.sleep(0.3)

        async with aclosing(x.stream(sleep=note)) as second:
            await anext(second)

    asyncio.run(asyncio.wait_for(run(), 20))
    assert waits[0] == 1.0
    assert len(waits) < 5


def test_people_tokens_and_the_stream_s_slot(sandbox: Sandbox, x: X) -> None:
    brand = sandbox.account("AskCiti")
    (maya,) = sandbox.people("maya_r")

    (seen,) = x.introduce(brand, [str(maya["id"])])

    assert (seen.external_id, seen.handle) == (str(maya["id"]), "maya_r")
    assert seen.receives_dm is not None
    assert x.whoami(brand.access_token).external_id == brand.external_id
    x.free_stream()


def test_a_question_about_deleted_posts(sandbox: Sandbox, x: X) -> None:
    kept, gone = sandbox.post("maya_r", "@AskCiti one"), sandbox.post("maya_r", "@AskCiti two")
    sandbox.control("posts", {"delete": [gone]})

    order = x.begin_compliance()
    assert x.deleted_posts(order.external_id) is None
    x.name_posts(order, [kept, gone])

    assert x.deleted_posts(order.external_id) == [gone]
