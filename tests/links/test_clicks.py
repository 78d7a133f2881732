"""Clicks: gathered, written together, kept while the database is away, and none lost when the process is stopped."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, Error, OperationalError, connection

from citisocial.clock import now
from links import clicks, shortener
from links.clicks import Clicks, visitor
from links.models import Click, ShortLink

SAFARI = b"Mozilla/5.0 (iPhone) Safari"


@pytest.fixture
def link(transactional_db: None) -> ShortLink:
    return shortener.shorten("/welcome/{slug}/", lifetime=timedelta(hours=1))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clicks]:
    monkeypatch.setattr(clicks, "PAUSE", 0.0)
    made = Clicks()
    yield made
    with contextlib.suppress(RuntimeError):  # the test has closed it, which does not wait for its thread
        made.thread.submit(lambda: connection.close())
    made.thread.shutdown(wait=True)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many clicks each COPY wrote."""
    done: list[int] = []
    write = clicks.write

    def counted(batch: Any) -> None:
        write(batch)
        done.append(len(batch))

    monkeypatch.setattr(clicks, "write", counted)
    return done


def fails(times: int, write: Callable[[Any], None], error: type[Error] = OperationalError) -> Callable[[Any], None]:
    left = [times]

    def failing(batch: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise error("away")
        write(batch)

    return failing


def test_clicks_that_come_together_are_written_together(link: ShortLink, kept: Clicks, writes: list[int]) -> None:
    async def come() -> None:
        for _ in range(700):
            kept.add(link.pk, visitor("GET", SAFARI))
        await kept.written()

    asyncio.run(come())
    assert writes == [700]
    assert Click.objects.filter(link=link, method="GET", is_bot=False).count() == 700


def test_a_click_is_dated_when_it_was_heard_by_the_databases_clock(link: ShortLink, kept: Clicks) -> None:
    async def come() -> None:
        kept.waiting.append((link.pk, time.monotonic() - 3600, visitor("GET", SAFARI)))
        kept.add(link.pk, visitor("HEAD", SAFARI))
        await kept.written()

    asyncio.run(come())
    first, second = Click.objects.order_by("pk")
    assert timedelta(minutes=59) < now() - first.at < timedelta(minutes=61)
    assert now() - second.at < timedelta(minutes=1)
    assert (first.is_bot, second.is_bot) == (False, True)


@pytest.mark.parametrize(
    "agent",
    [
        "Scanner 4111 1111 1111 1111 cvv 123",
        "Scanner \uff14" * 16,
        "Scanner\t1\n\\N\t2\r\n\\.\n",
        "Scanner \\",
        "Scanner \x00\x7f",
    ],
)
def test_a_visitor_may_call_itself_anything(agent: str, link: ShortLink, kept: Clicks) -> None:
    async def come() -> None:
        kept.add(link.pk, visitor("GET", agent.encode()))
        kept.add(link.pk, visitor("GET", SAFARI))
        await kept.written()

    asyncio.run(come())
    strange, known = Click.objects.order_by("pk")
    assert strange.user_agent.startswith("Scanner")
    assert not any(char in strange.user_agent for char in "123456789\uff14\t\n\x00")
    assert strange.user_agent.count("\\") == agent.count("\\")
    assert known.user_agent == "Mozilla/0.0 (iPhone) Safari"


def test_while_the_database_is_away_clicks_are_kept_to_a_bound(
    link: ShortLink, kept: Clicks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clicks, "write", fails(2, clicks.write))
    monkeypatch.setattr(clicks, "AGAIN", 0.0)
    monkeypatch.setattr(clicks, "MOST", 3)

    async def come() -> list[bool]:
        full = []
        for _ in range(3):
            full.append(kept.full)
            kept.add(link.pk, visitor("GET", SAFARI))
        full.append(kept.full)
        await kept.written()
        return [*full, kept.full]

    assert asyncio.run(come()) == [False, False, False, True, False]
    assert Click.objects.count() == 3


def test_a_click_that_is_refused_holds_no_other_up(
    link: ShortLink, kept: Clicks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clicks, "write", fails(1, clicks.write, DataError))

    async def come() -> None:
        for _ in range(2):
            kept.add(link.pk, visitor("GET", SAFARI))
            await kept.written()

    asyncio.run(come())
    assert Click.objects.count() == 1
    assert "1 clicks are lost: they are refused (DataError)" in caplog.text


def test_what_was_heard_is_written_before_the_end(link: ShortLink, kept: Clicks, writes: list[int]) -> None:
    async def come() -> None:
        kept.add(link.pk, visitor("GET", SAFARI))
        await kept.close(10)

    asyncio.run(come())
    assert writes == [1]


def test_the_end_does_not_wait_for_ever_and_says_what_is_lost(
    kept: Clicks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clicks, "write", fails(9, clicks.write))

    async def come() -> None:
        kept.add(1, visitor("GET", SAFARI))
        await kept.close(0.05)

    asyncio.run(come())
    assert "1 clicks are lost" in caplog.text
