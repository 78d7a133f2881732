"""Takes an offset from the control door, leaves the one clock that everything here goes by.

Ids, times, codes, tokens, rate windows, the search's seven days, the bill's day and every answer's Date come from it.
Only waiting does not: keep-alives and retries take as long as they take.
"""

import time
from datetime import UTC, datetime

_offset = 0.0


def move(seconds: float) -> None:
    """Set how far this clock is ahead of (or, below zero, behind) the machine's; replaces the earlier offset."""
    global _offset
    _offset = seconds


def offset() -> float:
    """How many seconds this clock is ahead of the machine's."""
    return _offset


def epoch() -> float:
    """Now, in seconds since 1970."""
    return time.time() + _offset


def now() -> datetime:
    """Now, in UTC."""
    return datetime.fromtimestamp(epoch(), UTC)
