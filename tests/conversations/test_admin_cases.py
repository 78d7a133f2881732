"""What a supervisor does with cases goes through the agents' functions, and leaves its line."""

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from conversations.models import AuditEvent, Case, Survey
from tests.factories.heard import bank
from tests.factories.walked import customer, joined, opened, supervisor, walked, written_to

pytestmark = pytest.mark.django_db
CASES = "admin:conversations_case_changelist"


@pytest.fixture
def user():
    return supervisor()


@pytest.fixture
def grace(client, user):
    client.force_login(user)
    return client


def act(client, case, **form):
    return client.post(reverse("admin:conversations_case_act", args=[case.pk]), form)


def chosen(client, action, *cases, **form):
    form |= {"action": action, "_selected_action": [case.pk for case in cases], "index": "0"}
    return client.post(reverse(CASES), form)


def said(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


def line(case, verb):
    return AuditEvent.objects.get(case=case, verb=verb)


def test_reassigning_gives_the_case_to_the_chosen_agent(grace, user):
    b = bank()
    maya, omar = b.agent("Maya"), b.agent("Omar")
    case = opened(b)
    written_to(case, maya)
    act(grace, case, what="reassign", agent=omar.pk)
    case.refresh_from_db()
    assert (case.agent, case.status) == (omar, "CONTACTED")
    trail = line(case, "reassigned")
    assert (trail.user, trail.actor, trail.data["agent"]) == (user, "supervisor", "Omar")


def test_an_agent_of_another_team_is_refused_in_words(grace):
    b = bank()
    stranger = b.agent("Stranger")
    stranger.teams.clear()
    case = opened(b)
    answer = act(grace, case, what="reassign", agent=stranger.pk)
    assert said(answer) == [f"{case} (@{case.author.handle}): Stranger is in no team of Citi."]
    case.refresh_from_db()
    assert (case.agent, case.status) == (None, "OPEN")


def test_reassigning_needs_an_agent(grace):
    case = opened(bank())
    assert said(act(grace, case, what="reassign", agent="")) == ["Choose the agent who shall have this case."]
    case.refresh_from_db()
    assert case.status == "OPEN"


def test_resolving_asks_the_customer_and_reopening_goes_back_to_the_chat(grace, user):
    b = bank()
    case = joined(written_to(opened(b), b.agent("Maya")), customer())
    act(grace, case, what="resolve")
    case.refresh_from_db()
    assert case.status == "RESOLVED"
    assert Survey.objects.get(case=case).state == "OFFERED"
    assert (line(case, "resolved").user, line(case, "resolved").actor) == (user, "supervisor")
    act(grace, case, what="reopen")
    case.refresh_from_db()
    assert case.status == "CONNECTED"
    assert (line(case, "reopened").user, line(case, "reopened").actor) == (user, "supervisor")


def test_a_button_that_came_too_late_changes_nothing(grace):
    case = walked(bank())
    lines = AuditEvent.objects.count()
    assert "look again" in said(act(grace, case, what="resolve"))[0]
    assert AuditEvent.objects.count() == lines


def test_looking_at_a_button_does_nothing(grace):
    case = opened(bank())
    assert grace.get(reverse("admin:conversations_case_act", args=[case.pk])).status_code == 405
    assert act(grace, case, what="explode").status_code == 302
    case.refresh_from_db()
    assert case.status == "OPEN"


def test_buttons_need_the_form_they_came_with(user):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    case = opened(bank())
    assert act(client, case, what="resolve").status_code == 403
    case.refresh_from_db()
    assert case.status == "OPEN"


def test_many_cases_at_once_each_with_its_own_answer(grace):
    b = bank()
    maya = b.agent("Maya")
    first, second, over = opened(b), opened(b), walked(b)
    answer = chosen(grace, "give_chosen", first, second, over, agent=maya.pk)
    assert sorted(case.agent.name for case in Case.objects.filter(pk__in=[first.pk, second.pk])) == ["Maya", "Maya"]
    assert said(answer) == [
        f"{over} (@{over.author.handle}): Reopen this case before you give it to somebody.",
        "Done: 2 cases.",
    ]
    assert said(chosen(grace, "resolve_chosen", first))[-1] == "Done: 1 case."
    assert said(chosen(grace, "reopen_chosen", first))[-1] == "Done: 1 case."
    assert AuditEvent.objects.filter(verb__in=["reassigned", "resolved", "reopened"], actor="supervisor").count() == 4


def test_giving_many_cases_needs_an_agent(grace):
    case = opened(bank())
    assert said(chosen(grace, "give_chosen", case)) == ["Choose the agent who shall have these cases."]
    case.refresh_from_db()
    assert case.status == "OPEN"


def test_a_supervisor_who_may_only_look_has_no_buttons(client):
    from django.contrib.auth.models import Permission

    from accounts.models import User

    viewer = User.objects.create_user("viewer", "viewer@example.test", "walk-the-talk", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_case"))
    client.force_login(viewer)
    case = opened(bank())
    shown = client.get(reverse("admin:conversations_case_change", args=[case.pk]))
    assert shown.status_code == 200
    assert "/act/" not in shown.content.decode()
    assert act(client, case, what="resolve").status_code == 403
    chosen(client, "resolve_chosen", case)
    case.refresh_from_db()
    assert case.status == "OPEN"


def test_the_page_of_a_case_tells_its_whole_story_in_order(grace):
    b = bank()
    case = walked(b, b.agent("Maya"))
    shown = grace.get(reverse("admin:conversations_case_change", args=[case.pk])).content.decode()
    story = [
        "@AskCiti my card was declined",
        "Maya took the case",
        "Hi, here is the way:",
        "It happened at noon",
        "Maya resolved the case",
        "Answered: 5 of 5",
        "Quick &amp; &lt;b&gt;kind&lt;/b&gt;",
    ]
    places = [shown.find(piece) for piece in story]
    assert -1 not in places
    assert places == sorted(places)
    assert "Joined the secure chat" in shown  # the trail below it
