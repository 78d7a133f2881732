"""The admin's lists and its first page: as many queries for three rows as for one, figures that open to their rows."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Team
from citisocial.clock import now
from conversations import alarms, metrics, stops
from conversations.admin import listing
from conversations.models import Author, Brand, BrandAccount, Case, ListeningRule, Mention, ReplyTemplate
from tests.factories.heard import bank, person, post
from tests.factories.walked import opened, release, supervisor, walked, written_to

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon(settings):
    """Keep midnight away from the tests' rows, whenever the tests run."""
    settings.TIME_ZONE = "Etc/GMT+12" if now().hour < 12 else "UTC"


@pytest.fixture
def grace(client):
    client.force_login(supervisor())
    return client


def url(model, query=""):
    return reverse(f"admin:conversations_{model}_changelist") + query


def more(b):
    """One more row in every list, each with other people around it."""
    case = walked(b)
    release(stops.start(brand=b.brand, by=case.agent.user, reason="odd"))
    alarms.raise_once("cap", f"cap:{case.pk}", user=case.agent.user)
    ListeningRule.objects.create(brand=b.brand, tag=f"rule-{case.pk}", value="citibank")
    ReplyTemplate.objects.create(brand=b.brand, use="chat", name=f"Greeting {case.pk}", text="Hello")
    brand = Brand.objects.create(name=f"Bank {case.pk}", slug=f"bank-{case.pk}", address="bank.example")
    team = Team.objects.create(name=f"Team {case.pk}")
    BrandAccount.objects.create(brand=brand, external_id=f"9{case.pk}", handle=f"Bank{case.pk}", team=team)


QUERIES = {
    "alarm": 6,
    "auditevent": 10,  # four of them: who read lately, the clock, the newest seal, the last verification
    "author": 6,
    "brand": 6,
    "brandaccount": 8,
    "case": 9,
    "invitation": 6,
    "listeningrule": 8,
    "mention": 7,
    "outgoing": 7,
    "replytemplate": 8,
    "sendingstop": 8,
    "survey": 8,
}


def costs(client):
    """Queries per list: four for who is asking, one to count, one for the rows, one per filter that lists rows."""
    found = {}
    for model in QUERIES:
        with CaptureQueriesContext(connection) as seen:
            assert client.get(url(model)).status_code == 200
        found[model] = len(seen)
    return found


def test_a_list_costs_the_same_for_three_rows_as_for_one(grace):
    b = bank()
    more(b)
    costs(grace)  # what a process asks once (content types) is asked now
    assert costs(grace) == QUERIES
    more(b)
    more(b)
    assert costs(grace) == QUERIES


def test_no_list_counts_or_skips_through_a_whole_table(grace, monkeypatch):
    monkeypatch.setattr(listing, "MOST", 2)
    b = bank()
    b.hear(*(post("citibank took my money", created_at=now()) for _ in range(4)))
    with CaptureQueriesContext(connection) as seen:
        shown = grace.get(url("mention")).content.decode()
    assert "2 or more mentions" in shown
    counting = [q["sql"] for q in seen.captured_queries if "COUNT(*)" in q["sql"].upper()]
    assert len(counting) == 1
    assert "LIMIT 2" in counting[0]
    assert "ORDER BY" not in counting[0]
    assert grace.get(url("mention", "?p=2000000")).status_code in {200, 302}


@pytest.mark.parametrize("typed", ["@maria_m", "maria", "MARIA_M"])
def test_a_handle_or_its_beginning_finds_its_rows(grace, typed):
    b = bank()
    mine = opened(b, author=person("maria_m"))
    opened(b, author=person("jorge_maria"))
    for model, row in (("case", mine.pk), ("mention", mine.mentions.get().pk), ("author", mine.author_id)):
        found = grace.get(url(model, f"?q={typed}")).context["cl"].result_list
        assert [each.pk for each in found] == [row]


def test_numbers_find_exactly_one(grace):
    b = bank()
    first, _second = opened(b), opened(b)
    mention = first.mentions.get()
    assert list(grace.get(url("mention", f"?q={mention.external_id}")).context["cl"].result_list) == [mention]
    assert list(grace.get(url("mention", f"?q={mention.external_id[:-2]}")).context["cl"].result_list) == []
    assert list(grace.get(url("case", f"?q=%23{first.pk}")).context["cl"].result_list) == [first]
    assert grace.get(url("case", "?q=" + "9" * 40)).status_code == 200
    assert grace.get(url("auditevent", f"?q={first.pk}")).context["cl"].result_count == 1


def test_every_figure_opens_to_as_many_rows_as_it_says(grace):
    b = bank()
    maya = b.agent("Maya")
    b.hear(post("RT @a: citibank", is_retweet=True, created_at=now()), post("$C puts", created_at=now()))
    opened(b)
    written_to(opened(b), maya)
    walked(b)
    walked(b)
    yesterday = walked(b)
    before = metrics.day_start(now())
    before = before.replace(year=before.year - 1)
    Case.objects.filter(pk=yesterday.pk).update(opened_at=before, changed_at=before, resolved_at=before)
    Mention.objects.filter(case=yesterday).update(posted_at=before)

    context = grace.get(reverse("admin:index")).context

    rows = {}
    for figure in [*context["figures"], *context["steps"]]:
        if "/change/" not in figure.url:
            rows[figure.label] = grace.get(figure.url).context["cl"].result_count
    shown = {figure.label: figure.value for figure in [*context["figures"], *context["steps"]]}
    assert rows == {
        "Posts heard": int(shown["Posts heard"]),
        "Cases opened": int(shown["Cases opened"]),
        "Open now": int(shown["Open now"]),
        "Waiting for us": int(shown["Waiting for us"]),
        "Rated": context["today"].rated,
        "Contacted": int(shown["Contacted"]),
        "Invitations sent": int(shown["Invitations sent"]),
        "Of these opened": context["today"].invitations_opened,
        "Connected": int(shown["Connected"]),
        "Resolved": int(shown["Resolved"]),
    }
    assert rows["Posts heard"] == 6
    assert rows["Resolved"] == 2
    assert rows["Of these opened"] == 2 + 1  # the hand-off of yesterday's case was today
    for reason, count, link in context["ignored"]:
        assert (reason, grace.get(link).context["cl"].result_count) == (reason, count)


def test_the_first_page_has_a_plot_with_words_and_a_table(grace):
    b = bank()
    opened(b)
    shown = grace.get(reverse("admin:index")).content.decode()
    plot = re.search(r'<svg class="adm-plot".*?</svg>', shown, re.S)
    assert plot is not None
    assert "1 posts and 1 cases" in plot.group()
    assert len(re.findall(r"<tr><td>\w{3} \d\d:\d\d</td>", shown)) == 24
    points = re.search(r'class="line-1" points="([^"]+)"', plot.group())
    assert points is not None
    assert len(points.group(1).split()) == 24
    assert Author.objects.count() == 1


def test_the_plots_labels_do_not_lie_on_each_other_or_on_the_hours(grace):
    bank()
    curves = grace.get(reverse("admin:index")).context["plot"].curves
    assert [curve.label_y for curve in curves] == [168, 184]


def test_the_first_page_costs_the_same_however_much_there_is(grace):
    b = bank()
    walked(b)
    grace.get(reverse("admin:index"))
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as seen:
            grace.get(reverse("admin:index"))
        counts.append(len(seen))
        more(b)
        opened(b)
    assert counts[0] == counts[1]
    assert counts[0] <= 31  # ten of them for channels and budget, which are remembered for some seconds elsewhere
