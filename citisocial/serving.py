"""Takes a connection of the web server, leaves it held to its time and its memory, whoever is at the other end.

uvicorn waits for ever for a request that was begun, and for a reader that does not read. These are its own protocols
with both ended; `citisocial.opening` names them on its command line.
"""

import asyncio
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from conversations.realtime.limits import WINDOW, Rate

UNREAD = 32 * 1024  # bytes that may wait for a reader before nothing more is taken from them either
STUCK = 30.0  # seconds after which a reader that took nothing is cut off


class Http(HttpToolsProtocol):
    """A request's line and headers come within HANDSHAKE_SECONDS, the first as well as each that follows it."""

    hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin()

    def on_headers_complete(self) -> None:
        self._done()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done()
        super().connection_lost(exc)

    def _begin(self) -> None:
        if self.hurry is None:
            self.hurry = self.loop.call_later(settings.HANDSHAKE_SECONDS, self.transport.abort)

    def _done(self) -> None:
        if self.hurry is not None:
            self.hurry.cancel()
            self.hurry = None


class WebSocket(WebSocketsSansIOProtocol):
    """Nothing is taken from somebody who takes nothing: what they ask for (a pong for each ping) would only pile up."""

    stuck: asyncio.TimerHandle | None = None
    pings: Rate | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=UNREAD)

    def handle_ping(self) -> None:
        """A pong for each, but not for a flood of them: browsers send none at all."""
        if self.pings is None:
            self.pings = Rate(settings.SOCKET_PINGS, WINDOW)
        if self.pings.allows(self.loop.time()):
            super().handle_ping()
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()
        self.stuck = self.loop.call_later(STUCK, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()
        self._goes_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._goes_on()
        super().connection_lost(exc)

    def _goes_on(self) -> None:
        if self.stuck is not None:
            self.stuck.cancel()
            self.stuck = None
