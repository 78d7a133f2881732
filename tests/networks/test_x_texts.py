"""Length and names as X counts and finds them: X's own cases, and ours for what X's do not cover."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conversations.networks.base import Measure
from conversations.networks.x import length, texts

CONFORMANCE = "x_text_conformance/conformance/"


def cases(path: Path, section: str) -> list[dict[str, Any]]:
    """The cases of one section of X's files: a plain subset of YAML, one `key: value` a line, strings as in Python."""
    body = re.split(rf"^  {section}:\n", path.read_text(encoding="utf-8"), flags=re.M)[1]
    body = re.split(r"^  \S", body, flags=re.M)[0]
    found = []
    for chunk in re.split(r"^    - ", body, flags=re.M)[1:]:
        pairs = re.findall(r"^\s*(\w+): (\S.*)$", chunk, flags=re.M)
        found.append({key: ast.literal_eval(_python(value)) for key, value in pairs})
    return found


def _python(value: str) -> str:
    return {"true": "True", "false": "False"}.get(value.strip(), value.strip())


@pytest.mark.parametrize(
    "section", ["WeightedTweetsWithDiscountedEmojiCounterTest", "UnicodeDirectionalMarkerCounterTest"]
)
def test_weighted_length_is_x_s(real_data: Callable[[str], Path], section: str) -> None:
    found = cases(real_data(CONFORMANCE + "validate.yml"), section)

    assert len(found) >= 1
    assert [length.weighted_length(case["text"]) for case in found] == [case["weightedLength"] for case in found]


def test_length_without_emoji_is_x_s_in_its_second_configuration_too(real_data: Callable[[str], Path]) -> None:
    """The older cases count each code point of an emoji; those without emoji hold under both configurations."""
    found = cases(real_data(CONFORMANCE + "validate.yml"), "WeightedTweetsCounterTest")
    plain = [case for case in found if not re.search("[\u2600-\u27bf\U0001f000-\U0001faff]", case["text"])]

    assert len(plain) >= 10
    assert [length.weighted_length(case["text"]) for case in plain] == [case["weightedLength"] for case in plain]


def test_names_are_found_as_x_finds_them(real_data: Callable[[str], Path]) -> None:
    found = cases(real_data(CONFORMANCE + "extract.yml"), "mentions")

    assert len(found) > 20
    assert {case["text"]: texts.handles_in(case["text"]) for case in found} == {
        case["text"]: case["expected"] for case in found
    }


@pytest.mark.parametrize(
    ("text", "link", "used"),
    [
        ("Hi Maya", False, 7),
        ("Hi {link}", True, 3 + 23),
        ("{link}.", True, 24),
        ("a{link}b{link}", True, 2 + 46),
        ("Hi {link}", False, 3 + 23),
        ("Hi", True, 2 + 1 + 23),
        ("日本", False, 4),
        ("👨‍👩‍👧‍👦", False, 2),
        ("see https://www.citi.com/help/very/long/path/indeed", False, 4 + 23),
        ("@maya_r @AskCiti  Hi", False, 2),
        ("@maya_r, hi", False, 11),
        ("hi @maya_r", False, 10),
        ("e\u0301", False, 1),
    ],
)
def test_a_reply_is_measured(scripted, text: str, link: bool, used: int) -> None:
    assert scripted.x.measure(text, kind="reply", link=link) == Measure(used, 280, True)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("x" * 280, True),
        ("x" * 281, False),
        ("x" * 257 + "{link}", True),
        ("x" * 258 + "{link}", False),
        ("@maya_r " + "x" * 280, True),
        ("", False),
        (" \n", False),
        ("@maya_r ", False),
        ("not\ufffe allowed", False),
    ],
)
def test_a_reply_fits_or_does_not(scripted, text: str, valid: bool) -> None:
    assert scripted.x.measure(text, kind="reply", link=False).valid is valid


@pytest.mark.parametrize(
    ("text", "link", "used", "valid"),
    [
        ("x" * 10_000, False, 10_000, True),
        ("x" * 10_001, False, 10_001, False),
        ("日本 https://www.citi.com/help", False, 28, True),
        ("@maya_r hello {link}", True, 14 + 23, True),
        ("hello", True, 5 + 24, True),
        (" ", False, 1, False),
    ],
)
def test_a_direct_message_is_counted_plainly(scripted, text: str, link: bool, used: int, valid: bool) -> None:
    assert scripted.x.measure(text, kind="dm", link=link) == Measure(used, 10_000, valid)


def test_dots_in_a_row_are_counted_and_hold_nobody_up():
    assert length.weighted_length("a." * 500) == 1_000
    assert length.weighted_length("a." * 5_000) == 10_000
    assert length.weighted_length("see a.b.c.example.com/x.y") == 4 + 23
