"""Takes work on a connection, leaves it done on one of the event loop's own: no thread, no Django between.

Django's database is synchronous and lives in one thread, through which every frame of every socket would have to go,
one after the other. A connection here is opened when it is first needed, and anew whenever it broke.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import AsyncConnection

T = TypeVar("T")
Work = Callable[["AsyncConnection[Any]"], Awaitable[T]]
log = logging.getLogger(__name__)

TRIES = 4
KEPT_IN_DEMO = 5.0  # seconds
PAUSE = 0.15  # seconds before the second try; each further one waits three times as long


class Direct:
    """One connection, for one piece of work at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.connection: AsyncConnection[Any] | None = None
        self.opened_at = 0.0
        self.lock = asyncio.Lock()

    async def run(self, work: "Work[T]", tries: int = TRIES) -> T:
        """What the work returns. When the connection is lost it is done again on a new one: so it must be harmless
        twice. psycopg.OperationalError when that does not help either; any other error is the work's own."""
        async with self.lock:
            for left in range(tries - 1, -1, -1):
                try:
                    return await work(await self._open())
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    await self.close()
                    if not left:
                        raise
                    log.warning("%s: PostgreSQL again (%s)", self.name, type(error).__name__)
                    await asyncio.sleep(PAUSE * 3 ** (tries - 1 - left))
        raise AssertionError

    async def close(self) -> None:
        """The next work opens another."""
        if self.connection is not None:
            lost, self.connection = self.connection, None
            await lost.close()

    async def _open(self) -> "AsyncConnection[Any]":
        # Only new connections see a clock that the demo moved.
        if settings.DEMO and time.monotonic() - self.opened_at > KEPT_IN_DEMO:
            await self.close()
        if self.connection is None:
            self.opened_at = time.monotonic()
            params = {k: v for k, v in connection.get_connection_params().items() if k not in NOT_OURS}
            self.connection = await AsyncConnection.connect(**params, autocommit=True)
        return self.connection


async def close() -> None:
    """All of the running loop's, when its server stops."""
    for one in _kept.pop(asyncio.get_running_loop(), {}).values():
        await one.close()


NOT_OURS = {"cursor_factory", "context", "pool", "server_side_binding"}  # Django's way of talking, not where to
_kept: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Direct]]" = WeakKeyDictionary()


def direct(name: str) -> Direct:
    """The running loop's connection of this name: what must not wait for each other has names of its own."""
    named = _kept.setdefault(asyncio.get_running_loop(), {})
    if name not in named:
        named[name] = Direct(name)
    return named[name]
