"""How much a socket, a person and an address may: the limit itself, and what somebody over it meets."""

import json
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async

from conversations.models import Message
from conversations.realtime.limits import Doors, Rate, doors
from tests.factories.invited import invited, proven, signed_in
from tests.factories.plugged import socket


def test_a_window_slides():
    rate = Rate(3, 10.0)
    assert [rate.allows(at) for at in (0.0, 1.0, 2.0, 3.0, 9.9, 10.0, 10.1, 11.0)] == [
        True, True, True, False, False, True, False, True,
    ]  # fmt: skip


def test_a_person_and_an_address_have_so_many_sockets(settings):
    settings.SOCKETS_PER_USER, settings.SOCKETS_PER_ADDRESS = 2, 3
    d = Doors()
    assert [d.enter(1, "a"), d.enter(1, "b"), d.enter(1, "c")] == [True, True, False]
    assert [d.enter(2, "a"), d.enter(3, "a"), d.enter(4, "a")] == [True, True, False]
    d.leave(1, "a")
    assert d.enter(4, "a")


def test_coming_back_does_not_begin_anew(settings):
    settings.SOCKET_MESSAGES = 2
    d = Doors()
    d.enter(1, "a")
    assert [d.may_say(1, at) for at in (0.0, 0.1, 0.2)] == [True, True, False]
    d.leave(1, "a")
    d.enter(1, "a")
    assert not d.may_say(1, 0.3)


@pytest.fixture
def world(valkey):
    w = invited()
    w.case = proven(w)
    return w


@pytest.fixture
async def customer(world):
    communicator = await socket(f"/ws/case/{world.case.public_id}/", await sync_to_async(signed_in)(world.maria.user))
    assert (await communicator.connect())[0]
    doors.said.clear()
    yield communicator
    await communicator.disconnect()


async def until(communicator, wanted):
    while not wanted(got := await communicator.receive_output(timeout=5)):
        pass
    return got


@pytest.mark.django_db(transaction=True)
async def test_a_message_too_many_is_refused_in_words_and_not_kept(customer, settings):
    settings.SOCKET_MESSAGES = 2
    for n in range(3):
        await customer.send_json_to({"type": "post", "client_id": str(uuid4()), "text": f"m{n}"})
    got = await until(customer, lambda event: "problem" in event.get("text", ""))
    problem = json.loads(got["text"])
    assert (problem["code"], bool(problem["client_id"])) == ("too_fast", True)
    assert await Message.objects.acount() == 2


@pytest.mark.django_db(transaction=True)
async def test_a_flood_of_frames_ends_the_socket(customer, settings):
    for _ in range(settings.SOCKET_FRAMES + 1):
        await customer.send_json_to({"type": "typing", "on": True})
    got = await until(customer, lambda event: event["type"] == "websocket.close")
    assert got["code"] == 4408


@pytest.mark.django_db(transaction=True)
async def test_a_frame_too_big_ends_the_socket(customer, settings):
    await customer.send_to(text_data=json.dumps({"type": "typing", "on": True}) + " " * settings.SOCKET_FRAME)
    got = await until(customer, lambda event: event["type"] == "websocket.close")
    assert got["code"] == 1009


@pytest.mark.django_db(transaction=True)
async def test_a_socket_too_many_is_not_opened(world, settings):
    settings.SOCKETS_PER_USER = 2
    client = await sync_to_async(signed_in)(world.maria.user)
    open_ones = []
    for expected in (True, True, False):
        communicator = await socket(f"/ws/case/{world.case.public_id}/", client)
        opened, code = await communicator.connect()
        assert opened is expected
        if opened:
            open_ones.append(communicator)
    assert code == 4408
    await open_ones.pop().disconnect()
    again = await socket(f"/ws/case/{world.case.public_id}/", client)
    assert (await again.connect())[0]
    for communicator in (*open_ones, again):
        await communicator.disconnect()
