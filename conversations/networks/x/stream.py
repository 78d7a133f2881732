"""Takes X's filtered stream, leaves what is heard on it, for ever: reconnects by itself, as slowly as X asks for.

Posts may come twice and gaps happen; whoever reads drops the one and fills the other from search and
mentions.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from enum import Enum

import httpx

from conversations.networks.base import Heard
from conversations.networks.errors import NetworkError, RateLimited, Refused, Unavailable
from conversations.networks.x import wire
from conversations.networks.x.feed import Feed, LineTooLong
from conversations.networks.x.problems import seconds_to_reset

log = logging.getLogger(__name__)

SILENCE = 25.0  # X sends something at least every 20 s
STEADY = 20.0  # a connection that lived this long forgives the failures before it

Opening = AbstractAsyncContextManager[httpx.Response]
Open = Callable[[], Opening]
Sleep = Callable[[float], Awaitable[None]]
Troubled = Callable[[NetworkError], None]


class Trouble(Enum):
    """Why a connection ended. X asks for another pace after each."""

    DROP = "the connection was closed"
    TCP = "the connection failed or fell silent"
    HTTP = "X refused the connection"
    LIMITED = "X's limit of connections is used up"
    SLOT = "our one connection is still taken"


# The longest wait after each; seconds. X asks that somebody be told when it is reached.
_CEILING = {
    Trouble.DROP: 16.0,
    Trouble.TCP: 16.0,
    Trouble.HTTP: 320.0,
    Trouble.LIMITED: 960.0,
    Trouble.SLOT: 64.0,
}


class Backoff:
    """How long to wait after each kind of trouble. Failures are counted for each kind, until `forgive`."""

    def __init__(self) -> None:
        self._failures: dict[Trouble, int] = {}

    def forgive(self) -> None:
        self._failures.clear()

    def wait(self, trouble: Trouble, *, reset_in: float | None = None) -> float:
        """Seconds. `reset_in`: what X's x-rate-limit-reset says, which is better than a guess."""
        earlier = self._failures.get(trouble, 0)
        self._failures[trouble] = earlier + 1
        ceiling = _CEILING[trouble]
        doubled = 2.0 ** min(earlier, 12)
        if trouble is Trouble.DROP:
            # At once, as X asks; but a server that accepts and closes must not make this a hot loop.
            return min(0.25 * earlier, ceiling)
        if trouble is Trouble.TCP:
            return min(0.25 * (earlier + 1), ceiling)
        if trouble is Trouble.HTTP:
            return min(5.0 * doubled, ceiling)
        if trouble is Trouble.SLOT:
            # X says 429 here too, and for a 429 its rule is to begin with a minute. Most often, though, the
            # connection in our way is our own listener's, killed a moment ago: X gives the slot back as soon
            # as it notices, and a minute would be lost for nothing. So this begins with a second, doubles,
            # and ends where the rule begins.
            return min(1.0 * doubled, ceiling)
        return reset_in if reset_in is not None else min(60.0 * doubled, ceiling)


class Ended(Exception):
    """How a connection ended, for the back-off and the log; without X's words, which may quote a rule."""

    def __init__(self, trouble: Trouble, detail: str, *, reset_in: float | None = None, hopeless: bool = False) -> None:
        super().__init__(f"{trouble.value} ({detail})")
        self.trouble = trouble
        self.reset_in = reset_in
        self.hopeless = hopeless  # waiting will not mend it; a person has to

    def as_error(self, wait: float) -> NetworkError:
        """For whoever shows how the stream is doing."""
        if self.hopeless:
            return Refused("auth", f"X does not open the stream: {self}. Check the app's access and its bearer token.")
        kind = RateLimited if self.trouble is Trouble.LIMITED else Unavailable
        return kind(f"X's stream: {self}. It is opened again in {wait:.0f} s.", retry_after=wait)


async def listen(
    open_stream: Open,
    *,
    feed: Callable[[], Feed],
    switch: Callable[[wire.Problem], bool],
    free: Callable[[], Awaitable[None]] | None = None,
    troubled: Troubled | None = None,
    sleep: Sleep = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[Heard]:
    """What each chunk of bytes holds, for ever; nothing in it is a keep-alive.

    `feed` makes the reader of one connection. `switch` is asked when X does not understand the request, and says
    whether another wording is to be tried. `free` is called once per trouble when the slot stays taken: the connection
    in our way is then one of ours whose end X has not noticed. `troubled` is told of every end, before the wait.
    """
    backoff = Backoff()
    freed = False
    while True:
        started = clock()
        try:
            async with aclosing(connection(open_stream, feed(), switch=switch)) as chunks:
                async for heard in chunks:
                    if clock() - started >= STEADY:
                        backoff.forgive()
                        freed = False
                    yield heard
        except Ended as ended:
            wait = backoff.wait(ended.trouble, reset_in=ended.reset_in)
            loud = ended.hopeless or wait >= _CEILING[ended.trouble]
            log.log(logging.ERROR if loud else logging.WARNING, "X's stream: %s; again in %.2f s", ended, wait)
            if troubled is not None:
                troubled(ended.as_error(wait))
            if free is not None and not freed and ended.trouble is Trouble.SLOT and wait > 1.0:
                freed = True
                await free()
            await sleep(wait)


async def connection(open_stream: Open, feed: Feed, *, switch: Callable[[wire.Problem], bool]) -> AsyncGenerator[Heard]:
    """What is heard on one connection; it always ends by raising Ended."""
    opened = False
    try:
        async with open_stream() as response:
            if response.status_code != 200:
                raise refusal(response.status_code, response.headers, await response.aread(), switch=switch)
            opened = True
            log.info("X's stream is connected")
            # As asked for it comes uncompressed, unless something on the way knows better.
            packed = response.headers.get("content-encoding", "identity") != "identity"
            async for chunk in response.aiter_bytes() if packed else response.aiter_raw():
                yield feed.feed(chunk)
                if feed.goodbye is not None:
                    raise _farewell(feed.goodbye)
    except LineTooLong as error:
        raise Ended(Trouble.DROP, "a line without an end") from error
    except httpx.ReadTimeout as error:
        raise Ended(Trouble.TCP, "silent for too long") from error
    except httpx.RemoteProtocolError as error:
        raise Ended(Trouble.DROP if opened else Trouble.TCP, "cut off") from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise Ended(Trouble.TCP, type(error).__name__) from error
    raise Ended(Trouble.DROP, "in good order")


def _farewell(problem: wire.Problem) -> Ended:
    """Why X closes a connection that it had opened."""
    if problem.slot_taken:
        return Ended(Trouble.SLOT, "TooManyConnections")
    return Ended(Trouble.DROP, problem.kind or "announced by X")


def refusal(status: int, headers: Mapping[str, str], body: bytes, *, switch: Callable[[wire.Problem], bool]) -> Ended:
    """Why X did not open the stream."""
    problem = wire.problem(body)
    detail = f"{status} {problem.kind}".strip()
    if problem.slot_taken:
        return Ended(Trouble.SLOT, detail)
    if status == 429:
        return Ended(Trouble.LIMITED, detail, reset_in=seconds_to_reset(headers))
    if status == 400 and switch(problem):
        return Ended(Trouble.DROP, f"{detail}, asking in X's other vocabulary")
    if status == 409:
        return Ended(Trouble.HTTP, "409: the stream has no rules yet")
    return Ended(Trouble.HTTP, detail, hopeless=status in {400, 401, 402, 403, 404})
