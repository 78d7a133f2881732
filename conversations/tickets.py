"""Takes somebody who is signed in, leaves a ticket that opens one socket, once and soon.

A socket's handshake carries the session's cookie wherever the page came from; a ticket comes only by a POST that CSRF
protects, and by the same permission as the page. It travels as a subprotocol, because addresses end up in logs, and is
kept as its digest: in PostgreSQL, so that a socket opens while Redis is away, and is opened by one statement.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import Any

from psycopg import AsyncConnection

from accounts.models import Agent, Customer, User
from citisocial import clock
from conversations.models import Case, SocketTicket
from conversations.realtime.direct import direct
from conversations.standing import Sitting

PROTOCOL, PREFIX = "chat.v1", "ticket."
GOOD_FOR = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Guest:
    """Whom a ticket let in: `name` as the others read it; `holder` is the agent whose case it is."""

    sitting: Sitting
    role: str
    name: str
    case: str | None
    holder: int | None


def issue(person: Agent | Customer | User, session_key: str, case: Case | None) -> str:
    """A ticket for this role of this login in this session, to this case or (None) to the inbox."""
    ticket = secrets.token_urlsafe(24)
    user = person if isinstance(person, User) else person.user
    SocketTicket.objects.create(
        digest=_digest(ticket),
        user=user,
        role=role_of(person),
        session=_digest(f"{session_key}:{user.epoch}:{user.password}"),
        case=case,
        expires_at=clock.now() + GOOD_FOR,
    )
    return ticket


def role_of(person: Agent | Customer | User) -> str:
    """A User is there as a supervisor."""
    return "agent" if isinstance(person, Agent) else "customer" if isinstance(person, Customer) else "supervisor"


async def redeem(subprotocols: Sequence[str], session_key: str) -> Guest | None:
    """Whom one of the offered subprotocols lets in, and by what; it is used up in any case.

    None without exactly one ticket, for one that was used, is too old or is of another session, and when the session,
    the login or what ends its sessions (epoch, password) is not what it was at its issue.
    """
    offered = [name.removeprefix(PREFIX) for name in subprotocols if name.startswith(PREFIX)]
    if PROTOCOL not in subprotocols or len(offered) != 1 or not session_key:
        return None
    return await direct("door").run(partial(_used, ticket=offered[0], key=session_key))


@cache
def _redeem_sql() -> str:
    return f"""
WITH used AS (DELETE FROM conversations_socketticket WHERE digest = %(digest)s RETURNING *),
clock AS MATERIALIZED (SELECT {clock.expression()} AS at)
SELECT used.role, u.id, u.epoch, u.password, c.id, a.id, p.id, c.public_id::text, c.agent_id,
  CASE used.role WHEN 'supervisor' THEN coalesce(nullif(trim(concat(u.first_name, ' ', u.last_name)), ''), u.username)
    ELSE split_part(CASE used.role WHEN 'agent' THEN a.name ELSE p.name END, ' ', 1) END
FROM used CROSS JOIN clock JOIN accounts_user u ON u.id = used.user_id AND u.is_active
JOIN django_session s ON s.session_key = %(key)s AND s.expire_date > clock.at
LEFT JOIN accounts_agent a ON a.user_id = u.id AND used.role = 'agent'
LEFT JOIN accounts_customer p ON p.user_id = u.id AND used.role = 'customer'
LEFT JOIN conversations_case c ON c.id = used.case_id
WHERE used.expires_at > clock.at
  AND used.session = sha256(convert_to(%(key)s || ':' || u.epoch || ':' || u.password, 'UTF8'))"""


async def _used(connection: "AsyncConnection[Any]", ticket: str, key: str) -> Guest | None:
    values = {"digest": _digest(ticket), "key": key}
    found = await (await connection.execute(_redeem_sql(), values)).fetchone()
    if found is None:
        return None
    role, user, epoch, password, case, agent, customer, public_id, holder, name = found
    sitting = Sitting(key, user, epoch, password, case, agent, customer, role == "supervisor")
    return Guest(sitting, role, name, public_id, holder)


def forget() -> int:
    """Throw away those that nobody used in time. Returns how many."""
    return SocketTicket.objects.filter(expires_at__lt=clock.now()).delete()[0]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
