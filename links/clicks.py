"""Takes clicks as they are heard, leaves them in PostgreSQL a moment later, many by one COPY, by one writer.

The redirect does not wait for its row. A click decides nothing, so a person does not wait for our bookkeeping, and a
link goes on working while the database is away. What that costs: a process that is killed, not stopped, takes the
clicks of its last moment (PAUSE and one COPY) with it. A process that is stopped writes all it has heard.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import lru_cache

from django.db import Error as DatabaseFault
from django.db import InterfaceError, OperationalError, connection

from citisocial import clock
from links.bots import is_bot

logger = logging.getLogger(__name__)

PAUSE = 0.05  # seconds in which clicks gather
BATCH = 5_000  # rows of one COPY
MOST = 100_000  # clicks that are kept while the database is away, about 30 MB
AGAIN = 1.0  # seconds until the next try after one that failed
LONGEST_NAME = 200
UNSAID = bytes(range(32)) + b"\x7f"  # what no name of a program has, and what COPY would read as something else
NO_DIGITS = bytes.maketrans(b"123456789", b"000000000")
COPY = "COPY links_click (link_id, at, user_agent, method, is_bot) FROM STDIN"

# link, when it was heard (time.monotonic), and by whom: the last three columns of the row
Click = tuple[int, float, str]


@lru_cache(maxsize=4096)
def visitor(method: str, user_agent: bytes) -> str:
    """The row's columns about whoever asked, as COPY wants them.

    A visitor can call itself anything, a card's number too: the words stay, in ASCII, and the digits go.
    """
    said = user_agent.translate(None, UNSAID).decode("ascii", "ignore")[:LONGEST_NAME]
    kept = said.encode().translate(NO_DIGITS).decode().replace("\\", "\\\\")
    return f"{kept}\t{method}\t{'t' if is_bot(method, said) else 'f'}\n"


class Clicks:
    """What was heard and is not yet written. Of one event loop."""

    def __init__(self) -> None:
        self.waiting: list[Click] = []
        self.writer: asyncio.Task[None] | None = None
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="clicks")  # keeps one connection

    @property
    def full(self) -> bool:
        """Whether no more can be kept: the database has been away for long."""
        return len(self.waiting) >= MOST

    def add(self, link: int, by: str) -> None:
        """Keep a click, and see to it that it is written."""
        self.waiting.append((link, time.monotonic(), by))
        if self.writer is None:
            self.writer = asyncio.get_running_loop().create_task(self._write())

    async def written(self) -> None:
        """Wait until everything that was heard is written."""
        if self.writer is not None:
            await self.writer

    async def close(self, patience: float) -> None:
        """Write the rest, if the database lets us within `patience` seconds."""
        try:
            await asyncio.wait_for(self.written(), patience)
        except TimeoutError:
            logger.error("%d clicks are lost: the database does not take them", len(self.waiting))
        self.thread.submit(lambda: connection.close())  # a lambda: the connection is each thread's own
        self.thread.shutdown(wait=False)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            pause = PAUSE
            while self.waiting:
                await asyncio.sleep(pause)
                batch = self.waiting[:BATCH]
                try:
                    await loop.run_in_executor(self.thread, write, batch)
                except (OperationalError, InterfaceError) as error:
                    # Of a connection that broke in the middle nobody knows whether it wrote: rather twice than lost.
                    logger.error("%d clicks wait: no database (%s)", len(self.waiting), type(error).__name__)
                    pause = AGAIN
                    continue
                except DatabaseFault as error:
                    # It would be refused again, and all that come after it would wait behind it.
                    logger.error("%d clicks are lost: they are refused (%s)", len(batch), type(error).__name__)
                del self.waiting[: len(batch)]
                pause = 0 if len(self.waiting) >= BATCH else PAUSE
        finally:
            self.writer = None


def write(clicks: Sequence[Click]) -> None:
    """Runs in the writer's thread, over its connection; one that has failed is given up, so that the next is new.

    When a click was is told by its age: the clock is the database's, asked once for all of them.
    """
    try:
        now, here = clock.now(), time.monotonic()
        rows = [f"{link}\t{now - timedelta(seconds=here - at)}\t{by}" for link, at, by in clicks]
        with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.write("".join(rows))
    except DatabaseFault:
        connection.close()
        raise
