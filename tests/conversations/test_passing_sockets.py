"""What sockets say of a case that is passed on: the one asked hears of it, who listens hears all and says nothing."""

import uuid
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.test import Client

from accounts.models import Agent, User
from conversations import chat, oversight, transfers
from conversations.models import Message
from tests.factories.invited import World, signed_in
from tests.factories.passing import chatting, colleague, supervisor
from tests.factories.plugged import socket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture
def world() -> World:
    return chatting()


@pytest.fixture
def omar(world: World) -> Agent:
    return colleague(world, "omar")


@pytest.fixture
def ina(world: World) -> Agent:
    return colleague(world, "ina")


@pytest.fixture
def grace() -> User:
    return supervisor()


def opened_listening(world: World, grace: User) -> Client:
    """The page leaves its line, and its script opens the socket."""
    browser = signed_in(grace)
    assert browser.get(f"/workspace/listen/{world.case.public_id}/").status_code == 200
    return browser


async def connected(path: str, client: Client) -> WebsocketCommunicator:
    there = await socket(path, client)
    assert (await there.connect())[0]
    await there.send_json_to({"type": "resume", "after": "" if "inbox" in path else 0})
    return there


async def until(there: WebsocketCommunicator, kind: str) -> list[dict[str, Any]]:
    """The frames up to and with the first of this kind."""
    frames = [await there.receive_json_from(timeout=5)]
    while frames[-1]["type"] != kind:
        frames.append(await there.receive_json_from(timeout=5))
    return frames


async def test_the_inbox_of_the_one_asked_is_told_at_once_and_nobody_elses(
    world: World, omar: Agent, ina: Agent
) -> None:
    asked = await connected("/ws/inbox/", await sync_to_async(signed_in)(omar.user))
    other = await connected("/ws/inbox/", await sync_to_async(signed_in)(ina.user))
    for there in (asked, other):
        await until(there, "inbox")
        while not await there.receive_nothing(timeout=0.5):
            await there.receive_json_from()
    await sync_to_async(transfers.offer)(world.case, by=world.maya.user, to_agent=omar, note="Please")
    await until(asked, "availability")
    heard = []
    while not await other.receive_nothing(timeout=0.5):
        heard.append((await other.receive_json_from())["type"])
    assert "availability" not in heard
    await asked.disconnect()
    await other.disconnect()


async def test_who_listens_hears_the_chat_and_the_notes_and_cannot_write(world: World, grace: User) -> None:
    browser = await sync_to_async(opened_listening)(world, grace)
    there = await connected(f"/ws/case/{world.case.public_id}/", browser)
    await until(there, "caught_up")
    await sync_to_async(chat.post)(world.case, author=world.maria, client_id=uuid.uuid4(), text="It was at noon")
    assert (await until(there, "message"))[-1]["text"] == "It was at noon"
    note = await sync_to_async(oversight.whisper)(world.case, by=grace, text="Give it back")
    assert (await until(there, "note"))[-1] == {"type": "note", "id": note.pk}
    await there.send_json_to({"type": "post", "client_id": str(uuid.uuid4()), "text": "Hello", "seen": 1})
    assert (await until(there, "problem"))[-1]["code"] == "not_allowed"
    assert not await sync_to_async(Message.objects.filter(text="Hello").exists)()
    await there.disconnect()


async def test_whose_case_it_was_may_not_write_any_more_and_the_next_one_may(world: World, omar: Agent) -> None:
    path = f"/ws/case/{world.case.public_id}/"
    first = await connected(path, await sync_to_async(signed_in)(world.maya.user))
    customer = await connected(path, await sync_to_async(signed_in)(world.maria.user))
    await until(first, "caught_up")
    await until(customer, "caught_up")
    transfer = await sync_to_async(transfers.offer)(world.case, by=world.maya.user, to_agent=omar, note="Please")
    await sync_to_async(transfers.accept)(transfer, omar)
    line = (await until(customer, "message"))[-1]
    assert (line["kind"], line["text"], line["name"], line["side"]) == ("event", "transferred", "Omar", "house")
    await first.send_json_to({"type": "post", "client_id": str(uuid.uuid4()), "text": "Still me"})
    assert (await until(first, "problem"))[-1]["code"] == "not_allowed"
    second = await connected(path, await sync_to_async(signed_in)(omar.user))
    await second.send_json_to({"type": "post", "client_id": str(uuid.uuid4()), "text": "Omar here"})
    assert (await until(customer, "message"))[-1]["text"] == "Omar here"
    for there in (first, customer, second):
        await there.disconnect()
