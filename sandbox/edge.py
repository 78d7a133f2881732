"""Takes Django's answers on their way to the socket, leaves them as they are, or broken as faults.py orders.

The endpoints know nothing of it: what they accepted is stored, and only the way back breaks.
"""

import asyncio
import math
import random
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from django.utils.http import http_date

from sandbox import clock, faults, streaming
from sandbox.api import problems
from sandbox.faults import Fault

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[object]]

BEFORE = faults.REFUSALS | {"stall"}
AFTER = frozenset({"reset", "duplicate", "out_of_order", "lost", "error", "slow", "bad_json"})
AT_ONCE = frozenset({"stall", "disconnect"})
# Calls per quarter of an hour, for the header of a refusal that counted nothing.
LIMITS = {"stream": 50, "search": 300, "mentions": 300, "users": 75, "dm_events": 15, "send_dm": 15, "rules": 100}
GOODBYE = {
    "title": "operational-disconnect",
    "disconnect_type": "UpstreamOperationalDisconnect",
    "detail": "This stream has been disconnected upstream for operational reasons.",
    "type": problems.TYPES + "operational-disconnect",
}
FLUSH_SECONDS = 0.01  # what was written is on its way by then


def guarded(app: App) -> App:
    """The app with faults between it and the socket."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        name = faults.name_of(scope["method"], scope["path"])
        if not name:
            await app(scope, receive, send)
        elif scope["method"] == "GET" and scope["path"] in faults.STREAMS:
            await _stream(app, scope, receive, send, name)
        else:
            await _call(app, scope, receive, send, name)

    return answer


async def _call(app: App, scope: Scope, receive: Receive, send: Send, name: str) -> None:
    """One call: refused, silent, or answered and then maybe broken."""
    path = scope["path"]
    if fault := faults.take(name, BEFORE, path):
        if fault.kind != "stall":
            await _refuse(fault, name, send)
            return
        silent = await _silence(receive, fault.seconds)
        if silent is None:
            return
        receive = silent
    held: list[Message] = []

    async def hold(message: Message) -> None:
        held.append(message)

    if not faults.armed(name, AFTER, path):
        await app(scope, receive, _watched(send, name))
        return
    await app(scope, receive, hold)
    if not held:  # the caller went before there was an answer
        return
    start, body = held[0], b"".join(message.get("body", b"") for message in held[1:])
    await _answer(start, body, send, name, path)


def _watched(send: Send, name: str) -> Send:
    """`send`, which notes a good answer when it is complete."""
    good = False

    async def pass_on(message: Message) -> None:
        nonlocal good
        if message["type"] == "http.response.start":
            good = message["status"] < 300
        await send(message)
        if good and message["type"] == "http.response.body" and not message.get("more_body"):
            faults.recovered(name)

    return pass_on


async def _answer(start: Message, body: bytes, send: Send, name: str, path: str) -> None:
    """Send an answer through the first fault that can act on it; refusals go out as they are."""
    good = start["status"] < 300
    page = _page(body)
    kinds = AFTER if len(page) > 1 else AFTER - {"out_of_order"} if page else AFTER - {"out_of_order", "duplicate"}
    fault = faults.take(name, kinds, path) if good else None
    kind = fault.kind if fault else ""
    if kind == "lost":
        await _cut(send)
        return
    if kind == "slow" and fault:
        await asyncio.sleep(fault.seconds)
    elif kind == "bad_json":
        body = body[: max(1, len(body) // 2)]
    elif kind == "error":
        start, body = {**start, "status": 500}, msgspec.json.encode(problems.plain(500, "Internal Server Error").body)
    elif kind in {"duplicate", "out_of_order"}:
        body = _reworked(body, kind)
    if kind != "reset":
        headers = [(key, value) for key, value in start["headers"] if key.lower() != b"content-length"]
        start = {**start, "headers": [*headers, (b"Content-Length", str(len(body)).encode())]}
    await send(start)
    if kind == "reset":
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await _cut(send)
        return
    await send({"type": "http.response.body", "body": body})
    if good and not kind:
        faults.recovered(name)


def _page(body: bytes) -> list[Any]:
    """The items of a page; empty for anything else."""
    try:
        decoded = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return []
    data = decoded.get("data") if isinstance(decoded, dict) else None
    return data if isinstance(data, list) else []


def _reworked(body: bytes, kind: str) -> bytes:
    """A page with its items twice, or in another order than theirs; `meta` stays."""
    decoded = msgspec.json.decode(body)
    items = decoded["data"]
    if kind == "duplicate":
        decoded["data"] = [item for item in items for _ in range(2)]
    else:
        shuffled = random.sample(items, len(items))
        decoded["data"] = shuffled if shuffled != items else items[::-1]
    return msgspec.json.encode(decoded)


async def _stream(app: App, scope: Scope, receive: Receive, send: Send, name: str) -> None:
    """One connection of a stream: refused, or line by line."""
    if fault := faults.take(name, faults.REFUSALS):
        await _refuse(fault, name, send)
        return
    lines = Lines(send, name)

    async def hear() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect":
            lines.free()  # before Django has wound the answer up: who comes back at once finds the place free
        return message

    await app(scope, hear, lines.take)


class Lines:
    """The lines of one open stream; after it was ended from here, what still comes is dropped."""

    def __init__(self, send: Send, name: str) -> None:
        self._send = send
        self._name = name
        self._ended = False
        self._held = b""  # a line that waits for its successor
        self._good = False
        self._reader: streaming.Reader | None = None

    def free(self) -> None:
        """Give up the one place that an app has."""
        if self._reader is not None:
            streaming.hub.close(self._reader)

    async def take(self, message: Message) -> None:
        """One ASGI message of the answer."""
        if message["type"] == "http.response.start":
            self._good = message["status"] == 200
            self._reader = streaming.hub.current if self._good and self._name == "stream" else None
        if self._ended:
            return
        if message["type"] != "http.response.body" or not self._good:
            await self._send(message)
            return
        await self._at_once()
        chunk = message.get("body", b"")
        for line in chunk.splitlines(keepends=True) if chunk.strip() else [chunk]:
            if not self._ended:
                await (self._line(line) if line.strip() else self._quiet(line))
        if not message.get("more_body") and not self._ended:
            await self._quiet(b"")
            await self._send({**message, "body": b""})

    async def _at_once(self) -> None:
        """What does not wait for a line: silence, and goodbye."""
        fault = faults.take(self._name, AT_ONCE)
        if fault is None:
            return
        if fault.kind == "stall":
            await (asyncio.sleep(fault.seconds) if fault.seconds else asyncio.Event().wait())
            return
        self.free()
        await self._write(msgspec.json.encode({"errors": [GOODBYE]}) + b"\r\n")
        await self._send({"type": "http.response.body", "body": b""})
        self._ended = True

    async def _quiet(self, line: bytes) -> None:
        """A keep-alive: a line that was held back does not wait any longer."""
        held, self._held = self._held, b""
        if held or line:
            await self._write(held + line)
        if held:
            faults.recovered(self._name)

    async def _line(self, line: bytes) -> None:
        """A line with a post, through the first fault that is armed."""
        fault = faults.take(self._name, AFTER - {"error"})
        kind = fault.kind if fault else ""
        if kind in {"reset", "lost"}:
            if kind == "reset":
                await self._write(line[: len(line) // 2])
            self._ended = True
            self.free()
            await _cut(self._send)
            return
        if kind == "out_of_order" and not self._held:
            self._held = line
            return
        if kind == "slow" and fault:
            await asyncio.sleep(fault.seconds)
        elif kind == "bad_json":
            line = line[: len(line) // 2].rstrip(b"\r\n") + b"\r\n"
        elif kind == "duplicate":
            line += line
        held, self._held = self._held, b""
        await self._write(line + held)
        if not kind:
            faults.recovered(self._name)

    async def _write(self, lines: bytes) -> None:
        await self._send({"type": "http.response.body", "body": lines, "more_body": True})


async def deliver(post: Callable[[bytes], Awaitable[bool]], body: bytes) -> bool:
    """Send an event to a webhook, through the first fault that is armed for it; False: X sends it again later.

    Here the other side answers, so a refusal is an attempt that X did not make, `out_of_order` one that comes after
    its successors, and of `lost` and `reset` X never saw the answer to what arrived.
    """
    fault = faults.take("webhook", faults.KINDS - {"disconnect", "error"})
    kind = fault.kind if fault else ""
    if kind in faults.REFUSALS or kind == "out_of_order":
        return False
    if kind in {"slow", "stall"} and fault:
        await asyncio.sleep(fault.seconds)
    elif kind == "duplicate":
        await post(body)
    arrived = await post(body[: len(body) // 2] if kind == "bad_json" else body)
    if arrived and not kind:
        faults.recovered("webhook")
    return arrived and kind not in {"lost", "reset"}


async def _refuse(fault: Fault, name: str, send: Send) -> None:
    """X's refusal: its headers, its problem."""
    problem = {
        "429": problems.too_many_requests(),
        "503": problems.plain(503, "Service Unavailable"),
        "409": problems.plain(409, "Conflict"),
    }[fault.kind]
    if name == "stream" and fault.kind == "409":
        problem = problems.connection_exception(
            409, "Rules must be configured before connecting.", "RuleConfigurationIssue"
        )
    limit = LIMITS.get(name, 450)
    ahead = math.ceil(clock.epoch() + fault.seconds) if fault.kind == "429" else int(clock.epoch()) + 900
    left = "0" if fault.kind == "429" else str(limit - 1)
    headers = {
        "Date": http_date(clock.epoch()),
        "Content-Type": "application/problem+json; charset=utf-8",
        "x-transaction-id": secrets.token_hex(8),
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": left,
        "x-rate-limit-reset": str(ahead),
    }
    body = msgspec.json.encode(problem.body)
    headers["Content-Length"] = str(len(body))
    encoded = [(key.encode(), value.encode()) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def _silence(receive: Receive, seconds: float) -> Receive | None:
    """Say nothing for so long (0: for ever); then what was received meanwhile, or None when the caller went."""
    heard: list[Message] = []

    async def listen() -> None:
        while True:
            heard.append(await receive())
            if heard[-1]["type"] == "http.disconnect":
                return

    try:
        await asyncio.wait_for(listen(), seconds or None)
    except TimeoutError:
        pass
    else:
        return None

    async def again() -> Message:
        return heard.pop(0) if heard else await receive()

    return again


async def _cut(send: Send) -> None:
    """Break the TCP connection: the other side reads what was sent, then an error.

    ASGI knows no such thing, so this reaches for uvicorn's transport, whose cycle `send` belongs to.
    """
    await asyncio.sleep(FLUSH_SECONDS)
    transport = send.__self__.transport  # type: ignore[attr-defined]
    # Without lingering the close is a reset, which is what a dying host or a middlebox sends.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(FLUSH_SECONDS)  # uvicorn learns of it, and does not miss the rest of the answer
