"""The link host: a click is appended, nothing else moves, and every failure is a sentence."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper

from citisocial.clock import now
from links import asgi, clicks, codes, lookups, shortener
from links.clicks import Clicks
from links.lookups import Lookups
from links.models import Click, ShortLink
from tests.factories.foreign import payloads

ROOT = Path(__file__).resolve().parent.parent.parent
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A link host that knows nothing yet; its threads see what is committed only, hence transactional_db."""
    monkeypatch.setattr(asgi, "links", Lookups())
    monkeypatch.setattr(asgi, "clicks", Clicks())
    monkeypatch.setattr(clicks, "PAUSE", 0.0)
    yield
    for thread in (asgi.links.thread, asgi.clicks.thread):
        with contextlib.suppress(RuntimeError):  # it was shut down by the test
            thread.submit(lambda: connection.close()).result()  # a lambda: the connection is each thread's own


@pytest.fixture
def link(transactional_db: None) -> ShortLink:
    return shortener.shorten("/welcome/{slug}/", lifetime=HOUR)


async def ask(path: str, method: str = "GET", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=asgi.application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8001") as client:
        answer = await client.request(method, path, headers=headers)
    await asgi.clicks.written()
    return answer


def snapshot() -> dict[str, str]:
    """Every row of every table but the clicks, as text."""
    state = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table != "links_click":
                cursor.execute(f"SELECT coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '') FROM \"{table}\" t")
                state[table] = cursor.fetchone()[0]
    return state


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_opening_appends_a_click_and_changes_no_other_row(method: str, link: ShortLink) -> None:
    before = snapshot()
    slug = shortener.slug(link)
    answer = asyncio.run(ask(f"/{slug}", method, **{"user-agent": "Mozilla/5.0 " + "x" * 300}))

    assert (answer.status_code, answer.headers["location"]) == (302, f"http://localhost:8000/welcome/{slug}/")
    assert (answer.headers["referrer-policy"], answer.headers["cache-control"]) == ("no-referrer", "no-store")
    assert "set-cookie" not in answer.headers
    assert snapshot() == before
    click = Click.objects.get()
    assert (click.link, click.method, len(click.user_agent)) == (link, method, 200)
    assert before["links_shortlink"]


async def test_it_may_be_opened_again_and_again(link: ShortLink) -> None:
    url = f"/{shortener.slug(link)}"
    assert {(await ask(url)).status_code for _ in range(3)} == {302}


def dead_slugs() -> list[str]:
    expired = shortener.shorten("/welcome/{slug}/", lifetime=-HOUR)
    revoked = shortener.shorten("/welcome/{slug}/", lifetime=HOUR)
    shortener.revoke(revoked)
    made = [shortener.slug(expired), shortener.slug(revoked), codes.slug_of(b"never written")]
    return [*made, "malformed", "", "robots.txt", "é" * 13, "%00" * 13, "../admin", quote("/eve.example")]


def test_dead_links_answer_alike_and_write_nothing(link: ShortLink) -> None:
    slugs = dead_slugs()
    before = snapshot()
    for method in ("GET", "HEAD"):
        answers = [asyncio.run(ask(f"/{slug}", method)) for slug in slugs]
        assert len({alike(answer) for answer in answers}) == 1
        assert answers[0].status_code == 404
        assert "location" not in answers[0].headers
    page = asyncio.run(ask(f"/{slugs[0]}")).text
    assert "This link does not open anything any more. Sign in to the bank, or write to us again." in page
    assert 'href="http://localhost:8000/"' in page
    assert slugs[0] not in page
    assert snapshot() == before
    assert Click.objects.count() == 0


async def test_no_address_of_this_host_is_a_way_out(link: ShortLink) -> None:
    """A living slug leads to our own page whatever is hung on to it; everything else leads nowhere."""
    slug, found = shortener.slug(link), set()
    for payload in payloads():
        for path, query in ((f"/{slug}", f"next={payload}&url={payload}"), (f"/{slug}/{payload}", ""),
                            (f"/{payload}/{slug}", ""), (f"/{payload}", ""), (payload, payload)):  # fmt: skip
            status, location = await _raw(path, query, payload)
            assert (status, location) in {(404, ""), (302, f"http://localhost:8000/welcome/{slug}/")}, (path, location)
            found.add(status)
    assert found == {302, 404}
    await asgi.clicks.written()


async def _raw(path: str, query: str, header: str) -> tuple[int, str]:
    """The answer to a request that no client of good manners would send."""
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    raw = header.encode("utf-8")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"host", b"localhost:8001"), (b"x-forwarded-host", raw), (b"referer", raw)],
        "client": ("127.0.0.1", 5), "server": ("localhost", 8001),
    }  # fmt: skip
    await asgi.application(scope, receive, send)  # type: ignore[arg-type]
    headers = dict(said[0]["headers"])
    return said[0]["status"], headers.get(b"location", b"").decode()


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What any thread asks of the database, except for the clock."""
    asked: list[str] = []
    execute = CursorWrapper.execute

    def listening(self: Any, sql: Any, params: Any = None) -> Any:
        if "links_" in sql:
            asked.append(sql)
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", listening)
    return asked


def alike(answer: httpx.Response) -> tuple[int, bytes, str]:
    return answer.status_code, answer.content, str(answer.headers.raw)


async def all_at_once(paths: list[str]) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app=asgi.application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8001") as client:
        answers = await asyncio.gather(*(client.get(path) for path in paths))
    await asgi.clicks.written()
    return answers


def test_dead_links_cost_one_query_cold_and_none_warm(link: ShortLink, queries: list[str]) -> None:
    slugs = dead_slugs()[:3]
    for expected in (1, 0):
        for slug in slugs:
            queries.clear()
            asyncio.run(ask(f"/{slug}"))
            assert len(queries) == expected
    queries.clear()
    assert asyncio.run(ask("/malformed")).status_code == 404
    assert not queries


def test_a_live_link_is_looked_up_once_in_a_while(
    link: ShortLink, queries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"/{shortener.slug(link)}"
    asyncio.run(ask(url))
    looked_up = len(queries)
    asyncio.run(ask(url))
    assert (looked_up, len(queries)) == (1, 1)
    monkeypatch.setattr(lookups, "LIFE", 0.0)
    asgi.links.live.clear()
    for expected in (2, 3):
        asyncio.run(ask(url))
        assert len(queries) == expected
    assert Click.objects.count() == 4


def test_many_that_are_asked_for_at_once_are_one_query(link: ShortLink, queries: list[str]) -> None:
    """The first asks alone; the others gather while it waits, however often each of them is asked for."""
    others = [shortener.shorten("/welcome/{slug}/", lifetime=HOUR) for _ in range(5)]
    slugs = [shortener.slug(one) for one in (link, *others)] * 3 + dead_slugs()[:3]
    queries.clear()
    answers = asyncio.run(all_at_once([f"/{slug}" for slug in slugs]))
    assert [answer.status_code for answer in answers] == [302] * 18 + [404] * 3
    assert len(queries) <= 2
    assert Click.objects.count() == 18


class Clock:
    """A clock that is set by hand."""

    def __init__(self, at: float) -> None:
        self.at = at

    def monotonic(self) -> float:
        return self.at


def test_a_revocation_bites_when_what_is_known_is_too_old(link: ShortLink, monkeypatch: pytest.MonkeyPatch) -> None:
    url, clock = f"/{shortener.slug(link)}", Clock(time.monotonic())
    monkeypatch.setattr(lookups, "time", clock)
    dead = alike(asyncio.run(ask(f"/{codes.slug_of(b'never written')}")))
    assert asyncio.run(ask(url)).status_code == 302
    shortener.revoke(link)
    clock.at += 4.9
    assert asyncio.run(ask(url)).status_code == 302
    clock.at += 0.11
    assert alike(asyncio.run(ask(url))) == dead


def test_a_known_link_ends_with_its_last_second(link: ShortLink, monkeypatch: pytest.MonkeyPatch) -> None:
    ShortLink.objects.update(expires_at=now() + timedelta(seconds=2))
    url, at = f"/{shortener.slug(link)}", time.monotonic()
    assert asyncio.run(ask(url)).status_code == 302
    [known] = asgi.links.live.values()
    assert at < known.until < at + 5
    ShortLink.objects.update(expires_at=now())
    monkeypatch.setattr(lookups, "time", Clock(known.until))
    assert asyncio.run(ask(url)).status_code == 404


def test_what_is_known_is_bounded_and_guesses_push_no_living_link_out(
    link: ShortLink, monkeypatch: pytest.MonkeyPatch, queries: list[str]
) -> None:
    monkeypatch.setattr(lookups, "MOST", 3)
    url = f"/{shortener.slug(link)}"
    asyncio.run(ask(url))
    guesses = [codes.slug_of(bytes([number] * 16)) for number in range(9)]
    asyncio.run(all_at_once([f"/{guess}" for guess in guesses]))
    assert list(asgi.links.dead) == [codes.lookup_of(guess) for guess in guesses[-3:]]
    queries.clear()
    assert asyncio.run(ask(url)).status_code == 302
    assert not queries


@pytest.mark.parametrize(("agent", "is_bot"), [("Mozilla/5.0 (iPhone) Safari", False), ("Twitterbot/1.0", True)])
def test_programs_are_told_from_people(agent: str, is_bot: bool, link: ShortLink) -> None:
    asyncio.run(ask(f"/{shortener.slug(link)}", **{"user-agent": agent}))
    assert Click.objects.get().is_bot is is_bot


def test_a_known_link_works_while_clicks_cannot_be_written_and_beyond_the_bound_says_so(
    link: ShortLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise OperationalError("away")

    url, unknown = f"/{shortener.slug(link)}", f"/{codes.slug_of(b'never written')}"
    write = clicks.write

    async def visit() -> list[int]:
        seen = []
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=asgi.application), base_url="http://localhost:8001"
        ) as client:
            seen.append((await client.get(url)).status_code)
            await asgi.clicks.written()
            monkeypatch.setattr(clicks, "write", away)
            monkeypatch.setattr(lookups, "look", away)
            monkeypatch.setattr(clicks, "MOST", 2)
            monkeypatch.setattr(clicks, "AGAIN", 0.01)
            seen += [(await client.get(url)).status_code for _ in range(2)]
            full = await client.get(url)
            assert "try it again in a minute" in full.text
            seen += [full.status_code, (await client.get(unknown)).status_code]
            monkeypatch.setattr(clicks, "write", write)
            await asgi.clicks.written()
            return seen

    assert asyncio.run(visit()) == [302, 302, 302, 503, 503]
    assert Click.objects.count() == 3


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_other_methods_are_refused(method: str) -> None:
    answer = await ask("/any", method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_health_is_answered_without_the_database() -> None:
    assert (await ask("/healthz")).text == "ok"


async def test_connections_that_died_are_replaced(link: ShortLink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clicks, "AGAIN", 0.0)
    monkeypatch.setattr(lookups, "LIFE", 0.0)
    url = f"/{shortener.slug(link)}"
    assert (await ask(url)).status_code == 302
    for thread in (asgi.links.thread, asgi.clicks.thread):
        thread.submit(kill_own_backend).result()
    assert (await ask(url)).status_code == 302
    assert await asyncio.to_thread(recorded) == 2


def recorded() -> int:
    try:
        return Click.objects.count()
    finally:
        connection.close()


def kill_own_backend() -> None:
    """As a restart of the database does, seen from one thread."""
    with contextlib.suppress(Exception), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def test_a_socket_is_refused() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await asgi.application({"type": "websocket", "path": "/"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 4404}]


async def start(settings_ok: bool, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(asgi, "run_checks", lambda tags: [] if settings_ok else ["SITE_URL is http://."])
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return next(messages)

    await asgi.application({"type": "lifespan"}, receive, send)
    return sent


async def test_it_starts_and_stops_when_the_settings_are_safe_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await start(False, monkeypatch) == [{"type": "lifespan.startup.failed", "message": "SITE_URL is http://."}]
    assert [message["type"] for message in await start(True, monkeypatch)] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    logging.getLogger("uvicorn.access").disabled = False


def test_the_end_waits_for_what_was_heard(link: ShortLink, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"/{shortener.slug(link)}"

    async def visit() -> None:
        transport = httpx.ASGITransport(app=asgi.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8001") as client:
            assert (await client.get(url)).status_code == 302
        await start(True, monkeypatch)

    asyncio.run(visit())
    logging.getLogger("uvicorn.access").disabled = False
    assert Click.objects.count() == 1
