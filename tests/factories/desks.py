"""Colleagues, strangers and further cases of the workspace, and how its tests press and read."""

from datetime import timedelta

from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Agent, Team, User
from citisocial.clock import now
from conversations.models import Author, Brand, BrandAccount, Case, Mention
from tests.factories.invited import World, person


def colleague(world: World, name: str) -> Agent:
    agent = Agent.objects.create(user=person(name), name=name.capitalize(), languages=["en"])
    agent.teams.add(world.maya.teams.get())
    return agent


def stranger() -> User:
    """An agent of another bank, with a case of their own: what eve must not see, and what must not be seen of hers."""
    team = Team.objects.create(name="Elsewhere")
    eve = Agent.objects.create(user=person("eve"), name="Eve", languages=["en"])
    eve.teams.add(team)
    brand = Brand.objects.create(name="Other", slug="other", address="other.example")
    BrandAccount.objects.create(brand=brand, external_id="2002", handle="OtherBank", team=team)
    return eve.user


def another_case(world: World, number: int, **columns: object) -> Case:
    at = now() - timedelta(minutes=number)
    author = Author.objects.create(
        network="x", external_id=f"77{number}", handle=f"person_{number}", name="", first_seen_at=at
    )
    case = Case.objects.create(
        brand=world.case.brand, author=author, opened_at=at, changed_at=at, waiting_since=at, **columns
    )
    mention = Mention.objects.create(
        brand=case.brand,
        author=author,
        network="x",
        external_id=f"88{number}",
        text=f"Post number {number}",
        posted_at=at,
        ingested_at=at,
        state=Mention.State.CASED,
        case=case,
    )
    mention.accounts.add(BrandAccount.objects.get(brand=case.brand))
    return case


def page_of(case: Case) -> str:
    return f"/workspace/cases/{case.public_id}/"


def press(client: Client, path: str, **fields: str) -> HttpResponse:
    return client.post(path, fields, headers={"accept": "application/json"})


def text_of(response: HttpResponse) -> str:
    return response.content.decode()


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200
    return len(asked)
