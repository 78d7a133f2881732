"""What the network charges: each thing once a day, whoever counts it; a limit that never touches the handles."""

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.utils import OperationalError

from conversations import metering
from conversations.models import AuditEvent, Budget, Charge, Usage
from conversations.networks.base import Charge as Charged
from tests.factories.walked import supervisor

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PAGE = "/admin/conversations/budget/"


def post(number, call="stream", resource="post", micros=5_000):
    return Charged(resource, str(number), micros, call)


def spent(day=None):
    rows = Usage.objects.filter(day=day or metering.today()).order_by("resource", "call")
    return [(row.resource, row.call, row.units, row.micros) for row in rows]


def cost(dollars, *, call="search", days_ago=0):
    """A day on which this was spent."""
    day = metering.today() - timedelta(days=days_ago)
    Usage.objects.create(network="x", day=day, resource="post", call=call, units=1, micros=round(dollars * 1_000_000))


@pytest.fixture
def noon(monkeypatch):
    """It is 12:00 UTC on 22 November 2026."""
    monkeypatch.setattr(metering, "now", lambda: NOON)


@pytest.fixture
def limited(noon):
    Budget.objects.create(network="x", daily_limit=Decimal("10.00"))


# --- counting ---------------------------------------------------------------------------------------------------


def test_the_same_thing_is_charged_once_a_day_whichever_call_brings_it():
    metering.record("x", [post(1), post(1), post(2, "mentions")])
    metering.record("x", [post(1, "search"), post(3, "search"), post(1, "stream", "owned_post", 1_000)])
    assert spent() == [
        ("owned_post", "stream", 1, 1_000),
        ("post", "mentions", 1, 5_000),
        ("post", "search", 1, 5_000),
        ("post", "stream", 1, 5_000),
    ]


def test_another_utc_day_charges_again(monkeypatch):
    monkeypatch.setattr(metering, "now", lambda: NOON.replace(hour=23, minute=59))
    metering.record("x", [post(1)])
    monkeypatch.setattr(metering, "now", lambda: NOON + timedelta(hours=12))
    metering.record("x", [post(1)])
    metering.record("x", [post(1), post(2)], day=date(2026, 11, 22))
    assert spent(date(2026, 11, 22)) == [("post", "stream", 2, 10_000)]
    assert spent(date(2026, 11, 23)) == [("post", "stream", 1, 5_000)]


def test_a_batch_of_any_size_costs_the_same_queries(django_assert_num_queries):
    for size in (1, 300):
        charges = [post(f"{size}{number}") for number in range(size)]
        with django_assert_num_queries(5):  # the clock's, two for the savepoint
            metering.record("x", charges)
    with django_assert_num_queries(0):
        metering.record("x", [])


@pytest.mark.django_db(transaction=True)
def test_many_who_count_the_same_at_once_count_it_once():
    go, wrong = threading.Barrier(4), []

    def count(shift):
        try:
            go.wait()
            for _ in range(5):
                metering.record("x", [post((number + shift) % 50) for number in range(50)])
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=count, args=(shift,)) for shift in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert spent() == [("post", "stream", 50, 250_000)]


def test_a_meter_that_fails_does_not_break_the_call(caplog):
    metering.record("x", [post("a\x00b"), post(1)])  # PostgreSQL takes no such text
    assert "2 charges of x were not counted" in caplog.text
    metering.record("x", [post(1)])
    assert spent() == [("post", "stream", 1, 5_000)]


@pytest.mark.django_db(transaction=True)
def test_what_was_charged_is_counted_when_the_connection_was_ended_meanwhile(caplog):
    with pytest.raises(OperationalError), connection.cursor() as sql:
        sql.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    metering.record("x", [post(1)])
    assert spent() == [("post", "stream", 1, 5_000)]
    assert caplog.text == ""


def test_charges_of_days_that_are_over_are_forgotten_and_their_sums_are_not(noon):
    for days in range(5):
        metering.record("x", [post(1)], day=NOON.date() - timedelta(days=days))
    assert metering.forget() == 2
    assert sorted(Charge.objects.values_list("day", flat=True)) == [date(2026, 11, day) for day in (20, 21, 22)]
    assert Usage.objects.count() == 5


# --- thrift -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dollars", "thrift"), [(0, "normal"), (7.99, "normal"), (8, "slower"), (9.99, "slower"), (10, "handles_only")]
)
def test_thrift_follows_what_is_spent(limited, dollars, thrift):
    cost(dollars)
    assert metering.thrift("x") == thrift


def test_without_a_limit_nothing_is_held_back(noon):
    cost(10_000)
    assert metering.thrift("x") == "normal"
    Budget.objects.create(network="x")
    assert metering.thrift("x") == "normal"


def test_what_the_handles_usually_need_is_kept_for_them(limited):
    for days in (1, 2):
        cost(8, call="mentions", days_ago=days)
        cost(3, call="search", days_ago=days)
    cost(5.99)
    assert metering.thrift("x") == "normal"  # the handles' half day costs 4
    cost(0.01, call="dm")
    assert metering.thrift("x") == "handles_only"


def test_a_new_day_begins_afresh(limited, monkeypatch):
    cost(10)
    assert metering.thrift("x") == "handles_only"
    monkeypatch.setattr(metering, "now", lambda: NOON + timedelta(hours=12))
    assert metering.thrift("x") == "normal"


def test_thrift_is_remembered_for_some_seconds(limited, settings, django_assert_num_queries):
    settings.LOOK_AGAIN_SECONDS = 60
    metering._asked.clear()
    with django_assert_num_queries(2):  # and the clock's
        assert metering.thrift("x") == "normal"
    cost(10)
    with django_assert_num_queries(0):
        assert metering.thrift("x") == "normal"
    metering.set_limit("x", Decimal("0"), by=supervisor())
    assert metering.thrift("x") == "handles_only"
    metering._asked.clear()


def test_a_budget_that_cannot_be_read_holds_nothing_back(limited, monkeypatch):
    def broken(network):
        raise OperationalError("gone")

    monkeypatch.setattr(metering, "spending", broken)
    assert metering.thrift("x") == "normal"


def test_the_forecast_moves_from_a_usual_day_to_todays_pace(noon, monkeypatch):
    cost(6)
    assert metering.spending("x").forecast == 12_000_000  # nothing to look back at: linear
    cost(20, days_ago=1)
    # half a day is over: the rest at the mean of 12 a day and 20 a day
    assert metering.spending("x").forecast == 6_000_000 + 8_000_000
    monkeypatch.setattr(metering, "now", lambda: NOON.replace(hour=0, minute=0))
    assert metering.spending("x").forecast < 40_000_000


# --- the page ---------------------------------------------------------------------------------------------------


@pytest.fixture
def grace(client):
    client.force_login(supervisor())
    return client


def test_the_page_says_what_was_bought_and_what_follows(grace, limited):
    cost(2, call="mentions", days_ago=3)
    metering.record("x", [post(number, "search") for number in range(1_700)])
    metering.record("x", [post(1, "send", "dm_create", 15_000)])
    shown = grace.get(PAGE).content.decode()
    for words in ("$8.52", "$10.00", "85 % of it spent", "Keyword searches are asked four times less often until"):
        assert words in shown
    row = '<td>Post read</td><td>keyword search</td><td class="n">1,700</td><td class="n">$0.005</td>'
    assert row + '<td class="n">$8.50</td>' in shown
    assert "<td>Direct message sent</td><td>sending</td>" in shown
    assert "<b>1,701</b>" in shown
    assert shown.count('class="line-') == 2  # the days, and the limit
    assert "$10.52 in 30 days; the dearest was 22 November with $8.52." in shown


def test_the_page_says_that_keywords_rest(grace, limited):
    cost(11)
    assert "Keywords rest until 00:00" in grace.get(PAGE).content.decode()


def test_the_page_costs_the_same_queries_for_one_row_and_for_three(grace, noon, django_assert_num_queries):
    for number in range(3):
        if number != 1:
            cost(1, call=f"call{number}", days_ago=number)
            grace.get(PAGE)
            with django_assert_num_queries(9):  # four for who is asking; the clock's is played
                grace.get(PAGE)


def test_a_supervisor_sets_the_limit_and_the_trail_knows_it(grace):
    grace.post(f"{PAGE}limit/", {"limit": "12.50"})
    grace.post(f"{PAGE}limit/", {"limit": ""})
    said = [
        event.data | {"by": event.user.username} for event in AuditEvent.objects.filter(verb="budget").order_by("pk")
    ]
    assert said == [
        {"network": "x", "from": "no limit", "to": "$12.50 a day", "by": "grace"},
        {"network": "x", "from": "$12.50 a day", "to": "no limit", "by": "grace"},
    ]
    for wrong in ("-1", "much", "1.234", "99999999"):
        grace.post(f"{PAGE}limit/", {"limit": wrong})
    assert Budget.objects.get().daily_limit is None


def test_nobody_else_sees_or_sets_the_limit(client, django_user_model):
    for user in (None, django_user_model.objects.create_user("sam", "sam@example.test", "walk-the-talk")):
        if user:
            client.force_login(user)
        assert client.get(PAGE, follow=True).status_code == (403 if user else 200)  # the sign-in
        client.post(f"{PAGE}limit/", {"limit": "1"})
    assert not Budget.objects.exists()
