"""The link host as the process that it is: opened by scanners, guessed at, stopped under load, without its database."""

import contextlib
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from django.db import connection

from links import shortener
from links.models import Click, ShortLink
from rehearsal import clicking, loading, scanners
from tests import servers

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def link(transactional_db: None) -> ShortLink:
    return shortener.shorten("/welcome/{slug}/", lifetime=timedelta(hours=1))


@contextlib.contextmanager
def link_host(database_url: str, log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The real process behind a real server, access log on; yields its address and itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "links.asgi:application", "--port", str(port), "--access-log"]
    told = servers.environment(database_url) | {"DJANGO_SETTINGS_MODULE": "citisocial.link_settings"}
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
        yield address, process
    finally:
        process.terminate()
        process.wait(10)


def own_url() -> str:
    """The test's database, for another process."""
    parts = connection.settings_dict
    return f"postgresql://{parts['USER']}@/{parts['NAME']}?host={quote(str(parts['HOST']), safe='')}"


def test_scanners_and_guesses_change_nothing_and_stopping_loses_no_click(link: ShortLink, tmp_path: Path) -> None:
    """The rehearsal's own scanners and guesses, and a load in the middle of which the process is told to stop."""
    before = ShortLink.objects.values().get()
    with link_host(own_url(), tmp_path / "log") as (address, process):
        url = f"{address}/{shortener.slug(link)}"
        for method in ("GET", "HEAD"):
            once = [loading.request(url, method=method, user_agent=agent) for agent in scanners.AGENTS]
            assert clicking.fire(address, iter(once * 5), method) == {302: 200}
        guesses = (loading.request(f"{address}/{clicking.guessed()}") for _ in range(500))
        assert clicking.fire(address, guesses, "GET") == {404: 500}

        stopping = loading.Load(address, stopped_after(300, process, loading.request(url)), connections=8)
        threading.Thread(target=over_with, args=(process, stopping)).start()
        loading.run(stopping)
    assert stopping.answered[302] >= 300
    assert Click.objects.count() == 400 + stopping.answered[302]
    assert not Click.objects.filter(is_bot=False).exists()
    assert ShortLink.objects.values().get() == before


def over_with(process: subprocess.Popen[bytes], load: loading.Load) -> None:
    process.wait()
    load.over = True


def stopped_after(number: int, process: subprocess.Popen[bytes], asked: bytes) -> Iterator[bytes]:
    """The same request for ever; before the one of that number the process is told to stop."""
    for done in itertools.count():
        if done == number:
            process.terminate()
        yield asked


def test_the_process_logs_no_slug(link: ShortLink, tmp_path: Path) -> None:
    slug, log = shortener.slug(link), tmp_path / "log"
    with link_host(own_url(), log) as (address, _):
        assert httpx.get(f"{address}/{slug}").status_code == 302
        assert httpx.head(f"{address}/{slug}?from=dm").status_code == 302
        assert httpx.get(f"{address}/unknown").status_code == 404
    assert "Uvicorn running" in log.read_text()
    assert slug not in log.read_text()
    assert sorted(Click.objects.values_list("method", flat=True)) == ["GET", "HEAD"]


def test_a_dead_database_is_a_sentence(link: ShortLink, tmp_path: Path) -> None:
    slug, log = shortener.slug(link), tmp_path / "log"
    with link_host("postgresql://nobody@127.0.0.1:9/nowhere", log) as (address, _):
        answer = httpx.get(f"{address}/{slug}")
    assert answer.status_code == 503
    assert "try it again in a minute" in answer.text
    said = log.read_text()
    assert "the database does not answer" in said
    assert "Traceback" not in said
    assert slug not in said
