"""Takes how many chats, leaves each open, with a customer, an agent and a supervisor who are signed in already.

Runs as a process of the house (`python -m rehearsal.plugging`), as a seed does: thousands of people cannot be signed in
by typing. Their sessions are what a sign-in leaves, so their tickets and sockets go through every check. What it uses
of the product is found by its name, because a rehearsal imports nothing of the product.
"""

import json
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from .scene import PASSWORD


def main() -> None:
    """Arguments: how many chats, of how many an agent and a supervisor each is, and a name for all of it.

    Prints a JSON line: the names of both cookies, a superuser's session, and of each case its id, its number, the
    sessions of the three, and the numbers that the admin knows them by. The password is the demo's.
    """
    import os

    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "citisocial.settings"
    django.setup()
    from django.conf import settings
    from django.db import transaction

    count, per_agent, per_supervisor = map(int, sys.argv[1:4])
    with transaction.atomic():
        cases = list(_chats(sys.argv[4], count, per_agent, per_supervisor))
        [root] = _logins(f"{sys.argv[4]}-root", 1, is_staff=True, is_superuser=True)
        [key] = _sessions([root]).values()
    names = {"session": settings.SESSION_COOKIE_NAME, "csrf": settings.CSRF_COOKIE_NAME}
    print(json.dumps(names | {"root": key, "cases": cases}))


def _chats(name: str, count: int, per_agent: int, per_supervisor: int) -> Iterator[dict[str, Any]]:
    models, people = import_module("conversations.models"), import_module("accounts.models")
    at = import_module("citisocial.clock").now()
    team = people.Team.objects.create(name=name)
    brand = models.Brand.objects.create(name=name, slug=name, address=f"{name}.example/social")
    models.BrandAccount.objects.create(brand=brand, external_id=f"{name}-1", handle=f"{name}Help"[:15], team=team)
    customers = people.Customer.objects.bulk_create(
        people.Customer(user=user, name=user.username.title()) for user in _logins(f"{name}-customer", count)
    )
    agents = people.Agent.objects.bulk_create(
        people.Agent(user=user, name="Maya", languages=["en"], capacity=32_000, availability="online")
        for user in _logins(f"{name}-agent", -(-count // per_agent))
    )
    team.agents.add(*agents)
    supervisors = _logins(f"{name}-supervisor", -(-count // per_supervisor))
    for supervisor in supervisors:
        import_module("accounts.permissions").appoint_supervisor(supervisor)
    authors = models.Author.objects.bulk_create(
        models.Author(network="x", external_id=f"{name}-{n}", handle=f"{name}{n}"[:15], first_seen_at=at)
        for n in range(count)
    )
    cases = models.Case.objects.bulk_create(
        models.Case(
            brand=brand, author=author, status="CONNECTED", agent=agents[n // per_agent], customer=customers[n],
            opened_at=at, changed_at=at, waiting_since=at, first_contact_at=at,
        )
        for n, author in enumerate(authors)
    )  # fmt: skip
    keys = _sessions([*(one.user for one in (*customers, *agents)), *supervisors])
    for n, case in enumerate(cases):
        import_module("conversations.oversight").listen(case, by=supervisors[n // per_supervisor])
        yield {
            "id": str(case.public_id),
            "number": case.pk,
            "customer": keys[customers[n].user_id],
            "agent": keys[agents[n // per_agent].user_id],
            "supervisor": keys[supervisors[n // per_supervisor].pk],
            "customer_login": customers[n].user.username,
            "agent_number": agents[n // per_agent].pk,
            "agent_user": agents[n // per_agent].user_id,
        }


def _logins(name: str, count: int, **more: Any) -> list[Any]:
    """One hash serves them all: hashing is slow on purpose."""
    user = import_module("accounts.models").User
    password = import_module("django.contrib.auth.hashers").make_password(PASSWORD)
    return list(user.objects.bulk_create(user(username=f"{name}{n}", password=password, **more) for n in range(count)))


def _sessions(users: list[Any]) -> dict[int, str]:
    """Of each login the key of a session, with a second factor behind it that was used just now."""
    auth, factors = import_module("django.contrib.auth"), import_module("accounts.factors")
    store = import_module("django.contrib.sessions.backends.db").SessionStore
    rows, keys = [], {}
    for user in users:
        said = {
            auth.SESSION_KEY: str(user.pk),
            auth.BACKEND_SESSION_KEY: "accounts.backends.Backend",
            auth.HASH_SESSION_KEY: user.get_session_auth_hash(),
            factors.RECORDS: [{"method": "mfa", "type": "totp", "at": time.time()}],
            factors.OWNER: str(user.pk),
        }
        one = store()
        one._session_key = keys[user.pk] = one._get_new_session_key()
        rows.append(one.create_model_instance(said))
    store.get_model_class().objects.bulk_create(rows)
    return keys


if __name__ == "__main__":
    main()
