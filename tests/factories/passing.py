"""Takes the world of `invited`, leaves maria in its chat, and colleagues who are here or not to pass the case on to."""

from datetime import timedelta

from django.http import HttpResponse
from django.test import Client

from accounts.models import Agent, User
from accounts.permissions import appoint_supervisor
from citisocial.clock import now
from conversations import chat
from conversations.models import BrandAccount, Case, Transfer
from tests.factories import desks
from tests.factories.invited import World, invited, person, proven, signed_in

NOTE = "Knows the Lisbon branch, lost her patience twice, card 4111 1111 1111 1111"


def chatting() -> World:
    """Maria is in the chat of Maya's case."""
    world = invited()
    world.case.mentions.get().accounts.add(BrandAccount.objects.get())
    world.case = proven(world)
    chat.join(world.case, world.maria)
    world.case.refresh_from_db()
    return world


def colleague(world: World, name: str, availability: str = "online", **columns: object) -> Agent:
    """Of Maya's team, and here unless it is said otherwise."""
    agent = desks.colleague(world, name)
    Agent.objects.filter(pk=agent.pk).update(availability=availability, **columns)
    return Agent.objects.select_related("user").get(pk=agent.pk)


def supervisor(name: str = "grace") -> User:
    user = person(name)
    appoint_supervisor(user)
    return user


def page(case: Case) -> str:
    return f"/workspace/cases/{case.public_id}/"


def offer(client: Client, case: Case, to: Agent | str, note: str = NOTE) -> HttpResponse:
    """What the page's form posts: to an agent, or to what the field says."""
    fields = {"to": f"agent-{to.pk}" if isinstance(to, Agent) else to, "note": note}
    return client.post(page(case) + "transfer/", fields)  # type: ignore[return-value]


def offered(world: World, to: Agent, note: str = NOTE) -> Transfer:
    """Maya offers her case, by the page."""
    answer = offer(signed_in(world.maya.user), world.case, to, note)
    assert answer.status_code == 302, answer.content.decode()
    return Transfer.objects.get(state="WAITING")


def answer(client: Client, transfer: Transfer, what: str) -> HttpResponse:
    """Accept, decline or cancel."""
    return client.post(f"/workspace/transfers/{transfer.pk}/{what}/")  # type: ignore[return-value]


def too_late(transfer: Transfer) -> None:
    """Its time is over."""
    Transfer.objects.filter(pk=transfer.pk).update(falls_back_at=now() - timedelta(seconds=1))
