"""Takes ids and handles, leaves users: GET /2/users and what is below it."""

import re
from typing import Any

from sandbox.api import fields, problems, wire
from sandbox.api.calls import Answer, Call, endpoint, post_id
from sandbox.models import Person

SCOPES = "tweet.read users.read"


@endpoint("users/me", user=75, scopes=SCOPES, query=fields.USER_QUERY)
def me(call: Call) -> Answer:
    """The person whose token this is."""
    return _one(call, call.user, problems.not_found("user", "id", ""))


@endpoint("users/:id", user=900, app=300, scopes=SCOPES, query=fields.USER_QUERY)
def by_id(call: Call, *, id: str) -> Answer:
    """A user by id; one that is not there is an error in an answer of 200."""
    person = Person.objects.filter(pk=post_id(id, "id")).first()
    return _one(call, person, problems.not_found("user", "id", id))


@endpoint("users/by/username/:username", user=900, app=300, scopes=SCOPES, query=fields.USER_QUERY)
def by_username(call: Call, *, username: str) -> Answer:
    """A user by handle, in any case."""
    if not re.fullmatch(r"[A-Za-z0-9_]{1,15}", username):
        raise problems.invalid(
            f"The `username` query parameter value [{username}] does not match ^[A-Za-z0-9_]{{1,15}}$",
            {"username": [username]},
        )
    person = Person.objects.filter(handle_lower=username.lower()).first()
    return _one(call, person, problems.not_found("user", "username", username))


@endpoint("users", user=900, app=300, scopes=SCOPES, query=("ids", *fields.USER_QUERY))
def by_ids(call: Call) -> Answer:
    """Up to 100 users by id; those that are not there are listed under `errors`."""
    ids = call.ids()
    wanted = fields.of_users(call)
    found = Person.objects.in_bulk([int(number) for number in ids])
    people = [found[int(number)] for number in ids if int(number) in found]
    body: dict[str, Any] = {}
    if people:
        body["data"] = wire.users_json(people, wanted, viewer=call.person)
    if missing := [problems.not_found("user", "ids", number) for number in ids if int(number) not in found]:
        body["errors"] = missing
    return Answer(body)


def _one(call: Call, person: Person | None, missing: dict[str, str]) -> Answer:
    wanted = fields.of_users(call)
    if person is None:
        return Answer({"errors": [missing]})
    return Answer({"data": wire.users_json([person], wanted, viewer=call.person)[0]})
