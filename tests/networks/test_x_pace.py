"""A call that X's headers say would be refused is not made; the time is X's own."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from email.utils import formatdate

import pytest

from conversations.networks.base import Account, Charge
from conversations.networks.errors import RateLimited
from conversations.networks.x.pace import Pace, endpoint

EPOCH = 1_800_000_000  # X's clock; ours stands elsewhere


class Clock:
    """Ours, in seconds, moved by the test."""

    def __init__(self) -> None:
        self.at = 50.0

    def __call__(self) -> float:
        return self.at


def headers(left: int, *, opens_in: float, limit: str = "x-rate-limit", at: float = EPOCH) -> dict[str, str]:
    return {
        f"{limit}-remaining": str(left),
        f"{limit}-reset": str(int(at + opens_in)),
        "date": formatdate(at, usegmt=True),
    }


def refused(pace: Pace, who: str = "us", what: str = "POST /dm") -> float:
    """Seconds to wait, or 0 when the call may be made."""
    try:
        pace.take(who, what)
    except RateLimited as limited:
        return limited.retry_after or -1.0
    return 0.0


def test_what_is_left_is_counted_down_until_x_s_window_ends() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert refused(pace) == 0  # nothing is known yet
    pace.note("us", "POST /dm", 200, headers(2, opens_in=300))
    assert [refused(pace) for _ in range(3)] == [0, 0, 300]
    clock.at += 100
    assert refused(pace) == 200
    assert refused(pace, who="others") == refused(pace, what="GET /dm") == 0
    clock.at += 201
    assert refused(pace) == 0


def test_the_day_s_limits_count_as_well_and_the_app_s_for_everybody() -> None:
    pace = Pace(Clock())
    both = headers(9, opens_in=300) | headers(0, opens_in=80_000, limit="x-user-limit-24hour")
    pace.note("us", "POST /dm", 201, both)
    assert (refused(pace), refused(pace, who="others")) == (80_000, 0)
    pace.note("others", "POST /dm", 201, headers(0, opens_in=7_000, limit="x-app-limit-24hour"))
    assert refused(pace, who="third") == 7_000


def test_answers_that_overtake_each_other_give_nothing_back() -> None:
    pace = Pace(Clock())
    pace.note("us", "POST /dm", 200, headers(0, opens_in=300))
    pace.note("us", "POST /dm", 200, headers(5, opens_in=300))
    assert refused(pace) == 300


def test_x_s_clock_counts_when_it_is_moved() -> None:
    """A simulated day: the sandbox's clock jumps, and any answer tells."""
    pace = Pace(Clock())
    pace.note("us", "POST /dm", 200, headers(0, opens_in=900))
    pace.note("us", "GET /users", 200, {"date": formatdate(EPOCH + 1000, usegmt=True)})
    assert refused(pace) == 0
    pace.note("us", "POST /dm", 200, headers(0, opens_in=900, at=EPOCH + 80_000))
    pace.note("us", "GET /users", 200, {"date": formatdate(EPOCH, usegmt=True)})
    assert refused(pace) == 0


def test_sixteen_threads_take_no_more_than_there_is() -> None:
    pace = Pace(Clock())
    pace.note("us", "POST /dm", 200, headers(15, opens_in=300))
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: refused(pace), range(200)))
    assert waits.count(0) == 15


def test_endpoints_without_whose_they_are() -> None:
    assert endpoint("GET", "/2/users/123/mentions") == "GET /2/users/:id/mentions"
    assert endpoint("GET", "/2/users/by/username/maya") == "GET /2/users/by/username/:id"
    assert endpoint("POST", "/2/tweets") == "POST /2/tweets"


def test_a_call_that_would_be_refused_is_not_made(scripted, brand) -> None:
    scripted.says(201, {"data": {"dm_event_id": "1"}}, headers=headers(0, opens_in=300))
    scripted.x.send_direct_message(brand, recipient_id="5", text="hello")
    with pytest.raises(RateLimited) as limited:
        scripted.x.send_direct_message(brand, recipient_id="6", text="hello")
    assert limited.value.retry_after == pytest.approx(300, abs=2)
    assert len(scripted.requests) == 1
    scripted.says(201, {"data": {"dm_event_id": "2"}})
    other = Account(external_id="1002", handle="Citi", access_token="another")
    scripted.x.send_direct_message(other, recipient_id="6", text="hello")


DAY = {"date": "Sun, 22 Nov 2026 23:59:59 GMT"}
POSTS = {
    "data": [{"id": "1", "text": "a", "author_id": "5"}],
    "includes": {"users": [{"id": "5"}], "tweets": [{"id": "7"}], "posts": [{"id": "8"}]},
}
INCLUDED = [("post", "7"), ("post", "8"), ("user", "5")]


def test_what_x_charges_for_reading(scripted, brand) -> None:
    x = scripted.x
    for call, resource in (
        (lambda: x.mentions(brand), "post"),
        (lambda: x.mentions(Account("1001", "AskCiti", "t", owns_app=True)), "owned_post"),
        (lambda: x.search("q"), "post"),
        (lambda: x.sent_replies(brand, in_reply_to="99"), "post"),
    ):
        scripted.charged.clear()
        scripted.says(200, POSTS, headers=DAY)
        call()
        assert [(c.resource, c.external_id) for c in scripted.charged] == [(resource, "1"), *INCLUDED]
    assert {c.call for c in scripted.charged} == {"read_back"}
    assert scripted.days == [date(2026, 11, 22)] * 4
    scripted.charged.clear()
    scripted.says(200, {"data": [{"id": "3", "event_type": "ParticipantsJoin"}, {"id": "4", "sender_id": "5"}]})
    x.direct_messages(brand)
    assert scripted.charged == [Charge("dm_event", "3", 10_000, "dm"), Charge("dm_event", "4", 10_000, "dm")]


def test_what_x_charges_for_writing(scripted, brand) -> None:
    x = scripted.x

    def reply(number: str, text: str, **more: bool) -> None:
        scripted.says(201, {"data": {"id": number, "text": "x"}})
        x.reply(brand, in_reply_to="9", text=text, message_button=False, **more)

    reply("1", "hello")
    reply("2", "hello", summoned=False)
    reply("3", "see https://citi.example/x")
    scripted.says(201, {"data": {"dm_event_id": "4"}})
    x.send_direct_message(brand, recipient_id="5", text="https://citi.example/x")
    assert scripted.charged == [
        Charge("reply_summoned", "1", 10_000, "send"),
        Charge("post_create", "2", 15_000, "send"),
        Charge("post_create_url", "3", 200_000, "send"),
        Charge("dm_create", "4", 15_000, "send"),
    ]


def test_a_refusal_charges_nothing_and_a_meter_that_fails_breaks_no_write(scripted, brand, monkeypatch, caplog) -> None:
    scripted.says(429, {})
    with pytest.raises(RateLimited):
        scripted.x.search("q")
    assert scripted.charged == []

    def fails(*args: object, **more: object) -> None:
        raise KeyError("secretword")

    monkeypatch.setattr(scripted.x._client, "_meter", fails)
    scripted.says(201, {"data": {"dm_event_id": "4"}})
    assert scripted.x.send_direct_message(brand, recipient_id="5", text="hi").external_id == "4"
    assert "1 charges of X were not metered (KeyError)" in caplog.text
    assert "secretword" not in caplog.text
