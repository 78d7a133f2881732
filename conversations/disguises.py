"""Takes a text as somebody typed it, leaves the place in it that leads somewhere else: what a network, a telephone or a
person would make a link of, in whatever disguise.

The text is brought to plain signs first, and every sign remembers where it was typed: NFKC, without invisible and
combining characters, every sign that looks like a full stop is one, letters in circles and boxes are letters. Then it
is searched as it is, with spelled dots and spaced letters put together, and with letters of other scripts read as the
Latin ones they look like. A dot between two words leads away only where a top-level domain follows: “Thanks.We” does
not.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

# Signs without a shape that are no format characters.
INVISIBLE = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
DROPPED = {"Cf", "Cc", "Co", "Cn", "Cs", "Mn", "Me"}
# They turn the order in which letters are shown. The first two do it to Latin letters as well: nobody needs that.
OVERRIDE = re.compile("[\u202d\u202e]+")
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

LOOK_LIKE = {
    ".": "\u00b7\u02d9\u0589\u06d4\u0701\u0702\u1362\u166e\u16eb\u1803\u2022\u2027\u2218\u2219\u22c5\u25cf\u25e6"
    "\u26ab\u26aa\u2e30\u2e31\u2e33\u3002\u30fb\ua4f8\ua60e\U00010a50\U0001d16d",
    "/": "\u2044\u2215\u2571\u27cb\u29f8",
    ":": "\u02d0\u02f8\u05c3\u2236\ua4fd\ua789",
    "@": "\uff20\ufe6b",
}
SIGNS = {ord(one): plain for plain, alike in LOOK_LIKE.items() for one in alike}

# Letters of other scripts that are drawn like Latin ones, by Unicode's list of confusables and by eye.
ALIKE = {
    "a": "ɑΑαАаᎪᗅꓮ",
    "b": "ƄΒВЬᏏᏴᖯᗷꓐꞴвβ",
    "c": "СсᏟⲤⲥꓚꮯςᑕ",
    "d": "ԁᎠᏧᑯᗞᗪꓒꓓ",
    "e": "ΕЕеҽᎬꓰꬲε",
    "f": "Ϝքᖴẝꓝꬵ𝈓",
    "g": "ƍɡԌցᏀᏳꓖ",
    "h": "ΗНһհᎻᏂᕼⲎꓧн",
    "i": "ıɩιіӏᎥꙇꭵ",
    "j": "ͿϳЈјᎫᒍꓙ",
    "k": "ΚКᏦⲔꓗкκ",
    "l": "ƖǀΙІӀᏞᒪⲒⳐꓡꓲ𝈪",
    "m": "ΜϺМᎷᗰⲘꓟмμ",
    "n": "ΝոռⲚꓠпη",
    "o": "ΟοσОоՕօᴑⲞⲟꓳꬽ",
    "p": "ΡρРрᏢᑭⲢⲣꓑ",
    "q": "ԛգզ",
    "r": "ƦгᎡᏒᖇᴦⲅꓣꭇꭈꮁ𝈖",
    "s": "ƽЅѕՏᏕᏚꓢꮪ",
    "t": "ΤТᎢⲦꓔтτ",
    "u": "ʋυՍսᑌꓴꞟ",
    "v": "νѴѵᏙᐯꓦꮩ𝈍",
    "w": "ɯѡԜԝաᎳᏔꓪꮃωш",
    "x": "ΧХхᕁᕽ᙭᙮ⲬꓫꞳ",
    "y": "ɣΥγУуҮүᎩᎽᶌⲨꓬ",
    "z": "ΖᏃꓜꮓ𐋵",
}
LATIN = str.maketrans({one: letter for letter, alike in ALIKE.items() for one in alike})
# 🅒, 🅲, 🇨, ⒞, ᴄ, ȼ: a letter with something around it says so in its name.
ORNATE = re.compile(
    r"(?:LATIN|CIRCLED|NEGATIVE|SQUARED|PARENTHESIZED|REGIONAL)\b.*\bLETTER (?:SMALL CAPITAL |SMALL |CAPITAL )?([A-Z])"
    r"(?: WITH .*)?"
)

COMMON = "com|net|org|info|biz|xyz|io"  # people complete these by themselves
MANY = rf"{COMMON}|co|me|us|uk|ca|de|es|fr|ru|cn|in|tk|top|site|online|shop|app|dev|link|click|live|support|bank"
DOT = r"(?:dot|d0t|punkt|punto|ponto|point|точка|ドット|点|點|نقطة|दॉट)"
OPENING, CLOSING = (rf"[{ends}*_|\"'~`=+\\/-]" for ends in (r"\[({<⟨«“‘", r"\])}>⟩»”’"))

# (what hides a dot, what it is), in this order. `\1` keeps the sign between spaced letters the same.
SPACED = re.compile(r"(?<!\w)[\w.](?:([ \-_*|~/]{1,3})[\w.])(?:\1[\w.])+(?!\w)")
UNHIDDEN = (
    (re.compile(r"(?i)&(?:#0*46|#x0*2e|period);|%2e|\\u002e|\\x2e|\\\."), "."),
    (re.compile(r"(?i)%2f|&(?:#0*47|#x0*2f|sol);"), "/"),
    (re.compile(r"(?i)%3a|&(?:#0*58|#x0*3a|colon);"), ":"),
    (re.compile(rf"(?i)(?<=\w)\s*{OPENING}+\s*(?:\.|{DOT})\s*{CLOSING}+\s*(?=\w)"), "."),
    (re.compile(rf"(?i)(?<=\w)(?:\s*[\[({{<]\s*(?:\.|{DOT})|\.[\])}}>])(?=\w)"), "."),
    (re.compile(r"(?i)(?<=\w)(?<!\bthe)(?<!\ba)(?<!\bgreen)(?<!\bred)(?<!\bblue)\s+d[o0]t\s+(?=\w)"), "."),
    (re.compile(rf"(?i)(?<=\w)\s*{DOT}\s*(?=(?:{COMMON})\b)"), "."),
    (re.compile(rf"(?i)(?<=\w)\s+\.\s*(?=(?:{MANY})\b)"), "."),
    (re.compile(r"(?<=\w)\s*\.\s+(?=(?:com|COM|org|ORG|biz|xyz|io)\b)"), "."),
)

SCHEMES = "javascript|mailto|tel|sms|smsto|tg|skype|callto|facetime|whatsapp|market|intent|file|vbscript"
OCTET = r"(?:0x[\da-f]{1,2}|0[0-7]{1,3}|25[0-5]|2[0-4]\d|1?\d?\d)"
ADDRESS = re.compile(
    r"""(?ix)
    (?<![a-z0-9+.-]) [a-z][a-z0-9+.-]* \s* : \s* [/\\] \s* [/\\] \s* \S*  # any scheme, hxxp as well
    | \bh(?:tt|xx|\*\*|__)ps? \s* [:/\\] \S*
    | \bwww\d?\b \W{0,3} \w \S*
    | \b(?:SCHEMES): \s? \S+
    | \bdata: (?:\w+/[\w+.-]+)? [;,] \S*
    | (?<![\w.+-]) [\w.+-]+ @ [\w-]+ \.[\w-]+  # an address for mail
    | (?<![\d.]) OCTET (?:\.OCTET){3} (?![\d.]*\d)  # the number of a computer
    | \b0x[\da-f]{6,8}\b | (?<![\d./-]) \d{8,10} (?::\d+)? /\S+
    | \[ [\da-f]* : [\da-f:.]+ \]
    | (?<![\w:]) (?:[\da-f]{1,4}:){4,7} [\da-f]{1,4} (?![\w:])
    | (?<![\w:]) (?=[\da-f:]*\d) [\da-f:]* :: [\da-f] [\da-f:.]*
    | (?<![\w-]) [\w-]{1,63} \.[^\W\d_][\w-]{0,62} (?: :\d+)? / \S*  # a name with a path
    | (?<![\w.-]) [a-z][\w-]{0,62} :\d{2,5} / \S*
    | (?<![\w-]) [\w-]{1,63} \.(?:example|localhost|local|internal|onion|test|lan|home|corp)\b
    | \blocalhost\b \S*  # names that no registry gives
    | \b(?:telegram|whatsapp|signal|viber|wechat|discord|skype|snapchat|instagram)\b [^.!?\n]{0,20} @\w+
    """.replace("OCTET", OCTET).replace("SCHEMES", SCHEMES)
)
# A part of a name: anything but spaces and punctuation, so that emoji are one as well.
PART = r"[^\s!-,./:-@\[-\^`{-~\u00a1\u00ab\u00bb\u00bf\u2010-\u206f\u3001-\u303f]"
DOTTED = re.compile(rf"(?<!{PART}){PART}+(?:\.{PART}+)+")


def _loose(name: str) -> str:
    """The letters of a top-level domain with signs, spaces or line breaks between them, and digits that look alike."""
    digits = {"o": "[o0]", "e": "[e3]", "i": "[i1]"}
    return r"[\W_]{0,3}".join(digits.get(letter, letter) for letter in name)


LOOSE = re.compile(
    rf"(?<![\w-])[\w-]{{1,64}}(?:[\W_]{{0,4}}\.[\W_]{{0,3}}(?!(?-i:Com)){_loose('com')}|,{_loose('com')}"
    rf"|\.(?:{'|'.join(map(_loose, COMMON.split('|')[1:-1]))}))(?![^\W_])",
    re.IGNORECASE,
)
# Names that came into the world after the tables of twitter-text.
NEWER = frozenset({"amazon", "cpa", "hotel", "kids", "llp", "merck", "music", "spa", "web"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the text as it was typed, in code points, and what a reader sees there."""

    start: int
    end: int
    words: str


@dataclass(frozen=True, slots=True)
class Plain:
    """A text in plain signs, and for each sign where in the typed text it begins and ends."""

    text: str
    starts: list[int]
    ends: list[int]


# What plain English seldom has and everything that leads away does: whatever a pattern below could find must be found
# here, too. Most messages are done with in this look, and the whole search costs fifty times as much.
SIGN = re.compile(r"[^ -$'-.0-Z\]^-~\n]|:(?![ \n]|\Z)|\.(?![ \n]|\Z)|(?<!\w)\.")
WORDS = ("dot", "d0t", "punkt", "punto", "ponto", "point", "0x", "www", "localhost")
ENDING = re.compile(rf"\.\s+(?:com|org|biz|xyz|io)\b|[.,][\W_]{{0,3}}{_loose('com')}")
LETTERS = re.compile(r"[ \-_*|~]\w[ \-_*|~]{1,3}\w(?!\w)")
SCHEME = re.compile(rf"(?:{SCHEMES}|data|h..ps?)\s*:")


def suspects(typed: str) -> bool:
    """Whether a search is worth its while."""
    low = typed.lower()
    return (
        SIGN.search(typed) is not None
        or "@" in low
        or any(word in low for word in WORDS)
        or ENDING.search(low) is not None
        or LETTERS.search(low) is not None
        or (":" in low and SCHEME.search(low) is not None)
    )


def leads_away(typed: str) -> Place | None:
    """The first thing in a text that leads somewhere else; None where nothing does."""
    return searched(typed) if suspects(typed) else None


def searched(typed: str) -> Place | None:
    """The same, whatever it looks like."""
    hits = [match.span() for match in OVERRIDE.finditer(typed)]
    simple = plain(typed)
    for version in _versions(simple):
        hits += [(version.starts[a], version.ends[b - 1]) for a, b in _spans(version, typed)]
    if not hits:
        return None
    start, end = min(hits, key=lambda hit: (hit[0], -hit[1]))
    words = "".join(char for at, char in zip(simple.starts, simple.text, strict=True) if start <= at < end)
    return Place(start, end, " ".join(words.split()))


def plain(typed: str) -> Plain:
    """The text in plain signs; case and line breaks stay."""
    if typed.isascii() and typed.isprintable():
        return Plain(typed, list(range(len(typed))), list(range(1, len(typed) + 1)))
    signs: list[str] = []
    at: list[int] = []
    for index, char in enumerate(typed):
        for sign in _signs(char):
            signs.append(sign)
            at.append(index)
    return Plain("".join(signs), at, [index + 1 for index in at])


def _signs(char: str) -> str:
    if char.isascii():
        return " " if char == "\t" else char if char.isprintable() or char == "\n" else ""
    if char in INVISIBLE or unicodedata.category(char) in DROPPED:
        return ""
    if not char.isalpha() and (ornate := ORNATE.fullmatch(unicodedata.name(char, ""))):
        return ornate.group(1).lower()  # before NFKC, which makes three signs of ⒞
    normal = unicodedata.normalize("NFKC", char).translate(SIGNS)
    return "".join(
        str(unicodedata.digit(one)) if one.isdigit() else " " if one.isspace() and one != "\n" else one
        for one in normal
        if one not in INVISIBLE
    )


def _versions(simple: Plain) -> Iterator[Plain]:
    """As it is; with hidden dots and spaced letters plain; and that with letters as the Latin ones they look like."""
    yield simple
    unhidden = _replaced(simple, SPACED, lambda match: match.group().replace(match.group(1), ""))
    for pattern, sign in UNHIDDEN:
        unhidden = _replaced(unhidden, pattern, lambda match, sign=sign: sign)  # type: ignore[misc]
    if unhidden.text != simple.text:
        yield unhidden
    latin = "".join(map(_latin, unhidden.text))
    if latin != unhidden.text:
        yield Plain(latin, unhidden.starts, unhidden.ends)


def _latin(char: str) -> str:
    """One sign for one sign."""
    if char.isascii():
        return char
    base = unicodedata.normalize("NFD", char)[0].translate(LATIN)
    if base.isascii():
        return base
    ornate = ORNATE.fullmatch(unicodedata.name(base, ""))
    return ornate.group(1).lower() if ornate else base


def _replaced(text: Plain, pattern: re.Pattern[str], by: Callable[[re.Match[str]], str]) -> Plain:
    """`re.sub` that keeps the places: each new sign stands for all that it replaces."""
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for match in pattern.finditer(text.text):
        new = by(match)
        pieces += [text.text[at : match.start()], new]
        starts += text.starts[at : match.start()] + [text.starts[match.start()]] * len(new)
        ends += text.ends[at : match.start()] + [text.ends[match.end() - 1]] * len(new)
        at = match.end()
    if not at:
        return text
    return Plain("".join(pieces) + text.text[at:], starts + text.starts[at:], ends + text.ends[at:])


def _spans(text: Plain, typed: str) -> Iterator[tuple[int, int]]:
    """Where this version of the text leads away."""
    for pattern in (ADDRESS, LOOSE):
        yield from (match.span() for match in pattern.finditer(text.text))
    for match in DOTTED.finditer(text.text):
        if _is_name(match, text, typed):
            yield match.span()


def _is_name(match: re.Match[str], text: Plain, typed: str) -> bool:
    """Whether words with dots between them are the name of a computer on the internet."""
    if BIDI.search(typed, text.starts[match.start()], text.ends[match.end() - 1]):
        return True
    at = match.start()
    before = text.text[at - 1 : at]
    parts = match.group().split(".")
    for previous, part in pairwise(parts):
        at += len(previous) + 1
        # After a name, a tag or an emoji a sentence may begin without a space: “@maria_m.So” is no link anywhere.
        if part[0].isupper() and part[1:].islower() and (before in {"@", "#", "$"} or not previous[-1].isalnum()):
            continue
        if _is_top_level(part) and (part.isascii() or typed[text.starts[at - 1]] == "."):
            return True
    return False


@lru_cache(maxsize=4096)
def _is_top_level(part: str) -> bool:
    """Whether a name may end like this; “com中国”, “com_” and “com-now” begin with what X would take for the end."""
    # Here, because twitter-text costs every process half a second at its start, and few ever send.
    from twitter_text.regexp.valid_cctld import valid_cctld
    from twitter_text.regexp.valid_gtld import valid_gtld

    low = part.lower()
    if low.startswith("xn--"):
        return True
    latin = re.match(r"[a-z]+", low)
    ends = {low, re.split(r"[-_]", low)[0], latin.group() if latin and not low.isascii() else low}
    return any(end in NEWER or valid_cctld.fullmatch(end) or valid_gtld.fullmatch(end) for end in ends)
