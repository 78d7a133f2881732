"""The rehearsed day: who writes, both books side by side, and a sentence for every difference."""

from typing import Any

from rehearsal import bills, day
from rehearsal.bills import Line

SAME = Line("2026-11-23", "post", (4, 20_000), (4, 20_000))
LESS = Line("2026-11-23", "user", (1, 10_000), (2, 20_000))


def test_six_of_ten_posts_name_the_handle():
    rows = list(day.invented(0, 3000))

    assert len({row.author for row in rows}) == len({row.id for row in rows}) == 3000
    assert sum(day.named(row) for row in rows) == 1800
    assert all("@" in row.text or "citibank" in row.text for row in rows)


def test_equal_books_are_equal_to_the_millionth():
    assert bills.summary([SAME]) == {
        "meter": "0.02",
        "bill": "0.02",
        "equal": True,
        "by_resource": {"post": {"meter": "0.02", "bill": "0.02"}},
    }


def test_a_difference_in_one_line_is_found_and_shown():
    said = bills.summary([SAME, LESS])

    assert (said["meter"], said["bill"], said["equal"]) == ("0.03", "0.04", False)
    assert [line.endswith("DIFFERENT") for line in bills.table([SAME, LESS])] == [False, False, True]


def test_equal_sums_of_different_lines_are_a_difference():
    other = Line("2026-11-24", "user", (2, 20_000), (1, 10_000))

    assert bills.summary([LESS, other])["equal"] is False


def result(**other: Any) -> dict[str, Any]:
    limited = {"handle": 20, "keyword": 0, "keyword_next_day": 20, "of": 20, "equal": True}
    good = {"mentions": 480, "lost": 0, "doubled": 0, "meter": "1.00", "bill": "1.00", "equal": True}
    return good | {"limited": limited | other.pop("limited", {})} | other


def test_a_good_day_has_no_complaints():
    assert day.complaints(result(), 480) == []


def test_everything_that_is_wrong_with_a_day_is_said():
    wrong = result(
        equal=False,
        lost=2,
        doubled=1,
        limited={"handle": 19, "keyword": 4, "keyword_next_day": 18, "equal": False},
    )

    assert len(day.complaints(wrong, 480)) == 7
