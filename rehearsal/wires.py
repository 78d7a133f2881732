"""Takes an address, leaves a WebSocket whose frames are handled as bytes: a client that costs less than any server.

No extension, no compression. The mask is four zero bytes, as RFC 6455 lets a client choose it: the server takes it off
as any other, and putting it on costs nothing here.
"""

import asyncio
import base64
import os
import socket
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

from .people import Stumble

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
GUID_KEY = base64.b64encode(os.urandom(16)).decode()  # what it is does not matter to anybody here
END = b"\r\n\r\n"
PATIENCE = 30.0  # seconds for a handshake
LOST = 1006  # closed without a close frame


class NotOpened(Stumble):
    """The server answered the handshake with something else than 101; `status` says what, 0: it hung up."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(f"{url} was not opened as a socket: {status or 'the server hung up'}")
        self.status = status


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """One whole frame of a client."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size)) + b"\0\0\0\0" + payload
    if size < 1 << 16:
        return bytes((0x80 | opcode, 0xFE, size >> 8, size & 255)) + b"\0\0\0\0" + payload
    return bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big") + b"\0\0\0\0" + payload


def handshake(url: str, *, origin: str = "", cookie: str = "", protocols: Sequence[str] = (), more: str = "") -> bytes:
    """The request that opens a socket; `more`: header lines, each with its end."""
    parts = urlsplit(url)
    lines = [f"GET {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {GUID_KEY}", "Sec-WebSocket-Version: 13"]
    lines += [f"Origin: {origin}"] if origin else []
    lines += [f"Cookie: {cookie}"] if cookie else []
    lines += [f"Sec-WebSocket-Protocol: {', '.join(protocols)}"] if protocols else []
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode("latin-1")


class Wire(asyncio.Protocol):
    """One socket. `heard` is called with each text; `code` is set when it is closed, 1006 when nobody said goodbye."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.status = 0
        self.code: int | None = None
        self.open: asyncio.Future[int] = loop.create_future()
        self.closed: asyncio.Future[int] = loop.create_future()
        self.rest = b""
        self.answers_pings = True
        self.taken = asyncio.Event()  # set while the server takes what is sent
        self.taken.set()

    def heard(self, payload: bytes) -> None:
        """A text came."""

    def send(self, payload: bytes) -> None:
        """A text goes."""
        self.transport.write(frame(payload))

    def close(self) -> None:
        """Say goodbye and hang up."""
        if self.code is None and not self.transport.is_closing():
            self.transport.write(frame(b"\x03\xe8", CLOSE))
            self.transport.close()

    def abort(self) -> None:
        """Hang up, whatever state it is in."""
        if self.code is None and hasattr(self, "transport"):
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        self.taken.clear()

    def resume_writing(self) -> None:
        self.taken.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.code = self.code or LOST
        self.taken.set()
        if not self.open.done():
            self.open.set_result(self.status)
        if not self.closed.done():
            self.closed.set_result(self.code)

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        at, size = 0, len(data)
        if self.status != 101:
            at = self._greeted(data)
            if at < 0:
                self.rest = data
                return
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, start = data[at + 2] << 8 | data[at + 3], at + 4
            elif length == 127:
                if size - at < 10:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            end = start + length
            if size < end:
                break
            opcode = data[at] & 15
            if opcode == TEXT:
                self.heard(data[start:end])
            else:
                self._control(opcode, data[start:end])
            at = end
        self.rest = data[at:]

    def _greeted(self, data: bytes) -> int:
        """Where the frames begin; -1 while the answer to the handshake is not whole, or was a refusal."""
        end = data.find(END)
        if end < 0:
            return -1
        self.status = int(data[9:12]) if data[9:12].isdigit() else 0
        if not self.open.done():
            self.open.set_result(self.status)
        if self.status != 101:
            self.transport.close()
            return -1
        return end + len(END)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING and self.answers_pings:
            self.transport.write(frame(payload, PONG))
        elif opcode == CLOSE:
            self.code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
            self.close_answered(payload)

    def close_answered(self, payload: bytes) -> None:
        """The server said goodbye: say it too, and hang up."""
        self.transport.write(frame(payload[:2], CLOSE))
        self.transport.close()


async def connect(
    wire: Wire, url: str, request: bytes, *, address: str | None = None, window: int | None = None
) -> None:
    """Open it; NotOpened when the server refuses. `address`: one of this machine's, to come from.

    `window`: how many bytes the system takes in for somebody who does not read.
    """
    await reach(wire, url, address=address, window=window)
    wire.transport.write(request)
    async with asyncio.timeout(PATIENCE):
        status = await asyncio.shield(wire.open)
    if status != 101:
        raise NotOpened(url, status)


async def reach(wire: asyncio.Protocol, url: str, *, address: str | None = None, window: int | None = None) -> None:
    """A connection and nothing more."""
    way = socket.socket()
    way.setblocking(False)
    if window is not None:
        way.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    if address is not None:
        way.bind((address, 0))
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(way, ("127.0.0.1", urlsplit(url).port or 80))
    except OSError:
        way.close()
        raise
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await loop.create_connection(lambda: wire, sock=way)
