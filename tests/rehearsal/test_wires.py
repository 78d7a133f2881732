"""Takes bytes as servers send them, in any pieces, leaves proof that the bench's own client reads and writes frames."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from rehearsal.people import Stumble
from rehearsal.wires import CLOSE, LOST, PONG, NotOpened, Wire, connect, frame, handshake

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
SIZES = (0, 1, 125, 126, 65_535, 65_536)


class Ear(Wire):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[bytes] = []
        self.written: list[bytes] = []
        self.gone = False
        self.transport: Any = SimpleNamespace(
            write=self.written.append, close=self.hang_up, is_closing=lambda: self.gone
        )

    def heard(self, payload: bytes) -> None:
        self.texts.append(payload)

    def hang_up(self) -> None:
        self.gone = True


def from_server(opcode: Opcode, payload: bytes) -> bytes:
    return Frame(opcode, payload).serialize(mask=False)


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000, 1 << 20])
async def test_texts_of_every_length_arrive_whole_in_any_pieces(piece: int) -> None:
    sizes = SIZES if piece > 5 else SIZES[:4]
    said = SWITCHING + b"".join(from_server(Opcode.TEXT, b"x" * size) for size in sizes)
    ear = Ear()
    for at in range(0, len(said), piece):
        ear.data_received(said[at : at + piece])
    assert (ear.open.result(), [len(text) for text in ear.texts]) == (101, list(sizes))


async def test_pings_are_answered_unless_told_otherwise() -> None:
    ear = Ear()
    ear.data_received(SWITCHING + from_server(Opcode.PING, b"are you there"))
    ear.answers_pings = False
    ear.data_received(from_server(Opcode.PING, b"and now"))
    assert ear.written == [frame(b"are you there", PONG)]


async def test_who_hangs_up_and_how_is_known() -> None:
    ear, cut = Ear(), Ear()
    ear.data_received(SWITCHING + from_server(Opcode.CLOSE, b"\x11\x38"))
    ear.connection_lost(None)
    cut.connection_lost(None)
    assert (ear.code, ear.gone, ear.written) == (4408, True, [frame(b"\x11\x38", CLOSE)])
    assert (cut.code, cut.closed.result(), cut.open.result()) == (LOST, LOST, 0)


async def test_an_independent_server_reads_what_it_writes() -> None:
    server = ServerProtocol(max_size=None)
    server.receive_data(handshake("http://localhost:1/ws/", origin="http://localhost:1", cookie="a=b", protocols=["c"]))
    [asked] = server.events_received()
    assert (asked.path, asked.headers["Origin"], asked.headers["Cookie"]) == ("/ws/", "http://localhost:1", "a=b")  # type: ignore[union-attr]
    server.send_response(server.accept(asked))  # type: ignore[arg-type]
    for size in SIZES:
        server.receive_data(frame(b"x" * size))
    assert [len(one.data) for one in server.events_received()] == list(SIZES)  # type: ignore[union-attr]


@pytest.mark.parametrize(("answer", "status"), [(b"HTTP/1.1 403 Forbidden\r\n\r\n", 403), (b"", 0)])
async def test_a_refusal_is_named(answer: bytes, status: int) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(NotOpened) as refused:
            await connect(Wire(), url, handshake(url), address="127.0.0.2")
    assert refused.value.status == status
    assert isinstance(refused.value, Stumble)
