"""A server that says on a socket exactly what a test wrote, and X with scripted answers where none is needed."""

import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from conversations.networks.base import Account, Charge
from conversations.networks.x.adapter import X

BRAND = Account(external_id="1001", handle="AskCiti", access_token="brand-token")


@dataclass
class RawServer:
    """Each connection gets the next script: bytes to send, seconds to pause, or "reset"; then it closes."""

    scripts: list[list[bytes | float | str]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._closing = threading.Event()
        self._thread.start()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            self.heads.append(head.decode())
            self.arrived.append(time.monotonic())
            for step in self.scripts.pop(0) if self.scripts else []:
                if isinstance(step, bytes):
                    connection.sendall(step)
                elif step == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                else:
                    self._closing.wait(float(step))

    def close(self) -> None:
        self._closing.set()
        self._socket.close()


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., X]]:
    """connect(url, timeout=...) -> X over a real socket, closed afterwards."""
    made: list[X] = []

    def make(url: str, **options: Any) -> X:
        made.append(X(url, "app-token", "c", "s", **options))
        return made[-1]

    yield make
    for x in made:
        x.close()


@dataclass
class Scripted:
    """X whose answers are taken from a list, in turn; `requests` is what it was asked."""

    answers: list[httpx.Response] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    charged: list[Charge] = field(default_factory=list)
    days: list[date | None] = field(default_factory=list)  # one for each time the meter was told

    def __post_init__(self) -> None:
        self.x = X(
            "https://api.test",
            "app-token",
            "client",
            "secret",
            consumer_secret="consumer-secret",
            meter=self._meter,
            transport=httpx.MockTransport(self._answer),
        )

    def _meter(self, charges: Sequence[Charge], *, day: date | None = None) -> None:
        self.charged += charges
        self.days.append(day)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers.pop(0)

    def says(self, status: int, body: Any = None, *, headers: Mapping[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append(httpx.Response(status, content=content, headers=headers))

    def sent(self, number: int = -1) -> Any:
        return json.loads(self.requests[number].content)


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def brand() -> Account:
    return BRAND


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """The path of a file of recorded data; the test is skipped where there is none."""

    def find(name: str) -> Path:
        named = os.environ.get("CITISOCIAL_DATA")
        root = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
        path = root / name
        if not path.exists():
            pytest.skip(f"{name} is not here: set CITISOCIAL_DATA to the folder that holds it")
        return path

    return find
