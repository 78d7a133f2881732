"""Takes requests as bytes, leaves how often each status came back: a client that costs less than any server.

Connections are kept open. Each sends so many requests at once, reads as many answers, and sends the next. A connection
that the server closes is opened again; what was under way on it counts as cut off, and is not asked again.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import cast
from urllib.parse import urlsplit

END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
PATIENCE = 30.0  # seconds that a server may not be there


def request(url: str, *, method: str = "GET", user_agent: str = "", cookie: str = "") -> bytes:
    """One request for an absolute address, as bytes."""
    parts = urlsplit(url)
    lines = [f"{method} {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"User-Agent: {user_agent}"] if user_agent else []
    lines += [f"Cookie: {cookie}"] if cookie else []
    return "\r\n".join([*lines, "", ""]).encode("ascii")


class Load:
    """One load on one server, until there are no more requests. `answered`: status -> how many; `cut`: without one."""

    def __init__(
        self, url: str, requests: Iterator[bytes], *, connections: int = 64, at_once: int = 1, head: bool = False
    ) -> None:
        parts = urlsplit(url)
        self.host, self.port = "127.0.0.1", parts.port or 80
        self.requests, self.at_once, self.connections, self.head = requests, at_once, connections, head
        self.answered: Counter[int] = Counter()
        self.cut = 0
        self.over = False

    async def run(self) -> None:
        await asyncio.gather(*(self._keep_open() for _ in range(self.connections)))

    async def _keep_open(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not self.over:
            try:
                _, line = await loop.create_connection(lambda: Line(self), self.host, self.port)
            except OSError:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(0.05)
                continue
            await line.closed
            deadline = loop.time() + PATIENCE


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.read = b""
        self.open = 0  # requests without an answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self.load.cut += self.open
        self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        read = self.read + data if self.read else data
        at = 0
        while (end := read.find(END, at)) >= 0:
            stop = end + len(END)
            length = None if self.load.head else LENGTH.search(read, at, end)
            if length is not None:
                stop += int(length[1])
            if len(read) < stop:
                break
            self.load.answered[int(read[at + 9 : at + 12])] += 1
            self.open -= 1
            at = stop
        self.read = read[at:]
        if not self.open:
            self._ask()

    def _ask(self) -> None:
        load = self.load
        together = list(islice(load.requests, load.at_once))
        if together:
            self.open = len(together)
            self.transport.write(b"".join(together))
        else:
            load.over = True
            self.transport.close()


def run(load: Load) -> Load:
    """Run it to its end, on the fastest event loop there is."""
    with contextlib.suppress(ImportError):
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(load.run())
        return load
    asyncio.run(load.run())
    return load
