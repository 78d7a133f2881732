"""Takes a house and a moment, leaves its two clocks there: the database's, which the product goes by, and X's."""

from datetime import UTC, datetime, timedelta
from typing import LiteralString

import httpx
import psycopg
from psycopg import sql

from citisocial.servers import House

from .people import Stumble

# The listener keeps its connection, and with it the time it began with; it connects again at once. Whoever is in the
# middle of something is left alone: only a connection that rests and holds a lock of its session is a listener's.
LISTENERS: LiteralString = """
SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.state = 'idle'
AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted)
"""


def move(house: House, to: datetime) -> None:
    """Move both clocks to `to` (aware); from there they go on. Do it while nothing is on its way."""
    offset = (to - datetime.now(UTC)).total_seconds()
    with psycopg.connect(house.database_url, autocommit=True) as connection:
        [name] = connection.execute("SELECT current_database()").fetchone() or [""]
        order = sql.SQL("ALTER DATABASE {} SET citisocial.clock_offset = {}")
        connection.execute(order.format(sql.Identifier(name), sql.Literal(f"{offset:.3f} seconds")))
        connection.execute(LISTENERS)
    try:
        answer = httpx.post(f"{house.x_url}/_sandbox/clock", json={"offset_seconds": offset}, timeout=30)
    except httpx.HTTPError as error:
        raise Stumble(f"the sandbox's clock could not be moved: {type(error).__name__}") from error
    if not answer.is_success:
        raise Stumble(f"the sandbox's clock could not be moved: {answer.status_code} {answer.text[:200]}")


def next_midnight() -> datetime:
    """Where the next UTC day begins by this machine's clock."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=1)
