"""Takes the text of a post or message as X sends it, leaves it as it was typed, with the names and links in
it."""

import re

from conversations.networks.x import wire

# A name in a text as X finds it: not in the middle of a word or an address (but after "RT"), at most 20
# letters, and not the beginning of a longer word, of another name or of a URL.
_NAME = re.compile(
    r"(?:(?<![A-Za-z0-9_!#$%&*@\uff20])|(?<=(?<![A-Za-z0-9_])[Rr][Tt]))"
    r"[@\uff20]([A-Za-z0-9_]{1,20})"
    r"(?![A-Za-z0-9_@\uff20\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f]|://)"
)
_URL = re.compile(r"https?://[^\s<>\"]+")


def whole(post: wire.Post) -> tuple[str, wire.Entities | None]:
    """The text as it was typed, and what X found in it; of a long post all of it, not the first 280."""
    note = post.note
    text, entities = (note.text, note.entities) if note and note.text else (post.text, post.entities)
    # X escapes exactly these three, and the ampersand first; html.unescape would also turn a typed "&copy;"
    # into a sign.
    return clean(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")), entities


def clean(text: str) -> str:
    """PostgreSQL takes no NUL in a text, and nobody types one."""
    return text.replace("\x00", "")


def named(text: str, entities: wire.Entities | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids and handles of those named in a text, each account once, in the order of the text."""
    mentions = [wire.Mention(handle) for handle in handles_in(text)] if entities is None else entities.mentions
    accounts: dict[str, wire.Mention] = {}
    for mention in mentions or ():
        accounts.setdefault(mention.id or mention.username.lower(), mention)
    return tuple(m.id or m.username for m in accounts.values()), tuple(m.username for m in accounts.values())


def handles_in(text: str) -> list[str]:
    """Handles in a text by X's rules, without "@", as often as they stand; for where X did not list them."""
    return _NAME.findall(text)


def urls(text: str, entities: wire.Entities | None) -> tuple[str, ...]:
    """The links of a text as they were written: X wraps each in one of its own and keeps the original."""
    if entities is not None and entities.urls:
        return tuple(url for link in entities.urls if (url := link.expanded_url or link.url))
    return tuple(found.rstrip(".,;:!?)") for found in _URL.findall(text))
