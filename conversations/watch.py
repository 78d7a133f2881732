"""Takes the sockets of a process, leaves those closed whose session, login or case is not theirs any more, within 5 s.

One query every LOOK for all of them, whatever ended it: a sign-out, another password, factor or role, a closed login,
a case or team that moved away, a session that was deleted. The same query says how far each case is, so that a socket
that was told nothing, because Redis is away, reads what it lacks. And whoever does not take what is sent, or has said
nothing for long, is gone.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import psycopg
from channels.db import database_sync_to_async
from django.conf import settings
from psycopg import AsyncConnection

from accounts import agents
from citisocial import clock
from conversations import standing
from conversations.realtime.direct import direct
from conversations.realtime.hub import MISSED, Seat
from conversations.standing import Sitting

log = logging.getLogger(__name__)

LOOK = 3.0  # seconds
TAKE_WITHIN = 10.0  # seconds in which a client takes a frame
SEEN_EVERY = 30.0  # seconds
SIGNED_OUT, REFUSED, TOO_SLOW, SILENT = 4401, 4403, 1013, 1001


class Socket(Protocol):
    """What the watch needs of a socket: frames begun and sent, and when (event loop's clock) it was heard last."""

    sitting: Sitting
    seat: Seat
    seq: int | None
    begun: int
    sent: int
    heard_at: float

    async def end(self, code: int) -> None: ...


@dataclass
class Watch:
    """Of one event loop."""

    sockets: set[Socket] = field(default_factory=set)
    task: asyncio.Task[None] | None = None
    taking: dict[Socket, tuple[int, float]] = field(default_factory=dict)  # the frame under way, and since when
    ending: set[asyncio.Task[None]] = field(default_factory=set)
    seen_at: float = 0.0

    def sit(self, socket: Socket) -> None:
        """Watched from now on."""
        self.sockets.add(socket)
        if self.task is None:
            self.task = asyncio.create_task(self._watch())

    def leave(self, socket: Socket) -> None:
        """It is closed."""
        self.sockets.discard(socket)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                self._who_is_gone()
                await self._who_may_stay()
                await self._who_is_seen()
            except psycopg.Error as error:
                log.warning("watch: the database did not say who may stay (%s)", type(error).__name__)
            except Exception:  # without the watch nobody would be sent away
                log.exception("watch: a look failed")

    def _who_is_gone(self) -> None:
        now = asyncio.get_running_loop().time()
        known, self.taking = self.taking, {}
        for socket in list(self.sockets):
            if socket.begun != socket.sent:
                frame, since = known.get(socket, (socket.sent, now))
                self.taking[socket] = (socket.sent, since if frame == socket.sent else now)
            if socket in self.taking and now - self.taking[socket][1] > TAKE_WITHIN:
                self._end(socket, TOO_SLOW)
            elif now - socket.heard_at > settings.SOCKET_SILENCE:
                self._end(socket, SILENT)

    async def _who_may_stay(self) -> None:
        watched = list(self.sockets)
        if not watched:
            return
        sittings = [socket.sitting for socket in watched]
        for n, signed_in, theirs, last_seq in await direct("watch").run(lambda found: _stand(found, sittings)):
            socket = watched[n]
            if not (signed_in and theirs):
                self._end(socket, REFUSED if signed_in else SIGNED_OUT)
            elif last_seq is not None and socket.seq is not None and last_seq > socket.seq:
                socket.seat.put(MISSED)

    async def _who_is_seen(self) -> None:
        """The agents with a page open here: who is seen nowhere for long is offline."""
        if time.monotonic() < self.seen_at + SEEN_EVERY:
            return
        self.seen_at = time.monotonic()
        if here := {socket.sitting.agent for socket in self.sockets if socket.sitting.agent is not None}:
            await database_sync_to_async(agents.seen)(sorted(here))

    def _end(self, socket: Socket, code: int) -> None:
        self.leave(socket)
        task = asyncio.create_task(socket.end(code))
        self.ending.add(task)
        task.add_done_callback(self.ending.discard)


@cache
def _stand_sql() -> str:
    return f"""WITH {standing.SAT}, clock AS MATERIALIZED (SELECT {clock.expression()} AS at)
SELECT n, {standing.SIGNED_IN.format(now="clock.at")}, sat.case_id IS NULL OR {standing.THEIRS}, c.last_seq
FROM sat CROSS JOIN clock LEFT JOIN conversations_case c ON c.id = sat.case_id"""


async def _stand(connection: "AsyncConnection[Any]", sittings: list[Sitting]) -> list[Any]:
    answer = await connection.execute(_stand_sql(), standing.columns(sittings))
    return await answer.fetchall()


_watches: "WeakKeyDictionary[asyncio.AbstractEventLoop, Watch]" = WeakKeyDictionary()


def watch() -> Watch:
    """The running loop's."""
    return _watches.setdefault(asyncio.get_running_loop(), Watch())
