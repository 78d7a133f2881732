"""Takes the network's stream, or a file in its format, leaves what is for us in `intake.ingest`: the fastest way in.

The polled ways fill whatever it misses. One task reads, one stores, so a slow database never makes the network wait
for us: it takes whatever came since the last transaction (group commit), and the first post goes at once. The
caller's `after` (triage) runs beside it in a thread of its own.
"""

import asyncio
import gzip
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.db.models import QuerySet

from conversations import credentials, metering, ways
from conversations.intake import ingest
from conversations.models import BrandAccount, ListeningRule
from conversations.networks.base import Charge, Feed, Heard, Post, Rule
from conversations.networks.errors import NetworkError
from conversations.networks.terms import Terms

log = logging.getLogger(__name__)

T = TypeVar("T")
After = Callable[[], object]

BATCH = 500  # posts in one transaction
PACE = 0.05  # seconds from the beginning of one transaction to the next: in a flood few large ones cost least
AHEAD = 2_000  # chunks that are read ahead of the database; then the network waits
QUIET = 10.0  # seconds between two notes that a quiet stream is alive
BUSY = 1.0  # seconds between two notes while posts come, or while one connection after the other fails
LOOK = 15.0  # seconds between two looks at the rules and the budget
AGAIN = 1.0  # seconds until something is tried again
CHUNK = 1024 * 1024  # bytes of a file
OWNER = 0x6C697374656E  # the lock of the one listener: networks allow one connection


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be listened for now."""

    account: BrandAccount
    rules: list[Rule]
    handles: list[str]


class _Changed(Exception):
    """What the stream was opened for is not so any more: begin anew."""


@dataclass(slots=True)
class _Ear:
    """One listener at work for one account."""

    wanted: _Wanted
    terms: Terms
    store: ThreadPoolExecutor  # the thread in which everything is stored, and rules are looked at
    queue: "asyncio.Queue[Heard | NetworkError]" = field(default_factory=lambda: asyncio.Queue(AHEAD))
    unstored: list[Heard] = field(default_factory=list)  # taken from the queue, and not known to be stored
    stored: asyncio.Event = field(default_factory=asyncio.Event)  # something new is there for `after`
    noted_at: float = -QUIET  # when the way's standing was last written
    failing: bool = False

    @property
    def account(self) -> BrandAccount:
        return self.wanted.account

    def do(self, work: Callable[..., T], *args: object) -> Awaitable[T]:
        """In the storing thread, whose database connection lives as long as the listener."""
        return asyncio.get_running_loop().run_in_executor(self.store, work, *args)


async def listen(after: After) -> None:
    """Listen for ever. What was read before a stop (Ctrl-C, SIGTERM) is stored before it.

    `after` is called, in a thread of its own, after something new was stored.
    """
    with ThreadPoolExecutor(1) as store, ThreadPoolExecutor(1) as triage, _stoppable():
        loop = asyncio.get_running_loop()
        try:
            while True:
                ear = await _begin(store)
                try:
                    await _work(ear, after, triage)
                except* _Changed as changed:
                    log.info("listener: %s", changed.exceptions[0])
        finally:
            for pool in (store, triage):
                await loop.run_in_executor(pool, connections.close_all)


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM ends the listener like Ctrl-C does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread
        loop.add_signal_handler(signal.SIGTERM, lambda: task and task.cancel())
    try:
        yield
    finally:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.remove_signal_handler(signal.SIGTERM)


async def _begin(store: ThreadPoolExecutor) -> _Ear:
    """Wait until there is something to listen for, nobody else listens, and the network has our rules."""
    while True:
        found = await asyncio.get_running_loop().run_in_executor(store, _prepare)
        if found is not None:
            return _Ear(found, Terms(found.rules, found.handles), store)
        await asyncio.sleep(AGAIN)


async def _work(ear: _Ear, after: After, triage: ThreadPoolExecutor) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for task in (_read(ear), _store(ear), _look(ear), _follow(ear, after, triage)):
                group.create_task(task)
    finally:
        while not ear.queue.empty():
            if isinstance(item := ear.queue.get_nowait(), Heard):
                ear.unstored.append(item)
        if ear.unstored:
            await ear.do(_keep, ear.account, ear.unstored, False)


# --- the four tasks -------------------------------------------------------------------------------------------------


async def _read(ear: _Ear) -> None:
    def troubled(error: NetworkError) -> None:
        if error.retry_after != 0:  # an ordinary end is followed at once by a new connection
            with suppress(asyncio.QueueFull):
                ear.queue.put_nowait(error)

    async for heard in credentials.network(ear.account.network).stream(ear.terms, troubled=troubled):
        if heard.posts or heard.charges or ear.failing or time.monotonic() - ear.noted_at >= QUIET:
            await ear.queue.put(heard)


async def _store(ear: _Ear) -> None:
    """Group commit: whatever came since the last transaction, at most BATCH posts or a little more."""
    began = -PACE
    while True:
        item: Heard | NetworkError = await ear.queue.get()
        await asyncio.sleep(max(0.0, began + PACE - time.monotonic()))
        began = time.monotonic()
        posts = 0
        while isinstance(item, Heard):
            ear.unstored.append(item)
            posts += len(item.posts)
            if posts >= BATCH or ear.queue.empty():
                break
            item = ear.queue.get_nowait()
        if ear.unstored:
            await _stored(ear)
        if isinstance(item, NetworkError):
            await _note_trouble(ear, item)


async def _stored(ear: _Ear) -> None:
    """Try until it is stored: while the database is away the queue fills, and then the network waits."""
    noting = ear.failing or time.monotonic() - ear.noted_at >= BUSY
    while True:
        try:
            new = await ear.do(_keep, ear.account, ear.unstored, noting)
            break
        except (OperationalError, InterfaceError) as error:
            log.warning("listener: the database does not store (%s); again in %.0f s", _kind(error), AGAIN)
            await asyncio.sleep(AGAIN)
    ear.unstored = []
    if noting:
        ear.noted_at, ear.failing = time.monotonic(), False
    if new:
        ear.stored.set()


async def _note_trouble(ear: _Ear, error: NetworkError) -> None:
    if ear.failing and time.monotonic() - ear.noted_at < BUSY:
        return
    ear.noted_at, ear.failing = time.monotonic(), True
    with suppress(DatabaseError, InterfaceError):
        await ear.do(_fail, ear.account, error)


async def _look(ear: _Ear) -> None:
    """Bring changes of the rules, and of the budget, to the network without ending the connection."""
    while True:
        await asyncio.sleep(LOOK)
        try:
            found = await ear.do(_look_up)
            if found is None or found.account != ear.account:
                raise _Changed("the care account is not there any more, or somebody else listens")
            if found != ear.wanted:
                await ear.do(credentials.network(ear.account.network).set_rules, found.rules)
                ear.terms.become(found.rules, found.handles)
                ear.wanted = found
                log.info("listener: %d rules are set", len(found.rules))
        except (DatabaseError, InterfaceError, NetworkError) as error:
            log.warning("listener: the rules could not be looked at: %s", _kind(error))
            if not isinstance(error, NetworkError):
                await ear.do(connections.close_all)


async def _follow(ear: _Ear, after: After, triage: ThreadPoolExecutor) -> None:
    """Once for everything that was stored while it ran the last time."""
    while True:
        await ear.stored.wait()
        ear.stored.clear()
        try:
            await asyncio.get_running_loop().run_in_executor(triage, after)
        except Exception as error:  # the rows are there, and beat asks for them as well
            log.error("listener: what follows on storing failed (%s)", _kind(error))
            await asyncio.get_running_loop().run_in_executor(triage, connections.close_all)


# --- in the storing thread ------------------------------------------------------------------------------------------


def _prepare() -> _Wanted | None:
    """What to listen for, with the rules set at the network; None: not yet, try again."""
    try:
        found = _look_up()
        if found is None or not found.rules:
            return None
        credentials.network(found.account.network).set_rules(found.rules)
    except (DatabaseError, InterfaceError) as error:  # also while the house is still being set up beside us
        log.info("listener: the database is not ready yet (%s)", _kind(error))
        connections.close_all()
        return None
    except NetworkError as error:
        log.warning("listener: %s", error)
        return None
    return found


def _look_up() -> _Wanted | None:
    """The account that the stream belongs to and what it listens for now; None when it is not ours to read."""
    account = _care_account()
    if account is None:
        log.info("listener: there is no care account yet")
        return None
    if not _owns():
        log.info("listener: another process listens already")
        return None
    rules = _rules(account)
    if not settings.STREAM_HANDLES:  # the polled timeline finds them, for less
        rules = rules.filter(names_handles=False)
    if metering.thrift(account.network) == "handles_only":
        rules = rules.filter(names_handles=True)
    return _Wanted(account, _values(rules), _handles(account))


def _care_account() -> BrandAccount | None:
    return BrandAccount.objects.filter(active=True, purpose=BrandAccount.Purpose.CARE, network="x").first()


def _owns() -> bool:
    """Whether we are the one listener. The lock is this connection's, and goes with it when we die."""
    with connection.cursor() as sql:
        sql.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted"
            " AND (classid::bigint << 32) + objid::bigint = %s) OR pg_try_advisory_lock(%s)",
            [OWNER, OWNER],
        )
        row = sql.fetchone()
    return bool(row[0])


def _rules(account: BrandAccount) -> QuerySet[ListeningRule]:
    rules = ListeningRule.objects.filter(brand=account.brand_id, network=account.network, active=True)
    return rules.order_by("pk")


def _values(rules: QuerySet[ListeningRule]) -> list[Rule]:
    return [Rule(value=rule.value, tag=rule.tag) for rule in rules]


def _handles(account: BrandAccount) -> list[str]:
    ours = BrandAccount.objects.filter(brand=account.brand_id, network=account.network, active=True)
    return list(ours.order_by("pk").values_list("handle", flat=True))


def _keep(account: BrandAccount, heard: Sequence[Heard], noting: bool) -> int:
    """Store, meter, note that the way is well. Returns how many posts were new."""
    posts = [post for each in heard for post in each.posts]
    charges: list[Charge] = [charge for each in heard for charge in each.charges]
    try:
        new = _ingest(account, posts, "stream") if posts else 0
        metering.record(account.network, charges)
        if noting:
            ways.succeeded(account, "stream", posts)
    except (OperationalError, InterfaceError):
        connections.close_all()
        raise
    return new


def _fail(account: BrandAccount, error: NetworkError) -> None:
    ways.failed(account, "stream", error, seconds=AGAIN)


def _ingest(account: BrandAccount, posts: list[Post], way: str) -> int:
    try:
        return ingest(account, posts, way=way)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # one odd post must not take five hundred with it, nor stop the stream
        log.warning("listener: a batch could not be stored at once (%s), so one by one", _kind(error))
    new = 0
    for post in posts:
        try:
            new += ingest(account, [post], way=way)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.error("listener: post %s cannot be stored (%s), passed over", post.external_id, _kind(error))
    return new


def _kind(error: BaseException) -> str:
    """What may be logged of an error: a database's words quote rows."""
    return str(error) if isinstance(error, NetworkError) else type(error).__name__


# --- files ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Read:
    """How far a file has been read. Lines that make no sense are counted, and named by number."""

    feed: Feed
    found: int = 0  # posts for us
    new: int = 0  # of those, the ones that we did not have

    @property
    def summary(self) -> str:
        said = f"{self.feed.lines:,} lines read, {self.found:,} for us, {self.new:,} of them new"
        if self.feed.bad_lines:
            named = ", ".join(map(str, self.feed.bad[:20])) + (" …" if self.feed.bad_lines > 20 else "")
            said += f"; {self.feed.bad_lines:,} could not be read: line {named}"
        return said + "."


def read_file(name: str, *, after: After, progress: Callable[[Read], None]) -> Read:
    """Store what is for us in a file of lines in the network's format; "-" is standard input, *.gz is unpacked.

    May be repeated: what is stored is stored once. Raises LookupError when there is no account to listen for.
    """
    account = _care_account()
    if account is None:
        raise LookupError("There is no active care account to listen for: make one in the admin first.")
    terms = Terms(_values(_rules(account)), _handles(account))
    read = Read(credentials.network(account.network).feed(terms))
    waiting: list[Post] = []
    with _opened(name) as file:
        while chunk := file.read(CHUNK):
            waiting += read.feed.feed(chunk).posts
            if len(waiting) >= BATCH:
                _put(account, read, waiting, after)
                waiting = []
            progress(read)
    waiting += read.feed.end().posts
    _put(account, read, waiting, after)
    return read


def _put(account: BrandAccount, read: Read, posts: list[Post], after: After) -> None:
    for start in range(0, len(posts), BATCH):
        batch = posts[start : start + BATCH]
        read.found += len(batch)
        read.new += _ingest(account, batch, "file")
        after()


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
    elif name.endswith(".gz"):
        with gzip.open(name, "rb") as packed:
            yield packed  # type: ignore[misc]  # reads like any file
    else:
        with Path(name).open("rb") as plain:
            yield plain
