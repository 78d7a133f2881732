"""Slugs: made by a key, told by nobody, and typed wrongly without a look into the database."""

import random
from typing import Any

import pytest

from links import codes

NONCES = [bytes([first, *range(15)]) for first in range(60)]


def test_a_slug_is_thirteen_base62_characters_of_more_than_64_bits() -> None:
    assert all(codes.SLUG.fullmatch(codes.slug_of(nonce)) for nonce in NONCES)
    assert len({codes.slug_of(nonce)[: codes.SECRET_LENGTH] for nonce in NONCES}) == len(NONCES)
    assert len(codes.ALPHABET) ** codes.SECRET_LENGTH > 2**64


def test_slug_and_lookup_depend_on_the_key_and_not_on_each_other(settings: Any) -> None:
    slug = codes.slug_of(NONCES[0])
    lookup = codes.lookup_of(slug)
    assert (codes.slug_of(NONCES[0]), codes.lookup_of(slug)) == (slug, lookup)
    settings.LINK_KEY = "another key, which protects nothing either"
    assert codes.slug_of(NONCES[0]) != slug
    assert codes.lookup_of(slug) != lookup


def test_characters_are_spread_evenly() -> None:
    chance = random.Random(2)
    text = "".join(codes.slug_of(chance.randbytes(16))[: codes.SECRET_LENGTH] for _ in range(3_000))
    counts = [text.count(character) for character in codes.ALPHABET]
    expected = len(text) / len(codes.ALPHABET)
    # Chi-squared with 61 degrees of freedom: above 110 once in ten thousand.
    assert sum((count - expected) ** 2 / expected for count in counts) < 110


def test_every_wrong_character_is_caught() -> None:
    missed = 0
    for slug in map(codes.slug_of, NONCES):
        for place, right in enumerate(slug):
            wrong = (slug[:place] + other + slug[place + 1 :] for other in codes.ALPHABET if other != right)
            missed += sum(map(codes.is_well_formed, wrong))
    assert missed == 0


def test_swapped_neighbours_are_caught_but_for_one_in_a_thousand() -> None:
    chance = random.Random(1)
    swapped = []
    for _ in range(2_000):
        slug = codes.slug_of(chance.randbytes(16))
        for place in range(len(slug) - 1):
            typed = slug[:place] + slug[place + 1] + slug[place] + slug[place + 2 :]
            if typed != slug:
                swapped.append(typed)
    missed = sum(map(codes.is_well_formed, swapped))
    assert len(swapped) > 20_000
    assert missed / len(swapped) <= 0.001


@pytest.mark.parametrize("text", ["", "short", "x" * 14, "é" * 13, "0" * 12 + "\n", "\x00" * 13, "\udc80" * 13])
def test_anything_else_is_malformed_and_looks_up_to_nothing_in_particular(text: str) -> None:
    assert not codes.is_well_formed(text)
    assert len(codes.lookup_of(text)) == 32


def test_a_code_is_forty_bits_of_its_own() -> None:
    made = [codes.code_of(nonce) for nonce in NONCES]
    assert all(map(codes.is_code, made))
    assert len(set(made)) == len(NONCES)
    assert len(codes.CROCKFORD) ** codes.CODE_LENGTH == 2**40
    assert not set("ILOU") & set(codes.CROCKFORD)
    # Nothing of the slug can be told from it: another use of the key.
    assert codes.lookup_of_code(made[0]) != codes.lookup_of(made[0])


def test_every_character_of_a_code_can_be_typed() -> None:
    assert "".join(codes.typed_code(character) for character in codes.CROCKFORD) == codes.CROCKFORD
