"""Takes a text that is still to be sent, leaves its length as X counts it."""

import re

from conversations.networks.base import LINK, Measure, TextKind

LINK_LENGTH = 23  # what X charges for any URL, whatever its own length
REPLY_LIMIT = 280
DIRECT_MESSAGE_LIMIT = 10_000  # X does not document it; seen in its clients

# The library's search for URLs takes time with the cube of the dots in a row: 500 would hold a process for ten seconds.
DOTS = 10  # in one run of signs without a gap; more is no host name

_LEADING_MENTIONS = re.compile(r"\A\s*(?:[@\uff20][A-Za-z0-9_]{1,15}\s+)+")  # \uff20: the full-width at sign
_WORD = re.compile(r"\S+")
_DOT = "\u00b7"
_NEVER_ALLOWED = re.compile("[\ufffe\uffff\ufeff]")


def measure(text: str, *, kind: TextKind, link: bool) -> Measure:
    """Length, limit, and whether X would take it.

    Each `{link}` counts 23 wherever it stands. `link` with no `{link}` in the text means that one is put at
    its end, after a space. In a reply, the names it begins with are the people answered, which X does not
    count.
    """
    parts = text.split(LINK)
    links = (len(parts) - 1) * LINK_LENGTH
    if link and len(parts) == 1:
        links = LINK_LENGTH + 1
    if kind == "dm":
        used = sum(len(part) for part in parts) + links
        return Measure(used=used, limit=DIRECT_MESSAGE_LIMIT, valid=bool(text.strip()) and used <= DIRECT_MESSAGE_LIMIT)
    parts[0] = _LEADING_MENTIONS.sub("", parts[0])
    # Part by part, because X knows a URL by its ending: our link's host in a demo, or a full stop after it,
    # would mislead.
    used = sum(weighted_length(part) for part in parts) + links
    valid = bool("".join(parts).strip() or links) and used <= REPLY_LIMIT and not _NEVER_ALLOWED.search(text)
    return Measure(used=used, limit=REPLY_LIMIT, valid=valid)


def weighted_length(text: str) -> int:
    """X's weighted length of a post's text: most letters 1, other scripts and emoji 2, a URL 23."""
    # Here, because its tables of emoji cost every process half a second at its start, and few ever measure.
    from twitter_text import parse_tweet

    return int(parse_tweet(_WORD.sub(lambda word: _plain(word[0]), text)).weightedLength) if text else 0


def _plain(word: str) -> str:
    """A word in which no URL is looked for when it has too many dots; the sign in their place counts as much."""
    return word.replace(".", _DOT) if word.count(".") > DOTS else word
