"""Takes numbers, leaves so many cases with an agent and a customer each, all of them in the secure chat already.

Runs as a process of the house (`python -m rehearsal.gathering CASES AGENTS CUSTOMERS`), as a seed does. The people are
made as the demo's are, with its password and authenticators, and sign in by the front door afterwards; the cases are
rows, in the state in which a customer's joining leaves them: the way there is rehearsed by others. What it uses of the
product is found by its name, because a rehearsal imports nothing of the product.
"""

import json
import sys
import uuid
from importlib import import_module
from typing import Any


def main() -> None:
    """Prints one line of JSON: [[public id, the agent's login, the customer's login], …]."""
    import os

    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "citisocial.settings"
    django.setup()
    count, agents, customers = map(int, sys.argv[1:4])
    print(json.dumps(gather(count, _agents(agents), _customers(customers))))


def gather(count: int, agents: list[Any], customers: list[Any]) -> list[tuple[str, str, str]]:
    """The cases, dealt to agents and customers in turn."""
    models = import_module("conversations.models")
    at, brand = import_module("citisocial.clock").now(), models.Brand.objects.earliest("pk")
    made = uuid.uuid4().hex[:8]  # a house may gather people more than once
    authors = models.Author.objects.bulk_create(
        models.Author(network="x", external_id=f"{made}-{n}", handle=f"talker_{made}_{n}", name="", first_seen_at=at)
        for n in range(count)
    )
    cases = models.Case.objects.bulk_create(
        models.Case(
            brand=brand, author=author, status=models.Case.Status.CONNECTED, agent=agents[n % len(agents)],
            customer=customers[n % len(customers)], opened_at=at, changed_at=at, waiting_since=at, first_contact_at=at,
        )
        for n, author in enumerate(authors)
    )  # fmt: skip
    return [(str(case.public_id), case.agent.user.username, case.customer.user.username) for case in cases]


def _agents(count: int) -> list[Any]:
    seeding = import_module("conversations.management.commands.seed").Seeding()
    demo, models = import_module("conversations.management.demo"), import_module("accounts.models")
    team = models.Team.objects.get(name=demo.TEAM)
    for name in (names := [f"speaker{n}" for n in range(count)]):
        user, _new = seeding._login(name, name.title())
        seeding._factor(user)
        seeding._agent(user, name.title(), ["en"], team)
    return list(models.Agent.objects.filter(user__username__in=names).select_related("user"))


def _customers(count: int) -> list[Any]:
    seeding = import_module("conversations.management.commands.seed").Seeding()
    models = import_module("accounts.models")
    found = []
    for name in [f"listener{n}" for n in range(count)]:
        user, _new = seeding._login(name, name.title())
        found.append(models.Customer.objects.get_or_create(user=user, defaults={"name": name.title()})[0])
    return found


if __name__ == "__main__":
    main()
