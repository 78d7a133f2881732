"""Takes a house and a moment, leaves its two clocks there: the database's, which the product goes by, and X's."""

import time
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import httpx
import psycopg
from psycopg import sql

from citisocial.servers import House

from .people import Stumble

# A connection keeps the time it began with, and pools and the listener keep connections; they connect again at once.
# Whoever is in the middle of something is waited for.
END_RESTING: LiteralString = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND backend_start < %s AND state = 'idle' AND pid <> pg_backend_pid()
"""
LEFT: LiteralString = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_start < %s AND backend_type = 'client backend'
AND pid <> pg_backend_pid()
"""
PATIENCE = 10.0  # seconds in which everybody has come to rest once


def move(house: House, to: datetime) -> None:
    """Move both clocks to `to` (aware); from there they go on. Do it while nothing is on its way."""
    offset = (to - datetime.now(UTC)).total_seconds()
    with psycopg.connect(house.database_url, autocommit=True) as connection:
        [name] = connection.execute("SELECT current_database()").fetchone() or [""]
        order = sql.SQL("ALTER DATABASE {} SET citisocial.clock_offset = {}")
        connection.execute(order.format(sql.Identifier(name), sql.Literal(f"{offset:.3f} seconds")))
        _renew(connection)
    try:
        answer = httpx.post(f"{house.x_url}/_sandbox/clock", json={"offset_seconds": offset}, timeout=30)
    except httpx.HTTPError as error:
        raise Stumble(f"the sandbox's clock could not be moved: {type(error).__name__}") from error
    if not answer.is_success:
        raise Stumble(f"the sandbox's clock could not be moved: {answer.status_code} {answer.text[:200]}")


def _renew(connection: psycopg.Connection) -> None:
    """Wait until nobody holds a connection from before this moment."""
    [moved] = connection.execute("SELECT clock_timestamp()").fetchone() or [None]
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        connection.execute(END_RESTING, [moved])
        [left] = connection.execute(LEFT, [moved]).fetchone() or [0]
        if not left:
            return
        time.sleep(0.05)
    raise Stumble("a connection to the database was busy all the time, so its clock could not be moved")


def next_midnight() -> datetime:
    """Where the next UTC day begins by this machine's clock."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=1)
