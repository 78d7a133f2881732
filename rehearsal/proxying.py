"""Takes an address, leaves a door before it that fails as networks do: cut both ways or one way, reset, slow, lossy.

While a way is cut, what was sent on it is kept, and arrives when it heals, even that of connections which one side has
given up long before: so a server hears things twice and late. A connection is ended from one side to the other in the
same order as its bytes.
"""

import asyncio
import random
import socket
import struct
from collections import deque
from contextlib import suppress
from typing import cast

UP, DOWN = "up", "down"  # from the client to the server, and back
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST at once
END = b""  # in a way's queue: the sender has hung up


class Way:
    """One direction of one connection: what is on its way, in order."""

    def __init__(self, network: "Network", direction: str) -> None:
        self.network, self.direction = network, direction
        self.waiting: deque[tuple[float, bytes]] = deque()  # (not before, what)
        self.to: asyncio.Transport | None = None
        self.timer: asyncio.TimerHandle | None = None

    def put(self, data: bytes) -> None:
        """Sent now; arrives when the network lets it."""
        now = self.network.loop.time()
        if not self.waiting and not self.network.holds(self.direction) and not self.network.delay and self.to:
            self._arrive(data)
            return
        self.waiting.append((now + self.network.delay, data))
        self.flow()

    def flow(self) -> None:
        """Let arrive what may."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.to is None or self.network.holds(self.direction):
            return
        now = self.network.loop.time()
        while self.waiting and self.waiting[0][0] <= now:
            self._arrive(self.waiting.popleft()[1])
        if self.waiting:
            self.timer = self.network.loop.call_at(self.waiting[0][0], self.flow)

    def _arrive(self, data: bytes) -> None:
        assert self.to is not None
        if data is END:
            self.to.close()
        elif not self.to.is_closing():
            self.to.write(data)


class End(asyncio.Protocol):
    """One end of one connection; what comes in here goes out at the other."""

    def __init__(self, out: Way) -> None:
        self.out = out

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.out.put(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.out.put(END)


class Near(End):
    """The client's end: the server's is opened when somebody comes."""

    def __init__(self, network: "Network") -> None:
        super().__init__(Way(network, UP))
        self.network, self.back = network, Way(network, DOWN)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.back.to = self.transport
        self.network.lines.add(self)
        self.task = self.network.loop.create_task(self._reach())

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.network.lines.discard(self)

    async def _reach(self) -> None:
        network = self.network
        try:
            far, _ = await network.loop.create_connection(lambda: End(self.back), network.host, network.port)
        except OSError:
            self.transport.abort()
            return
        self.out.to = far
        network.ways |= {self.out, self.back}
        self.out.flow()

    def reset(self) -> None:
        """RST to both ends; what was on its way is gone."""
        for way in (self.out, self.back):
            way.waiting.clear()
            if way.to is not None:
                with suppress(OSError):
                    way.to.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                way.to.abort()


class Network:
    """The way to one address. `lines`: the connections of clients. `lost`: connections refused or broken by it."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.cut: set[str] = set()
        self.delay = 0.0  # seconds, each way
        self.broken = False  # what comes is closed at once
        self.lines: set[Near] = set()
        self.ways: set[Way] = set()
        self.lost = 0
        self.own_port = 0

    async def __aenter__(self) -> "Network":
        self.loop = asyncio.get_running_loop()
        self.server = await self.loop.create_server(self._near, "127.0.0.1", 0, backlog=1024)
        self.own_port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self.server.close()
        for line in list(self.lines):
            line.transport.abort()

    def holds(self, direction: str) -> bool:
        """Whether nothing arrives on this way now."""
        return direction in self.cut

    def set(self, *, cut: set[str] | None = None, delay: float = 0.0) -> None:
        """From now on it is like this; what waited goes on where it may. Nothing given: all is well."""
        self.cut, self.delay = cut or set(), delay
        self.ways = {way for way in self.ways if way.to is not None and (way.waiting or not way.to.is_closing())}
        for way in list(self.ways):
            way.flow()

    def reset(self) -> int:
        """RST to everybody; to how many."""
        lines = list(self.lines)
        for line in lines:
            line.reset()
        self.lost += len(lines)
        return len(lines)

    def drop(self, share: float) -> int:
        """End that share of the connections without a word; how many."""
        lines = [line for line in self.lines if random.random() < share]
        for line in lines:
            line.transport.close()
        self.lost += len(lines)
        return len(lines)

    def _near(self) -> asyncio.Protocol:
        if self.broken:
            self.lost += 1
            return _Closed()
        return Near(self)


class _Closed(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()
