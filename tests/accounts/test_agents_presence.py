"""Whether an agent is here: what they chose, what was done for them, and what a supervisor said."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import agents, signals
from accounts.models import Agent, User
from citisocial.clock import now
from conversations.models import AuditEvent


def stands(agent: Agent) -> tuple[str, str]:
    agent.refresh_from_db()
    return agent.availability, agent.set_by


def opened(agent: Agent, state: str = "online") -> Agent:
    """With a page open, in this state by their own choice."""
    agents.arrive(agent)
    agents.set_availability(agent, state)
    return agent


def unseen_for(agent: Agent, seconds: float) -> None:
    Agent.objects.filter(pk=agent.pk).update(seen_at=now() - timedelta(seconds=seconds))


def vanished(agent: Agent) -> None:
    """Their last page is gone, and beat has found it."""
    unseen_for(agent, settings.AGENT_GONE_SECONDS + 1)
    assert agents.put_gone_offline() == 1


def test_doing_nothing_makes_an_online_agent_away_and_doing_something_brings_them_back(maya: Agent) -> None:
    opened(maya)
    assert agents.active(maya, False)
    assert stands(maya) == ("away", "idle")
    assert agents.active(maya, True)
    assert stands(maya) == ("online", "hand")


@pytest.mark.parametrize("state", ["busy", "away", "offline"])
def test_what_is_chosen_by_hand_counts_more_than_doing_something_or_nothing(state: str, maya: Agent) -> None:
    opened(maya, state)
    for does_something in (False, True):
        assert not agents.active(maya, does_something)
        assert stands(maya) == (state, "hand")


def test_away_by_hand_after_away_by_itself_stays(maya: Agent) -> None:
    opened(maya)
    agents.active(maya, False)
    assert agents.set_availability(maya, "away")
    assert not agents.active(maya, True)
    assert stands(maya) == ("away", "hand")


def test_who_is_seen_no_more_is_offline_after_two_minutes_and_not_before(maya: Agent) -> None:
    opened(maya)
    unseen_for(maya, settings.AGENT_GONE_SECONDS - 5)
    assert agents.put_gone_offline() == 0
    vanished(maya)
    assert stands(maya) == ("offline", "idle")
    assert agents.put_gone_offline() == 0


def test_who_never_had_a_page_open_is_left_alone(maya: Agent) -> None:
    agents.set_availability(maya, "online")
    assert maya.seen_at is None
    assert agents.put_gone_offline() == 0


def test_who_chooses_a_state_is_here(maya: Agent) -> None:
    opened(maya)
    unseen_for(maya, 3600)
    agents.set_availability(maya, "busy")
    assert agents.put_gone_offline() == 0


@pytest.mark.parametrize("back", [agents.arrive, lambda agent: agents.seen([agent.pk])], ids=["opened", "seen"])
@pytest.mark.parametrize("state", ["online", "busy", "away"])
def test_whose_page_is_back_is_what_they_were(state: str, back: Any, maya: Agent) -> None:
    opened(maya, state)
    vanished(maya)
    back(maya)
    assert stands(maya) == (state, "hand")
    assert agents.put_gone_offline() == 0


def test_who_did_nothing_before_the_line_broke_is_still_away_and_comes_back_by_doing_something(maya: Agent) -> None:
    opened(maya)
    agents.active(maya, False)
    vanished(maya)
    assert agents.arrive(maya)
    assert stands(maya) == ("away", "idle")
    agents.active(maya, True)
    assert stands(maya) == ("online", "hand")


def test_opening_the_workspace_ends_offline_by_hand_and_a_page_that_was_open_does_not(maya: Agent) -> None:
    opened(maya, "offline")
    agents.seen([maya.pk])
    assert stands(maya) == ("offline", "hand")
    assert agents.arrive(maya)
    assert stands(maya) == ("online", "hand")


def test_a_closed_login_does_not_come_back(maya: Agent) -> None:
    opened(maya)
    vanished(maya)
    User.objects.update(is_active=False)
    agents.seen([maya.pk])
    assert not agents.arrive(maya)
    assert stands(maya) == ("offline", "idle")


def test_seeing_costs_one_statement_whatever_their_number(maya: Agent, eve: User) -> None:
    omar = Agent.objects.create(user=eve, name="Omar", availability="online")
    for ids in ([maya.pk], [omar.pk, maya.pk]):
        with CaptureQueriesContext(connection) as asked:
            agents.seen(ids)
        assert len([query for query in asked if "accounts_agent" in query["sql"]]) == 1
    assert None not in Agent.objects.values_list("seen_at", flat=True)


def test_away_since_is_one_time_for_the_whole_absence(maya: Agent) -> None:
    def since() -> datetime | None:
        return Agent.objects.values_list("away_since", flat=True).get()

    opened(maya)
    assert since() is None
    agents.active(maya, False)
    began = since()
    assert began is not None
    vanished(maya)
    agents.set_availability(maya, "away")
    assert since() == began
    agents.set_availability(maya, "busy")
    assert since() is None


def test_a_change_is_told_once(maya: Agent) -> None:
    told: list[list[int]] = []

    def hear(*, agent_ids: list[int], **_: Any) -> None:
        told.append(agent_ids)

    signals.availability_changed.connect(hear)
    try:
        opened(maya)
        opened(maya)
        agents.seen([maya.pk])
        assert told == [[maya.pk]]
        vanished(maya)
        assert told == [[maya.pk]] * 2
    finally:
        signals.availability_changed.disconnect(hear)


# What a supervisor says.


@pytest.fixture
def desk(client: Client, grace: User) -> Client:
    """Grace's browser."""
    client.force_login(grace)
    return client


def press(desk: Client, action: str, agent: Agent, query: str = "") -> str:
    chosen = {"action": action, "_selected_action": [agent.pk], "index": 0}
    return desk.post(f"/admin/accounts/agent/{query}", chosen, follow=True).content.decode()


def test_whom_a_supervisor_puts_offline_stays_so_whatever_their_pages_do(desk: Client, maya: Agent) -> None:
    opened(maya)
    press(desk, "put_offline", maya)
    agents.seen([maya.pk])
    agents.active(maya, True)
    assert not agents.arrive(maya)
    assert stands(maya) == ("offline", "forced")


def test_they_come_back_by_hand_or_when_it_is_lifted(desk: Client, maya: Agent) -> None:
    opened(maya)
    press(desk, "put_offline", maya)
    assert agents.set_availability(maya, "busy")
    assert stands(maya) == ("busy", "hand")
    press(desk, "put_offline", maya)
    press(desk, "put_online", maya)
    assert stands(maya) == ("online", "hand")


def test_whom_a_supervisor_puts_away_is_not_brought_back_by_a_key(desk: Client, maya: Agent) -> None:
    opened(maya)
    press(desk, "put_away", maya)
    agents.active(maya, True)
    vanished(maya)
    agents.arrive(maya)
    assert stands(maya) == ("away", "forced")


def test_the_trail_has_what_a_supervisor_did_once(desk: Client, maya: Agent) -> None:
    opened(maya)
    for action in ("put_offline", "put_offline", "put_online"):
        press(desk, action, maya)
    lines = AuditEvent.objects.order_by("pk").values_list("verb", "user__username", "actor", "data__login")
    assert list(lines) == [(verb, "grace", "supervisor", maya.user_id) for verb in ("agent_offline", "agent_online")]


def test_the_list_says_how_many_it_changed_when_it_is_filtered_by_what_they_were(desk: Client, maya: Agent) -> None:
    opened(maya)
    assert "1 of 1 changed" in press(desk, "put_offline", maya, "?availability__exact=online")


def test_an_agent_may_not_do_a_supervisors_act(client: Client, maya: Agent) -> None:
    opened(maya)
    client.force_login(maya.user)
    press(client, "put_offline", maya)
    assert stands(maya) == ("online", "hand")
