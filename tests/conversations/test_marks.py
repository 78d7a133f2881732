"""How far each side got the messages and read them: collected, written together, told when it grew, never backwards."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from conversations import chat, events, marks
from conversations.models import Case, Mark, Message
from conversations.realtime.direct import TRIES, direct
from conversations.realtime.hub import Seat, hub
from tests.factories.invited import World, invited, person, proven, signed_in
from tests.factories.plugged import socket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture
def world() -> World:
    """A chat of five messages."""
    w = invited()
    w.case = proven(w)
    for number in range(5):
        author: Any = (w.maria, w.maya)[number % 2]
        chat.post(w.case, author=author, client_id=uuid.uuid4(), text=f"word {number}")
    return w


@pytest.fixture
async def seat(world: World) -> AsyncIterator[Seat]:
    """Somebody who has the case open."""
    seat = Seat()
    hub().sit(seat, events.case_room(world.case.pk))
    yield seat
    hub().leave(seat)
    await direct("marks").close()
    for task in hub().tasks.values():
        task.cancel()


async def told(seat: Seat, number: int) -> list[Any]:
    """The next marks that the room is told."""
    found: list[Any] = []
    async with asyncio.timeout(5):
        while len(found) < number:
            _room, kind, data = await seat.next()
            if kind == events.MARKS:
                found.append(data)
    return found


async def written() -> None:
    """All that waits is written."""
    task = marks._marks().task
    assert task is not None
    async with asyncio.timeout(5):
        await task


def kept(world: World) -> dict[str, tuple[int, int]]:
    return marks.of(world.case.pk)


async def test_the_highest_of_many_reports_is_written_and_told_once(world: World, seat: Seat) -> None:
    for seq in (1, 3, 2):
        marks.note(world.case.pk, "customer", delivered=seq, read=seq - 1)
    assert await told(seat, 1) == [["customer", 3, 2]]
    assert await sync_to_async(kept)(world) == {"customer": (3, 2)}
    assert not [word for word in seat.waiting if word[1] == events.MARKS]


async def test_it_never_goes_back_and_what_did_not_grow_is_not_told(world: World, seat: Seat) -> None:
    marks.note(world.case.pk, "agent", delivered=4, read=4)
    assert await told(seat, 1) == [["agent", 4, 4]]
    marks.note(world.case.pk, "agent", delivered=2, read=1)
    await written()
    assert await sync_to_async(kept)(world) == {"agent": (4, 4)}
    assert not [word for word in seat.waiting if word[1] == events.MARKS]
    marks.note(world.case.pk, "agent", delivered=5, read=2)
    assert await told(seat, 1) == [["agent", 5, 4]]


async def test_nobody_has_read_what_was_not_said(world: World, seat: Seat) -> None:
    marks.note(world.case.pk, "customer", delivered=2**31 - 1, read=2**31 - 1)
    assert await told(seat, 1) == [["customer", 5, 5]]
    assert await sync_to_async(Message.objects.count)() == 5


async def test_what_was_read_was_delivered(world: World, seat: Seat) -> None:
    marks.note(world.case.pk, "customer", delivered=1, read=4)
    assert await told(seat, 1) == [["customer", 4, 4]]


async def test_nothing_of_a_case_in_which_nothing_was_said(world: World, seat: Seat) -> None:
    await sync_to_async(Case.objects.filter(pk=world.case.pk).update)(last_seq=0)
    marks.note(world.case.pk, "customer", delivered=3, read=3)
    marks.note(world.case.pk + 1, "customer", delivered=3, read=3)  # there is no such case
    await written()
    assert not await sync_to_async(Mark.objects.exists)()


async def test_both_sides_and_many_cases_are_one_statement(
    world: World, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = []
    stock = psycopg.AsyncConnection.execute

    async def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        statements.append(query)
        return await stock(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", execute)
    for _ in range(100):
        marks.note(world.case.pk, "customer", delivered=5, read=5)
        marks.note(world.case.pk, "agent", delivered=4, read=3)
    assert sorted(await told(seat, 2)) == [["agent", 4, 3], ["customer", 5, 5]]
    assert len(statements) == 1


async def test_the_database_away_for_a_moment_loses_no_mark(world: World, seat: Seat) -> None:
    marks.note(world.case.pk, "customer", delivered=1, read=1)
    await told(seat, 1)

    used = direct("marks").connection
    assert used is not None

    def shut() -> None:
        with connection.cursor() as sql:
            sql.execute("SELECT pg_terminate_backend(%s)", [used.info.backend_pid])

    await sync_to_async(shut)()
    marks.note(world.case.pk, "customer", delivered=2, read=2)
    assert await told(seat, 1) == [["customer", 2, 2]]


async def test_while_the_database_is_away_marks_wait_and_grow(
    world: World, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock, asked = marks._store, 0

    async def store(*args: Any, **kwargs: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked <= TRIES:  # as often as a connection is tried for one piece of work
            marks.note(world.case.pk, "customer", delivered=3, read=1)
            raise psycopg.OperationalError("away")
        return await stock(*args, **kwargs)

    monkeypatch.setattr(marks, "_store", store)
    marks.note(world.case.pk, "customer", delivered=2, read=2)
    assert await told(seat, 1) == [["customer", 3, 2]]


async def test_pages_report_over_their_socket_and_a_colleague_who_looks_on_does_not(world: World) -> None:
    path = f"/ws/case/{world.case.public_id}/"
    omar = await sync_to_async(colleague)(world)
    people = [await sync_to_async(signed_in)(user) for user in (world.maria.user, world.maya.user, omar)]
    sockets = [await socket(path, client) for client in people]
    for one in sockets:
        assert (await one.connect())[0]
    customer, agent, onlooker = sockets
    await onlooker.send_json_to({"type": "seen", "delivered": 5, "read": 5})
    await customer.send_json_to({"type": "seen", "delivered": 5, "read": 4})
    while (frame := await agent.receive_json_from(timeout=5))["type"] != "marks":
        pass
    assert frame == {"type": "marks", "side": "customer", "delivered": 5, "read": 4}
    assert await sync_to_async(kept)(world) == {"customer": (5, 4)}
    page = await sync_to_async(people[1].get)(f"/workspace/cases/{world.case.public_id}/")
    assert 'data-delivered="5" data-read="4"' in page.content.decode()
    for one in sockets:
        await one.disconnect()


def colleague(world: World) -> Any:
    """Another agent of the same team."""
    omar = type(world.maya).objects.create(user=person("omar"), name="Omar")
    omar.teams.set(world.maya.teams.all())
    return omar.user
