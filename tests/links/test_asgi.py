"""The link host: a click is appended, nothing else moves, and every failure is a sentence."""

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.db import connection

from links import asgi, codes, shortener
from links.models import Click, ShortLink
from tests import servers

ROOT = Path(__file__).resolve().parent.parent.parent
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """A thread whose connection ends with the test; it sees what is committed only, hence transactional_db."""
    with ThreadPoolExecutor(1) as threads:
        monkeypatch.setattr(asgi, "threads", threads)
        yield threads
        threads.submit(lambda: connection.close()).result()  # a lambda: the connection is each thread's own


@pytest.fixture
def link(transactional_db: None) -> ShortLink:
    return shortener.shorten("/welcome/{slug}/", lifetime=HOUR)


async def ask(path: str, method: str = "GET", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=asgi.application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8001") as client:
        return await client.request(method, path, headers=headers)


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
        alike = {(answer.status_code, answer.content, str(answer.headers)) for answer in answers}
        assert len(alike) == 1
        assert answers[0].status_code == 404
        assert "location" not in answers[0].headers
    page = asyncio.run(ask(f"/{slugs[0]}")).text
    assert "This link does not open anything any more. Sign in to the bank, or write to us again." in page
    assert 'href="http://localhost:8000/"' in page
    assert slugs[0] not in page
    assert snapshot() == before
    assert Click.objects.count() == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_other_methods_are_refused(method: str) -> None:
    answer = await ask("/any", method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_health_is_answered_without_the_database() -> None:
    assert (await ask("/healthz")).text == "ok"


async def test_a_connection_that_died_is_replaced(link: ShortLink, one_thread: ThreadPoolExecutor) -> None:
    url = f"/{shortener.slug(link)}"
    assert (await ask(url)).status_code == 302
    one_thread.submit(kill_own_backend).result()
    assert (await ask(url)).status_code == 302


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
    monkeypatch.setattr(asgi, "threads", ThreadPoolExecutor(1))
    assert await start(False, monkeypatch) == [{"type": "lifespan.startup.failed", "message": "SITE_URL is http://."}]
    assert [message["type"] for message in await start(True, monkeypatch)] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    logging.getLogger("uvicorn.access").disabled = False


@contextlib.contextmanager
def link_host(database_url: str, log: Path) -> Iterator[str]:
    """The real process behind a real server, access log on; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "links.asgi:application", "--port", str(port), "--access-log"]
    told = servers.environment(database_url) | {"DJANGO_SETTINGS_MODULE": "citisocial.settings"}
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | told, stdout=output, stderr=output)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{address}/healthz").status_code == 200:
                    break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def test_the_process_logs_no_slug(link: ShortLink, tmp_path: Path) -> None:
    parts = connection.settings_dict
    url = f"postgresql://{parts['USER']}@/{parts['NAME']}?host={quote(str(parts['HOST']), safe='')}"
    slug, log = shortener.slug(link), tmp_path / "log"
    with link_host(url, log) as address:
        assert httpx.get(f"{address}/{slug}").status_code == 302
        assert httpx.head(f"{address}/{slug}?from=dm").status_code == 302
        assert httpx.get(f"{address}/unknown").status_code == 404
    assert "Uvicorn running" in log.read_text()
    assert slug not in log.read_text()
    assert sorted(Click.objects.values_list("method", flat=True)) == ["GET", "HEAD"]


def test_a_dead_database_is_a_sentence(link: ShortLink, tmp_path: Path) -> None:
    slug, log = shortener.slug(link), tmp_path / "log"
    with link_host("postgresql://nobody@127.0.0.1:9/nowhere", log) as address:
        answer = httpx.get(f"{address}/{slug}")
    assert answer.status_code == 503
    assert "try it again in a minute" in answer.text
    said = log.read_text()
    assert "the database does not answer" in said
    assert "Traceback" not in said
    assert slug not in said
