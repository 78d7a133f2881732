"""Takes a text as it came in, leaves it without private details: before any first write, nothing is stored unmasked.

The text is first brought to plain digits: NFKC, every script's digits, digits spelled as words, letters that stand
for digits, no invisible characters. Then:

- Cards: it is cut into digit groups, and every run of neighbouring groups with 14 to 19 digits is tested for issuer,
  length and Luhn. Testing runs of whole groups finds a card that an expiry date follows and leaves post ids alone:
  both naive ways (the whole run, any window) fail at one of the two.
- What stands beside a card: security codes.
- Numbers that people label themselves (account, social security, PIN), and those whose shape is enough (IBAN).

Phone numbers, e-mail and postal addresses stay: customer care needs them. A detail too many is cheap, one too few is
not; still, a number is left alone when nothing but its length speaks against it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stdnum import iban, luhn
from stdnum.us import ssn

CARD_DIGITS = range(14, 20)
GAP = 4  # characters between two groups of one card
SAME_GAP = 8  # the same word or sign between all of them: "4111 x 1111 x 1111 x 1111"
WORDS_GAP = 24  # anything, in a text that speaks of a card: "first half 41111111 second half 11111111"
NEAR_CARD = 40
NEAR_WORD = 60

# First digits and lengths of the issuers; 13-digit Visa is long gone and would only cost false alarms.
ISSUERS = (
    (re.compile(r"4"), {16, 19}),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), {16}),
    (re.compile(r"3[47]"), {15}),
    (re.compile(r"6011|64[4-9]|65"), {16, 17, 18, 19}),
    (re.compile(r"30[0-5]|3[689]"), {14, 15, 16, 17, 18, 19}),
    (re.compile(r"35(2[89]|[3-8])"), {16, 17, 18, 19}),
    (re.compile(r"62|81"), {16, 17, 18, 19}),
    (re.compile(r"5018|5019|5020|5038|5612|5893|6304|6390|6759|676[1-3]"), set(CARD_DIGITS)),
    (re.compile(r"220[0-4]|60|508|8[12]|353|356|9792"), {16}),  # Mir, RuPay, Troy
)

# --- plain digits ---------------------------------------------------------------------------------------------------

ENOUGH = re.compile(r"[0-9][^0-9]*[0-9][^0-9]*[0-9]")
RUN = re.compile(r"[0-9](?:[ .\-]?[0-9]){2}")  # shorter than any code
LONG_RUN = re.compile(r"[0-9](?:[ ./\-]{0,2}[0-9]){5}")  # shorter than any account's number
WORDS = {
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "oh": "0",
    "cero": "0",
    "uno": "1",
    "dos": "2",
    "tres": "3",
    "cuatro": "4",
    "cinco": "5",
    "seis": "6",
    "siete": "7",
    "ocho": "8",
    "nueve": "9",
}
WORD = rf"(?:{'|'.join(sorted(WORDS, key=len, reverse=True))})"
SPELLED = re.compile(rf"{WORD}(?:[\W_]{{1,3}}{WORD}){{3,}}(?![^\W_])")
LOOKALIKES = str.maketrans({**dict.fromkeys("oоο", "0"), **dict.fromkeys("li", "1")})
MIXED = re.compile(r"(?<![^\W_])(?=[oоοli]{0,20}\d)[\doоοli]{0,40}[oоοli][\doоοli]{0,40}(?![^\W_])")
TOUCHING = re.compile(r"\d[oоοli]|[oоοli]\d")  # without it there is nothing mixed
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters and signs without a shape
DROPPED = {"Cf", "Mn", "Me"}

# --- what people write around private numbers -----------------------------------------------------------------------

DIGITS = r"\d(?:[ \-]{0,2}\d|[./]\d)"
FILL = r"(?:[^\w+]{0,3}(?:numbers?|num|no|nr|n[uú]mero|id|is|was|it's|es|ist|ends?|ending|in|the|my|with|c'est)\b){0,4}"
SPEAKS_OF_CARD = re.compile(
    r"c[a4]rd|visa|master ?card|amex|tarjeta|karte|carte|cart[ãa]o|karty|\bcc\b|\bpan\b|half|卡|カード|카드"
)
CODE_WORD = re.compile(
    r"(?<!\[)(?:\b(?:cvv2?|cvc2?|cvn|cid|csc|(?:security|verification|sicherheits) ?(?:code|number|no)"
    r"|c[oó]digo de seguridad|code on (?:the )?(?:front|back)|back of (?:the |my )?card"
    r"|(?:3|4|three|four)[ -]digits?)\b|安全码)(?! removed)\D{0,12}(\d{3,4}|\d(?:[ .\-]\d){2,3})(?!\d)"
    r"|(?<!social )\bsecurity\W{1,2}(\d{3})(?!\d)",
)
CODE_NEAR = re.compile(r"(?<![\d$€£])(?:\d{3,4}|\d(?:[ .\-]\d){2,3})(?!\d)")
SOCIAL = re.compile(r"(?<![\d\-])\d{3}([-. ])\d{2}\1\d{4}(?![\d\-])")
SOCIAL_WORD = re.compile(
    r"(?<!\[)\b(?:ssn|ss ?#|ss no|soc(?:ial)?(?: sec(?:urity)?)?|seguro social|itin|tax ?payer id|tin)\b"
)
SOCIAL_SHAPE = re.compile(r"(?<!\d)\d{3}[-. /]{0,2}\d{2}[-. /]{0,2}\d{4}(?!\d)")
SOCIAL_TAIL = re.compile(r"\blast (?:4|four)\b\D{0,12}\b(?:ssn|social)\b\D{0,16}(\d{4})(?!\d)")
ACCOUNT_WORD = re.compile(
    r"(?<!\[)(?:\b(?:accounts?|accou?nt|acount|acct|accnt|acc|a/c|act(?= ?(?:#|no\b|num))|konto(?:nummer|nr)?|cuenta"
    r"|compte|conta|conto|rekening|savings|checking|iban|clabe|routing|sort code|loan(?= ?(?:#|no\b|num))"
    r"|customer (?:id|no|number))|계좌번호|账号|账户|口座(?:番号)?)"
    rf"{FILL}[^\w+]{{0,4}}({DIGITS}{{5,17}})(?!\d)",
)
CARD_WORD = re.compile(
    rf"(?<!\[)(?:\b(?:card|cc|tarjeta|karte|carte|karty|pan)\b|卡号){FILL}[^\w+]{{0,4}}({DIGITS}{{10,18}})(?!\d)",
)
# More of a card than its first six and last four digits, the rest covered: too much.
COVERED = re.compile(r"(?<![\w*])\d{4}[\d*x•# \-]{6,20}\d{4}(?![\w*])")
COVERS = "*x•#"
PIN_WORD = re.compile(
    r"(?<!\[)\b(?:pin|passcode|password|one[- ]time (?:pass)?code|otp|c[oó]digo|verification code"
    r"|code (?:you|they) sent)"
    r"\b(?:'s)?\W{0,4}(?:is|was|code|es)?\W{0,4}(\d{4,8}|\d\d[- ]\d\d[- ]\d\d|\d{3}[- ]\d{3})(?!\d)",
)
# Each with letters of which it has some wherever it matches: to look for those costs next to nothing.
CODES = (
    (
        CODE_WORD,
        "code",
        ("cv", "cid", "csc", "secur", "segur", "verif", "sicher", "code on", "back of", "digit", "安全码"),
    ),
    (PIN_WORD, "pin", ("pin", "pass", "time", "otp", "digo", "verif", "sent")),
    (SOCIAL_TAIL, "social", ("last",)),
)
IBAN = re.compile(r"(?<![^\W_])[a-z]{2}\d{2}(?:[\s.\-]{0,2}[a-z0-9]){11,30}(?![^\W_])")
IBAN_WORD = re.compile(r"\biban\W{0,4}(?:is|es|ist)?\W{0,4}([a-z]{2}\d{2}(?:[ \-]?[a-z]{0,4}\d[a-z0-9]{0,5}){2,8})")
# Ids of posts in addresses are as long as cards, and one in a thousand passes every test that a card passes.
POST_ID = re.compile(r"/status(?:es)?/(\d{17,19})(?!\d)")
PHONE = re.compile(r"(?<!\d)[2-9]\d{2}\)?[-. ]{1,2}[2-9]\d{2}[-. ]\d{4}(?!\d)")

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


@dataclass(frozen=True, slots=True)
class _Plain:
    """A text in plain digits and small letters, and for each character where that begins and ends in the original."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


def mask(text: str) -> Masked:
    """The text with every private detail replaced by its name in brackets. Never raises; '' stays ''.

    What is returned has nothing more that a further `mask` would find.
    """
    text = text.replace("\x00", "")
    found: tuple[str, ...] = ()
    while _has_numbers(text):
        plain = _plain(text)
        hits = _without_overlaps(list(_find(plain.text)))
        if not hits:
            break
        found += tuple(hit.kind for hit in hits)
        for hit in reversed(hits):
            text = text[: plain.starts[hit.start]] + NAMES[hit.kind] + text[plain.ends[hit.end - 1] :]
    return Masked(text, found)


def first_place(text: str) -> tuple[int, int, str] | None:
    """Where the first private detail stands (start and end in code points) and its kind; None without one."""
    text = text.replace("\x00", " ")
    if not _has_numbers(text):
        return None
    plain = _plain(text)
    hit = next(iter(_without_overlaps(list(_find(plain.text)))), None)
    return (plain.starts[hit.start], plain.ends[hit.end - 1], hit.kind) if hit else None


def _has_numbers(text: str) -> bool:
    """Whether there is anything to look at: most texts end here, after a few microseconds."""
    enough = ENOUGH.search(text) if text.isascii() else sum(map(str.isdigit, text)) > 2
    return bool(enough) or _is_spelled(text.lower())


def _is_spelled(low: str) -> bool:
    """Counting words first: the search for runs of them looks at every letter, and few texts have four at all."""
    return sum(map(low.count, WORDS)) > 3 and SPELLED.search(low) is not None


def _plain(text: str) -> _Plain:
    starts: Sequence[int] = range(len(text))
    ends: Sequence[int] = range(1, len(text) + 1)
    plain = text.lower()
    if not text.isascii():
        chars: list[str] = []
        at: list[int] = []
        for index, char in enumerate(text):
            for one in _plain_character(char):
                chars.append(one)
                at.append(index)
        plain, starts, ends = "".join(chars), at, [index + 1 for index in at]
    if _is_spelled(plain):
        plain, starts, ends = _unspelled(plain, starts, ends)
    if TOUCHING.search(plain):
        plain = MIXED.sub(lambda m: m.group().translate(LOOKALIKES), plain)
    return _Plain(plain, starts, ends)


def _plain_character(char: str) -> str:
    if char.isascii():
        return char.lower()
    if char in INVISIBLE or unicodedata.category(char) in DROPPED:
        return ""
    normal = unicodedata.normalize("NFKC", char).lower()
    return "".join(str(unicodedata.digit(one, one)) for one in normal)


def _unspelled(text: str, starts: Sequence[int], ends: Sequence[int]) -> tuple[str, list[int], list[int]]:
    """Runs of four and more digits that were written as words become digits."""
    pieces: list[tuple[str, int, int]] = []
    at = 0
    for run in SPELLED.finditer(text):
        pieces += [(text[i], starts[i], ends[i]) for i in range(at, run.start())]
        for word in re.finditer(WORD, run.group()):
            first, last = run.start() + word.start(), run.start() + word.end() - 1
            pieces.append((WORDS[word.group()], starts[first], ends[last]))
        at = run.end()
    pieces += [(text[i], starts[i], ends[i]) for i in range(at, len(text))]
    return "".join(p[0] for p in pieces), [p[1] for p in pieces], [p[2] for p in pieces]


def _find(text: str) -> Iterator[_Hit]:
    digits = sum(map(str.isdigit, text))
    cards = list(_cards(text)) if digits >= CARD_DIGITS[0] else []
    yield from cards
    for card in cards:
        start = max(0, card.start - NEAR_CARD)
        yield from _each(CODE_NEAR, "code", text, start, card.end + NEAR_CARD)
    if RUN.search(text):
        for pattern, kind, hints in CODES:
            if any(hint in text for hint in hints):
                yield from _each(pattern, kind, text)
    if LONG_RUN.search(text):
        yield from _each(ACCOUNT_WORD, "account", text)
        yield from _each(CARD_WORD, "card", text)
        yield from _socials(text)
    if digits >= 9:
        yield from _each(IBAN_WORD, "account", text)
        yield from _ibans(text)
        yield from (_Hit(*m.span(), "card") for m in COVERED.finditer(text) if _is_covered_card(m.group()))


def _each(pattern: re.Pattern[str], kind: str, text: str, start: int = 0, end: int | None = None) -> Iterator[_Hit]:
    """What the pattern finds: its one group that matched, or all of it where it has none."""
    for match in pattern.finditer(text, start, len(text) if end is None else min(end, len(text))):
        yield _Hit(*match.span(match.lastindex or 0), kind)


# --- cards ----------------------------------------------------------------------------------------------------------


def _cards(text: str) -> Iterator[_Hit]:
    posts = {m.start(1) for m in POST_ID.finditer(text)}
    groups = [m.span() for m in re.finditer(r"[0-9]+", text) if m.start() not in posts]
    phones = [m.span() for m in PHONE.finditer(text)]
    wide = SPEAKS_OF_CARD.search(text) is not None
    yield from _runs(text, groups, phones, lambda gaps: len(gaps[-1]) <= GAP and not any(map(str.isalnum, gaps[-1])))
    yield from _runs(text, groups, phones, lambda gaps: len(gaps[-1]) <= SAME_GAP and len(set(gaps)) == 1)
    if wide:
        long = [group for group in groups if group[1] - group[0] > 1]
        yield from _runs(text, long, phones, lambda gaps: len(gaps[-1]) <= WORDS_GAP and "\n" not in gaps[-1])
    yield from (_Hit(start, end, "card") for start, end in groups if _is_card_with_date(text[start:end]))


def _runs(
    text: str,
    groups: list[tuple[int, int]],
    phones: list[tuple[int, int]],
    joined: Callable[[list[str]], bool],
) -> Iterator[_Hit]:
    """Every run of neighbouring groups that is a card. `joined` decides from the gaps of the run so far."""
    for first in range(len(groups)):
        digits, last = "", groups[first][0]
        gaps: list[str] = []
        for start, end in groups[first:]:
            if digits:
                gaps.append(text[last:start])
                if not joined(gaps):
                    break
            digits, last = digits + text[start:end], end
            if len(digits) > CARD_DIGITS[-1]:
                break
            if len(digits) in CARD_DIGITS and _is_card(digits) and not _cuts(phones, groups[first][0], end):
                yield _Hit(groups[first][0], end, "card")


def _cuts(phones: list[tuple[int, int]], start: int, end: int) -> bool:
    """Whether a run takes only a part of a telephone number: two of them in a row are no card."""
    return any(first < start < last or first < end < last for first, last in phones)


def _is_card(digits: str) -> bool:
    known = any(len(digits) in lengths and first.match(digits) for first, lengths in ISSUERS)
    return known and luhn.is_valid(digits)


def _is_card_with_date(digits: str) -> bool:
    """A card with its expiry date, and perhaps its security code, in one run: longer than any card."""
    for length in (16, 15, 14, 19):
        date = digits[length : length + 4]
        if len(digits) - length in {4, 7, 8} and "01" <= date[:2] <= "12" and _is_card(digits[:length]):
            return True
    return False


def _is_covered_card(text: str) -> bool:
    digits, covered = sum(map(str.isdigit, text)), sum(char in COVERS for char in text)
    return digits > 10 and covered > 0 and digits + covered in CARD_DIGITS


# --- social security numbers and accounts -------------------------------------------------------------------------


def _socials(text: str) -> Iterator[_Hit]:
    """By their shape; with hyphens even those that were never issued (tax numbers look the same)."""
    for match in SOCIAL.finditer(text):
        if match.group(1) == "-" or ssn.is_valid(match.group().replace(match.group(1), "-")):
            yield _Hit(*match.span(), "social")
    for word in SOCIAL_WORD.finditer(text):
        yield from _each(SOCIAL_SHAPE, "social", text, max(0, word.start() - NEAR_WORD), word.end() + NEAR_WORD)


def _ibans(text: str) -> Iterator[_Hit]:
    for match in IBAN.finditer(text):
        # People write on after it ("... 3000 THANKS"): take the longest beginning that is an IBAN.
        for end in range(match.end(), match.start() + 14, -1):
            number = re.sub(r"[\W_]", "", text[match.start() : end])
            if text[end - 1].isalnum() and iban.is_valid(number, check_country=False):
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
