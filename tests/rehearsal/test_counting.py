"""The figures of a replay: sums to the row, percentiles that were measured, and complaints that can be made."""

from datetime import UTC, datetime, timedelta

import pytest

from rehearsal.counting import Mention, nearest, percentiles, summary
from rehearsal.posting import X_EPOCH_MS, Posted
from rehearsal.replaying import complaints
from rehearsal.rows import Row

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def posted(number: int, *, brand: bool = False) -> Posted:
    ident = (int(AT.timestamp() * 1000) - X_EPOCH_MS << 22) + number
    return Posted(Row(number, str(number), "u", "t", "", "", False, brand), str(ident), (), ())


def mention(post: Posted, state: str, *, reason: str = "", case: int | None = None, ways: int = 1) -> Mention:
    came = ["activity", "stream", "mentions"][:ways]
    return Mention(post.id, state, reason, case, AT, AT + timedelta(milliseconds=250), came, AT)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([1.0], 50, 1.0), ([1.0], 99, 1.0), ([1.0, 2.0], 50, 1.0), (list(range(1, 101)), 99, 99), ([1, 2, 3], 99, 3)],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], percent: int, expected: float):
    assert nearest(values, percent) == expected


def test_percentiles_of_nothing_are_nothing():
    assert percentiles([]) == {"p50": None, "p99": None}
    assert percentiles([0.0031, 0.002]) == {"p50": 2, "p99": 3}


def test_every_post_is_counted_once():
    posts = [posted(n) for n in range(6)]
    mentions = [
        mention(posts[0], "CASED", case=1, ways=2),
        mention(posts[1], "CASED", case=1),
        mention(posts[2], "CASED", case=2),
        mention(posts[3], "IGNORED", reason="retweet", ways=3),
    ]
    addressed = {p.id for p in posts[:4]}

    result = summary(posts, mentions, addressed, {posts[0].id: AT.timestamp() + 0.1, posts[3].id: 0})

    assert result == {
        "posted": 6,
        "not_addressed": 2,
        "cased": 3,
        "ignored": {"retweet": 1},
        "first_by": {"activity": 4},
        "seen_again": 2,
        "cases": 2,
        "post_to_case_ms": {"p50": 250, "p99": 250},
        "post_to_inbox_ms": {"p50": 100, "p99": 100},
        "inbox_missed": 2,
        "brand_cased": 0,
        "surplus": 0,
        "lost": 0,
    }
    assert complaints(result | {"polls_settled": True}) == []


def test_what_is_wrong_is_said():
    posts = [posted(1), posted(2), posted(3, brand=True)]
    mentions = [mention(posts[0], "NEW"), mention(posts[1], "IGNORED", reason="x"), mention(posts[2], "CASED", case=1)]

    result = summary(posts, mentions, {posts[0].id, posts[2].id}, {})

    assert complaints(result | {"polls_settled": False}) == [
        "posted is not the sum of not_addressed, cased and ignored",
        "1 posts were addressed to us and never dealt with",
        "1 posts were taken in although nothing addressed them to us",
        "1 posts by banks' own accounts became cases",
        "the polled ways did not catch up in time, so seen_again may still grow",
    ]
