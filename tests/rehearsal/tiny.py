"""Takes a case's messages, leaves a chat server of a hundred lines that breaks as it is told, for those who talk."""

import asyncio
import base64
import hashlib
import json
import random
from typing import Any

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Tiny:
    """`table` holds (seq, client_id, text). Tickets are good once. Everything is one case's."""

    def __init__(self) -> None:
        self.table: list[tuple[int, str, str]] = []
        self.tickets: set[str] = set()
        self.sockets: set[asyncio.StreamWriter] = set()
        self.opened = self.posts = 0
        self.hang_up = 0.0  # the chance that a message is stored and the line ends before its answer
        self.dedupe = True
        self.swallow = 0  # the so-many-th message is answered and not stored
        self.refuse = 0  # the so-many-th message is refused
        self.shuffle = False  # everybody is told the last two the wrong way round
        self.status = 200  # of tickets

    async def __aenter__(self) -> "Tiny":
        self.server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self.server.close()
        for writer in list(self.sockets):
            writer.transport.abort()

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if head.startswith("POST"):
                self._ticket(head, writer)
            else:
                await self._socket(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.sockets.discard(writer)
            writer.close()

    def _ticket(self, head: str, writer: asyncio.StreamWriter) -> None:
        assert "X-CSRFToken: token" in head
        assert "Cookie: session" in head
        ticket = f"t{random.getrandbits(64)}"
        self.tickets.add(ticket)
        body = json.dumps({"ticket": ticket}).encode()
        writer.write(f"HTTP/1.1 {self.status} OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    async def _socket(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        version, ticket = lines["Sec-WebSocket-Protocol"].split(", ")
        self.tickets.remove(ticket.removeprefix("ticket."))  # KeyError: used twice, or never given
        key = base64.b64encode(hashlib.sha1(lines["Sec-WebSocket-Key"].encode() + GUID).digest()).decode()
        writer.write(
            f"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {key}\r\nSec-WebSocket-Protocol: {version}\r\n\r\n".encode()
        )
        self.opened += 1
        self.sockets.add(writer)
        while True:
            first, length = await reader.readexactly(2)
            size = length & 127
            if size == 126:
                size = int.from_bytes(await reader.readexactly(2), "big")
            payload = (await reader.readexactly(4 + size))[4:]
            if first & 15 == 8:
                return
            if first & 15 == 1 and self._frame(json.loads(payload), writer):
                return

    def _frame(self, frame: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        """True: hang up."""
        if frame["type"] == "resume":
            for entry in self.table[frame["after"] :]:
                say(writer, message(entry))
            say(writer, {"type": "caught_up", "seq": len(self.table), "status": "CONNECTED"})
            return False
        self.posts += 1
        if self.posts == self.refuse:
            said = {"type": "problem", "code": "bad_text", "message": "No.", "client_id": frame["client_id"]}
            say(writer, said)
            return False
        known = next((entry for entry in self.table if entry[1] == frame["client_id"]), None)
        if known is not None and self.dedupe:
            say(writer, message(known))
            return False
        entry = (len(self.table) + 1, frame["client_id"], frame["text"])
        if self.posts == self.swallow:
            say(writer, message(entry))
            return False
        self.table.append(entry)
        if random.random() < self.hang_up:
            return True
        told = [entry, self.table[-2]] if self.shuffle and len(self.table) > 1 else [entry]
        for socket in self.sockets:
            for one in told:
                say(socket, message(one))
        return False


def message(entry: tuple[int, str, str]) -> dict[str, Any]:
    seq, client_id, text = entry
    return {"type": "message", "seq": seq, "client_id": client_id, "kind": "said", "text": text, "side": "agent"}


def say(writer: asyncio.StreamWriter, frame: dict[str, Any]) -> None:
    if writer.transport.is_closing():
        return
    payload = json.dumps(frame).encode()
    head = bytes((0x81, len(payload))) if len(payload) < 126 else bytes((0x81, 126)) + len(payload).to_bytes(2, "big")
    writer.write(head + payload)
