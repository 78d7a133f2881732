"""Links in disguise: three hundred ways to write one, none passes; and what real care desks write passes.

The disguises are made here. Names to disguise come from X's own conformance cases where those are at hand, and there
are enough without them. Nothing of the data is copied: it is read in place.
"""

import csv
import gzip
import html
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from conversations import disguises, gate
from conversations.errors import BadText

DATA = Path(os.environ.get("CITISOCIAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
CASES = DATA / "x_text_conformance" / "conformance" / "extract.yml"
ALIKE = DATA / "attack_strings" / "unicode_confusables.json"
TWEETS = DATA / "bank_tweets_2015"

NAMES = ("evil.com", "citi-help.net", "secure.citi-card.org", "login.evil.co/verify")
DOTS = "。．｡․﹒·‧•・∙⋅۔܁꓿ꓸ𐩐"
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e\u115f\u3164\u2800\u200e\u202c\u2069\u061c\ufe0f\U000e0041"


def joined(sign: str) -> Callable[[str], str]:
    return lambda name: name.replace(".", sign)


def between(sign: str) -> Callable[[str], str]:
    return lambda name: sign.join(name)


def letters(first: int, capital: int | None = None) -> Callable[[str], str]:
    """Every Latin letter as the sign so many places after the first one."""
    return lambda name: "".join(
        chr((capital or first) + ord(c.upper()) - 65) if c.isalpha() and c.isascii() else c for c in name
    )


def of_table(table: dict[str, str]) -> Callable[[str], str]:
    return lambda name: name.translate(str.maketrans(table))


CYRILLIC = {"a": "а", "c": "с", "e": "е", "i": "і", "m": "м", "n": "п", "o": "о", "p": "р", "t": "т", "l": "ӏ"}
GREEK = {"a": "α", "c": "ϲ", "e": "ε", "m": "μ", "n": "η", "o": "ο", "t": "τ", "g": "ɡ", "r": "г", "v": "ν"}

DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "capitals": str.upper,
    "a scheme": lambda name: f"https://{name}",
    "hxxp": lambda name: f"hxxp://{name}",
    "hxxps, dot in brackets": lambda name: "hxxps://" + name.replace(".", "[.]"),
    "a scheme with spaces": lambda name: f"http : // {name}",
    "backslashes": lambda name: f"http:\\\\{name}",
    "no scheme": lambda name: f"//{name}",
    "www": lambda name: f"www.{name}",
    "www with a space": lambda name: f"www {name}",
    "somebody at": lambda name: f"user@{name}",
    "a login": lambda name: f"https://citi.com@{name}",
    "a port": lambda name: name.split("/")[0] + ":8443",
    "a query": lambda name: f"{name}?to=citi",
    "a fragment": lambda name: f"{name}#citi",
    "mailto": lambda name: f"mailto:help@{name}",
    "a full stop after it": lambda name: f"{name}.",
    "signs around it": lambda name: f"(“{name}”)!?",
    "a word stuck to it": lambda name: name.split("/")[0] + "中国",
    "an underline after it": lambda name: f"{name.split('/')[0]}_",
    "a tag": lambda name: f"#{name}",
    "a handle": lambda name: f"@{name}",
    "a price": lambda name: f"${name}",
    "a hyphen before it": lambda name: f"-{name}",
    "dots before it": lambda name: f"...{name}",
    "markdown": lambda name: f"[Citi]({name})",
    "html": lambda name: f"<a href={name}>Citi</a>",
    "dot in square brackets": joined("[.]"),
    "dot in round brackets": joined("(.)"),
    "dot in braces, spaced": joined(" { . } "),
    "[dot]": joined("[dot]"),
    "(dot)": joined(" (dot) "),
    "(DOT)": joined("(DOT)"),
    "-dot-": joined("-dot-"),
    "_dot_": joined("_dot_"),
    " dot ": joined(" dot "),
    " d0t ": joined(" d0t "),
    " DOT ": joined(" DOT "),
    "(punto)": joined("(punto)"),
    "quoted": joined('"."'),
    "stars": joined("*.*"),
    "an entity": joined("&#46;"),
    "an entity in hex": joined("&#x2e;"),
    "percent": joined("%2E"),
    "escaped": joined("\\u002e"),
    "letters apart": between(" "),
    "letters apart by two": between("  "),
    "letters and hyphens": between("-"),
    "a combining mark on each letter": between("\u0336"),
    "right to left": lambda name: f"\u202e{name[::-1]}\u202c",
    "left to right": lambda name: f"\u202d{name}\u202c",
    "marks of direction": lambda name: "\u200f.\u200f".join(reversed(name.split("/")[0].split("."))),
    "wide letters": lambda name: "".join(chr(ord(c) + 0xFEE0) for c in name),
    "letters in circles": letters(0x24D0),
    "black circles": letters(0x1F150),
    "black squares": letters(0x1F170),
    "white squares": letters(0x1F130),
    "flags": letters(0x1F1E6),
    "in parentheses": letters(0x249C),
    "bold letters": letters(0x1D41A),
    "script letters": letters(0x1D4EA),
    "double-struck letters": letters(0x1D552),
    "monospaced letters": letters(0x1D68A),
    "small capitals": of_table({"a": "ᴀ", "c": "ᴄ", "o": "ᴏ", "m": "ᴍ", "e": "ᴇ", "n": "ɴ", "t": "ᴛ", "r": "ʀ"}),
    "Cyrillic letters": of_table(CYRILLIC),
    "Greek letters": of_table(GREEK),
    "accents": of_table({"c": "ç", "o": "ö", "e": "é", "n": "ñ", "r": "ŕ", "t": "ţ"}),
    "strokes": of_table({"c": "ȼ", "o": "ø", "e": "ɇ", "t": "ŧ", "g": "ǥ", "r": "ɍ"}),
    **{f"the sign {ord(dot):04x}": joined(dot) for dot in DOTS if dot != "꓿"},
    **{f"{ord(sign):04x} between": between(sign) for sign in INVISIBLE},
}

# Where the disguise is of the end, of a number or of another way to somebody.
OTHERS = [
    *("evil .com", "evil. com", "evil . com", "evil\n.com", "evil.\ncom", "evil\u00a0.\u2009com", "evil...com"),
    *("evil.c\nom", "evil.co\nm", "evil.c om", "evil.c-o-m", "evil.c0m", "evil.n3t", "evil.0rg", "evil,com"),
    *("evildotcom", "evil dotcom", "evil-dot-com", "evil point com", "evil Punkt com", "evil точка com"),
    *("e v i l dot c o m", "e_v_i_l_._c_o_m", "e*v*i*l*.*c*o*m", "e v i l [.] c o m"),
    *("bücher.de", "пример.рф", "例え.テスト.みんな", "उदाहरण.भारत", "مثال.شبكة", "한국.삼성", "xn--bcher-kva.de"),
    *("xn--80ak6aa92e.com", "аррӏе.com", "evil.xn--p1ai", "☃.net", "💩.la", "i❤.ws", "❤\ufe0f.com", "1\ufe0f\u20e3.ws"),
    *("10.0.0.1", "10.0.0.1:8080/x", "１０.０.０.１", "①⓪.⓪.⓪.①", "١٠.٠.٠.١", "10[.]0[.]0[.]1", "10。0。0。1"),
    *("0x0a.0x00.0x00.0x01", "012.0.0.1", "0x0A000001", "http://0x0a000001/", "http://167772161/", "http://012.1"),
    *("167772161/login", "167772161:80/login", "http://[::1]/", "[2001:db8::1]", "2001:db8::1", "::ffff:10.0.0.1"),
    *("2001:db8:0:0:0:0:0:1", "http://[2001:db8::1]:8080", "localhost:8000", "evil.local", "evil.internal/x"),
    *("mailto:help@evil.com", "help@evil.com", "help[at]evil[.]com", "tel:+15550100", "sms:+15550100", "tg://evil"),
    *("whatsapp://send?x", "t.me/evil", "wa.me/15550100", "t。me/evil", "t dot me/evil", "bit.ly/evil", "t.co/evil"),
    *("Telegram: @evil_help", "find us on WhatsApp @evil", "discord.gg/evil", "m.me/evil", "evil.onion", "goo.gl/evil"),
    *("javascript:alert(1)", "data:text/html,evil", "data:,evil", "file:///etc/x", "ftp://evil.com", "intent://evil"),
    *("vbscript:evil", "ws://evil.com", "http:evil.com", "https:/evil.com", "h**p://evil.com", "ｈｔｔｐ://evil.com"),
    *("https%3A%2F%2Fevil.com", "https&#58;//evil", "http∶⁄⁄evil", "нttp://evil", "ԝԝԝ.evil", "wｗw.evil", "www。evil"),
    *(
        "evil.com\u202e",
        "e\u202evil",
        "evil.\u200fcom",
        "evil\u2028.com",
        "evil\r\n.com",
        "evil.com\x00",
        "ev\x08il.com",
    ),
    *(
        "evil.CO",
        "evil.zip",
        "evil.mov",
        "evil.app",
        "evil.dev",
        "citi.com",
        "citi.bank/x",
        "evil.example",
        "evil.corp/x",
    ),
    *(
        "evil.com:8443",
        "go.evil.com?x=1",
        "evil.com/#",
        "a.b.c.d.e.evil.com",
        "evil.com.",
        "evil.com..",
        "x.evil.com-now",
    ),
    *("evil⒈com", "evil.㏄", "evil.ⅽom", "evil.ℂom", "evil.cºm", "evil.cₒm", "evil.ᶜᵒᵐ", "evil.🅒🅞🅜", "evil.ᑕOᗰ"),
    *("localhost:8001/abc", "LOCALHOST:8001/abc", "http://localhost:8001/", "localhost:8001"),
]


def evasions() -> list[tuple[str, str]]:
    """(what it is, the text): each disguise on each name, once."""
    made = {text: what for what, disguise in DISGUISES.items() for name in NAMES if (text := disguise(name))}
    return [(what, text) for text, what in made.items()] + [("other", text) for text in dict.fromkeys(OTHERS)]


def passing(texts: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that the gate lets out, in a direct message or in the chat, or whose place it does not mark."""
    return [(what, text) for what, text in texts for kind in ("dm", "chat") if not refused(text, kind)]


def refused(text: str, kind: str) -> bool:
    try:
        gate.check(f"Please sign in here: {text} Thank you", kind=kind)
    except BadText as refusal:
        return refusal.at is not None
    return False


def test_of_three_hundred_disguises_none_passes() -> None:
    made = evasions()
    assert len(made) >= 300
    assert passing(iter(made)) == []


def test_disguised_names_of_x_own_cases_do_not_pass() -> None:
    if not CASES.is_file():
        pytest.skip(f"X's conformance cases are not at {CASES}: the names written here were tried alone")
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]
    urls = {url for case in cases["urls"] for url in case["expected"]}
    assert len(urls) > 60
    plain = [("as it is", url) for url in urls] + [("in its text", c["text"]) for c in cases["urls"] if c["expected"]]
    assert passing(iter(plain)) == []
    names = [re.sub(r"^https?://", "", url).split("/")[0] for url in urls]
    names = [name for name in names if name.isascii() and "@" not in name][:20]
    chosen = ("hxxp", "(dot)", "[dot]", "the sign 3002", "200b between", "wide letters", "bold letters", "a login")
    assert passing((what, DISGUISES[what](name)) for what in chosen for name in dict.fromkeys(names)) == []


def test_letters_that_look_alike_do_not_pass() -> None:
    """Every sign of Unicode's list that is drawn as c, o or m in one of the scripts that are on a keyboard."""
    if not ALIKE.is_file():
        pytest.skip(f"Unicode's list of confusable signs is not at {ALIKE}: the letters written here were tried alone")
    alike = json.loads(ALIKE.read_text(encoding="utf-8"))
    known = set("".join(disguises.ALIKE.values()))
    signs = [(sign, plain.lower()) for sign, plain in alike.items() if plain.lower() in set("com") and sign in known]
    assert len(signs) > 20
    assert passing((sign, f"evil.{'com'.replace(plain, sign)}") for sign, plain in signs) == []


# What some of the texts hold of addresses; read by hand, these are links and mailboxes.
ADDRESS = re.compile(r"https?:|\bwww\.|nitter\.nl/|citi\.us/|\b[\w.]+@(?:santander\.us|\w+\.(?:uk|com))", re.IGNORECASE)


def replies() -> Iterator[str]:
    """What care desks wrote themselves, each text once, without those that have a link or a mailbox in them."""
    with gzip.open(TWEETS / "dev.csv.gz", "rt", encoding="utf-8", newline="") as file:
        texts = [
            row["text"] for row in csv.DictReader(file) if row["author_is_brand"] == "1" and row["is_retweet"] == "0"
        ]
    with (TWEETS / "askciti_replies_2023.csv").open(encoding="utf-8", newline="") as file:
        texts += [row["text"] for row in csv.DictReader(file)]
    with (DATA / "twcs_sample" / "finance_threads_dev.csv").open(encoding="utf-8", newline="") as file:
        texts += [row["text"] for row in csv.DictReader(file) if row["inbound"] == "False"]
    yield from (text for text in dict.fromkeys(map(html.unescape, texts)) if not ADDRESS.search(text))


def test_what_care_desks_write_passes() -> None:
    if not (TWEETS / "dev.csv.gz").is_file():
        pytest.skip(f"real replies are not at {TWEETS}: false alarms were not counted")
    texts = list(replies())
    wrong = [(text, found.words) for text in texts if (found := disguises.leads_away(text))]
    assert len(texts) > 400
    assert len(wrong) <= len(texts) / 1000, wrong


@pytest.mark.parametrize(
    "piece", ["a.", "a", "a-", "a b ", "aa.bb/", "dot ", "😀.", "[(", "::", "1.", "0x1.", "@a", "&#"]
)
def test_the_longest_text_takes_no_time(piece: str) -> None:
    text = (piece * 10_000)[:10_000]
    started = time.perf_counter()
    disguises.leads_away(text)
    assert time.perf_counter() - started < 2


def test_our_own_link_passes() -> None:
    gate.check("Hi Maria, go on here: {link}", kind="dm")
    gate.check("Hi Maria: {link} or type {address} and the code {code}.", kind="dm", address="citi.example/social")
