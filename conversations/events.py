"""Takes a change that was committed, leaves it told to the rooms of the sockets that show it.

PostgreSQL is the truth. What goes over Redis is ids and numbers ("case 7 has message 12"), never a text, so a lost,
doubled or forged one costs at most one query: each socket reads what its own user may see. Whoever is in the event loop
already tells its hub (conversations.realtime.hub) the same words.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.db import transaction

from conversations.realtime.hub import encode

log = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds to wait for Redis
AWAY = 2.0  # seconds for which it is not asked again after it did not answer

# Told to a case's room: its new message's seq (among sockets of one process with the frame itself); that it or its
# timeline changed (by what); how far a side has read; who writes; who is there; a note's number.
MESSAGE, POKE, MARKS, TYPING, HERE, NOTE = "message", "poke", "marks", "typing", "here", "note"
# Told to inboxes: cases that changed, with posts that joined; that sending stopped or goes on; who is there or not.
INBOX, SENDING, AGENT = "inbox", "sending", "agent"

_asked_again_at = 0.0


def inbox_room(brand_id: int) -> str:
    """Where everybody sits who has an inbox of this brand open."""
    return f"inbox.{brand_id}"


def case_room(case_id: int) -> str:
    """Where everybody sits who has this case open: agents, customer, supervisors who listen."""
    return f"case.{case_id}"


def agent_room(agent_id: int) -> str:
    """Where the inboxes of this agent sit."""
    return f"agent.{agent_id}"


def poke_case(case_id: int, what: str) -> None:
    """On commit: those who have the case open look at it again. Called only from the domain."""
    tell(case_id, POKE, what)


def poke_inbox(brand_id: int, posts: Mapping[int, Sequence[str]]) -> None:
    """On commit: open inboxes look at these cases again, each with the network's ids of posts that joined."""
    _on_commit(inbox_room(brand_id), INBOX, {str(case_id): list(ids) for case_id, ids in posts.items()})


def poke_brand(brand_id: int) -> None:
    """On commit: open inboxes of the brand show that sending was stopped or resumed."""
    _on_commit(inbox_room(brand_id), SENDING, None)


def tell(case_id: int, kind: str, data: Any) -> None:
    """On commit: one of the words that a case's room knows, with numbers and ids."""
    _on_commit(case_room(case_id), kind, data)


def tell_agent(agent_id: int) -> None:
    """On commit: this agent's availability is not what it was."""
    _on_commit(agent_room(agent_id), AGENT, None)


def _on_commit(room: str, kind: str, data: Any) -> None:
    transaction.on_commit(lambda: _publish(room, kind, data), robust=True)


def _publish(room: str, kind: str, data: Any) -> None:
    """Lost when Redis is away, and made good by the sockets' own looks; never a reason to wait long, or to fail."""
    global _asked_again_at
    if time.monotonic() < _asked_again_at:
        return
    try:
        _redis().publish(settings.ROOMS, encode(("", [(room, kind, data)])))
    except redis.RedisError as error:
        _asked_again_at = time.monotonic() + AWAY
        log.warning("events: %s was not told (%s)", room, type(error).__name__)


@cache
def _redis() -> "redis.Redis":
    """One pool of connections for this process."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
