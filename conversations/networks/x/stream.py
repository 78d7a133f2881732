"""Takes X's filtered stream as bytes, leaves its lines, for ever: reconnects by itself, as slowly as X asks
for.

Posts may come twice and gaps happen; whoever reads drops the one and fills the other from search and
mentions.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from enum import Enum

import httpx
import msgspec

from conversations.networks.x import wire
from conversations.networks.x.problems import seconds_to_reset

log = logging.getLogger(__name__)

SILENCE = 25.0  # X sends something at least every 20 s
STEADY = 20.0  # a connection that lived this long forgives the failures before it
LONGEST_LINE = 4 * 1024 * 1024

Opening = AbstractAsyncContextManager[httpx.Response]
Open = Callable[[], Opening]
Sleep = Callable[[float], Awaitable[None]]


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


async def listen(
    open_stream: Open,
    *,
    switch: Callable[[wire.Problem], bool],
    sleep: Sleep = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[wire.StreamLine | None]:
    """Lines with a post in them, and None for each keep-alive, for ever.

    `switch` is asked when X does not understand the request, and says whether another wording is to be tried.
    """
    backoff = Backoff()
    while True:
        started = clock()
        try:
            async with aclosing(connection(open_stream, switch=switch)) as lines:
                async for line in lines:
                    if clock() - started >= STEADY:
                        backoff.forgive()
                    yield line
        except Ended as ended:
            wait = backoff.wait(ended.trouble, reset_in=ended.reset_in)
            loud = ended.hopeless or wait >= _CEILING[ended.trouble]
            log.log(logging.ERROR if loud else logging.WARNING, "X's stream: %s; again in %.2f s", ended, wait)
            await sleep(wait)


async def connection(
    open_stream: Open, *, switch: Callable[[wire.Problem], bool]
) -> AsyncGenerator[wire.StreamLine | None]:
    """The lines of one connection; it always ends by raising Ended."""
    opened = False
    try:
        async with open_stream() as response:
            if response.status_code != 200:
                raise refusal(response.status_code, response.headers, await response.aread(), switch=switch)
            opened = True
            log.info("X's stream is connected")
            async for raw in split_lines(response.aiter_bytes()):
                if not raw:
                    yield None
                elif (line := understand(raw)) is not None:
                    yield line
    except httpx.ReadTimeout as error:
        raise Ended(Trouble.TCP, "silent for too long") from error
    except httpx.RemoteProtocolError as error:
        raise Ended(Trouble.DROP if opened else Trouble.TCP, "cut off") from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise Ended(Trouble.TCP, type(error).__name__) from error
    raise Ended(Trouble.DROP, "in good order")


async def split_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines without their end; an empty one is a keep-alive. Only b"\n" ends a line.

    On bytes and not on text: a chunk may end inside a letter, and U+2028, U+2029 and U+0085, at which
    str.splitlines (and with it httpx's aiter_lines) splits, stand unescaped inside X's JSON.
    """
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.strip(b"\r\t ")
        if len(rest) > LONGEST_LINE:
            raise Ended(Trouble.DROP, "a line without an end")


def understand(raw: bytes) -> wire.StreamLine | None:
    """A line with a post in it; None for one that is passed over. Raises Ended for X's goodbye."""
    try:
        line = wire.decode(raw, wire.StreamLine)
    except wire.BadAnswer as error:
        log.warning("X's stream sent a line of %d bytes that cannot be read, passed over: %s", len(raw), error)
        return None
    if line.has_post:
        return line
    problem = wire.problem(raw)
    if problem.slot_taken:
        raise Ended(Trouble.SLOT, "TooManyConnections")
    if problem.disconnects:
        raise Ended(Trouble.DROP, problem.kind or "announced by X")
    log.warning("X's stream sent a message of an unknown kind (%s), passed over", problem.kind or _keys(raw))
    return None


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


def _keys(raw: bytes) -> str:
    """The names in a message, which tell its kind without telling its content."""
    try:
        return ", ".join(sorted(wire.decode(raw, dict[str, msgspec.Raw]))[:8])
    except wire.BadAnswer:
        return "not an object"
