"""Takes a text as it came in, leaves it without private details: before any first write, nothing is stored unmasked.

Cards: the text is brought to plain digits (NFKC, every script's digits, zero-width characters dropped), cut into
digit groups, and every run of neighbouring groups with 14 to 19 digits is tested for issuer, length and Luhn.
Testing runs of whole groups finds a card that an expiry date follows and leaves post ids alone: both naive ways
(the whole run, any window) fail at one of the two. Then what stands beside it: security codes, and the numbers
that people label themselves (account, social security, PIN).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from stdnum import iban, luhn
from stdnum.us import ssn

MIN_DIGITS = 4  # fewer in the whole text: nothing to find
CARD_DIGITS = range(14, 20)
MAX_SEPARATORS = 3
NEAR_CARD = 40

# First digits and lengths of the issuers; 13-digit Visa is long gone and would only cost false alarms.
ISSUERS = (
    (re.compile(r"4"), {16, 19}),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), {16}),
    (re.compile(r"3[47]"), {15}),
    (re.compile(r"6011|64[4-9]|65"), {16, 17, 18, 19}),
    (re.compile(r"30[0-5]|3[689]"), {14, 15, 16, 17, 18, 19}),
    (re.compile(r"35(2[89]|[3-8])"), {16, 17, 18, 19}),
    (re.compile(r"62"), {16, 17, 18, 19}),
    (re.compile(r"5018|5020|5038|5893|6304|6759|676[1-3]"), set(CARD_DIGITS)),
)
CODE_WORD = re.compile(r"\b(?:cvv2?|cvc2?|cid|csc|security code)\b\D{0,12}(\d{3,4})(?!\d)", re.IGNORECASE)
CODE_NEAR = re.compile(r"(?<![\d/])\d{3,4}(?![\d/])")
SOCIAL = re.compile(r"(?<!\d)\d{3}([-. ])\d{2}\1\d{4}(?!\d)")
SOCIAL_WORD = re.compile(r"\b(?:ssn|social security)\b\D{0,20}(\d{3}\D?\d{2}\D?\d{4})(?!\d)", re.IGNORECASE)
ACCOUNT_WORD = re.compile(
    r"\b(?:account|acct|acc|a/c|konto|cuenta|routing|sort code|iban|card|customer id)"
    r"(?:\W{0,3}(?:numbers?|num|no|nr|n[uú]mero|is|was|es|ist|ends?|ending|in|the)\b){0,4}\W{0,4}"
    r"(\d(?:[ -]?\d){5,16})(?!\d)",
    re.IGNORECASE,
)
PIN_WORD = re.compile(
    r"\b(?:pin|passcode|password|one[- ]time code|otp)\b\W{0,4}(?:is|was|code)?\W{0,4}(\d{4,8})(?!\d)", re.I
)
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")

NAMES = {
    "card": "[card number removed]",
    "code": "[security code removed]",
    "social": "[social security number removed]",
    "account": "[account number removed]",
    "pin": "[code removed]",
}


@dataclass(frozen=True, slots=True)
class Masked:
    """The text that may be stored, and what was taken out of it, by kind."""

    text: str
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Hit:
    start: int
    end: int
    kind: str


def mask(text: str) -> Masked:
    """The text with every private detail replaced by its name in brackets. Never raises; '' stays ''."""
    text = text.replace("\x00", "")
    if sum(map(str.isdigit, text)) < MIN_DIGITS:
        return Masked(text, ())
    plain, origin = _plain(text)
    hits = _without_overlaps(list(_find(plain)))
    for hit in reversed(hits):
        start, end = origin[hit.start], origin[hit.end - 1] + 1
        text = text[:start] + NAMES[hit.kind] + text[end:]
    return Masked(text, tuple(hit.kind for hit in hits))


def _plain(text: str) -> tuple[str, list[int]]:
    """The text in plain digits and letters, and for each of its characters where it stood."""
    if text.isascii():
        return text, list(range(len(text)))
    chars: list[str] = []
    origin: list[int] = []
    for index, char in enumerate(text):
        if unicodedata.category(char) == "Cf":
            continue
        for plain in unicodedata.normalize("NFKC", char):
            digit = unicodedata.digit(plain, -1)
            chars.append(str(digit) if digit >= 0 else plain)
            origin.append(index)
    return "".join(chars), origin


def _find(text: str) -> Iterator[_Hit]:
    cards = list(_cards(text))
    yield from cards
    for card in cards:
        start = max(0, card.start - NEAR_CARD)
        for match in CODE_NEAR.finditer(text, start, min(len(text), card.end + NEAR_CARD)):
            yield _Hit(match.start(), match.end(), "code")
    yield from (_Hit(*m.span(1), "code") for m in CODE_WORD.finditer(text))
    yield from (
        _Hit(*m.span(), "social") for m in SOCIAL.finditer(text) if ssn.is_valid(m.group().replace(m.group(1), "-"))
    )
    yield from (_Hit(*m.span(1), "social") for m in SOCIAL_WORD.finditer(text))
    yield from (_Hit(*m.span(1), "account") for m in ACCOUNT_WORD.finditer(text))
    yield from (_Hit(*m.span(1), "pin") for m in PIN_WORD.finditer(text))
    yield from _ibans(text)


def _cards(text: str) -> Iterator[_Hit]:
    groups = [m.span() for m in re.finditer(r"[0-9]+", text)]
    for first in range(len(groups)):
        digits, last = "", groups[first][0]
        for start, end in groups[first:]:
            if not _joined(text[last:start]):
                break
            digits, last = digits + text[start:end], end
            if len(digits) > CARD_DIGITS[-1]:
                break
            if len(digits) in CARD_DIGITS and _is_card(digits):
                yield _Hit(groups[first][0], end, "card")


def _joined(between: str) -> bool:
    return len(between) <= MAX_SEPARATORS and not any(char.isalnum() for char in between)


def _is_card(digits: str) -> bool:
    known = any(len(digits) in lengths and first.match(digits) for first, lengths in ISSUERS)
    return known and luhn.is_valid(digits)


def _ibans(text: str) -> Iterator[_Hit]:
    for match in IBAN.finditer(text):
        # People write on after it ("... 3000 THANKS"): take the longest beginning that is an IBAN.
        for end in range(match.end(), match.start() + 14, -1):
            if iban.is_valid(text[match.start() : end], check_country=False):
                yield _Hit(match.start(), end, "account")
                break


def _without_overlaps(hits: list[_Hit]) -> list[_Hit]:
    """In order; where two overlap, one hit over both with the kind of the longer."""
    merged: list[_Hit] = []
    for hit in sorted(hits, key=lambda h: (h.start, -h.end)):
        if merged and hit.start < merged[-1].end:
            before = merged.pop()
            kind = before.kind if before.end - before.start >= hit.end - hit.start else hit.kind
            merged.append(_Hit(before.start, max(before.end, hit.end), kind))
        else:
            merged.append(hit)
    return merged
