"""Takes a Celery worker, ends it when it has gone deaf: questions wait at the broker, and it takes none.

After a broken connection a worker on Redis sometimes comes back connected and consuming nothing, for ever and without a
word (github.com/celery/celery/issues/8030, 10302). Nothing is lost, since rows are the queue, but nothing moves either.
Whoever started the worker (./run, systemd, Kubernetes) starts it again.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from celery import Celery
from celery.worker import state
from redis import Redis, RedisError

log = logging.getLogger(__name__)

DEAF = 15.0  # seconds; beat asks something every two, so a worker that hears has taken many by then
LOOK = 3.0  # seconds between two looks
STATUS = 75  # EX_TEMPFAIL: to be started again


class Vigil:
    """Notices deafness. `waiting` says how many questions wait, None while that cannot be known."""

    def __init__(self, waiting: Callable[[], int | None]) -> None:
        self.waiting = waiting
        self.taken = -1  # questions that it had taken at the last look
        self.since = 0.0

    def deaf(self, at: float) -> bool:
        """One look, at `at` seconds of any steady clock."""
        taken = sum(state.total_count.values())
        busy = len(state.reserved_requests) > 0  # with something it took: what waits is not unheard
        if taken != self.taken or busy or not self.waiting():
            self.taken, self.since = taken, at
        return at - self.since >= DEAF


def keep(app: Celery) -> None:
    """Look for as long as this process lives."""
    broker = Redis.from_url(app.conf.broker_url, socket_timeout=LOOK, socket_connect_timeout=LOOK)

    def waiting() -> int | None:
        try:
            return int(broker.llen(app.conf.task_default_queue))
        except RedisError:
            return None

    vigil = Vigil(waiting)

    def look() -> None:
        while not vigil.deaf(time.monotonic()):
            time.sleep(LOOK)
        log.critical("questions wait at the broker and this worker takes none: it ends, to be started again")
        os._exit(STATUS)

    threading.Thread(target=look, name="vigil", daemon=True).start()
