"""Takes by what somebody opened a socket, leaves SQL that says whether it still holds: `permissions` for many at once.

A socket lives long, and whatever let it in may end meanwhile: the session, the login, its password, epoch or role, the
case or the team. So what reads or writes for sockets asks again each time, in the statement itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.models import Agent, Customer, User


@dataclass(frozen=True, slots=True)
class Sitting:
    """By what somebody is there, as it was when the socket opened.

    `case` is None in an inbox. One of `agent`, `customer` and `supervisor` says in which role.
    """

    key: str
    user: int
    epoch: int
    password: str
    case: int | None
    agent: int | None
    customer: int | None
    supervisor: bool

    @classmethod
    def of(cls, key: str, person: Agent | Customer | User, case: int | None) -> "Sitting":
        """Of this session, in this case or (None) in the agent's inbox; a User is a supervisor."""
        user = person if isinstance(person, User) else person.user
        agent = person.pk if isinstance(person, Agent) else None
        customer = person.pk if isinstance(person, Customer) else None
        return cls(key, user.pk, user.epoch, user.password, case, agent, customer, isinstance(person, User))


# A relation `sat`, one line for each sitting: n counts them from 0. The parameters are those of `columns`.
SAT = """sat AS (SELECT * FROM unnest(%(n)s::int[], %(key)s::text[], %(user)s::bigint[], %(epoch)s::int[],
  %(password)s::text[], %(case)s::bigint[], %(agent)s::bigint[], %(customer)s::bigint[], %(supervisor)s::bool[])
  AS sat(n, key, user_id, epoch, password, case_id, agent_id, customer_id, supervisor))"""

# Of a line of `sat`: the session lives, and the login is what it was.
SIGNED_IN = """EXISTS (SELECT FROM django_session s JOIN accounts_user u ON u.id = sat.user_id
  WHERE s.session_key = sat.key AND s.expire_date > {now} AND u.is_active AND u.epoch = sat.epoch
  AND u.password = sat.password AND (u.is_staff OR NOT sat.supervisor))"""

# Of a line of `sat` and its case `c`: they may see it.
THEIRS = """(c.customer_id = sat.customer_id OR (sat.supervisor AND c.id IS NOT NULL) OR EXISTS (
  SELECT FROM conversations_brandaccount a JOIN accounts_agent_teams m ON m.team_id = a.team_id
  WHERE a.brand_id = c.brand_id AND a.active AND m.agent_id = sat.agent_id))"""


def columns(sittings: Sequence[Sitting]) -> dict[str, list[Any]]:
    """The parameters of SAT."""
    return {"n": list(range(len(sittings)))} | {
        name: [getattr(sitting, name) for sitting in sittings] for name in Sitting.__slots__
    }
