"""Who gets a case: who knows the person, who speaks the language, who has room, who is there."""

import pytest

from accounts import agents
from conversations import assignment, cases
from conversations.errors import CaseTaken, NotAllowed
from conversations.models import AuditEvent, Case
from tests.factories.heard import bank, person, post

pytestmark = pytest.mark.django_db


def given(case):
    assignment.assign_waiting()
    case.refresh_from_db()
    return case.agent


def test_case_goes_to_who_speaks_the_language_and_the_reason_is_kept():
    b = bank()
    b.agent("Omar")
    maya = b.agent("Maya", languages=("en", "es"))
    case = b.hear(post("mi tarjeta de citi no funciona", language="es"))[0].case
    assert given(case) == maya
    trail = AuditEvent.objects.get(verb="assigned")
    assert trail.data["reason"] == "speaks es"


def test_least_loaded_goes_first_and_nobody_beyond_capacity():
    b = bank()
    maya, omar = b.agent("Maya", capacity=2), b.agent("Omar", capacity=1)
    made = [b.case() for _ in range(4)]
    assignment.assign_waiting()
    holders = [Case.objects.get(pk=case.pk).agent for case in made]
    assert sorted(agent.name for agent in holders if agent) == ["Maya", "Maya", "Omar"]
    assert {maya, omar, None} == set(holders)


def test_who_is_away_or_off_shift_gets_nothing():
    b = bank()
    maya = b.agent("Maya", online=False)
    case = b.case()
    assert given(case) is None
    agents.set_availability(maya, "online")
    assert given(case) == maya


def test_the_agent_who_knows_the_person_comes_first():
    b, maria = bank(), person("maria_m")
    omar = b.agent("Omar", languages=("ar",))
    first = b.hear(post("my citi card", maria))[0].case
    cases.hand_to(first, omar, verb="taken", actor="agent", user=omar.user)
    cases.resolve(first, by=omar.user)
    cases.transition(first, Case.Status.CLOSED, verb="closed", actor="cases")
    b.agent("Maya")
    second = b.hear(post("my citi card again", maria, minutes=9))[0].case
    assert given(second) == omar


def test_language_nobody_speaks_goes_to_somebody():
    b = bank()
    maya = b.agent("Maya")
    assert given(b.hear(post("citi カード", language="ja"))[0].case) == maya


def test_taking_names_who_was_faster():
    b = bank()
    maya, omar = b.agent("Maya"), b.agent("Omar")
    case = b.case()
    stale = Case.objects.get(pk=case.pk)
    assignment.take(case, omar)
    with pytest.raises(CaseTaken):
        assignment.take(Case.objects.get(pk=case.pk), maya)
    with pytest.raises(Exception, match="changed"):
        assignment.take(stale, maya)


def test_supervisor_reassigns_within_the_brands_teams_only():
    b = bank()
    maya, eve = b.agent("Maya"), b.agent("Eve")
    eve.teams.clear()
    case = assignment.take(b.case(), maya)
    with pytest.raises(NotAllowed):
        assignment.reassign(case, eve, by=maya.user)
    omar = b.agent("Omar")
    assignment.reassign(case, omar, by=maya.user)
    assert (case.agent, case.status) == (omar, "ASSIGNED")


def test_assigning_costs_the_same_queries_whatever_waits(django_assert_max_num_queries):
    b = bank()
    b.agent("Maya", capacity=1)
    for _ in range(5):
        b.case()
    assignment.assign_waiting()
    with django_assert_max_num_queries(10):
        assignment.assign_waiting()
