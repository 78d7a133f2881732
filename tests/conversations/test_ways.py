"""How every way in stands: told to wait is not dead, a dead one is seen within a minute, and each says what to do."""

from datetime import timedelta

import pytest

from citisocial.clock import now
from conversations import metering, ways
from conversations.models import BrandAccount, Budget, Cursor, ListeningRule, Usage
from conversations.networks.errors import RateLimited, Refused, Unavailable
from tests.factories.heard import Bank, bank
from tests.factories.walked import supervisor

pytestmark = pytest.mark.django_db
CHANNELS = "/admin/conversations/brandaccount/channels/"
ALARM = "/admin/conversations/brandaccount/alarm/"


@pytest.fixture
def b(settings) -> Bank:
    """Connected for an hour, with a rule for handles and one for keywords."""
    settings.X_PUSH, settings.SWEEP_SECONDS = "webhook", 5
    made = bank()
    BrandAccount.objects.update(sealed_tokens=b"box", connected_at=now() - timedelta(hours=1))
    ListeningRule.objects.create(brand=made.brand, tag="handles", value="@AskCiti", names_handles=True)
    ListeningRule.objects.create(brand=made.brand, tag="keywords", value="citibank")
    return made


def spoke(account, way, ago=0.0, **columns):
    """The way had its last success so many seconds ago."""
    at = now() - timedelta(seconds=ago)
    row = {"succeeded_at": at, "asked_at": at, "window_at": at} | columns
    Cursor.objects.update_or_create(account=account, way=way, defaults=row)


def failed(account, way, error, ago=0.0, seconds=5.0):
    """It failed so many seconds ago for the first time."""
    ways.failed(account, way, error, seconds=seconds)
    if ago:
        Cursor.objects.filter(account=account, way=way).update(failing_since=now() - timedelta(seconds=ago))


def states(account):
    return {line.way: line.state for line in ways.standing() if line.account == account}


def advice(account, way):
    return next(line.advice for line in ways.standing() if (line.account, line.way) == (account, way))


def test_every_way_that_ought_to_speak_is_there(b):
    assert list(states(b.care)) == ["stream", "activity", "mentions", "dm", "search:keywords"]
    assert list(states(b.news)) == ["mentions"]


@pytest.mark.parametrize(
    ("way", "ago", "state"),
    [
        ("stream", 15, "ok"),
        ("stream", 30, "late"),
        ("stream", 46, "dead"),
        ("mentions", 10, "ok"),
        ("mentions", 30, "late"),
        ("mentions", 46, "dead"),
        ("search:keywords", 24, "ok"),
        ("search:keywords", 40, "late"),
        ("search:keywords", 50, "dead"),
        ("activity", 40, "ok"),
        ("activity", 60, "late"),
        ("activity", 92, "dead"),
        ("dm", 1000, "ok"),
    ],
)
def test_silence_is_judged_by_how_often_a_way_speaks(b, way, ago, state):
    spoke(b.care, way, ago)
    assert states(b.care)[way] == state


def test_a_poll_of_messages_is_asked_more_often_where_nothing_is_pushed(b, settings):
    spoke(b.care, "dm", 230)
    assert states(b.care)["dm"] == "ok"
    settings.X_PUSH = "off"
    assert states(b.care)["dm"] == "dead"
    assert states(b.care)["activity"] == "off"
    assert "X_PUSH is off" in advice(b.care, "activity")


def test_one_failure_is_failing_and_a_minute_of_them_is_dead(b):
    spoke(b.care, "mentions", 5)
    failed(b.care, "mentions", Unavailable("X answered 503. Wait: it is tried again."))
    assert states(b.care)["mentions"] == "failing"
    failed(b.care, "mentions", Unavailable("X answered 503. Wait: it is tried again."), ago=50)
    assert states(b.care)["mentions"] == "dead"
    assert "asked again by itself; what was missed is read then" in advice(b.care, "mentions")
    ways.succeeded(b.care, "mentions")
    assert states(b.care)["mentions"] == "ok"


def test_told_to_wait_is_not_dead_until_it_stays_silent_afterwards(b):
    spoke(b.care, "mentions", 300)
    failed(b.care, "mentions", RateLimited("X's limit is used up.", retry_after=600), ago=290)
    assert states(b.care)["mentions"] == "failing"
    assert "Wait until" in advice(b.care, "mentions")
    over = now() - timedelta(seconds=10)
    Cursor.objects.update(paused_until=over)
    assert states(b.care)["mentions"] == "failing"
    Cursor.objects.update(paused_until=over - timedelta(seconds=40))
    assert states(b.care)["mentions"] == "dead"


def test_credits_that_are_used_up_are_somebodys_business_at_once(b):
    spoke(b.care, "stream", 1)
    failed(b.care, "stream", RateLimited("X says that the app's credits or its cap are used up.", retry_after=900))
    assert states(b.care)["stream"] == "dead"
    assert "Add credits" in advice(b.care, "stream")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refused("scope"), "Connect the account again"),
        (Refused("invalid", "X refuses one of the stream's rules."), "Check the listening rules"),
        (
            Refused("invalid", "X answered with a redirect. Check the API address in the settings."),
            "Check the settings",
        ),
    ],
)
def test_an_error_says_what_to_do(b, error, words):
    spoke(b.care, "stream", 100)
    failed(b.care, "stream", error, ago=90)
    assert states(b.care)["stream"] == "dead"
    assert words in advice(b.care, "stream")


def test_silence_without_an_error_names_who_does_not_work(b):
    for way, words in (("stream", "`manage.py listen`"), ("mentions", "the worker and beat")):
        spoke(b.care, way, 100)
        assert words in advice(b.care, way)


def test_refused_tokens_kill_what_needs_them_and_nothing_else(b):
    for way in ("stream", "activity", "mentions", "dm", "search:keywords"):
        spoke(b.care, way)
    BrandAccount.objects.filter(pk=b.care.pk).update(refused_at=now())
    dead = {way for way, state in states(b.care).items() if state == "dead"}
    assert dead == {"activity", "mentions", "dm"}
    assert "Connect it again" in advice(b.care, "mentions")
    BrandAccount.objects.update(refused_at=None, sealed_tokens=b"")
    assert "not connected" in advice(b.care, "mentions")


def test_a_new_account_is_given_a_moment(b):
    BrandAccount.objects.update(connected_at=now() - timedelta(seconds=10))
    assert set(states(b.care).values()) == {"late"}
    BrandAccount.objects.update(connected_at=now() - timedelta(seconds=60))
    assert states(b.care)["mentions"] == states(b.care)["stream"] == "dead"
    assert states(b.care)["search:keywords"] == "late"


def test_what_failed_before_somebody_connected_the_account_is_given_a_moment(b):
    for way in ("mentions", "stream"):
        spoke(b.care, way, 200)
        failed(b.care, way, Refused("auth"), ago=190)
    BrandAccount.objects.update(connected_at=now() - timedelta(seconds=10))
    assert (states(b.care)["mentions"], states(b.care)["stream"]) == ("late", "dead")
    BrandAccount.objects.update(connected_at=now() - timedelta(seconds=60))
    assert states(b.care)["mentions"] == "dead"


def test_what_is_switched_off_is_off(b):
    ListeningRule.objects.update(active=False)
    assert states(b.care)["stream"] == "off"
    assert "no rule to listen for" in advice(b.care, "stream")
    BrandAccount.objects.update(active=False)
    assert states(b.care) == {"mentions": "off"}


def test_keywords_that_rest_for_the_budget_are_off_and_the_handles_are_not(b, settings):
    Budget.objects.create(network="x", daily_limit=1)
    day = metering.today()
    usage = Usage.objects.create(network="x", day=day, resource="post", call="search", units=1, micros=900_000)
    spoke(b.care, "search:keywords", 100)
    assert states(b.care)["search:keywords"] == "late"  # asked four times less often
    usage.micros = 1_000_000
    usage.save()
    assert states(b.care)["search:keywords"] == "off"
    assert "keywords rest until 00:00 UTC" in advice(b.care, "search:keywords")
    spoke(b.care, "stream")
    assert states(b.care)["stream"] == "ok"
    settings.STREAM_HANDLES = False
    assert states(b.care)["stream"] == "off"


def test_standing_costs_the_same_for_three_accounts_as_for_one(b, django_assert_num_queries):
    b.news.delete()
    for number in range(3):
        if number:
            BrandAccount.objects.create(brand=b.brand, external_id=f"9{number}", handle=f"More{number}", team=b.team)
            spoke(BrandAccount.objects.last(), "mentions")
        if number != 1:
            with django_assert_num_queries(7):  # the clock's twice, the budget's two, accounts, cursors, rules
                ways.standing()


def test_one_stream_per_network(b):
    other = BrandAccount.objects.create(brand=b.brand, external_id="9", handle="AskCiti2", team=b.team)
    assert "stream" in states(b.care)
    assert "stream" not in states(other)


# --- what supervisors see ---------------------------------------------------------------------------------------


@pytest.fixture
def grace(client):
    client.force_login(supervisor())
    return client


def test_the_page_shows_state_in_words_and_what_to_do(grace, b):
    spoke(b.care, "stream", 2, heard_at=now() - timedelta(minutes=3), lag_ms=640)
    spoke(b.care, "mentions", 100, error="<b>X answered 503</b>", failing_since=now() - timedelta(seconds=90))
    BrandAccount.objects.filter(pk=b.care.pk).update(scopes="tweet.read users.read")
    for page in (CHANNELS, CHANNELS + "?part=list"):
        shown = grace.get(page).content.decode()
        for words in ("check_circle", "well", "error", "dead", "3 min ago", "0.6 s", "Check now", "Connect again"):
            assert words in shown, words
        assert "Not allowed: tweet.write" in shown
        assert "&lt;b&gt;X answered 503&lt;/b&gt;" in shown
    assert "<html" not in shown
    assert "<html" in grace.get(CHANNELS).content.decode()


def test_the_alarm_is_there_only_while_something_is_dead(grace, b):
    for account, way in [(b.care, w) for w in states(b.care)] + [(b.news, "mentions")]:
        spoke(account, way)
    assert grace.get(ALARM).content.decode().strip() == ""
    assert "All ways in are well" in grace.get("/admin/").content.decode()
    spoke(b.news, "mentions", 60)
    shown = grace.get(ALARM).content.decode()
    assert "@Citi, mentions timeline: dead." in shown
    assert "1 way in is dead" in grace.get("/admin/").content.decode()


def test_standing_is_remembered_for_some_seconds(grace, b, settings, django_assert_num_queries):
    settings.LOOK_AGAIN_SECONDS = 60
    ways._seen.clear()
    grace.get(ALARM)
    with django_assert_num_queries(6):  # who is asking, and what stops and alarms there are, which is never remembered
        grace.get(ALARM)
    ways._seen.clear()
    metering._asked.clear()
