"""The web server's own patience: half a request, a reader that does not read. Real sockets, a real uvicorn."""

import asyncio
import socket

import pytest
import uvicorn

from citisocial.serving import UNREAD, Http, WebSocket

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (
    f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
).encode()


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        if scope["path"] == "/flood":
            while True:
                await send({"type": "websocket.send", "text": "x" * 1000})
        await receive()


@pytest.fixture
async def address(settings):
    settings.HANDSHAKE_SECONDS = 0.3
    config = uvicorn.Config(app, port=0, http=Http, ws=WebSocket, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    server.force_exit = True
    await task


async def ended(reader, within=3.0):
    """Whether the other end cut the line in time."""
    try:
        async with asyncio.timeout(within):
            while await reader.read(1 << 16):
                pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("begun", [b"", b"G", UPGRADE[:-2], b"POST / HTTP/1.1\r\nHost: x\r\n"])
async def test_half_a_request_is_not_waited_for(address, begun):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(begun)
    assert await ended(reader)
    writer.close()


async def test_a_byte_now_and_then_does_not_help(address):
    reader, writer = await asyncio.open_connection(*address)
    dead = asyncio.create_task(ended(reader))
    for byte in UPGRADE[:40]:
        if dead.done():
            break
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)
    assert dead.done()
    writer.close()


async def test_the_second_request_has_its_time_too_and_is_held_to_it(address):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200" in await reader.read(1000)
    await asyncio.sleep(0.5)  # longer than a handshake may take: between two requests nobody hurries
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200" in await reader.read(1000)
    writer.write(b"GET / HT")
    assert await ended(reader)
    writer.close()


async def test_an_open_socket_is_left_alone(address):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(UPGRADE)
    assert b"101" in await reader.read(1000)
    assert not await ended(reader, within=0.8)
    writer.close()


async def test_a_flood_of_pings_is_cut_off(address, settings):
    settings.SOCKET_PINGS = 5
    reader, writer = await asyncio.open_connection(*address)
    writer.write(UPGRADE)
    assert b"101" in await reader.read(1000)
    ping = b"\x89\x80\0\0\0\0"
    writer.write(ping * 5)
    assert await reader.readexactly(10) == b"\x8a\0" * 5
    writer.write(ping)
    assert await ended(reader)
    writer.close()


async def test_a_reader_that_does_not_read_is_cut_off(address, monkeypatch):
    monkeypatch.setattr("citisocial.serving.STUCK", 0.3)
    cut = []
    lost = WebSocket.connection_lost
    monkeypatch.setattr(WebSocket, "connection_lost", lambda self, exc: (cut.append(self), lost(self, exc)))
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, address)
    await asyncio.get_running_loop().sock_sendall(sock, UPGRADE.replace(b"GET /", b"GET /flood"))
    async with asyncio.timeout(5):
        while not cut:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert cut[0].transport.get_write_buffer_size() <= UNREAD + 2000
    sock.close()
