"""Takes SIGTERM, leaves the sockets of this process closed a few at a time, and only then the server stopped.

A server that stops closes all its sockets in the same moment, and all of them come back in the same second or two.
Here they are sent away (1012) one after the other and nobody new is let in, so that those who take them over have no
herd at the door; each is back at once. A second signal, and a server without lifespan (Daphne), stop as ever.
"""

import asyncio
import signal
from types import FrameType
from typing import Any

from django.conf import settings

from conversations.realtime.limits import doors
from conversations.watch import watch

RESTART = 1012
LONGEST = 8.0  # seconds: whoever starts processes waits 10 for their end
STEP = 0.1


def install() -> None:
    """When the server starts, in its event loop."""
    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)
    begun: list[Any] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if begun or not callable(before):
            loop.call_soon_threadsafe(_pass, before, number)
        else:
            begun.append(asyncio.run_coroutine_threadsafe(_drain(before, number), loop))

    signal.signal(signal.SIGTERM, stop)


async def _drain(before: Any, number: int) -> None:
    await send_away()
    _pass(before, number)


def _pass(before: Any, number: int) -> None:
    if callable(before):
        before(number, None)


async def send_away() -> None:
    """SOCKETS_CLOSED_PER_SECOND of them; more, when there are so many that it would take LONGEST."""
    doors.shut = True
    sockets = list(watch().sockets)
    at_once = max(settings.SOCKETS_CLOSED_PER_SECOND, len(sockets) / LONGEST) * STEP
    going: list[asyncio.Task[None]] = []
    due = 0.0
    while sockets:
        due += at_once
        while due >= 1.0 and sockets:
            due -= 1.0
            going.append(asyncio.create_task(sockets.pop().end(RESTART)))
        await asyncio.sleep(STEP)
    await asyncio.gather(*going, return_exceptions=True)
