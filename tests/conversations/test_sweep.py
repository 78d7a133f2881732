"""Whatever gap there was, the polled ways fill it: every post once, none lost, at the price and pace X allows."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection

from citisocial.clock import now
from conversations import credentials, delivery, metering, sweep, ways
from conversations.models import Author, Brand, Case, Cursor, ListeningRule, Mention, Outgoing
from conversations.networks.base import Tokens
from conversations.networks.errors import RateLimited, Refused, Unavailable
from tests.conversations.paper_x import PaperX, message, once, said, turn
from tests.factories.heard import Bank, bank, person, post

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> PaperX:
    paper = PaperX()
    monkeypatch.setattr(credentials, "network", lambda slug: paper)
    return paper


@pytest.fixture
def b(x: PaperX) -> Bank:
    """A bank whose care account is connected; nobody listens as its news account."""
    made = bank()
    credentials.store(made.care, Tokens("token", "refresh"))
    made.news.active = False
    made.news.save()
    return made


def an_hour_of(number: int, *, text: str = "@AskCiti my card was declined") -> list:
    """So many posts, spread over the last hour."""
    at, step = now() - HOUR + 5 * SECOND, HOUR / (number + 1)
    return [said(at + step * n, f"{text} {n}") for n in range(number)]


def stored() -> list[str]:
    return sorted(Mention.objects.values_list("external_id", flat=True))


def ids(posts) -> list[str]:
    return sorted(p.external_id for p in posts)


def test_an_hour_is_read_page_by_page_and_once(b, x):
    x.mentioned = an_hour_of(250)
    assert sweep.sweep() == 250
    assert (stored(), x.count("mentions")) == (ids(x.mentioned), 3)
    turn()
    assert sweep.sweep() == 0
    assert Mention.objects.count() == 250


def test_a_break_in_the_middle_loses_nothing_and_the_next_turn_reads_it_all(b, x):
    x.mentioned = an_hour_of(250)
    before = ways.since(b.care, "mentions")
    x.trouble = once(Unavailable("cut off"), at=2)
    assert sweep.sweep() == 100  # the newest page is there already
    assert ways.since(b.care, "mentions") == before
    assert sweep.sweep() == 0  # not its turn: it failed just now
    turn()
    assert sweep.sweep() == 150
    assert stored() == ids(x.mentioned)


def test_a_worker_that_dies_while_storing_moves_no_cursor(b, x, monkeypatch):
    x.mentioned = an_hour_of(150)
    before, pages = ways.since(b.care, "mentions"), []

    def dies(*args, **kwargs):
        pages.append(1)
        if len(pages) == 2:
            raise SystemExit
        return real(*args, **kwargs)

    real = sweep.ingest
    monkeypatch.setattr(sweep, "ingest", dies)
    with pytest.raises(SystemExit):
        sweep.sweep()
    assert (Mention.objects.count(), ways.since(b.care, "mentions")) == (100, before)
    turn()
    sweep.sweep()
    assert stored() == ids(x.mentioned)


def test_what_becomes_visible_late_is_found_behind_the_cursor(b, x):
    late = said(now() - 110 * SECOND)
    x.mentioned, x.hidden = [said(now()), late], {late.external_id}
    assert sweep.sweep() == 1
    x.hidden = set()
    turn()
    assert sweep.sweep() == 1
    assert stored() == ids(x.mentioned)


def test_a_busy_account_pays_no_pages_for_looking_back(b, x):
    """300 posts in the two minutes before the cursor: one page of new ones and one to meet what is known."""
    x.mentioned = [said(now() - 120 * SECOND + n * SECOND / 3) for n in range(300)]
    sweep.sweep()
    x.mentioned += [said(now())]
    x.calls.clear()
    turn()
    assert (sweep.sweep(), x.count("mentions")) == (1, 2)


def test_pages_in_any_order_are_read_to_the_end(b, x):
    x.shuffled, x.mentioned = True, an_hour_of(350)
    assert sweep.sweep() == 350
    turn()
    x.mentioned += [said(now()) for _ in range(150)]
    assert sweep.sweep() == 150


def test_where_the_mentions_timeline_ends_the_search_goes_on(b, x):
    x.mentioned = an_hour_of(1_000)
    assert sweep.sweep() == 1_000
    assert x.count("search") == 10
    assert ways.since(b.care, "mentions") == max(int(p.external_id) for p in x.mentioned)


def test_search_never_asks_further_back_than_x_allows(b, x):
    ListeningRule.objects.create(brand=b.brand, tag="name", value="citibank")
    x.searchable = [said(now() - timedelta(days=2), "citibank is down")]
    long_ago = now() - timedelta(days=30)
    Cursor.objects.create(account=b.care, way="search:name", since_id=str(ways.id_of(long_ago)), window_at=long_ago)
    assert sweep.sweep() == 1
    [since] = [int(asked) for call, asked in x.calls if call == "search"]
    assert since > ways.id_of(now() - timedelta(days=7))


def test_one_way_that_fails_leaves_the_others_alone(b, x):
    ListeningRule.objects.create(brand=b.brand, tag="name", value="citibank")
    x.mentioned, x.searchable = [said(now())], [said(now(), "citibank is down")]
    x.messages = [message(now())]

    def trouble(call):
        if call == "dm":
            raise Refused("scope")

    x.trouble = trouble
    assert sweep.sweep() == 2
    failing = Cursor.objects.exclude(error="").values_list("way", flat=True)
    assert list(failing) == ["dm"]


@pytest.mark.parametrize(
    ("thrift", "seconds"), [("normal", {"search:name": 15.0}), ("slower", {"search:name": 60.0}), ("handles_only", {})]
)
def test_budget_slows_the_searches_and_never_the_handles(b, x, monkeypatch, thrift, seconds):
    ListeningRule.objects.create(brand=b.brand, tag="name", value="citibank")
    ListeningRule.objects.create(brand=b.brand, tag="handles", value="@AskCiti", names_handles=True)
    monkeypatch.setattr(metering, "thrift", lambda network: thrift)
    polled = {way: pace for way, pace, _ in sweep._ways(b.care)}
    assert polled == {"mentions": 5.0, "dm": 75.0} | seconds


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_read_everything_once(x, b):
    x.lenient = False  # and neither calls the network in a transaction
    x.mentioned = an_hour_of(220)
    start = Barrier(2)

    def work(_):
        try:
            start.wait(5)
            return sum(sweep._poll(b.care, "mentions", ""))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    assert stored() == ids(x.mentioned)
    assert ways.since(b.care, "mentions") == max(int(p.external_id) for p in x.mentioned)


# Direct messages.


def test_messages_are_read_until_a_known_one_and_each_page_is_one_of_few_reads(b, x):
    x.messages = [message(now() - HOUR / 2 + n * SECOND) for n in range(250)]
    assert sweep.sweep() == 250
    assert Cursor.objects.get(way="dm").reads == 3
    turn()
    x.messages.append(message(now()))
    assert sweep.sweep() == 1
    assert Cursor.objects.get(way="dm").reads == 4


def test_reading_back_goes_before_polling(b, x):
    """Polls stop at 12 of the 15 reads; looking for what may have been sent takes the rest, and then waits."""
    x.messages = [message(now())]
    for _ in range(15):
        turn()
        sweep.sweep()
    assert x.count("dm") == 12
    outgoing = doubtful(b)
    for _ in range(5):
        with suppress(RateLimited):
            delivery._look_up(outgoing)
    assert x.count("read_back") == 3


def doubtful(b: Bank) -> Outgoing:
    case = b.case()
    maya = b.agent("Maya")
    return Outgoing.objects.create(
        case=case,
        account=b.care,
        recipient=case.author,
        kind="dm",
        text="hello",
        pressed_by=maya.user,
        delivery="DOUBTFUL",
        leaves_at=now(),
        created_at=now(),
        claimed_at=now(),
    )


def test_a_look_that_could_not_be_had_is_no_absence(b, x):
    outgoing = doubtful(b)
    Cursor.objects.create(account=b.care, way="dm", window_at=now(), reads=15)
    assert delivery.look_up_doubtful() == 0
    outgoing.refresh_from_db()
    assert (outgoing.delivery, outgoing.absent_at, x.count("read_back")) == ("DOUBTFUL", None, 0)


def test_pushed_messages_are_polled_for_recovery_only_and_sooner_after_a_gap(b, x, settings):
    settings.X_PUSH = "webhook"
    assert sweep._dm_seconds(b.care) == 75  # nothing is known of the push yet
    ways.succeeded(b.care, "activity")
    assert sweep._dm_seconds(b.care) == 900
    sweep.sweep()
    Cursor.objects.filter(way="dm").update(asked_at=now() - timedelta(minutes=5))
    sweep.sweep()
    assert x.count("dm") == 1
    ways.failed(b.care, "activity", Unavailable("the webhook does not answer"), seconds=5)
    sweep.sweep()
    assert x.count("dm") == 2


def test_a_recovery_poll_that_failed_is_not_put_off_for_a_quarter_of_an_hour(b, x, settings):
    settings.X_PUSH = "webhook"
    ways.succeeded(b.care, "activity")
    x.trouble = lambda call: (_ for _ in ()).throw(Unavailable("cut off")) if call == "dm" else None
    sweep.sweep()
    cursor = Cursor.objects.get(way="dm")
    assert cursor.paused_until is not None
    assert cursor.paused_until - now() <= timedelta(seconds=75)
    Cursor.objects.filter(way="dm").update(paused_until=now())
    x.trouble = lambda call: None
    sweep.sweep()
    assert Cursor.objects.get(way="dm").error == ""


def test_a_push_that_was_not_heard_of_for_long_is_not_trusted(b, settings):
    settings.X_PUSH = "webhook"
    ways.succeeded(b.care, "activity")
    Cursor.objects.filter(way="activity").update(succeeded_at=now() - timedelta(minutes=20))
    assert sweep._dm_seconds(b.care) == 75


# Who takes our messages.


def strangers(b: Bank, number: int) -> list[Author]:
    """Authors of open cases about whom nothing is known."""
    posts = [post("@AskCiti help", person(receives_dm=None), names=(b.care,)) for _ in range(number)]
    return [mention.author for mention in b.hear(*posts)]


def test_those_who_wait_for_an_answer_are_introduced_once_a_day(b, x):
    one, two, left_x = strangers(b, 3)
    x.takes_dm = {one.external_id: True, two.external_id: False}
    assert sweep.introduce() == 3
    found = dict(Author.objects.values_list("external_id", "receives_dm"))
    assert found == {one.external_id: True, two.external_id: False, left_x.external_id: None}
    assert Author.objects.get(external_id=one.external_id).handle == f"known_{one.external_id}"
    assert sweep.introduce() == 0
    Author.objects.update(asked_at=now() - timedelta(hours=25))
    assert sweep.introduce() == 1  # only the one about whom there was no answer


def test_nobody_without_an_open_case_is_asked_about(b, x):
    strangers(b, 1)
    Case.objects.update(status="RESOLVED")
    assert (sweep.introduce(), x.calls) == (0, [])


def test_a_hundred_in_one_call_and_the_rest_in_the_next(b, x):
    strangers(b, 101)
    assert (sweep.introduce(), sweep.introduce(), sweep.introduce()) == (100, 1, 0)


def test_a_call_that_failed_is_made_again_in_minutes_not_at_once(b, x):
    strangers(b, 1)
    x.trouble = once(Unavailable("cut off"), at=1)
    assert (sweep.introduce(), sweep.introduce(), x.count("introduce")) == (0, 0, 1)
    Author.objects.update(asked_at=now() - timedelta(days=1))
    assert sweep.introduce() == 1


def test_a_budget_for_handles_only_introduces_nobody(b, x, monkeypatch):
    strangers(b, 1)
    monkeypatch.setattr(metering, "thrift", lambda network: "handles_only")
    assert sweep.introduce() == 0
    assert Brand.objects.count() == 1
