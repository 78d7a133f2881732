"""Private details are out of a text before anything is stored."""

import csv
import gzip
import io
import json
import os
import random
import sys
import time
from pathlib import Path

import pytest
from django.core.management import call_command
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conversations.masking import NAMES, mask
from rehearsal.private import DISGUISES, ISSUERS, Inventor, Seed, grouped
from rehearsal.searching import Wanted

DATA = Path(os.environ.get("CITISOCIAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
CARD = "4111111111111111"

numbers = st.builds(
    lambda seed, issuer: Inventor(random.Random(seed)).number(issuer), st.integers(), st.sampled_from([*ISSUERS])
)
gaps = st.sampled_from(["", " ", "-", ".", "/", "\n", "\u200b", " - ", "  ", "\u00a0", "_", " \u2060 "])
words = st.text(st.characters(exclude_categories=["Nd", "Nl", "No", "Cs"]), max_size=30)


@pytest.mark.parametrize(
    "card",
    [
        CARD,
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111/1111/1111/1111",
        "4111 1111\n1111 1111",
        "4111x1111x1111x1111",
        "４１１１１１１１１１１１１１１１",
        "٤١١١١١١١١١١١١١١١",
        "④①①①①①①①①①①①①①①①",
        "4️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣",
        "4̲1̲1̲1̲1̲1̲1̲1̲1̲1̲1̲1̲1̲1̲1̲1̲",
        "4111\u200b1111\u200b1111\u200b1111",
        "4lll 1111 1111 11l1",
        "four one one one one one one one one one one one one one one one",
        "378282246310005",
        "5555 5555 5555 4444",
        "2223 0000 4841 0010",
    ],
)
@pytest.mark.parametrize("around", ["{}", "my card {} was declined", "42 {}", "({}) help", "{} 12/27"])
def test_card_is_removed_when_disguised(card: str, around: str):
    masked = mask(around.format(card))
    assert masked.found[0] == "card"
    assert "1111" not in masked.text
    assert masked.text.replace("[card number removed]", "{}").startswith(around.split("{}")[0])


def left(seeds: list[Seed]) -> list[tuple[Seed, str]]:
    """The seeds of whose numbers or codes something is left, as the suite searches for it."""
    wanted = Wanted(seeds)
    wanted.look(iter([("here", mask(seed.text).text) for seed in seeds]))
    return [(wanted.marks[mark], what) for _, mark, what in sorted(wanted.found)]


@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_left_of_cards_in_all_disguises(seed: int):
    seeds = Inventor(random.Random(seed)).seeds(1000)
    assert {one.disguise for one in seeds if one.kind == "card"} == set(DISGUISES)
    assert left(seeds) == []


@settings(deadline=None)
@given(words, numbers, gaps, words)
def test_a_card_between_any_words_is_removed(before: str, number: str, gap: str, after: str):
    assert "card" in mask(f"{before} {grouped(number, gap)} {after}").found


@settings(deadline=None, max_examples=60)
@given(st.text() | st.lists(words | numbers | st.from_regex(r"\A[0-9]{1,12}\Z"), max_size=8).map(" ".join))
@example("cvv 123 456 789")
@example("social security number 219-09-9999 4329")
def test_what_is_left_has_nothing_more_to_remove(text: str):
    once = mask(text)
    assert mask(once.text) == type(once)(once.text, ())


@settings(deadline=None)
@given(words)
def test_words_without_numbers_stay_as_they_are(text: str):
    assert mask(text).text == text.replace("\x00", "")


@settings(deadline=None)
@given(words.filter(lambda text: "\x00" not in text), numbers, words.filter(lambda text: "\x00" not in text))
def test_what_stands_around_a_card_stays(before: str, number: str, after: str):
    masked = mask(f"{before}({number}){after}")
    assert masked.text == f"{before}({NAMES['card']}){after}"


def test_security_code_goes_with_its_card():
    assert mask(f"{CARD} exp 12/27 cvv 123").text == "[card number removed] exp 12/27 cvv [security code removed]"


@pytest.mark.parametrize(
    "text", ["{} 1227 123", "{}|12|27|123", "{}/12/27/123", "{}1227123", "123 is the code of {}", "{} 12/27 1 2 3"]
)
def test_security_code_beside_a_card_is_found_without_its_name(text: str):
    assert "123" not in mask(text.format(CARD)).text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("my account number is 123456789 thanks", "my account number is [account number removed] thanks"),
        ("acct# 00123-45678", "acct# [account number removed]"),
        ("The account is 083210  00181748. Call me", "The account is [account number removed]. Call me"),
        ("SSN 219-09-9999", "SSN [social security number removed]"),
        ("340793156 accounts in this ssn", "[social security number removed] accounts in this ssn"),
        ("last four of my social 4329", "last four of my social [social security number removed]"),
        ("pin is 4821", "pin is [code removed]"),
        ("cvv is 902, you have the card", "cvv is [security code removed], you have the card"),
        ("send it to DE89 3704 0044 0532 0130 00 please", "send it to [account number removed] please"),
        ("de89-3704-0044-0532-0130-00", "[account number removed]"),
        ("my iban TR81 3843 8778 9619 2143 9486 77", "my iban [account number removed]"),
        ("411111 22** **33 4455", "[card number removed]"),
        ("first half 41111111 second half 11111111", "first half [card number removed]"),
    ],
)
def test_labelled_numbers_are_removed(text: str, masked: str):
    assert mask(text).text == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "since 2014 I pay 12.50 a month, call 1-800-950-5114",
        "https://x.com/u/status/551872521413086877",
        "https://x.com/u/status/650280081847027110",  # would pass for a card anywhere else
        "call me on 212 555 0187 or 212 555 0188",
        "212-555-0187, 212-555-0188",
        "credit card +70 32 267 8204",
        "$1,234,567.89 on 12/11/2026 at 14:05",
        "order 1234567890123456",
        "my card was declined twice 1795501.33",
        "card ending 4421, **** 4421, 4111 11** **** 1111",
        "tracking 1Z999AA10123456784 says delivered",
        "trace number 021000020000417",
    ],
)
def test_ordinary_numbers_stay(text: str):
    assert mask(text).text == text


def test_ids_of_posts_of_today_are_never_cards():
    chance = random.Random(1)
    ids = [chance.randrange(17 * 10**17, 22 * 10**17) for _ in range(2000)]
    assert [ident for ident in ids if mask(f"see {ident} please").found] == []


def test_two_telephone_numbers_in_a_row_are_no_card():
    chance = random.Random(1)

    def phone() -> str:
        return f"{chance.randint(200, 989)}-{chance.randint(200, 999)}-{chance.randint(0, 9999):04d}"

    assert [text for text in (f"{phone()} {phone()}" for _ in range(2000)) if mask(text).found] == []


def test_positions_hold_when_characters_are_wider_than_they_look():
    assert mask(f"ﬁﬀ ½ İ {CARD} ok").text == "ﬁﬀ ½ İ [card number removed] ok"


@pytest.mark.parametrize(
    "text", ["1 " * 5000, "card " * 2000 + "1", "o" * 10_000 + "1", "ssn 1 " * 1600, "DE12" * 2500]
)
def test_a_hostile_text_ends_soon(text: str):
    began = time.process_time()
    mask(text)
    assert time.process_time() - began < 1.5


def test_the_command_masks_line_by_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f'"my card {CARD}"\n"fine"\n'))
    call_command("mask")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"text": "my card [card number removed]", "found": ["card"]}, {"text": "fine", "found": []}]


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the real posts are not here ({path.parent.name}): set CITISOCIAL_DATA")
    return path


def test_real_posts_keep_their_words():
    with gzip.open(real("bank_tweets_2015/dev.csv.gz"), "rt", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    # Eleven of the twelve are true finds (read one by one): accounts and social security numbers.
    assert sum(bool(mask(text).found) for text in texts) <= len(texts) // 1000


@pytest.mark.parametrize("kind", ["card", "card_partial", "ssn", "ssn_last4", "cvv", "iban", "account", "pin"])
def test_private_messages_that_were_written_to_be_hard_keep_nothing(kind: str):
    lines = real("hard_posts/private_dev.jsonl").read_text(encoding="utf-8").splitlines()
    for said in map(json.loads, lines):
        masked = mask(said["text"]).text
        assert [s["value"] for s in said["spans"] if s["type"] == kind and s["value"] in masked] == []
        assert not said["trap"] or masked == said["text"]
