"""The supervisor's figures: what they count, what they leave out, and that they cost the same for many rows."""

import itertools
import re
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from citisocial.clock import now
from conversations import metrics, stops
from conversations.models import Case, Invitation, Mention, Outgoing, Survey
from tests.factories.heard import bank, post
from tests.factories.walked import customer as somebody
from tests.factories.walked import joined, opened, release, solved, supervisor, walked, written_to

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon(settings):
    """The tests' posts are of this minute: keep midnight away from it, whenever the tests run."""
    settings.TIME_ZONE = "Etc/GMT+12" if now().hour < 12 else "UTC"


def queries(what):
    with CaptureQueriesContext(
        connection,
    ) as seen:
        what()
    return seen.captured_queries


def test_today_counts_each_step_of_the_walk():
    b = bank()
    maya = b.agent("Maya")
    b.hear(post("RT @a: citibank", is_retweet=True, created_at=now()))
    b.hear(post("$C calls, price target up", created_at=now()), post("$C puts", created_at=now()))
    waits = opened(b)
    written_to(opened(b), maya)
    solved(joined(written_to(opened(b), maya), somebody()), csat=4)

    today = metrics.today()

    assert (today.posts, today.cased, today.untriaged, today.ignored_count) == (6, 3, 0, 3)
    assert today.ignored == (metrics.Reason("stock_chatter", 2), metrics.Reason("retweet", 1))
    assert (today.opened, today.contacted, today.connected, today.resolved) == (3, 2, 1, 1)
    assert (today.open_cases, today.unassigned, today.waiting) == (2, 1, 1)
    assert today.longest is not None
    assert (today.longest.case_id, today.longest.handle) == (waits.pk, waits.author.handle)
    assert (today.invited, today.invitations_opened, today.opened_percent) == (2, 1, 50)
    assert (today.rated, today.csat) == (1, 4.0)


def test_today_leaves_out_what_happened_before_midnight():
    b = bank()
    walked(b)
    before = metrics.day_start(now()) - timedelta(seconds=1)
    Mention.objects.update(posted_at=before)
    Case.objects.update(
        opened_at=before, changed_at=before, first_contact_at=before, resolved_at=before, waiting_since=before
    )
    Outgoing.objects.update(claimed_at=before)
    Invitation.objects.update(joined_at=before, opened_at=before)
    Survey.objects.update(offered_at=before, answered_at=before)

    today = metrics.today()

    assert (today.posts, today.opened, today.contacted, today.connected, today.resolved) == (0, 0, 0, 0, 0)
    assert (today.invited, today.opened_percent, today.rated, today.csat) == (0, None, 0, None)


def test_a_case_of_yesterday_that_is_solved_today_counts_as_solved_and_not_as_opened():
    b = bank()
    case = joined(written_to(opened(b), b.agent("Maya")), somebody())
    before = metrics.day_start(now()) - timedelta(hours=3)
    Case.objects.update(opened_at=before, first_contact_at=before)
    solved(case)
    today = metrics.today()
    assert (today.opened, today.contacted, today.resolved) == (0, 0, 1)


def test_hours_are_whole_and_none_is_missing():
    b = bank()
    at = now()
    for minutes in (5, 59, 61, 23 * 60 + 59, 24 * 60 + 1):
        b.hear(post("citibank took my money", created_at=at - timedelta(minutes=minutes)))

    hours = metrics.by_hour()

    assert len(hours) == 24
    assert [hour.posts for hour in hours] == [1] + [0] * 21 + [1, 2]
    assert [hour.cases for hour in hours] == [0] * 23 + [5]  # opened when they were heard
    assert [later.until - hour.until for hour, later in itertools.pairwise(hours)] == [timedelta(hours=1)] * 23


def test_a_figure_costs_the_same_for_one_row_and_for_many():
    b = bank()
    walked(b)
    few = {name: len(queries(what)) for name, what in READERS.items()}
    for _ in range(3):
        walked(b)
        opened(b)
    assert (
        {name: len(queries(what)) for name, what in READERS.items()}
        == few
        == {
            "today": 8,
            "by_hour": 3,
            "desks": 3,
            "sending": 2,
        }
    )


READERS = {
    "today": metrics.today,
    "by_hour": metrics.by_hour,
    "desks": metrics.desks,
    "sending": metrics.sending,
}


@pytest.mark.django_db(transaction=True)  # after those that roll back: what they leave in the tables moves plans
def test_every_figure_has_an_index_to_go_by():
    b = bank()
    walked(b)
    with transaction.atomic():
        today, hours = plans(metrics.today), plans(metrics.by_hour)
    for table in ("mention", "case", "invitation", "outgoing", "survey"):
        assert [plan for plan in today + hours if f"Seq Scan on conversations_{table}" in plan] == []
    # Bounded by the index itself, and not by reading all rows of a brand.
    assert bounds(today) == ["posted_at", "changed_at", "claimed_at", "changed_at", "offered_at"]
    assert bounds(hours) == ["posted_at", "changed_at"]


def plans(figures):
    statements = [query["sql"] for query in queries(figures)]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # a plan with one still has it where nothing else is possible
        found = []
        for statement in statements:
            cursor.execute("EXPLAIN " + statement)
            found.append("\n".join(row[0] for row in cursor.fetchall()))
    return found


def bounds(found):
    """The time that bounds each index scan, in the order the figures are asked."""
    return [match[1] for plan in found for match in re.finditer(r"Index Cond: .*\b(\w+_at) >=", plan)]


def test_desks_show_load_and_roster_of_who_answers_for_the_brand():
    b = bank()
    maya, omar = b.agent("Maya"), b.agent("Omar", online=False)
    other = bank_agent_elsewhere()
    written_to(opened(b), maya)
    found = {desk.agent: (desk.load, desk.on_shift) for desk in metrics.desks()}
    assert found == {maya: (1, True), omar: (0, True)}
    assert other not in found


def bank_agent_elsewhere():
    from accounts.models import Agent, Team, User

    user = User.objects.create_user("elsewhere", "elsewhere@example.test", "walk-the-talk")
    agent = Agent.objects.create(user=user, name="Elsewhere")
    agent.teams.add(Team.objects.create(name="Another"))
    return agent


def test_sending_names_the_stop_that_holds():
    b, grace = bank(), supervisor()
    assert [each.stops for each in metrics.sending()] == [()]
    wide, narrow = (stops.start(by=grace, reason="odd links", account=account) for account in (None, b.news))
    assert [each.stops for each in metrics.sending()] == [(wide, narrow)]
    release(wide)
    release(narrow)
    assert [each.stops for each in metrics.sending()] == [()]
