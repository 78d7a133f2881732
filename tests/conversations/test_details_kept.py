"""Where the value of a detail may not be: after its end, under another name, in reports, rows, pokes and logs."""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import redis
from cryptography.exceptions import InvalidTag
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client
from django.test.client import RequestFactory

from accounts import sealing
from accounts.models import User
from conversations import chat, details
from conversations.models import AuditEvent, Message, SecureRequest
from conversations.views import details as pages
from tests.factories.desks import press, text_of
from tests.factories.detailed import DIGITS, LABEL, SECRET, asked, at_case, given, lines, page_of, told, view
from tests.factories.invited import World, invited, proven, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    world = invited()
    world.case = proven(world)
    chat.join(world.case, world.maria)
    return world


@pytest.fixture
def maya(world: World) -> Client:
    return signed_in(world.maya.user)


@pytest.fixture
def maria(world: World) -> Client:
    return signed_in(world.maria.user)


def test_the_database_keeps_no_value_of_what_is_over(world: World, maya: Client, maria: Client) -> None:
    one = given(world, maya, maria)
    with pytest.raises(IntegrityError), transaction.atomic():
        SecureRequest.objects.filter(pk=one.pk).update(state="EXPIRED")


def test_a_value_opens_only_as_what_it_was_given_for(world: World, maya: Client, maria: Client) -> None:
    one = given(world, maya, maria)
    other = asked(maya, world, "Postal address")
    swapped = {"state": "ANSWERED", "sealed": bytes(one.sealed), "expires_at": one.expires_at}
    SecureRequest.objects.filter(pk=other.pk).update(**swapped)
    with pytest.raises(InvalidTag):
        sealing.unseal(bytes(one.sealed), bound_to=f"secure request {other.pk}")
    assert "cannot be read any more" in told(view(maya, world, other))["error"]["message"]
    assert not AuditEvent.objects.filter(verb="detail_viewed").exists()


def test_an_error_page_shows_nothing_of_it(world: World, maya: Client, maria: Client, monkeypatch: Any) -> None:
    """A report of an error names the frames with what they hold, and what was posted: of this, nothing."""
    from django.views.debug import ExceptionReporter

    one = asked(maya, world)

    def broken() -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(sealing, "_cipher", broken)
    request = RequestFactory().post(page_of(one), {"value": SECRET})
    request.user, request.session = User.objects.get(pk=world.maria.user_id), maria.session
    with pytest.raises(RuntimeError) as broke:
        pages.detail(request, case_id=world.case.public_id, detail_id=one.public_id)
    reporter = ExceptionReporter(request, broke.type, broke.value, broke.tb)
    for report in (reporter.get_traceback_text(), reporter.get_traceback_html()):
        assert "out of order" in report
        assert DIGITS[:4] not in report


# Many at once, and where nothing may be.


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """All of them at the same moment, each with a connection of its own; what each returned."""
    start, found = threading.Barrier(len(calls)), {}

    def run(n: int) -> None:
        start.wait(10)
        try:
            found[n] = calls[n]()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [found[n] for n in range(len(calls))]


@pytest.mark.django_db(transaction=True)
def test_of_many_answers_at_once_one_counts(world: World, maya: Client) -> None:
    one = asked(maya, world)
    tabs = [signed_in(world.maria.user) for _ in range(4)]
    calls = [
        lambda n=n, tab=tab: tab.post(page_of(one), {"value": f"tab {n}"}).status_code for n, tab in enumerate(tabs)
    ]
    statuses = at_once(*calls)
    assert sorted(statuses) == [302, 409, 409, 409]
    assert told(view(maya, world, one))["value"] == f"tab {statuses.index(302)}"
    assert [line[2] for line in lines(world)] == [LABEL, "answered"]


@pytest.mark.django_db(transaction=True)
def test_answering_and_erasing_at_once_leave_no_value_behind(world: World, maya: Client, maria: Client) -> None:
    one = asked(maya, world)
    path = at_case(world, "details", str(one.public_id), "withdraw")
    at_once(lambda: maria.post(page_of(one), {"value": SECRET}), lambda: press(maya, path), details.expire)
    one.refresh_from_db()
    assert (one.state, bytes(one.sealed)) == ("WITHDRAWN", b"")


@pytest.fixture
def overheard(redis_url: str) -> Iterator[Callable[[], str]]:
    """Everything that Redis is told, by its own MONITOR."""
    heard: list[str] = []
    with redis.Redis.from_url(redis_url) as client, redis.Redis.from_url(redis_url) as other, client.monitor() as tap:

        def all_of_it() -> str:
            mark = f"mark-{uuid4()}"
            other.echo(mark)
            while mark not in (heard or [""])[-1]:
                heard.append(str(tap.next_command()["command"]))
            return "\n".join(heard)

        yield all_of_it


@pytest.mark.django_db(transaction=True)
def test_the_value_is_nowhere_but_in_the_one_answer(
    world: World, overheard: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    maya, maria = signed_in(world.maya.user), signed_in(world.maria.user)
    values = [SECRET, "DE89 3704 0044 0532 0130 00", "123-45-6789", "Rua Augusta 7, Lisboa"]
    for n, value in enumerate(values):
        one = asked(maya, world, f"Thing {'abcd'[n]}")
        maria.post(page_of(one), {"value": value + "x" * 500})  # refused: too long
        maria.post(page_of(one), {"value": value})
        maria.post(page_of(one), {"value": value})  # refused: answered
        assert told(view(maya, world, one))["value"] == value
        for page in (maria.get(page_of(one)), maria.get(world.chat), maya.get(at_case(world))):
            assert value not in text_of(page)
    assert Message.objects.filter(kind="answered", text="answered").count() == 4
    traffic, log = overheard(), caplog.text
    assert "detail_given" in traffic  # what was searched is what was sent
    places = {**every_cell(), "redis": traffic, "log": log}
    found = [(place, n) for place, text in places.items() for n, value in enumerate(values) if holds(text, value)]
    assert found == []


def test_the_search_finds_what_is_there(world: World) -> None:
    chat.post(world.case, author=world.maria, client_id=uuid4(), text="Rua Augusta 7, Lisboa")
    assert [place for place, text in every_cell().items() if holds(text, "Rua Augusta 7, Lisboa")] == [
        "conversations_message"
    ]


def holds(text: str, value: str) -> bool:
    """As it was typed, as an address or JSON or a bytea has it, or its digits alone."""
    digits = re.sub(r"\D", "", value)
    ways = [value, value.replace(" ", "+"), value.replace(" ", "%20"), value.encode().hex()]
    return any(way in text for way in ways) or (len(digits) > 7 and digits in re.sub(r"(?<=\d)[ -](?=\d)", "", text))


def every_cell() -> dict[str, str]:
    """All tables as text, Django's own too, and what its sessions hold."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            found[table] = "\n".join(row[0] for row in cursor.fetchall())
    found["what sessions hold"] = str([session.get_decoded() for session in Session.objects.all()])
    return found
