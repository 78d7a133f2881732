"""Private details are out of a text before anything is stored."""

import csv
import os
from pathlib import Path

import pytest

from conversations.masking import mask

DATA = Path(os.environ.get("CITISOCIAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
CARD = "4111111111111111"


@pytest.mark.parametrize(
    "card",
    [
        CARD,
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111 1111\n1111 1111",
        "４１１１１１１１１１１１１１１１",
        "٤١١١١١١١١١١١١١١١",
        "4111\u200b1111\u200b1111\u200b1111",
        "378282246310005",
        "5555 5555 5555 4444",
        "2223 0000 4841 0010",
    ],
)
@pytest.mark.parametrize("around", ["{}", "my card {} was declined", "42 {}", "({}) help", "{} 12/27"])
def test_card_is_removed_when_disguised(card, around):
    masked = mask(around.format(card))
    assert masked.found[0] == "card"
    assert "1111" not in masked.text
    assert masked.text.replace("[card number removed]", "{}").startswith(around.split("{}")[0])


def test_security_code_goes_with_its_card():
    assert mask(f"{CARD} exp 12/27 cvv 123").text == "[card number removed] exp 12/27 cvv [security code removed]"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("my account number is 123456789 thanks", "my account number is [account number removed] thanks"),
        ("acct# 00123-45678", "acct# [account number removed]"),
        ("SSN 219-09-9999", "SSN [social security number removed]"),
        ("pin is 4821", "pin is [code removed]"),
        ("send it to DE89 3704 0044 0532 0130 00 please", "send it to [account number removed] please"),
    ],
)
def test_labelled_numbers_are_removed(text, masked):
    assert mask(text).text == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "since 2014 I pay 12.50 a month, call 1-800-950-5114",
        "https://x.com/u/status/551872521413086877",
        "call me on 212 555 0187 or 212 555 0188",
        "$1,234,567.89 on 12/11/2026 at 14:05",
        "order 1234567890123456",
        "my card was declined twice 1795501.33",
    ],
)
def test_ordinary_numbers_stay(text):
    assert mask(text).text == text


def test_positions_hold_when_characters_are_wider_than_they_look():
    assert mask(f"ﬁﬀ ½ {CARD} ok").text == "ﬁﬀ ½ [card number removed] ok"


def test_real_posts_keep_their_words():
    path = DATA / "bank_tweets_2015" / "askciti_dev.csv"
    if not path.exists():
        pytest.skip(f"the real posts are not here ({path.parent.name}): set CITISOCIAL_DATA")
    with path.open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    cards = [text for text in texts if "card" in mask(text).found]
    assert len(cards) <= len(texts) // 1000
