"""Who can be given work: availability and shifts."""

from datetime import UTC, datetime, time
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts import agents
from accounts.models import Agent, Shift, User

MONDAY, SUNDAY = 0, 6


def shift(agent: Agent, weekday: int, starts: str, ends: str) -> Shift:
    return Shift.objects.create(
        agent=agent, weekday=weekday, starts=time.fromisoformat(starts), ends=time.fromisoformat(ends)
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# 2026-11-23 is a Monday.
@pytest.mark.parametrize(
    ("moment", "working"),
    [
        ("2026-11-23T08:59:59", False),
        ("2026-11-23T09:00", True),
        ("2026-11-23T16:59:59", True),
        ("2026-11-23T17:00", False),
        ("2026-11-24T10:00", False),
    ],
)
def test_a_day_shift_covers_its_hours_of_its_day(moment: str, working: bool, maya: Agent) -> None:
    shift(maya, MONDAY, "09:00", "17:00")
    assert agents.on_shift(maya, at(moment)) is working


@pytest.mark.parametrize(
    ("moment", "working"),
    [
        ("2026-11-22T21:59", False),  # Sunday evening
        ("2026-11-22T22:00", True),
        ("2026-11-23T05:59", True),  # into Monday
        ("2026-11-23T06:00", False),
        ("2026-11-23T22:00", False),
        ("2026-11-22T03:00", False),  # the night before belongs to Saturday
    ],
)
def test_a_night_shift_reaches_into_the_next_day(moment: str, working: bool, maya: Agent) -> None:
    shift(maya, SUNDAY, "22:00", "06:00")
    assert agents.on_shift(maya, at(moment)) is working


def test_equal_ends_make_a_whole_day(maya: Agent) -> None:
    shift(maya, MONDAY, "06:00", "06:00")
    covered = [agents.on_shift(maya, at(f"2026-11-2{day}T05:00")) for day in (3, 4, 5)]
    assert covered == [False, True, False]


def test_shifts_are_in_the_agents_own_time_summer_and_winter(maya: Agent) -> None:
    maya.time_zone = "America/New_York"
    shift(maya, MONDAY, "09:00", "10:00")
    assert agents.on_shift(maya, at("2026-11-23T14:30"))  # UTC-5
    assert not agents.on_shift(maya, at("2026-07-20T14:30"))  # UTC-4: half past ten
    assert agents.on_shift(maya, at("2026-07-20T13:30"))


def test_without_shifts_there_is_no_roster(maya: Agent) -> None:
    assert agents.on_shift(maya, at("2026-11-23T03:00"))


def test_a_naive_time_is_refused(maya: Agent) -> None:
    with pytest.raises(ValueError, match="aware"):
        agents.on_shift(maya, datetime(2026, 11, 23))


def make(name: str, availability: str = "online", **login: Any) -> Agent:
    user = User.objects.create_user(name, **login)
    return Agent.objects.create(user=user, name=name, availability=availability)


def test_available_are_those_online_on_shift_and_let_in(db: None) -> None:
    omar, night = make("Omar"), make("Lena")
    make("Busy", "busy"), make("Away", "away"), make("Offline", "offline"), make("Closed", is_active=False)
    shift(night, MONDAY, "22:00", "06:00")
    assert agents.available(Agent.objects.all(), at("2026-11-23T12:00")) == [omar]
    assert agents.available(Agent.objects.all(), at("2026-11-23T23:00")) == [night, omar]
    assert agents.available(Agent.objects.filter(name="Lena"), at("2026-11-23T12:00")) == []


@pytest.mark.parametrize("number", [1, 3])
def test_available_asks_twice_for_any_number(number: int, db: None, django_assert_num_queries: Any) -> None:
    for index in range(number):
        shift(make(f"agent{index}"), MONDAY, "09:00", "17:00")
    with django_assert_num_queries(2):
        assert len(agents.available(Agent.objects.all(), at("2026-11-23T12:00"))) == number


def test_setting_availability_reports_the_change_once(maya: Agent) -> None:
    other_tab = Agent.objects.get(pk=maya.pk)
    assert [agents.set_availability(agent, "online") for agent in (maya, other_tab)] == [True, False]
    assert (maya.availability, other_tab.availability) == ("online", "online")


def test_a_closed_login_cannot_go_online(maya: Agent) -> None:
    User.objects.filter(pk=maya.user_id).update(is_active=False)
    assert not agents.set_availability(maya, "online")
    assert Agent.objects.get().availability == "offline"


def test_an_unknown_availability_is_refused_by_us_and_by_the_database(maya: Agent) -> None:
    with pytest.raises(ValueError, match="online, busy, away, offline"):
        agents.set_availability(maya, "asleep")
    with pytest.raises(IntegrityError), transaction.atomic():
        Agent.objects.update(availability="asleep")


def test_an_agent_takes_eight_cases_unless_told_otherwise(maya: Agent) -> None:
    assert maya.capacity == 8
