"""Takes what a person wrote, leaves the text as X puts it on the wire and the entities found in it."""

import hashlib
import re
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Any

from twitter_text import parse_tweet

URL = re.compile(
    r"https?://[^\s<>\"]+"
    r"|(?<![\w@./#$-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+"
    r"(?:com|net|org|info|edu|gov|bank|app|io|co|me|ly|uk|us|de|es|mx)(?:/[^\s<>\"]*)?(?![\w@-])",
    re.IGNORECASE,
)
HANDLE = re.compile(r"(?<![A-Za-z0-9_!#$%&*@＠])[@＠]([A-Za-z0-9_]{1,20})(?![A-Za-z0-9_@＠À-ÖØ-öø-ɏ]|://)")
HASHTAG = re.compile(r"(?<![\w&/])[#＃](\w*[^\W\d_]\w*)")
CASHTAG = re.compile(r"(?<!\S)\$([A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?)(?![\w$])")
HTML = re.compile("[&<>]")
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MAX_WEIGHT = 280

Entities = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text for a page: plain, a link (`href`) or a handle (`handle`)."""

    text: str
    href: str = ""
    handle: str = ""


def wire(text: str) -> tuple[str, Entities]:
    """The text with its links wrapped as t.co links, and its entities.

    Entities carry `start` and `end` (code points, end exclusive); links `url`, `expanded_url`, `display_url`;
    mentions `username`, to which the caller adds the id; tags `tag`. Kinds that do not occur are absent.
    """
    pieces: list[str] = []
    urls: list[dict[str, Any]] = []
    length = position = 0
    text = text.replace("\x00", "")  # PostgreSQL cannot hold it
    for match in URL.finditer(text):
        found = _without_punctuation(match.group())
        expanded = found if "://" in found else "http://" + found
        short = found if found.startswith("https://t.co/") else short_url(expanded)
        before = text[position : match.start()]
        start = length + len(before)
        length = start + len(short)
        position = match.start() + len(found)
        pieces += [before, short]
        urls.append(
            {"start": start, "end": length, "url": short, "expanded_url": expanded, "display_url": _displayed(expanded)}
        )
    wired = "".join([*pieces, text[position:]])
    entities: Entities = {"urls": urls} if urls else {}
    for kind, pattern, key in (
        ("mentions", HANDLE, "username"),
        ("hashtags", HASHTAG, "tag"),
        ("cashtags", CASHTAG, "tag"),
    ):
        found_here = [{"start": m.start(), "end": m.end(), key: m.group(1)} for m in pattern.finditer(wired)]
        if found_here:
            entities[kind] = found_here
    return wired, entities


def escaped(text: str, entities: Entities) -> tuple[str, Entities]:
    """A wire text as X sends it, with &, < and > as HTML entities; its entities point into the escaped text."""
    if not HTML.search(text):
        return text, entities
    grown = list(accumulate((len(escape(sign, quote=False)) for sign in text), initial=0))
    moved = {
        kind: [each | {"start": grown[each["start"]], "end": grown[each["end"]]} for each in found]
        for kind, found in entities.items()
    }
    return escape(text, quote=False), moved


def short_url(url: str) -> str:
    """The t.co link for a URL: 23 characters, the same for the same URL."""
    number = int.from_bytes(hashlib.sha256(url.encode()).digest()[:8], "big")
    code = ""
    for _ in range(10):
        number, digit = divmod(number, 62)
        code += ALPHABET[digit]
    return "https://t.co/" + code


def weight(wired: str) -> int:
    """The length that X counts, of a text whose links are already wrapped (each counts 23)."""
    return int(parse_tweet(wired).weightedLength)


def names(text: str) -> list[str]:
    """The handles that a text names, as written, each once, without the @."""
    found: dict[str, str] = {}
    for handle in HANDLE.findall(text):
        found.setdefault(handle.lower(), handle)
    return list(found.values())


def addressed(text: str, handle: str) -> str:
    """A reply's text with the handle that X puts in front of it, unless the text names it already."""
    if handle.lower() in (name.lower() for name in names(text)):
        return text
    return f"@{handle} {text}"


def pieces(text: str, entities: Entities) -> list[Piece]:
    """A wire text cut into pieces for a page: links open what they hide, handles are marked."""
    marks = [
        (url["start"], url["end"], Piece(url["display_url"], href=url["expanded_url"]))
        for url in entities.get("urls", [])
    ]
    marks += [
        (mention["start"], mention["end"], Piece("@" + mention["username"], handle=mention["username"]))
        for mention in entities.get("mentions", [])
    ]
    cut: list[Piece] = []
    position = 0
    for start, end, piece in sorted(marks, key=lambda mark: mark[0]):
        cut += [Piece(text[position:start]), piece]
        position = end
    return [piece for piece in (*cut, Piece(text[position:])) if piece.text]


def _without_punctuation(url: str) -> str:
    """A URL without the punctuation that ends the sentence and not the URL."""
    while url[-1] in ".,;:!?'\"…»”’]}>*" or (url[-1] == ")" and url.count(")") > url.count("(")):
        url = url[:-1]
    return url


def _displayed(url: str) -> str:
    shown = re.sub(r"^https?://(www\.)?", "", url)
    return shown if len(shown) <= 36 else shown[:35] + "…"
