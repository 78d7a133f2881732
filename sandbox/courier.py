"""Takes events, leaves them delivered to webhooks: at least once, in about their order, beside everything else.

All of it happens in the event loop; the database's thread only hands over and, now and then, stores what was charged.
What waits is in memory: a restart forgets it, and the product finds what it missed by asking.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import httpx
from asgiref.sync import sync_to_async
from django.conf import settings

from sandbox import bill, challenge, edge, webhooks

log = logging.getLogger("sandbox.courier")

AT_ONCE = 8
MAX_WAITING = 20_000
MAX_ATTEMPTS = 12
LONGEST_PAUSE = 60.0
REMEMBERED = 10_000
LOOK_AROUND_SECONDS = 60.0


@dataclass(eq=False, slots=True)
class Delivery:
    """An event on its way. `things` is what X charges once it arrived.

    status: queued, delivered, retrying, failed (given up), dropped (nobody there to take it, or too many waiting).
    """

    event_uuid: str
    event_type: str
    webhook: int
    body: bytes
    at: datetime
    things: tuple[bill.Thing, ...] = ()
    status: str = "queued"
    attempts: int = 0


class Courier:
    """The deliveries of this process. Started and stopped with the server, in its event loop."""

    def __init__(self) -> None:
        self.log: deque[Delivery] = deque(maxlen=REMEMBERED)
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._settler: asyncio.Task[None] | None = None
        self._look = asyncio.Event()

    def start(self) -> None:
        """Begin to deliver."""
        self._loop = asyncio.get_running_loop()
        self._client = httpx.AsyncClient(timeout=challenge.ANSWER_SECONDS, trust_env=False)
        self._tasks = [self._loop.create_task(self._work()) for _ in range(AT_ONCE)]
        self._tasks.append(self._loop.create_task(self._look_around()))

    async def stop(self) -> None:
        """Stop; what waits is forgotten."""
        self._loop = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Hand events over; called from the thread that stored what they tell of, after the commit."""
        self.log.extend(deliveries)
        if self._loop is not None and deliveries:
            self._loop.call_soon_threadsafe(self._take, list(deliveries))

    def look_around(self) -> None:
        """See at once which webhooks are due to prove themselves again; for when the clock was moved."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._look.set)

    def forget(self) -> None:
        """Forget what waits and what was delivered."""
        self.log.clear()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._empty)

    @property
    def waiting(self) -> int:
        """How many are not delivered yet, those to be tried again included."""
        return sum(delivery.status in ("queued", "retrying") for delivery in list(self.log))

    def _take(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            if self._queue.qsize() >= MAX_WAITING:
                delivery.status = "dropped"
            else:
                self._queue.put_nowait(delivery)

    def _empty(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait().status = "dropped"

    async def _work(self) -> None:
        while True:
            delivery = await self._queue.get()
            try:
                await self._try(delivery)
            except Exception:  # one event that cannot be sent must not end the delivery of all
                delivery.status = "failed"
                log.exception("delivering %s", delivery.event_type)

    async def _try(self, delivery: Delivery) -> None:
        hook = webhooks.known(delivery.webhook)
        if hook is None or not hook.valid:
            delivery.status = "dropped"
            return
        delivery.attempts += 1
        if await edge.deliver(partial(self._post, hook.url), delivery.body):
            delivery.status = "delivered"
            self._charge(delivery.things)
        elif delivery.attempts >= MAX_ATTEMPTS:
            delivery.status = "failed"
        else:
            delivery.status = "retrying"
            pause = min(LONGEST_PAUSE, settings.SANDBOX_WEBHOOK_RETRY_SECONDS * 2 ** (delivery.attempts - 1))
            asyncio.get_running_loop().call_later(pause, self._take, [delivery])

    async def _post(self, url: str, body: bytes) -> bool:
        assert self._client is not None
        signature = challenge.signature(body, settings.SANDBOX_CONSUMER_SECRET)
        headers = {"Content-Type": "application/json", "x-twitter-webhooks-signature": signature}
        try:
            # httpx bounds each read; a receiver that trickles is bounded here.
            async with asyncio.timeout(challenge.ANSWER_SECONDS):
                answer = await self._client.post(url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return False
        return answer.status_code == 200

    def _charge(self, things: tuple[bill.Thing, ...]) -> None:
        if not things:
            return
        bill.charge_later(things)
        if self._settler is None or self._settler.done():
            self._settler = asyncio.get_running_loop().create_task(_settle())

    async def _look_around(self) -> None:
        """Every webhook that is due proves itself again, or gets nothing until it does."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), LOOK_AROUND_SECONDS)
            self._look.clear()
            try:
                for number, url in await sync_to_async(webhooks.due)():
                    valid = await challenge.proves_itself(url, settings.SANDBOX_CONSUMER_SECRET)
                    await sync_to_async(webhooks.checked)(number, valid=valid)
            except Exception:
                log.exception("validating webhooks again")


async def _settle() -> None:
    """One statement for all that were delivered while the last one ran; what comes later waits for the next."""
    try:
        await sync_to_async(bill.settle)()
    except Exception:
        log.exception("charging deliveries")


courier = Courier()
