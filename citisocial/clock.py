"""Takes nothing, leaves the time every state is measured by: the database's, moved only in the demo.

Workers' clocks drift and jump; the database has one. For simulated days the demo moves it with
`ALTER DATABASE ... SET citisocial.clock_offset = '3 hours'`, which new connections see; outside the demo that
setting is not read at all.
"""

from datetime import datetime

from django.conf import settings
from django.db import connection

OFFSET = "coalesce(nullif(current_setting('citisocial.clock_offset', true), ''), '0')::interval"


def expression() -> str:
    """The clock as SQL, for a statement that reads it itself."""
    return f"clock_timestamp() + {OFFSET}" if settings.DEMO else "clock_timestamp()"


def now() -> datetime:
    """The database's clock (aware, UTC), one query."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression()}")
        row = cursor.fetchone()
    at: datetime = row[0]
    return at
