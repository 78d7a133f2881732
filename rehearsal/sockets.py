"""Takes an address and a signed-in person, leaves their open WebSocket and everything it has said.

Each opening takes a ticket first, as the pages do. Frames are read on a thread of their own, stamped with the time they
came in, so that nothing is missed or late while the person does something else. It resumes as the pages do: after a
drop, and when nothing has come for long.
"""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from .people import Person, Stumble, origin

Frame = dict[str, Any]
LOOK_AGAIN = 15.0  # seconds of silence after which a page asks for what it lacks
CHAT = Subprotocol("chat.v1")
CSRF = "citisocial-csrf"  # the cookie whose value a page sends back in a header


class Socket:
    """One WebSocket of one person. `frames` holds (time of arrival in s since the epoch, frame), oldest first."""

    def __init__(
        self, person: Person, url: str, *, resume: Callable[[], Frame], heard: Callable[[Frame], None]
    ) -> None:
        """`url` is http(s)://...; `resume` makes the frame that asks for what is lacking after what was `heard`."""
        self.person = person
        self.url = url
        self.resume = resume
        self.heard = heard
        self.frames: list[tuple[float, Frame]] = []
        self.news = threading.Condition()
        self.connection: ClientConnection | None = None
        self.dropped = False

    def open(self) -> "Socket":
        """Connect and ask for what is lacking; a refused handshake is a Stumble."""
        ticket = take_ticket(self.person, self.url)
        headers = {"Cookie": self.person.cookies(self.url)}
        try:
            self.connection = connect(
                self.url.replace("http", "ws", 1),
                origin=Origin(origin(self.url)),
                subprotocols=[CHAT, Subprotocol(f"ticket.{ticket}")],
                additional_headers=headers,
                compression=None,
                open_timeout=30,
                legacy=True,  # opened, dropped and opened again by hand: that is what is rehearsed
                max_size=None,
                proxy=None,
            )
        except (WebSocketException, OSError, TimeoutError) as error:
            raise Stumble(f"{self.person.name}'s socket was not opened at {self.url}: {error}") from error
        if self.connection.subprotocol != CHAT:
            raise Stumble(f"{self.person.name}'s socket speaks {self.connection.subprotocol} at {self.url}")
        self.dropped = False
        threading.Thread(target=self._read, args=(self.connection,), daemon=True).start()
        self.send(self.resume())
        return self

    def send(self, frame: Frame) -> None:
        """Say this; a Stumble when the connection is gone."""
        if self.connection is None:
            raise Stumble(f"{self.person.name}'s socket is closed")
        try:
            self.connection.send(json.dumps(frame))
        except ConnectionClosed as error:
            raise Stumble(f"{self.person.name}'s socket was closed: {error}") from error

    def drop(self) -> None:
        """Lose the connection as in a tunnel: no goodbye."""
        if self.connection is not None:
            connection, self.connection = self.connection, None
            connection.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Say goodbye."""
        if self.connection is not None:
            connection, self.connection = self.connection, None
            with contextlib.suppress(OSError, WebSocketException):
                connection.close()

    def wait(self, wanted: Callable[[Frame], bool], what: str, *, within: float = 30.0, since: int = 0) -> Frame:
        """The first frame like that (from the `since`th on); a Stumble that says `what` never came."""
        deadline = time.monotonic() + within
        ask_at = time.monotonic() + LOOK_AGAIN
        at = since
        with self.news:
            while True:
                while at < len(self.frames):
                    frame = self.frames[at][1]
                    at += 1
                    if wanted(frame):
                        return frame
                left = deadline - time.monotonic()
                if left <= 0 or (self.dropped and self.connection is not None):
                    break
                self.news.wait(min(left, max(0.05, ask_at - time.monotonic())))
                if time.monotonic() >= ask_at and self.connection is not None:
                    self.send(self.resume())
                    ask_at = time.monotonic() + LOOK_AGAIN
        last = json.dumps(self.frames[-1][1])[:300] if self.frames else "nothing at all"
        gone = "; the connection was lost" if self.dropped else ""
        raise Stumble(f"{what} did not reach {self.person.name} within {within:.0f} s{gone}; the last frame: {last}")

    def _read(self, connection: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            for raw in connection:
                arrived = time.time()
                frame = json.loads(raw)
                self.heard(frame)
                with self.news:
                    self.frames.append((arrived, frame))
                    self.news.notify_all()
        with self.news:
            if connection is self.connection:
                self.dropped = True
            self.news.notify_all()


def take_ticket(person: Person, url: str) -> str:
    """A ticket for one opening of the socket at this http(s) address, asked for as a page does."""
    door = url.replace("/ws/", "/tickets/", 1)
    headers = {"Origin": origin(url), "Referer": f"{origin(url)}/", "X-CSRFToken": csrf(person)}
    try:
        answer = person.client.post(door, headers=headers)
    except httpx.HTTPError as error:
        raise Stumble(f"{person.name} got no ticket at {door}: {type(error).__name__}") from error
    if answer.status_code != 200:
        raise Stumble(f"{person.name} was refused a ticket at {door}: {answer.status_code} {answer.text[:200]!r}")
    ticket: str = answer.json()["ticket"]
    return ticket


def csrf(person: Person) -> str:
    """What the site's cookie says, or nothing where they were never given one."""
    return next((cookie.value or "" for cookie in person.client.cookies.jar if cookie.name == CSRF), "")
