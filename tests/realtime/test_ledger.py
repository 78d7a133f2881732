"""What all sockets of a process say together: numbered without gaps, each once, one bad entry alone, in every order."""

import asyncio
from uuid import uuid4

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db.models import F

from accounts.models import User
from conversations import cases, chat
from conversations.ledger import Entry, Ledger, ledger
from conversations.models import Case, Message
from conversations.realtime.direct import direct
from conversations.standing import Sitting
from tests.factories.invited import invited, proven, signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture
def world():
    w = invited()
    w.case = proven(w)
    chat.join(w.case, w.maria)
    w.maya = type(w.maya).objects.select_related("user").get(pk=w.maya.pk)
    w.agent = Sitting.of(signed_in(w.maya.user).session.session_key, w.maya, w.case.pk)
    w.customer = Sitting.of(signed_in(w.maria.user).session.session_key, w.maria, w.case.pk)
    return w


def entry(sitting, text, *, seen=None, client_id=None):
    return Entry(sitting, "Somebody", client_id or uuid4(), text, 0, seen)


def table(case):
    return list(Message.objects.filter(case=case).order_by("seq").values_list("seq", "side", "text"))


async def write(*entries, by=None):
    """All at once: the first makes a batch of its own, the others the next."""
    async with asyncio.timeout(20):
        return await asyncio.gather(*((by or ledger()).write(one) for one in entries), return_exceptions=True)


async def test_a_batch_is_numbered_in_the_order_it_came(world):
    said = [entry(world.agent if n % 3 else world.customer, f"m{n}") for n in range(40)]
    written = await write(*said)
    assert [w.seq for w in written] == list(range(1, 41))
    assert all(w.fresh for w in written)
    found = await sync_to_async(table)(world.case)
    assert found == [(n + 1, "agent" if n % 3 else "customer", f"m{n}") for n in range(40)]
    case = await Case.objects.aget(pk=world.case.pk)
    assert (case.last_seq, case.move) == (40, "ours")  # the last of them was the customer's


async def test_the_same_twice_is_one_message_and_both_know_its_number(world):
    twice = entry(world.customer, "once")
    written = await write(entry(world.customer, "before"), twice, entry(world.agent, "between"), twice)
    assert [w.seq for w in written] == [1, 2, 3, 2]
    again = await ledger().write(twice)
    assert (again.seq, again.fresh) == (2, False)
    assert len(await sync_to_async(table)(world.case)) == 3


async def test_one_bad_entry_fails_alone(world):
    said = [entry(world.customer, "no\x00good" if n == 7 else f"m{n}") for n in range(20)]
    written = await write(*said)
    assert isinstance(written[7], psycopg.Error)
    assert [w.seq for w in written[:7] + written[8:]] == list(range(1, 20))
    assert [text for _seq, _side, text in await sync_to_async(table)(world.case)] == [
        one.text for one in said if one is not said[7]
    ]


async def test_two_processes_leave_no_gap_and_no_double(world):
    one, other = Ledger(), Ledger()
    shared = [entry(world.customer, f"s{n}") for n in range(30)]
    first = [write(entry(world.agent, f"a{n}"), shared[n], by=one) for n in range(30)]
    second = [write(shared[n], entry(world.customer, f"c{n}"), by=other) for n in range(30)]
    await asyncio.gather(*first, *second)
    found = await sync_to_async(table)(world.case)
    assert [seq for seq, _side, _text in found] == list(range(1, 91))
    assert len({text for _seq, _side, text in found}) == 90


async def test_what_the_connection_lost_is_written_once(world, postgres_url):
    await ledger().write(entry(world.customer, "first"))
    pid = direct("ledger").connection.info.backend_pid

    def cut():
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])

    await sync_to_async(cut)()
    written = await write(*(entry(world.customer, f"m{n}") for n in range(10)))
    assert [w.seq for w in written] == list(range(2, 12))
    assert direct("ledger").connection.info.backend_pid != pid


async def test_the_database_away_is_said_and_nothing_is_invented(world, monkeypatch):
    monkeypatch.setattr("conversations.realtime.direct.PAUSE", 0.001)
    at = direct("ledger")

    async def nowhere(*_, **__):
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", nowhere)
    await at.close()
    written = await write(entry(world.customer, "lost?"), entry(world.customer, "too?"))
    assert all(isinstance(w, psycopg.OperationalError) for w in written)
    monkeypatch.undo()
    assert (await ledger().write(entry(world.customer, "back"))).seq == 1


def signed_out(w):
    signed_in(w.maria.user)  # another session: it does not help
    from django.contrib.sessions.models import Session

    Session.objects.filter(session_key=w.customer.key).delete()


ENDED = {
    "session": signed_out,
    "password": lambda w: User.objects.filter(pk=w.maria.user_id).update(password="x"),
    "epoch": lambda w: User.objects.filter(pk=w.maria.user_id).update(epoch=F("epoch") + 1),
    "login": lambda w: User.objects.filter(pk=w.maria.user_id).update(is_active=False),
    "unbound": lambda w: Case.objects.filter(pk=w.case.pk).update(customer=w.jorge),
    "resolved": lambda w: cases.resolve(Case.objects.get(pk=w.case.pk), by=w.maya.user),
}


@pytest.mark.parametrize("how", ENDED)
async def test_what_ended_is_not_written(world, how):
    assert await ledger().write(entry(world.customer, "still good"))
    await sync_to_async(ENDED[how])(world)
    assert await ledger().write(entry(world.customer, "no more")) is None
    assert [text for _seq, _side, text in await sync_to_async(table)(world.case)] == ["still good"]


async def test_another_agents_case_is_not_written_in(world):
    def grace():
        from accounts.models import Agent
        from tests.factories.invited import person

        other = Agent.objects.create(user=person("other"), name="Other", availability="online")
        other.teams.add(*world.maya.teams.all())
        return Sitting.of(signed_in(other.user).session.session_key, other, world.case.pk)

    assert await ledger().write(entry(await sync_to_async(grace)(), "mine now")) is None


async def test_overtaken_stops_and_goes_out_once_seen(world):
    await write(entry(world.agent, "hello"), entry(world.agent, "and more"))
    mine = entry(world.agent, "my own do not stop me", seen=0)
    assert (await ledger().write(mine)).seq == 3
    await ledger().write(entry(world.customer, "wait"))
    late = entry(world.agent, "done!", seen=3)
    assert await ledger().write(late) is None
    confirmed = Entry(late.sitting, late.name, late.client_id, late.text, 0, 4)
    assert (await ledger().write(confirmed)).seq == 5
