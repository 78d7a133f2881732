"""Takes how many brands, leaves each with an account at the sandbox, somebody who wrote to it, and the agent's case.

Runs as a process of the house (`python -m rehearsal.casting`), as a seed does: what it prepares is where a rehearsal
begins. The product's own functions store everything; they are found by their names, because a rehearsal imports
nothing of the product.
"""

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import httpx

BATCH = 200  # people in one order
SCOPES = ["tweet.read", "tweet.write", "users.read", "dm.read", "dm.write", "offline.access"]


@dataclass(frozen=True, slots=True)
class Part:
    """One brand of its own: who wrote to it, and the case that came of it."""

    number: int
    bank: str
    customer: str
    customer_id: str
    case: str


def main() -> None:
    """Arguments: how many, and the logins of the agents who get them by turns, with commas between them.

    Prints the parts as one line of JSON.
    """
    import os

    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "citisocial.settings"
    django.setup()
    count, usernames = int(sys.argv[1]), sys.argv[2].split(",")
    with httpx.Client(base_url=os.environ["X_API_URL"], timeout=60, trust_env=False) as x:
        people = _people(x, [h for n in range(count) for h in (bank(n), customer(n))])
        posts = _posts(x, count)
        agents = [_agent(username) for username in usernames]
        parts = [_part(x, n, people, posts[n], agents[n % len(agents)]) for n in range(count)]
    print(json.dumps(parts))


def bank(number: int) -> str:
    """The handle of the so-many-th brand."""
    return f"Bank{number}Help"


def customer(number: int) -> str:
    """The handle of who wrote to it."""
    return f"customer_{number}"


def _order(x: httpx.Client, door: str, order: object) -> Any:
    answer = x.post(f"/_sandbox/{door}", json=order)
    answer.raise_for_status()
    return answer.json()


def _people(x: httpx.Client, handles: list[str]) -> dict[str, str]:
    """Everybody's id; all of them take direct messages."""
    found: dict[str, str] = {}
    for at in range(0, len(handles), BATCH):
        profiles = [{"handle": handle, "accepts_dm": True} for handle in handles[at : at + BATCH]]
        found |= {p["handle"]: p["id"] for p in _order(x, "people", {"people": profiles})["people"]}
    return found


def _posts(x: httpx.Client, count: int) -> list[str]:
    """The id of what each of them wrote."""
    drafts = [{"author": customer(n), "text": f"@{bank(n)} my card was declined, number {n}"} for n in range(count)]
    return [
        post["id"]
        for at in range(0, count, BATCH)
        for post in _order(x, "posts", {"posts": drafts[at : at + BATCH]})["posts"]
    ]


def _agent(username: str) -> Any:
    models = import_module("accounts.models")
    agent = models.Agent.objects.get(user__username=username)
    models.Agent.objects.filter(pk=agent.pk).update(capacity=32_000)
    agent.refresh_from_db()
    return agent


def _part(x: httpx.Client, number: int, people: dict[str, str], post_id: str, agent: Any) -> dict[str, Any]:
    """One brand with a connected account, and the case of its one customer on the agent's desk."""
    models, base = import_module("conversations.models"), import_module("conversations.networks.base")
    team = agent.teams.first()
    brand = models.Brand.objects.create(
        name=bank(number), slug=f"bank-{number}", address=f"bank{number}.example/social"
    )
    account = models.BrandAccount.objects.create(
        brand=brand, external_id=people[bank(number)], handle=bank(number), team=team
    )
    said = _order(x, "tokens", {"handle": bank(number), "scopes": SCOPES})
    tokens = base.Tokens(said["access_token"], said["refresh_token"], said["expires_in"], tuple(SCOPES))
    import_module("conversations.credentials").store(account, tokens)
    who = base.Author("x", people[customer(number)], customer(number), "", True)
    text = f"@{bank(number)} my card was declined, number {number}"
    post = base.Post(
        "x", "post", post_id, who, text, "en", datetime.now(UTC), None, None, None, False, False,
        (account.external_id,), (account.handle,), "", (),
    )  # fmt: skip
    import_module("conversations.intake").ingest(account, [post], way="mentions")
    import_module("conversations.triage").drain()
    case = models.Case.objects.get(brand=brand)
    import_module("conversations.assignment").take(case, agent)
    return {
        "number": number,
        "bank": bank(number),
        "customer": customer(number),
        "customer_id": people[customer(number)],
        "case": str(case.public_id),
    }


if __name__ == "__main__":
    main()
