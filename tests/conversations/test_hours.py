"""When the brand answers: hours in its own time zone, summer time right, and what supervisors may enter."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.permissions import appoint_supervisor
from citisocial.clock import now
from conversations import hours
from conversations.models import AuditEvent, Author, Brand, Case, Message, OpeningHours
from tests.factories.invited import invited, person, proven, signed_in

pytestmark = pytest.mark.django_db

MONDAY, FRIDAY, SUNDAY = 0, 4, 6


def brand(zone: str = "Europe/Berlin", **week: str) -> Brand:
    """brand(monday="09:00-17:00"): its hours."""
    made = Brand.objects.create(name="Citi", slug="citi", address="citi.example/social", time_zone=zone)
    days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    for day, stretches in week.items():
        for stretch in stretches.split():
            opens, closes = stretch.split("-")
            OpeningHours.objects.create(
                brand=made,
                weekday=days.index(day),
                opens=time.fromisoformat(opens),
                closes=time.fromisoformat(closes),
            )
    return made


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_without_hours_it_is_always_open() -> None:
    bank = brand()
    moment = at("2026-11-22T03:00+00:00")
    assert hours.open_now(bank, moment)
    assert hours.opens_next(bank, moment) is None


# 2026-11-23 is a Monday; Berlin is an hour ahead of UTC in winter.
@pytest.mark.parametrize(
    ("moment", "is_open", "opens"),
    [
        ("2026-11-23T07:59:59+00:00", False, "2026-11-23T09:00+01:00"),
        ("2026-11-23T08:00+00:00", True, None),
        ("2026-11-23T11:00+00:00", False, "2026-11-23T13:00+01:00"),  # lunch
        ("2026-11-23T15:59:59+00:00", True, None),
        ("2026-11-23T16:00+00:00", False, "2026-11-27T20:00+01:00"),
        ("2026-11-27T22:59:59+00:00", True, None),  # until midnight at the end of Friday
        ("2026-11-27T23:00+00:00", False, "2026-11-30T09:00+01:00"),
    ],
)
def test_a_week_with_lunch_and_a_late_friday(moment: str, is_open: bool, opens: str | None) -> None:
    bank = brand(monday="09:00-12:00 13:00-17:00", friday="20:00-00:00")
    assert hours.open_now(bank, at(moment)) is is_open
    assert hours.opens_next(bank, at(moment)) == (at(opens) if opens else None)


def test_a_day_that_has_just_closed_opens_in_a_week() -> None:
    bank = brand(monday="09:00-17:00")
    assert hours.opens_next(bank, at("2026-11-23T17:00+01:00")) == at("2026-11-30T09:00+01:00")


def test_around_the_clock_has_no_seam_at_midnight() -> None:
    bank = brand(sunday="00:00-00:00", monday="00:00-00:00")
    assert all(hours.open_now(bank, at(f"2026-11-{moment}+01:00")) for moment in ("22T23:59:59", "23T00:00"))
    assert hours.opens_next(bank, at("2026-11-24T00:00+01:00")) == at("2026-11-29T00:00+01:00")


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-03-23T08:30+00:00", True),  # half past nine, a week before summer time
        ("2026-03-30T08:30+00:00", True),  # half past ten, a day into it
        ("2026-03-30T07:00+00:00", True),  # nine in summer
        ("2026-03-23T07:00+00:00", False),  # eight in winter
        ("2026-10-26T07:30+00:00", False),  # half past eight, a day after it
    ],
)
def test_nine_is_nine_in_summer_and_in_winter(moment: str, is_open: bool) -> None:
    assert hours.open_now(brand(monday="09:00-17:00"), at(moment)) is is_open


def test_the_next_opening_is_on_the_other_side_of_the_change() -> None:
    bank = brand(friday="09:00-17:00", monday="09:00-17:00")
    opens = hours.opens_next(bank, at("2026-03-27T17:00+01:00"))
    assert opens is not None
    assert opens.isoformat() == "2026-03-30T09:00:00+02:00"


def test_an_hour_that_summer_time_skips_is_not_lost() -> None:
    bank = brand(sunday="02:30-06:00")
    opens = hours.opens_next(bank, at("2026-03-29T00:30+00:00"))
    assert opens is not None
    assert opens.isoformat() == "2026-03-29T03:30:00+02:00"
    assert not hours.open_now(bank, opens - timedelta(seconds=1))
    assert hours.open_now(bank, opens)


def test_the_week_is_read_once_whatever_is_asked(django_assert_num_queries: Any) -> None:
    bank = Brand.objects.get(pk=brand(monday="09:00-17:00").pk)
    with django_assert_num_queries(1):
        for day in range(1, 28):
            hours.opens_next(bank, at(f"2026-11-{day:02}T03:00+00:00"))


def test_the_database_refuses_an_end_before_the_beginning() -> None:
    bank = brand()
    with pytest.raises(IntegrityError), transaction.atomic():
        OpeningHours.objects.create(brand=bank, weekday=MONDAY, opens=time(9), closes=time(8))


# How long answers take.


def chat(bank: Brand, *words: tuple[str, float], number: int = 1, ended: datetime | None = None) -> Case:
    """A case in which these sides spoke (or "edited" what came before) this many minutes before `ended`."""
    ended = ended or now()
    author = Author.objects.create(network="x", external_id=f"{number}", handle=f"p{number}", first_seen_at=ended)
    world = Case.objects.exclude(agent=None).order_by("pk").first()
    assert world is not None
    case = Case.objects.create(
        brand=bank,
        author=author,
        agent=world.agent,
        customer=world.customer,
        status="CONNECTED",
        opened_at=ended,
        changed_at=ended,
        waiting_since=ended,
        last_seq=len(words),
    )
    for seq, (side, minutes) in enumerate(words, start=1):
        Message.objects.create(
            case=case,
            seq=seq,
            client_id=uuid4(),
            kind={"house": "event", "edited": "edited"}.get(side, "said"),
            about=seq - 1 if side == "edited" else None,
            side="agent" if side == "edited" else side,
            agent=case.agent if side in ("agent", "edited") else None,
            customer=case.customer if side == "customer" else None,
            text="words",
            sent_at=ended - timedelta(minutes=minutes),
        )
    return case


@pytest.fixture
def case() -> Case:
    """The one whose customer asks; nobody has said anything in it."""
    world = invited()
    return proven(world)


def test_fewer_than_five_answered_waits_say_nothing(case: Case) -> None:
    for number in range(4):
        chat(case.brand, ("customer", 10), ("agent", 6), number=number)
    assert hours.expected(case).minutes is None
    chat(case.brand, ("customer", 10), ("agent", 6), number=4)
    assert hours.expected(case).minutes == 4


def test_it_is_the_median_rounded_up_and_a_wait_begins_with_the_first_word(case: Case) -> None:
    for number, wait in enumerate((1, 2, 3.2, 50, 90)):
        chat(case.brand, ("agent", 300), ("customer", 100), ("customer", 99), ("agent", 100 - wait), number=number)
    assert hours.expected(case).minutes == 4


def test_what_nobody_answered_and_what_is_no_word_are_no_answers(case: Case) -> None:
    for number in range(5):
        asked = (("agent", 20), ("customer", 10), ("house", 9), ("edited", 8))
        chat(case.brand, *asked, ("agent", 7), ("agent", 1), ("customer", 0.5), number=number)
    assert hours.expected(case).minutes == 3


def test_only_the_last_week_and_the_own_brand_count(case: Case) -> None:
    other = Brand.objects.create(name="Other", slug="other", address="other.example")
    for number in range(5):
        chat(case.brand, ("customer", 10), ("agent", 6), number=number, ended=now() - timedelta(days=8))
        chat(other, ("customer", 10), ("agent", 6), number=100 + number)
    assert hours.expected(case).minutes is None


def test_a_wait_whose_beginning_is_not_read_does_not_count(case: Case) -> None:
    """Only the last lines of a chat are read: who wrote forty before an answer waited longer than those say."""
    long: list[tuple[str, float]] = [("customer", minutes) for minutes in range(500, 460, -1)]
    for number in range(5):
        chat(case.brand, *long, ("agent", 450), number=number)
    assert hours.expected(case).minutes is None
    for number in range(5):
        chat(case.brand, *long, ("agent", 450), ("customer", 60), ("agent", 57), number=10 + number)
    assert hours.expected(case).minutes == 3


def test_the_last_fifty_waits_count(case: Case) -> None:
    earlier: list[tuple[str, float]] = [("customer", 900), ("agent", 300), ("customer", 290), ("agent", 100)]
    for number in range(50):
        chat(case.brand, *earlier, ("customer", 5), ("agent", 3), number=number)
    assert hours.expected(case).minutes == 2


def test_waits_of_hours_are_said_in_hours(case: Case) -> None:
    for number in range(5):
        chat(case.brand, ("customer", 200), ("agent", 5), number=number)
    wait = hours.expected(case)
    assert (wait.minutes, wait.hours) == (195, 4)


def test_what_is_expected_costs_the_same_whatever_was_said(case: Case) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            hours.expected(Case.objects.select_related("brand").get(pk=case.pk))
        return len(asked)

    before = cost()
    for number in range(6):
        chat(case.brand, ("customer", 10), ("agent", 6), ("customer", 1), number=number)
    OpeningHours.objects.create(brand=case.brand, weekday=MONDAY, opens=time(9), closes=time(0))
    assert cost() == before


# Who enters them.


@pytest.fixture
def desk() -> Client:
    """Grace's browser."""
    grace = person("grace")
    appoint_supervisor(grace)
    return signed_in(grace)


def week(bank: Brand, *stretches: tuple[int, str, str], **changes: str) -> dict[str, str]:
    """The brand's page as it is sent."""
    form = {
        "name": bank.name,
        "address": bank.address,
        "time_zone": "Europe/Berlin",
        "hours-TOTAL_FORMS": str(len(stretches)),
        "hours-INITIAL_FORMS": "0",
    }
    for n, (weekday, opens, closes) in enumerate(stretches):
        form |= {f"hours-{n}-weekday": str(weekday), f"hours-{n}-opens": opens, f"hours-{n}-closes": closes}
    return form | changes


def test_a_supervisor_enters_the_week_and_the_trail_has_it(desk: Client) -> None:
    bank = brand("UTC")
    path = f"/admin/conversations/brand/{bank.pk}/change/"
    assert "Opening hours" in desk.get(path).content.decode()
    answer = desk.post(path, week(bank, (MONDAY, "09:00", "12:00"), (MONDAY, "12:00", "00:00")))
    assert answer.status_code == 302
    bank = Brand.objects.get()
    assert bank.time_zone == "Europe/Berlin"
    assert [str(row) for row in bank.hours.all()] == ["0 09:00–12:00", "0 12:00–00:00"]
    line = AuditEvent.objects.get(verb="hours_changed")
    assert line.user is not None
    assert (line.user.username, line.data["week"]) == ("grace", ["0 09:00–12:00", "0 12:00–00:00"])


def test_a_supervisor_takes_a_stretch_out_again(desk: Client) -> None:
    bank = brand(monday="09:00-17:00")
    row = bank.hours.get()
    form = week(bank, (MONDAY, "09:00", "17:00")) | {
        "hours-INITIAL_FORMS": "1",
        "hours-0-id": str(row.pk),
        "hours-0-brand": str(bank.pk),
        "hours-0-DELETE": "on",
    }
    assert desk.post(f"/admin/conversations/brand/{bank.pk}/change/", form).status_code == 302
    assert not OpeningHours.objects.exists()


@pytest.mark.parametrize(
    ("stretches", "sentence"),
    [
        ([(MONDAY, "17:00", "09:00")], "It closes before it opens"),
        ([(MONDAY, "09:00", "12:00"), (MONDAY, "11:00", "17:00")], "Two stretches of Monday overlap"),
        ([(MONDAY, "09:00", "00:00"), (MONDAY, "11:00", "17:00")], "Two stretches of Monday overlap"),
        ([(7, "09:00", "17:00")], "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_refused_in_words(desk: Client, stretches: Any, sentence: str) -> None:
    bank = brand()
    answer = desk.post(f"/admin/conversations/brand/{bank.pk}/change/", week(bank, *stretches))
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not OpeningHours.objects.exists()
    assert not AuditEvent.objects.exists()


def test_an_agent_changes_no_hours() -> None:
    world = invited()
    bank = world.case.brand
    path = f"/admin/conversations/brand/{bank.pk}/change/"
    signed_in(world.maya.user).post(path, week(bank, (MONDAY, "09:00", "17:00")))
    assert not OpeningHours.objects.exists()
