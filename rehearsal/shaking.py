"""Takes a house and the name of a server, leaves that server broken and started again, and says when it was."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import httpx
import psycopg
import redis

from citisocial.servers import House

from .people import Stumble

PATIENCE = 60.0  # seconds in which what was broken must serve again


@dataclass(frozen=True, slots=True)
class Event:
    """One time that a server was broken: seconds since the epoch."""

    server: str
    at: float


def shake(house: House, server: str) -> Event:
    """Break it while texts leave; return when it serves again."""
    pid = house.pid(server)
    if pid is None:
        raise Stumble(f"{server} is not there to be broken")
    at = time.time()
    if server == "valkey":
        with redis.Redis.from_url(house.redis_url) as client:
            client.flushall()
        os.kill(pid, signal.SIGKILL)
        _until(lambda: house.pid(server) not in (None, pid) and _redis_answers(house), server)
    else:
        os.kill(pid, signal.SIGQUIT)  # what `pg_ctl stop -m immediate` does
        _until(lambda: house.pid(server) not in (None, pid) and _postgres_answers(house), server)
        _until(lambda: _serves(house.site_url) and _serves(house.x_url), "the house")
    return Event(server, at)


def _serves(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/healthz", timeout=5, trust_env=False).status_code == 200
    return False


def _redis_answers(house: House) -> bool:
    with suppress(redis.RedisError, OSError), redis.Redis.from_url(house.redis_url) as client:
        return bool(client.ping())
    return False


def _postgres_answers(house: House) -> bool:
    with suppress(psycopg.Error), psycopg.connect(house.database_url, connect_timeout=2):
        return True
    return False


def _until(good: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not good():
        if time.monotonic() > deadline:
            raise Stumble(f"{what} did not serve again within {PATIENCE:.0f} s")
        time.sleep(0.1)
