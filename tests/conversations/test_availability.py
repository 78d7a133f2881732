"""Who is there, what the customer is told about it, and that the case stays with its agent whatever happens."""

import asyncio
import re
from collections.abc import Iterator
from datetime import time, timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import agents
from accounts.models import Agent, Customer, Shift, User
from accounts.permissions import appoint_supervisor
from citisocial.clock import now
from conversations import assignment, cases, chat, hours, tasks
from conversations.models import AuditEvent, Case, Message, OpeningHours
from tests.factories.heard import bank
from tests.factories.invited import World, invited, person, proven, signed_in
from tests.factories.plugged import socket

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    """Maya has a page open and Maria is in the chat."""
    world = invited()
    world.case = proven(world)
    chat.join(world.case, world.maria)
    agents.arrive(world.maya)
    return world


@pytest.fixture
def maria(world: World) -> Client:
    return signed_in(world.maria.user)


def colleague(world: World, name: str = "Omar") -> Agent:
    agent = Agent.objects.create(user=person(name.lower()), name=name, languages=["en"], availability="online")
    agent.teams.set(world.maya.teams.all())
    return agent


def told(maria: Client, world: World) -> str:
    """What her page says about who answers, in words."""
    html = maria.get(world.chat).content.decode()
    begins = depth = html.index('<div class="waiting"')
    for tag in re.finditer(r"<(/?)div\b", html[begins:]):
        depth += -1 if tag[1] else 1
        if depth == begins:
            part = html[begins : begins + tag.start()].replace("</button>", " ")
            return " ".join(re.sub(r"<[^>]+>", "", part).split())
    raise AssertionError("the part has no end")


def choose(maria: Client, world: World, what: str) -> Any:
    return maria.post(f"{world.chat}{what}/", follow=True)


def away(world: World, state: str = "away") -> None:
    agents.set_availability(world.maya, state)


def holder(world: World) -> Agent | None:
    return Case.objects.get(pk=world.case.pk).agent


def waits(world: World) -> int:
    return Message.objects.filter(case=world.case, kind="event", text="waits").count()


# What the customer reads.


@pytest.mark.parametrize("state", ["online", "busy"])
def test_who_is_here_is_named_and_nothing_is_invented(state: str, world: World, maria: Client) -> None:
    away(world, state)
    assert told(maria, world) == "Maya is here. We cannot say yet how long an answer takes."


def test_how_long_answers_take_and_who_is_before_her(
    world: World, maria: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hours, "_usual", lambda brand_id: 4)
    Case.objects.filter(pk=world.case.pk).update(move="ours", waiting_since=now())
    for n, minutes in enumerate((5, 9, -5)):
        other = Case.objects.get(pk=world.case.pk)
        other.pk, other.public_id, other.waiting_since = None, uuid4(), now() - timedelta(minutes=minutes)
        other.author.pk, other.author.external_id = None, f"77{n}"
        other.author.save()
        other.author_id = other.author.pk
        other.save(force_insert=True)
    assert told(maria, world) == "Maya is here. Answers usually take about 4 minutes. 2 customers are before you."


@pytest.mark.parametrize("state", ["away", "offline"])
def test_who_is_away_is_said_with_two_buttons(state: str, world: World, maria: Client) -> None:
    away(world, state)
    assert told(maria, world) == (
        "Maya is away. You can wait for Maya, or go on with somebody else now. Wait for Maya Go on with somebody else"
    )


def test_whose_shift_is_over_is_not_promised(world: World, maria: Client) -> None:
    tomorrow = (now() + timedelta(days=2)).weekday()
    Shift.objects.create(agent=world.maya, weekday=tomorrow, starts=time(9), ends=time(17))
    assert told(maria, world).startswith("Maya is not at work now. You can wait for Maya, or go on")


def test_whose_login_was_closed_is_away(world: World, maria: Client) -> None:
    User.objects.filter(pk=world.maya.user_id).update(is_active=False)
    assert told(maria, world).startswith("Maya is away.")


def closed(world: World) -> None:
    """Its hours are one minute, two days from now."""
    opens = now() + timedelta(days=2)
    OpeningHours.objects.create(brand=world.case.brand, weekday=opens.weekday(), opens=time(9), closes=time(9, 1))


def test_closed_says_when_it_opens_and_asks_for_no_choice(world: World, maria: Client) -> None:
    closed(world)
    away(world, "offline")
    day = (now() + timedelta(days=2)).strftime("%A")
    assert (
        told(maria, world) == f"We are closed now and open again on {day} at 09:00 UTC. Write now: Maya answers then."
    )


def test_closed_and_still_here_says_both(world: World, maria: Client) -> None:
    closed(world)
    assert told(maria, world).endswith("Maya is still here.")


def test_a_case_that_is_over_says_nothing_of_it(world: World, maria: Client) -> None:
    away(world)
    cases.resolve(Case.objects.get(pk=world.case.pk), by=world.maya.user)
    assert told(maria, world) == ""


def test_the_page_costs_no_more_for_more_who_wait(world: World, maria: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            told(maria, world)
        return len(asked)

    away(world)
    before = cost()
    closed(world)
    for weekday in range(3):
        Shift.objects.create(agent=world.maya, weekday=weekday, starts=time(9), ends=time(17))
    assert cost() <= before


# What the customer chooses.


def test_waiting_is_one_line_for_the_agent_and_one_of_the_trail(world: World, maria: Client) -> None:
    away(world)
    for _ in range(2):
        assert choose(maria, world, "wait").redirect_chain == [(world.chat, 302)]
    assert waits(world) == 1
    line = AuditEvent.objects.get(verb="waits")
    assert (line.case_id, line.user, line.actor) == (world.case.pk, world.maria.user, "customer")
    assert told(maria, world) == (
        "Maya is away. You wait for Maya, who will see that. You can still go on with somebody else. "
        "Go on with somebody else"
    )
    assert (
        "The customer waits for Maya."
        in signed_in(world.maya.user).get(f"/workspace/cases/{world.case.public_id}/").content.decode()
    )
    assert holder(world) == world.maya


def test_the_next_absence_is_another_choice_and_going_from_away_to_offline_is_none(world: World, maria: Client) -> None:
    away(world)
    choose(maria, world, "wait")
    away(world, "offline")
    choose(maria, world, "wait")
    assert waits(world) == 1
    away(world, "online")
    away(world)
    assert "You can wait for Maya" in told(maria, world)
    choose(maria, world, "wait")
    assert waits(world) == 2


def test_after_a_shift_the_next_word_ends_the_wait(world: World, maria: Client) -> None:
    Shift.objects.create(agent=world.maya, weekday=(now() + timedelta(days=2)).weekday(), starts=time(9), ends=time(17))
    for _ in range(2):
        choose(maria, world, "wait")
    assert waits(world) == 1
    chat.post(world.case, author=world.maya, client_id=uuid4(), text="One more thing")
    choose(maria, world, "wait")
    assert waits(world) == 2


def test_who_is_here_is_not_waited_for(world: World, maria: Client) -> None:
    answer = choose(maria, world, "wait")
    assert answer.status_code == 409
    assert "Maya is here again. Just write." in answer.content.decode()
    assert (waits(world), AuditEvent.objects.filter(verb="waits").count()) == (0, 0)


def test_somebody_else_goes_on_at_once(world: World, maria: Client) -> None:
    omar = colleague(world)
    away(world)
    choose(maria, world, "another")
    assert holder(world) == omar
    assert told(maria, world).startswith("Omar is here.")


def test_when_nobody_else_is_there_the_case_stays_and_she_is_told(world: World, maria: Client) -> None:
    away(world)
    busy = colleague(world)
    agents.set_availability(busy, "busy")
    answer = choose(maria, world, "another")
    assert answer.status_code >= 400
    assert holder(world) == world.maya


@pytest.mark.parametrize("what", ["wait", "another"])
def test_the_choice_is_hers_alone(what: str, world: World) -> None:
    colleague(world)
    away(world)
    eve = Customer.objects.create(user=person("eve"), name="Eve")
    for other, status in ((eve.user, 404), (world.maya.user, 403), (world.jorge.user, 404)):
        assert signed_in(other).post(f"{world.chat}{what}/").status_code == status
    assert Client().post(f"{world.chat}{what}/")["Location"].startswith("/accounts/login/")
    assert signed_in(world.maria.user).get(f"{world.chat}{what}/").status_code == 405
    assert (waits(world), holder(world)) == (0, world.maya)


# The same agent.


@pytest.fixture
def later() -> Iterator[Any]:
    """later(days=3): the clock of this test's transaction is moved."""

    def move(**by: float) -> None:
        with connection.cursor() as sql:
            sql.execute(
                "SELECT set_config('citisocial.clock_offset', %s, true)", [f"{timedelta(**by).total_seconds()} s"]
            )

    yield move
    move()


def beat() -> None:
    """Everything that beat asks and that could give a case away or end it."""
    for task in (tasks.assign, tasks.put_gone_agents_offline, tasks.expire, tasks.triage):
        task()


def test_the_case_stays_with_its_agent_through_drop_night_and_week(world: World, maria: Client, later: Any) -> None:
    colleague(world)
    chat.post(world.case, author=world.maria, client_id=uuid4(), text="Are you there?")
    for passed in ({"seconds": 30}, {"minutes": 10}, {"hours": 14}, {"days": 3}, {"days": 9}):
        later(**passed)
        beat()
        assert holder(world) == world.maya, passed
    world.maya.refresh_from_db()
    assert (world.maya.availability, world.maya.set_by) == ("offline", "idle")
    assert told(maria, world).startswith("Maya is away.")
    agents.arrive(world.maya)
    assert told(maria, world).startswith("Maya is here.")
    assert not AuditEvent.objects.filter(case=world.case, verb__in=["assigned", "reassigned", "transferred"]).exists()


@pytest.mark.parametrize("state", ["busy", "away", "offline"])
def test_only_who_is_online_is_given_new_cases(state: str) -> None:
    b = bank()
    maya = b.agent("Maya")
    case = b.case()
    agents.set_availability(maya, state)
    assert assignment.assign_waiting() == 0
    agents.set_availability(maya, "online")
    assert assignment.assign_waiting() == 1
    agents.set_availability(maya, state)
    case.refresh_from_db()
    assert case.agent == maya


def test_a_busy_agent_answers_their_own(world: World) -> None:
    away(world, "busy")
    said = chat.post(world.case, author=world.maya, client_id=uuid4(), text="I am with you")
    assert said.agent == world.maya


# The agent's own page.


def test_the_topbar_offers_four_states_and_says_why(world: World) -> None:
    page = signed_in(world.maya.user)
    html = page.get("/workspace/").content.decode()
    assert re.findall(r'name="state" value="(\w+)" aria-pressed="(\w+)"', html) == [
        ("online", "true"),
        ("busy", "false"),
        ("away", "false"),
        ("offline", "false"),
    ]
    assert f'data-idle-minutes="{settings.AGENT_IDLE_MINUTES}"' in html
    grace = person("grace")
    agents.supervise(world.maya, "offline", by=grace)
    shown = re.findall(r'<span data-why="([\w ]+)">', page.get("/workspace/").content.decode())
    assert shown == ["forced", "forced"]  # beside the name, and in the menu


# What open pages are told, over sockets.


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
class TestOpenPages:
    async def heard(self, communicator: Any, kind: str, **fields: str) -> dict[str, Any]:
        """The next frame of this kind with these fields; others come between."""
        async with asyncio.timeout(20):
            while True:
                frame: dict[str, Any] = await communicator.receive_json_from(timeout=20)
                if frame["type"] == kind and fields.items() <= frame.items():
                    return frame

    async def opened(self, path: str, user: User, after: int | str) -> Any:
        communicator = await socket(path, await sync_to_async(signed_in)(user))
        assert (await communicator.connect(timeout=20))[0]
        await communicator.send_json_to({"type": "resume", "after": after})
        return communicator

    async def test_her_page_hears_that_her_agent_goes_and_comes_back(self, transactional_db: None) -> None:
        world = await sync_to_async(invited)()
        world.case = await sync_to_async(proven)(world)
        page = await self.opened(f"/ws/case/{world.case.public_id}/", world.maria.user, 0)
        await self.heard(page, "caught_up")
        maya = await sync_to_async(signed_in)(world.maya.user)
        for state in ("away", "online"):
            await sync_to_async(maya.post)("/workspace/availability/", {"state": state})
            await self.heard(page, "case", what="availability")
        await page.disconnect()

    async def test_an_agents_pages_show_at_once_what_a_supervisor_and_idleness_make_of_them(
        self, transactional_db: None
    ) -> None:
        world = await sync_to_async(invited)()
        inbox = await self.opened("/ws/inbox/", world.maya.user, "")
        await self.heard(inbox, "availability", state="online", by="hand")
        await inbox.send_json_to({"type": "alive", "active": False})
        await self.heard(inbox, "availability", state="away", by="idle")
        await inbox.send_json_to({"type": "alive", "active": True})
        await self.heard(inbox, "availability", state="online", by="hand")

        def force() -> None:
            grace = person("grace")
            appoint_supervisor(grace)
            chosen = {"action": "put_offline", "_selected_action": [world.maya.pk], "index": 0}
            signed_in(grace).post("/admin/accounts/agent/", chosen)

        await sync_to_async(force)()
        await self.heard(inbox, "availability", state="offline", by="forced")
        await inbox.send_json_to({"type": "alive", "active": True})
        again = await self.opened("/ws/inbox/", world.maya.user, "")
        await self.heard(again, "availability", state="offline", by="forced")
        for communicator in (inbox, again):
            await communicator.disconnect()

    async def test_opening_the_workspace_ends_offline_and_the_page_reads_it(self, transactional_db: None) -> None:
        world = await sync_to_async(invited)()
        await sync_to_async(agents.set_availability)(world.maya, "offline")
        inbox = await self.opened("/ws/inbox/", world.maya.user, "")
        await self.heard(inbox, "availability", state="online", by="hand")
        await sync_to_async(world.maya.refresh_from_db)()
        assert world.maya.seen_at is not None
        await inbox.disconnect()
