"""Takes the time and a handle, leaves X's kinds of ids: increasing for posts, steady for people."""

import hashlib
from datetime import UTC, datetime
from threading import Lock

from sandbox import clock

EPOCH_MS = 1288834974657
MAX_ID = 2**63 - 1

_lock = Lock()
_last: int | None = None


def id_at(moment: datetime) -> int:
    """The smallest id that a post of this moment can have; for turning times into ranges of ids."""
    return max(0, int(moment.timestamp() * 1000) - EPOCH_MS) << 22


def moment_of(snowflake: int) -> datetime:
    """When an id was given out, in UTC to the millisecond."""
    return datetime.fromtimestamp(((snowflake >> 22) + EPOCH_MS) / 1000, UTC)


def next_id() -> int:
    """A new id: the millisecond, then a counter. Increases strictly, also when the clock steps back or a batch is
    larger than a millisecond holds, and over restarts (the largest stored id is read once)."""
    global _last
    with _lock:
        if _last is None:
            _last = _largest_stored()
        _last = max((int(clock.epoch() * 1000) - EPOCH_MS) << 22, _last + 1)
        return _last


def forget() -> None:
    """Look again for the largest stored id; for when everything was forgotten."""
    global _last
    with _lock:
        _last = None


def person_id(handle: str) -> int:
    """The id of the person with this handle: the same in every sandbox, 10 to 17 digits."""
    digest = hashlib.sha256(handle.lower().encode()).digest()
    return 10**9 + int.from_bytes(digest[:8], "big") % 10**16


def _largest_stored() -> int:
    from sandbox.models import DeletedPost, DirectMessage, Post, StreamRule

    stored = (
        model.objects.order_by("-id").values_list("id", flat=True).first()
        for model in (Post, DeletedPost, DirectMessage, StreamRule)
    )
    return max((value or 0 for value in stored), default=0)
