"""A worker that hears nothing while questions wait is told from one that is busy, idle or cut off; and is ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery.worker import state
from django.conf import settings

from citisocial.vigil import DEAF, STATUS, Vigil

ROOT = Path(__file__).resolve().parents[2]


class Work:
    """Something that a worker does; the state holds it weakly."""


@pytest.fixture(autouse=True)
def nothing_taken() -> Iterator[None]:
    state.reset_state()
    yield
    state.reset_state()


def deaf_after(vigil: Vigil, seconds: float) -> bool:
    """Looks every three seconds for so long."""
    return any(vigil.deaf(at) for at in range(0, int(seconds) + 1, 3))


def test_questions_wait_and_none_is_taken() -> None:
    assert not deaf_after(Vigil(lambda: 4), DEAF - 3)
    assert deaf_after(Vigil(lambda: 4), DEAF + 3)


@pytest.mark.parametrize("waiting", [0, None])
def test_nothing_waits_or_the_broker_is_away(waiting: int | None) -> None:
    assert not deaf_after(Vigil(lambda: waiting), 10 * DEAF)


def test_whoever_takes_some_hears() -> None:
    def waiting() -> int:
        state.total_count["a task"] += 1
        return 4

    assert not deaf_after(Vigil(waiting), 10 * DEAF)


def test_whoever_has_as_much_as_it_can_do_hears() -> None:
    work = Work()
    state.reserved_requests.add(work)
    assert not deaf_after(Vigil(lambda: 4), 10 * DEAF)


def test_a_real_worker_whose_consumer_was_stopped_ends_itself() -> None:
    """Its consumer is told to take nothing, as a lost connection leaves it; what waits stays where it is."""
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        queue = f"deaf-{os.getpid()}"
        environment = os.environ | {"REDIS_URL": settings.REDIS_URL, "DEAF_QUEUE": queue}
        command = [sys.executable, "-c", DEAF_WORKER]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            deadline = time.monotonic() + 30
            while process.poll() is None and time.monotonic() < deadline:
                broker.rpush(queue, "a question")
                time.sleep(0.2)
            assert process.poll() == STATUS, process.stderr.read() if process.stderr else ""
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            broker.delete(queue)


DEAF_WORKER = """
import os
from celery import Celery
from celery.signals import worker_ready
from citisocial import vigil

vigil.DEAF, vigil.LOOK = 1.0, 0.2
app = Celery("deaf", broker=os.environ["REDIS_URL"])
app.conf.task_default_queue = os.environ["DEAF_QUEUE"]
app.conf.worker_enable_remote_control = False

@worker_ready.connect
def ready(sender, **_):
    sender.cancel_task_queue(os.environ["DEAF_QUEUE"])
    vigil.keep(app)

app.worker_main(["worker", "-P", "threads", "-c", "1", "--loglevel", "WARNING", "--without-mingle", "--without-gossip"])
"""
