"""The sockets of both sides: who gets in, what arrives, and that a dropped one lacks nothing afterwards."""

import asyncio
import json
from uuid import uuid4

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations import assignment, cases, chat, events
from conversations.consumers import inbox as inboxes
from conversations.models import Case
from conversations.standing import Sitting
from tests.factories.heard import bank, person, post
from tests.factories.invited import invited, proven, signed_in
from tests.factories.plugged import socket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


def browser(user):
    return sync_to_async(signed_in)(user)


async def heard(communicator, *kinds):
    """The next frame of one of these kinds; others (the case changed, somebody joined) may come between."""
    while (frame := await communicator.receive_json_from(timeout=5))["type"] not in kinds:
        pass
    return frame


async def resumed(communicator, after=0):
    """What a client gets for `resume`: the messages, and where it stands."""
    await communicator.send_json_to({"type": "resume", "after": after})
    frames = []
    while True:
        frames.append(await heard(communicator, "message", "caught_up"))
        if frames[-1]["type"] == "caught_up":
            return frames


@pytest.fixture
def world():
    w = invited()
    w.case = proven(w)
    return w


async def test_both_sides_hear_both_and_a_repeat_is_heard_once(world):
    path = f"/ws/case/{world.case.public_id}/"
    customer = await socket(path, await browser(world.maria.user))
    agent = await socket(path, await browser(world.maya.user))
    assert (await customer.connect())[0]
    assert (await agent.connect())[0]
    assert await sync_to_async(lambda: Case.objects.get(pk=world.case.pk).status)() == "CONNECTED"
    await resumed(customer)
    await resumed(agent)
    said = {"type": "post", "client_id": str(uuid4()), "text": "my card ends 4471"}
    await customer.send_json_to(said)
    await customer.send_json_to(said)
    for side in (customer, agent):
        frame = await heard(side, "message")
        assert (frame["seq"], frame["side"], frame["text"]) == (1, "customer", said["text"])
    await agent.send_json_to({"type": "post", "client_id": str(uuid4()), "text": "I see it"})
    for side in (customer, agent):
        frame = await heard(side, "message")
        assert (frame["seq"], frame["side"], frame["name"]) == (2, "agent", "Maya")
    while not await customer.receive_nothing():
        assert (await customer.receive_json_from())["type"] != "message"
    await customer.disconnect()
    await agent.disconnect()


async def test_dropped_client_resumes_from_its_last_seq(world):
    def talk(number):
        for _ in range(number):
            chat.post(world.case, author=world.maya, client_id=uuid4(), text="news")

    await sync_to_async(talk)(60)
    customer = await socket(f"/ws/case/{world.case.public_id}/", await browser(world.maria.user))
    await customer.connect()
    frames = await resumed(customer, after=3)
    assert [frame["seq"] for frame in frames[:-1]] == list(range(4, 61))
    assert frames[-1] == {"type": "caught_up", "seq": 60, "status": "CONNECTED"}
    await customer.disconnect()


async def test_refusal_is_a_sentence_with_the_message_it_is_about(world):
    customer = await socket(f"/ws/case/{world.case.public_id}/", await browser(world.maria.user))
    await customer.connect()
    await resumed(customer)
    key = str(uuid4())
    await customer.send_json_to({"type": "post", "client_id": key, "text": "  "})
    frame = await heard(customer, "problem", "message")
    assert (frame["type"], frame["code"], frame["client_id"]) == ("problem", "bad_text", key)
    for wrong in ({"type": "post", "client_id": key}, {"type": "shout"}, {"type": "resume", "after": 1, "case": 7}):
        await customer.send_json_to(wrong)
        assert (await heard(customer, "problem"))["code"] == "bad_frame"
    await customer.send_to(text_data="{")
    assert (await heard(customer, "problem"))["code"] == "bad_frame"
    await customer.disconnect()


async def test_nobody_else_gets_in(world):
    path = f"/ws/case/{world.case.public_id}/"
    for user in (None, world.jorge.user):
        client = await browser(user) if user else None
        assert not (await (await socket(path, client)).connect())[0]
    assert not (await (await socket("/ws/inbox/", await browser(world.maria.user))).connect())[0]
    assert not (await (await socket("/ws/inbox/", None)).connect())[0]


@pytest.mark.parametrize(
    "origin", ["", "null", "http://localhost", "http://localhost:8001", "https://localhost:8000", "http://evil.example"]
)
async def test_foreign_origin_is_refused(world, origin):
    communicator = await socket(f"/ws/case/{world.case.public_id}/", await browser(world.maria.user), origin=origin)
    assert not (await communicator.connect())[0]


async def test_login_that_ended_is_refused_at_the_next_frame(world):
    client = await browser(world.maria.user)
    customer = await socket(f"/ws/case/{world.case.public_id}/", client)
    await customer.connect()
    await resumed(customer)
    await sync_to_async(client.logout)()
    await customer.send_json_to({"type": "post", "client_id": str(uuid4()), "text": "still me?"})
    while (event := await customer.receive_output(timeout=5))["type"] != "websocket.close":
        assert "message" not in json.loads(event["text"])["type"]
    assert event["code"] == 4401
    assert await sync_to_async(lambda: Case.objects.get(pk=world.case.pk).last_seq)() == 0


async def test_inbox_shows_what_is_open_and_hears_what_changes():
    b = await sync_to_async(bank)()
    maya = await sync_to_async(b.agent)("Maya", online=False)
    maria = person("maria_m")
    first = post("my citi card is blocked", maria)
    await sync_to_async(b.hear)(first)
    inbox = await socket("/ws/inbox/", await browser(maya.user))
    assert (await inbox.connect())[0]
    await inbox.send_json_to({"type": "resume", "after": ""})
    snapshot = await heard(inbox, "inbox")
    assert [(line["handle"], line["move"], line["preview"]) for line in snapshot["cases"]] == [
        ("maria_m", "ours", "my citi card is blocked")
    ]
    assert await heard(inbox, "sending") == {"type": "sending", "stopped": ""}
    second, third = post("hello??", maria, minutes=1), post("citi took my money", minutes=2)
    await sync_to_async(b.hear)(second, third)
    changes = await heard(inbox, "cases")
    assert {p for line in changes["cases"] for p in line["posts"]} == {second.external_id, third.external_id}
    # Opening the inbox made her available: the next look for work gives her both.
    assert await sync_to_async(assignment.assign_waiting)() == 2
    told = {}
    while len(told) < 2:  # assigned one by one: the first is shown at once
        told |= {line["number"]: line for line in (await heard(inbox, "cases"))["cases"]}
    assert {(line["mine"], line["agent"], line["status"]) for line in told.values()} == {(True, "Maya", "ASSIGNED")}
    await inbox.send_json_to({"type": "resume", "after": snapshot["now"]})
    missed = await heard(inbox, "cases")
    assert (missed["type"], len(missed["cases"])) == ("cases", 2)
    await inbox.disconnect()


async def looking(inbox, monkeypatch):
    """Every look that this open inbox takes from now on, as (when it began, which cases): by the event loop's clock."""
    looks = []
    carry = inboxes.InboxConsumer.carry

    async def seen(self, call, *args):
        if getattr(call, "__name__", "") == "look_at":
            looks.append((asyncio.get_running_loop().time(), set(args[0])))
        return await carry(self, call, *args)

    monkeypatch.setattr(inboxes.InboxConsumer, "carry", seen)
    assert (await inbox.connect())[0]
    return looks


async def test_the_first_poke_is_shown_at_once_and_a_burst_in_one_look(monkeypatch):
    monkeypatch.setattr(inboxes, "COALESCE", 0.5)
    b = await sync_to_async(bank)()
    maya = await sync_to_async(b.agent)("Maya", online=False)
    made = [(await sync_to_async(b.case)()).pk for _ in range(6)]
    inbox = await socket("/ws/inbox/", await browser(maya.user))
    looks = await looking(inbox, monkeypatch)
    begun = asyncio.get_running_loop().time()
    await sync_to_async(events.poke_inbox)(b.brand.pk, {made[0]: ["1"]})
    assert [line["number"] for line in (await heard(inbox, "cases"))["cases"]] == made[:1]
    for pk in made[1:]:
        await sync_to_async(events.poke_inbox)(b.brand.pk, {pk: [str(pk)]})
    shown = await heard(inbox, "cases")
    assert {line["number"]: line["posts"] for line in shown["cases"]} == {pk: [str(pk)] for pk in made[1:]}
    assert [cases for _at, cases in looks] == [{made[0]}, set(made[1:])]
    assert looks[0][0] - begun < 0.5 <= looks[1][0] - looks[0][0]
    await inbox.disconnect()


async def test_a_look_costs_as_many_queries_however_many_cases_were_poked(monkeypatch):
    b = await sync_to_async(bank)()
    maya = await sync_to_async(b.agent)("Maya", online=False)
    made = [(await sync_to_async(b.case)()).pk for _ in range(3)]
    client = await browser(maya.user)

    def cost(pks):
        consumer = inboxes.InboxConsumer()
        consumer.sitting = Sitting.of(client.session.session_key, maya, None)
        with CaptureQueriesContext(connection) as asked:
            assert len(consumer.look_at({pk: [] for pk in pks}).cases) == len(pks)
        return len(asked)

    # The session, the login and the agent as the database has them now; the time; the cases; what was said in them.
    assert await sync_to_async(cost)(made[:1]) == await sync_to_async(cost)(made) == 6


async def test_an_open_inbox_ends_with_its_login(monkeypatch):
    b = await sync_to_async(bank)()
    maya = await sync_to_async(b.agent)("Maya", online=False)
    client = await browser(maya.user)
    inbox = await socket("/ws/inbox/", client)
    assert (await inbox.connect())[0]
    await sync_to_async(client.logout)()
    await sync_to_async(b.case)()
    assert await inbox.receive_output(timeout=5) == {"type": "websocket.close", "code": 4401}


async def test_a_connection_that_died_is_opened_again(world, postgres_url):
    customer = await socket(f"/ws/case/{world.case.public_id}/", await browser(world.maria.user))
    await customer.connect()
    await resumed(customer)

    def cut():
        with connection.cursor() as sql:
            sql.execute("SELECT pg_backend_pid()")
            (mine,) = sql.fetchone()
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [mine])

    await sync_to_async(cut)()
    assert (await resumed(customer))[-1]["type"] == "caught_up"
    await customer.disconnect()


async def test_no_text_travels_over_redis(world, valkey):
    pubsub = valkey.pubsub()
    await sync_to_async(pubsub.psubscribe)("*")
    await sync_to_async(chat.post)(world.case, author=world.maria, client_id=uuid4(), text="a secret word")
    await sync_to_async(cases.resolve)(world.case, by=world.maya.user)
    heard = []
    while (message := await sync_to_async(pubsub.get_message)(timeout=1)) is not None:
        heard.append(json.dumps(message, default=repr))
    assert len(heard) > 3
    assert not any("secret" in message or "maria" in message for message in heard)
