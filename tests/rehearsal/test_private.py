"""Invented numbers are what they claim to be, and a search for them finds what was left, and only that."""

import random

import pytest
from stdnum import iban, luhn
from stdnum.us import ssn

from rehearsal import inlets, masking
from rehearsal.private import DISGUISES, ISSUERS, Inventor, Seed
from rehearsal.searching import Wanted, plainly

CARD = Seed("aaaaaq my card 4111 1111 1111 1111 cvv 123 aaaaaz".replace("a" * 5, "bcdfg"), "bcdfg", "card", "spaced",
            ("4111111111111111",), "123")  # fmt: skip
SOCIAL = Seed("bcdfhq my ssn 219-09-9999 bcdfhz", "bcdfh", "social", "", ("219099999",))


def found(*cells: str) -> list[str]:
    wanted = Wanted([CARD, SOCIAL])
    wanted.look(iter([("table", cell) for cell in cells]))
    return sorted(what for _, _, what in wanted.found)


def test_cards_are_as_many_as_asked_of_all_issuers_in_all_disguises():
    for count in (1, 2, 56, 700):
        seeds = [seed for seed in Inventor().seeds(count) if seed.kind == "card"]
        numbers = [number for seed in seeds for number in seed.numbers]
        assert len(numbers) == count
        assert all(luhn.is_valid(number) for number in numbers)
    assert {seed.disguise for seed in seeds} == set(DISGUISES)
    assert len(DISGUISES) == 14
    assert {len(number) for number in numbers} == {length for _, length in ISSUERS.values()}
    assert {bool(seed.code) for seed in seeds} == {True, False}


def test_other_numbers_pass_their_own_tests():
    inventor = Inventor(random.Random(3))
    for _ in range(50):
        assert ssn.is_valid(inventor.social().numbers[0])
        text = inventor.iban().text
        whole = next(text[at:] for at in range(len(text)) if text[at : at + 2].isupper() and text[at + 2].isdigit())
        assert any(iban.is_valid(whole[:end], check_country=False) for end in range(len(whole), 14, -1)), text


def test_the_same_count_gives_the_same_numbers():
    assert Inventor().seeds(30) == Inventor().seeds(30)


@pytest.mark.parametrize(
    "cell",
    [
        "4111111111111111",
        "4111 1111\n1111-1111",
        "４１１１１１１１１１１１",  # twelve of them are too many
        "/social/?code=4111%201111%201111%201111",
        "'4111\\u200b1111\\u200b1111\\u200b1111'",
        '"\\xef\\xbc\\x94111 1111 1111 1111"',
    ],
)
def test_a_number_is_found_whatever_it_went_through(cell: str):
    assert found(cell) == ["a number (spaced)"]


def test_a_code_is_found_where_its_text_is_and_nowhere_else():
    assert found("bcdfgq my card [card number removed] cvv 123 bcdfgz") == ["a security code (spaced)"]
    assert found("bcdfgq my card [card number removed] cvv [security code removed] bcdfgz", "123", "x 123 y") == []


def test_short_numbers_are_found_whole_and_not_inside_others():
    assert found("219-09-9999", "219099999 please") == ["a number (social)"]
    assert found("92190999991", "219", "2026-11-22 08:43:08.219099+00") == []


def test_what_a_card_may_keep_is_no_find():
    assert found("411111 ****** 1111") == []


def test_what_arrived_is_known_by_its_marks():
    wanted = Wanted([CARD, SOCIAL])
    wanted.look(iter([("conversations_mention", "@AskCiti bcdfgq [card number removed] bcdfgz")]))
    assert wanted.arrived == {"bcdfg": {"conversations_mention"}}


def test_escapes_of_every_kind_come_back_as_digits():
    assert plainly("%34 \\u0664 ٤ ４ \\xef\\xbc\\x94") == "4 4 4 4 4"


@pytest.mark.parametrize("cards", [56, 5000])
def test_every_text_goes_in_at_one_door_and_every_door_has_some(cards: int):
    seeds = Inventor().seeds(cards)
    share = masking.dealt(seeds)
    assert sorted(seed.mark for part in share.values() for seed in part) == sorted(seed.mark for seed in seeds)
    assert min(len(part) for part in share.values()) >= 2
    assert all(len(seed.text) <= inlets.NAME for seed in share["names"])
    assert sum(len(seed.text) + 1 for seed in share["survey"]) <= 1000
