"""Takes a count, leaves invented private numbers in disguises: cards of all issuers, accounts, IBANs, social security.

None of them belongs to anybody. The same count gives the same numbers. Each text is framed by two marks of letters,
so that a search can see that it arrived, and look at what stands between them.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle

# First digits and length; what issuers really use, and not read off the mask that is to be tried.
ISSUERS = {
    "visa": (("4",), 16),
    "visa long": (("4",), 19),
    "mastercard": (("51", "52", "53", "54", "55"), 16),
    "mastercard new": (("2221", "2229", "223", "24", "26", "270", "2720"), 16),
    "amex": (("34", "37"), 15),
    "discover": (("6011", "644", "649", "65"), 16),
    "diners": (("300", "305", "36", "38", "39"), 14),
    "jcb": (("3528", "3535", "3589"), 16),
    "unionpay": (("62",), 16),
    "unionpay long": (("62",), 19),
    "maestro": (("5018", "5020", "5038", "6304", "6759", "6763"), 16),
    "maestro long": (("5018", "6759"), 18),
}
GROUPS = {14: (4, 6, 4), 15: (4, 6, 5), 16: (4, 4, 4, 4), 18: (4, 4, 4, 4, 2), 19: (4, 4, 4, 4, 3)}
ZERO_WIDTH = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad")
FULLWIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
MARK = "bcdfghjklmnpqrstvwxz"  # no vowels: never a word

# Half of them do not say what the number is.
AROUND = (
    "my card {} was declined",
    "{} why was this refused",
    "charged twice on {} please look",
    "card number {} thanks",
    "I sent you {} on tuesday and nobody answered",
    "({}) help me",
    "please block {} at once",
    "mi tarjeta {} no funciona",
    "it is the one with {} on it",
    "the number's {}",
)
ACCOUNTS = ("my account number is {}", "acct# {} is locked", "Account: {} please", "the savings account {}")
IBANS = ("please send it to {}", "mon IBAN: {} merci", "IBAN {}")
SOCIALS = ("my ssn is {}", "{} is my number", "social security number {}", "SSN {} as you asked")
COUNTRIES = {"DE": 18, "FR": 23, "ES": 20, "NL": 14, "GB": 18, "PT": 21, "CZ": 20}  # digits and letters after the check


@dataclass(frozen=True, slots=True)
class Seed:
    """One text with private numbers in it. `numbers` in plain digits; `code` is the security code beside them."""

    text: str
    mark: str
    kind: str
    disguise: str
    numbers: tuple[str, ...]
    code: str = ""


@dataclass(slots=True)
class Inventor:
    """Makes seeds, each with another mark and other numbers."""

    chance: random.Random = field(default_factory=lambda: random.Random(4111))
    made: int = 0

    def seeds(self, cards: int) -> list[Seed]:
        """So many cards, and for every 25 of them an account, an IBAN and a social security number each."""
        found: list[Seed] = []
        turns = cycle(DISGUISES.items())
        issuers = cycle(ISSUERS)
        count = 0
        while count < cards:
            name, disguise = next(turns)
            seed = self.card(name, disguise, issuers, alone=count + 2 > cards)
            count += len(seed.numbers)
            found.append(seed)
        for _ in range(-(-cards // 25)):
            found += [self.account(), self.iban(), self.social()]
        self.chance.shuffle(found)
        return found

    def card(self, name: str, disguise: "Disguise", issuers: Iterator[str], *, alone: bool) -> Seed:
        numbers = [self.number(next(issuers)) for _ in range(1 if alone or name != "two in a row" else 2)]
        expiry = f"{self.chance.randint(1, 12):02d}/{self.chance.randint(27, 34)}"
        code = "".join(self.chance.choices("0123456789", k=4 if numbers[-1][:2] in {"34", "37"} else 3))
        text, has_code = disguise(self.chance, numbers, expiry, code)
        if not has_code:
            tail, has_code = self.tail(expiry, code)
            text += tail
        around = self.chance.choice(AROUND)
        return self.framed(around.format(text), "card", name, tuple(numbers), code if has_code else "")

    def tail(self, expiry: str, code: str) -> tuple[str, bool]:
        """With and without date and code, named and unnamed."""
        return self.chance.choice(
            [
                ("", False),
                ("", False),
                (f" {expiry}", False),
                (f" exp {expiry}", False),
                (f" exp {expiry} cvv {code}", True),
                (f", CVC: {code}", True),
                (f" {expiry} {code}", True),
                (f" exp. {expiry}, security code {code}", True),
            ]
        )

    def number(self, issuer: str) -> str:
        starts, length = ISSUERS[issuer]
        start = self.chance.choice(starts)
        digits = start + "".join(self.chance.choices("0123456789", k=length - 1 - len(start)))
        return digits + check_digit(digits)

    def account(self) -> Seed:
        number = str(self.chance.randint(10**9, 10**12))
        text = f"{number[:5]}-{number[5:]}" if self.chance.random() < 0.3 else number
        return self.framed(self.chance.choice(ACCOUNTS).format(text), "account", "", (number,))

    def iban(self) -> Seed:
        country = self.chance.choice(sorted(COUNTRIES))
        rest = "".join(self.chance.choices("0123456789", k=COUNTRIES[country]))
        if country in {"NL", "GB"}:
            rest = "".join(self.chance.choices("ABCDEFGH", k=4)) + rest[4:]
        as_digits = "".join(str(int(char, 36)) for char in rest + country + "00")
        whole = f"{country}{98 - int(as_digits) % 97:02d}{rest}"
        text = whole if self.chance.random() < 0.5 else " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))
        return self.framed(self.chance.choice(IBANS).format(text), "iban", "", (_digits(whole),))

    def social(self) -> Seed:
        area = self.chance.choice([n for n in range(1, 900) if n != 666])
        parts = (f"{area:03d}", f"{self.chance.randint(1, 99):02d}", f"{self.chance.randint(1, 9999):04d}")
        return self.framed(self.chance.choice(SOCIALS).format("-".join(parts)), "social", "", ("".join(parts),))

    def framed(self, text: str, kind: str, disguise: str, numbers: tuple[str, ...], code: str = "") -> Seed:
        self.made += 1
        mark, rest = "", self.made
        for _ in range(5):
            rest, place = divmod(rest, len(MARK))
            mark = MARK[place] + mark
        return Seed(f"{mark}q {text} {mark}z", mark, kind, disguise, numbers, code)


def check_digit(digits: str) -> str:
    """Luhn's."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += doubled // 10 + doubled % 10
    return str(-total % 10)


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


# --- disguises ------------------------------------------------------------------------------------------------------

# (chance, numbers, expiry, code) -> the text, and whether the code stands in it
Disguise = Callable[[random.Random, list[str], str, str], tuple[str, bool]]


def grouped(number: str, between: str = " ") -> str:
    """As it is embossed."""
    parts, at = [], 0
    for size in GROUPS[len(number)]:
        parts.append(number[at : at + size])
        at += size
    return between.join(parts)


def _by(between: str) -> Disguise:
    return lambda chance, numbers, expiry, code: (grouped(numbers[0], between), False)


def _hidden(chance: random.Random, numbers: list[str], expiry: str, code: str) -> tuple[str, bool]:
    """A character without width after every few digits."""
    pieces = [digit + (chance.choice(ZERO_WIDTH) if chance.random() < 0.5 else "") for digit in numbers[0]]
    return "".join(pieces), False


def _odd(chance: random.Random, numbers: list[str], expiry: str, code: str) -> tuple[str, bool]:
    """In groups that no card has."""
    parts, at = [], 0
    while at < len(numbers[0]):
        size = chance.randint(2, 6)
        parts.append(numbers[0][at : at + size])
        at += size
    return chance.choice([" ", "-", "  ", " - "]).join(parts), False


def _dated(chance: random.Random, numbers: list[str], expiry: str, code: str) -> tuple[str, bool]:
    return f"{grouped(numbers[0])} {chance.choice([expiry, expiry.replace('/', '')])}", True


def _coded(chance: random.Random, numbers: list[str], expiry: str, code: str) -> tuple[str, bool]:
    between = chance.choice([" ", "|", ", ", "/"])
    return between.join([numbers[0], expiry.replace("/", chance.choice(["", "/"])), code]), True


def _preceded(chance: random.Random, numbers: list[str], expiry: str, code: str) -> tuple[str, bool]:
    return f"{chance.randint(1, 99999)} {grouped(numbers[0])}", False


def _two(chance: random.Random, numbers: list[str], expiry: str, code: str) -> tuple[str, bool]:
    return chance.choice([" ", ", ", " / "]).join(grouped(number) for number in numbers), False


DISGUISES: dict[str, Disguise] = {
    "plain": _by(""),
    "spaced": _by(" "),
    "dashed": _by("-"),
    "dotted": _by("."),
    "slashed": _by("/"),
    "lines": _by("\n"),
    "fullwidth": lambda chance, numbers, expiry, code: (grouped(numbers[0]).translate(FULLWIDTH), False),
    "arabic": lambda chance, numbers, expiry, code: (grouped(numbers[0]).translate(ARABIC), False),
    "zero width": _hidden,
    "odd groups": _odd,
    "then date": _dated,
    "then date and code": _coded,
    "after a number": _preceded,
    "two in a row": _two,
}
