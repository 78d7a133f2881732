"""A ticket opens one socket, of one login in one session, once and soon."""

import asyncio
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db.models import F
from django.test import Client

from accounts.models import User
from conversations import tickets
from conversations.models import SocketTicket
from tests.factories.invited import invited, proven, signed_in
from tests.factories.plugged import socket, ticket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture
def world():
    w = invited()
    w.case = proven(w)
    return w


async def opens(path, client, protocols):
    communicator = await socket(path, client, protocols=protocols)
    opened, code = await communicator.connect()
    if opened:
        await communicator.disconnect()
    return opened, code


async def test_it_opens_once(world):
    path = f"/ws/case/{world.case.public_id}/"
    client = await sync_to_async(signed_in)(world.maria.user)
    offered = ["chat.v1", f"ticket.{await ticket(path, client)}"]
    assert await opens(path, client, offered) == (True, "chat.v1")
    assert await opens(path, client, offered) == (False, 4403)
    assert not await SocketTicket.objects.aexists()


async def test_of_two_sockets_with_one_ticket_it_opens_one(world):
    path = f"/ws/case/{world.case.public_id}/"
    client = await sync_to_async(signed_in)(world.maria.user)
    offered = ["chat.v1", f"ticket.{await ticket(path, client)}"]
    both = await asyncio.gather(*(opens(path, client, offered) for _ in range(5)))
    assert sum(opened for opened, _ in both) == 1


async def test_it_is_nobody_elses(world):
    path = f"/ws/case/{world.case.public_id}/"
    maria = await sync_to_async(signed_in)(world.maria.user)
    maya = await sync_to_async(signed_in)(world.maya.user)
    for client, where, whose in (
        (maya, path, (path, maria)),  # another login
        (await sync_to_async(signed_in)(world.maria.user), path, (path, maria)),  # another session of the same login
        (maya, "/ws/inbox/", (path, maya)),  # another socket
        (maya, path, ("/ws/inbox/", maya)),
    ):
        offered = ["chat.v1", f"ticket.{await ticket(*whose)}"]
        assert await opens(where, client, offered) == (False, 4403)
        assert not await SocketTicket.objects.aexists()  # and whoever tried it has used it up


async def test_it_must_be_there_and_be_one(world):
    path = f"/ws/case/{world.case.public_id}/"
    client = await sync_to_async(signed_in)(world.maria.user)
    good = f"ticket.{await ticket(path, client)}"
    for offered in (["chat.v1"], [good], ["chat.v1", "ticket."], ["chat.v1", good, "ticket.x"], ["chat.v2", good]):
        assert (await opens(path, client, offered))[0] is False


async def test_it_is_good_for_half_a_minute(world):
    path = f"/ws/case/{world.case.public_id}/"
    client = await sync_to_async(signed_in)(world.maria.user)
    offered = ["chat.v1", f"ticket.{await ticket(path, client)}"]
    await SocketTicket.objects.aupdate(expires_at=F("expires_at") - timedelta(seconds=31))
    assert await opens(path, client, offered) == (False, 4403)
    await ticket(path, client)
    await SocketTicket.objects.aupdate(expires_at=F("expires_at") - timedelta(seconds=31))
    assert await sync_to_async(tickets.forget)() == 1


@pytest.mark.parametrize("change", [{"epoch": F("epoch") + 1}, {"password": "another"}, {"is_active": False}])
async def test_it_dies_with_what_it_was_given_for(world, change):
    """Rights that ended between the ticket and the socket end the ticket, too."""
    path = f"/ws/case/{world.case.public_id}/"
    client = await sync_to_async(signed_in)(world.maria.user)
    offered = ["chat.v1", f"ticket.{await ticket(path, client)}"]
    await User.objects.filter(pk=world.maria.user_id).aupdate(**change)
    assert await opens(path, client, offered) == (False, 4403)


def test_who_may_not_sit_there_gets_none(world):
    path = f"/tickets/case/{world.case.public_id}/"
    json = {"accept": "application/json"}
    assert signed_in(world.jorge.user).post(path, headers=json).status_code == 404
    assert signed_in(world.maria.user).post("/tickets/inbox/", headers=json).status_code == 403
    assert Client().post(path, headers=json).status_code == 401
    assert Client().post(path).status_code == 302
    assert signed_in(world.maria.user).get(path).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = signed_in(world.maria.user).cookies
    assert strict.post(path, headers=json).status_code == 403
    User.objects.filter(pk=world.maria.user_id).update(is_active=False)
    assert not SocketTicket.objects.exists()
