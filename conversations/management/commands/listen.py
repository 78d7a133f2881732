"""Takes the network's stream, leaves batches in `sweep.ingest`: for speed; the polled ways fill what it misses."""

import asyncio
import logging
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections

from conversations import credentials, sweep, tasks
from conversations.models import BrandAccount, ListeningRule
from conversations.networks.base import Keepalive, Post, Rule
from conversations.networks.errors import NetworkError

log = logging.getLogger(__name__)

BATCH = 100
SECONDS = 0.05  # a batch is what came in this time
WAIT = 1.0  # between two looks whether there is anything to listen for yet


class Command(BaseCommand):
    """One process per installation: X allows one connection."""

    help = "Listen to X's filtered stream and store what it delivers."
    requires_system_checks = ["safety"]  # all of them would import every page first

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            asyncio.run(listen())
        except KeyboardInterrupt:
            log.info("listener: stopped")


async def listen() -> None:
    """Set the rules, then read for ever. What was read before a stop is stored before it."""
    while True:
        account = await sync_to_async(_prepare)()
        if account is not None:
            break
        await asyncio.sleep(WAIT)
    queue: asyncio.Queue[Post] = asyncio.Queue(maxsize=10_000)
    async with asyncio.TaskGroup() as group:
        group.create_task(_read(account, queue))
        group.create_task(_store(account, queue))


def _prepare() -> BrandAccount | None:
    """The account that the stream belongs to, with the stream's rules as we want them; None: not yet, try again."""
    try:
        account = BrandAccount.objects.filter(active=True, purpose=BrandAccount.Purpose.CARE, network="x").first()
        rules = _rules(account) if account else []
        if not rules:  # also while the house is still being set up beside us
            log.info("listener: there is no care account with listening rules yet")
            return None
        credentials.network("x").set_rules(rules)
    except DatabaseError as error:
        log.info("listener: the database is not ready yet (%s)", type(error.__cause__).__name__)
        return None
    except NetworkError as error:
        log.warning("listener: %s", error)
        return None
    finally:
        close_old_connections()
    return account


def _rules(account: BrandAccount) -> list[Rule]:
    rules = ListeningRule.objects.filter(brand=account.brand_id, network="x", active=True)
    if not settings.STREAM_HANDLES:
        rules = rules.filter(names_handles=False)
    return [Rule(value=rule.value, tag=rule.tag) for rule in rules]


async def _read(account: BrandAccount, queue: asyncio.Queue[Post]) -> None:
    async for item in credentials.network(account.network).stream():
        if not isinstance(item, Keepalive):
            await queue.put(item)


async def _store(account: BrandAccount, queue: asyncio.Queue[Post]) -> None:
    while True:
        batch = [await queue.get()]
        await asyncio.sleep(SECONDS)
        while len(batch) < BATCH and not queue.empty():
            batch.append(queue.get_nowait())
        await sync_to_async(_ingest)(account, batch)


def _ingest(account: BrandAccount, batch: list[Post]) -> None:
    try:
        if sweep.ingest(account, batch, way="stream"):
            tasks.nudge(tasks.triage)
    finally:
        close_old_connections()
