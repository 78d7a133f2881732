"""Takes a text that somebody wants to send, leaves nothing or a refusal: what to change, and where it stands."""

import re
from typing import Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from conversations import credentials, disguises
from conversations.errors import BadText, NotReachable
from conversations.masking import first_place
from conversations.models import Case
from conversations.networks.base import ADDRESS, CODE, LINK, Measure

Kind = Literal["dm", "reply", "chat"]

PLACEHOLDERS = (LINK, CODE, ADDRESS)
LONGEST_CODE = "XXXX-XXXX"

VARIABLE = re.compile(r"\{\{\s*(\w*)\s*\}\}")
BRACES = re.compile(r"\{+[^{}\n]{0,40}\}+")
# Letters that touch a placeholder would become part of our link, or make another name of our address.
TOUCHED = re.compile(r"[^\s(\[“„«\"'.,:;!?…—–-]\Z"), re.compile(r"\A(?![.,:;!?…)\]”“»\"']*(?:\s|\Z))")
MISSING_SPACE = re.compile(r"\w+\.[A-Z][a-z]*")
SHOWN = 60  # characters of a text that a sentence repeats


def check(text: str, *, kind: str, network: str = "x", address: str = "") -> None:
    """BadText, with what to do, for a text that must not leave: empty, unfilled, private, foreign link, too long.

    `kind` is dm, reply or chat; chat masks private details and counts by itself. `address` is what `{address}` will
    be, for its length.
    """
    if not _without(text).strip():
        raise BadText(_("Write something first."))
    _filled(text, kind)
    if kind != "chat":
        _nothing_private(text)
    _no_foreign_link(text, network)
    if kind != "chat":
        _short_enough(text, kind, network, address)


def said(text: str, *, is_agent: bool) -> str:
    """What is written in the chat as it may be kept, private details apart; BadText for what cannot be."""
    if is_agent:
        check(text, kind="chat")
    text = text.replace("\x00", "").strip()
    if not text:
        raise BadText(_("Write something first."))
    if len(text) > settings.MESSAGE_LENGTH:
        over = {"used": len(text), "limit": settings.MESSAGE_LENGTH}
        raise BadText(_("%(used)d characters of %(limit)d: send it in two messages.") % over)
    return text


def recipient(case: Case) -> None:
    """NotReachable for somebody who never wrote to us in this case: nobody is written to out of the blue."""
    if not case.mentions.filter(author=case.author_id).exists():
        raise NotReachable(_("This person wrote nothing in this case. We write only to people who wrote first."))


def measured(text: str, *, kind: str, network: str = "x", address: str = "") -> Measure:
    """How long the network will find it, with everything that is filled in when it leaves."""
    whole = text.strip().replace(CODE, LONGEST_CODE).replace(ADDRESS, address)
    return credentials.network(network).measure(whole, kind="dm" if kind == "dm" else "reply", link=LINK in text)


def _without(text: str) -> str:
    """The text with spaces instead of placeholders: every place in it stays the same."""
    for placeholder in PLACEHOLDERS:
        text = text.replace(placeholder, " " * len(placeholder))
    return text


def _filled(text: str, kind: str) -> None:
    """Nothing in braces but what is replaced when it leaves, and that with a space around it."""
    if text.isascii() and "{" not in text:
        return
    simple = disguises.plain(text)
    for match in BRACES.finditer(simple.text):
        start, end = simple.starts[match.start()], simple.ends[match.end() - 1]
        name = text[start:end]
        if name not in PLACEHOLDERS:
            words = {"name": match.group().strip("{} ")[:SHOWN]}
            raise BadText(_("“%(name)s” is missing. Fill it in or take it out.") % words, start=start, end=end)
        if kind != "dm" or LINK not in text:
            sentence = _("%(name)s goes only into a direct message with our link. Take it out.") % {"name": name}
            raise BadText(sentence, start=start, end=end)
        if name == LINK and text.find(LINK) < start:
            raise BadText(_("One message carries one link. Take the other {link} out."), start=start, end=end)
        before, after = TOUCHED
        if before.search(simple.text[: match.start()]) or after.search(simple.text[match.end() :]):
            raise BadText(_("Put a space before and after %(name)s.") % {"name": name}, start=start, end=end)


def _nothing_private(text: str) -> None:
    """The words themselves are not repeated, only their end: a refusal must not carry what it refuses."""
    if found := first_place(text):
        start, end, kind = found
        what = {"card": _("a card number"), "code": _("a security code")}.get(kind, _("account data"))
        words = {"what": what, "end": text[start:end][-2:]}
        sentence = _("This looks like %(what)s (… %(end)s). It cannot leave the secure chat.") % words
        raise BadText(sentence, start=start, end=end)


def _no_foreign_link(text: str, network: str) -> None:
    found = disguises.leads_away(_without(text))
    if not found:
        return
    words = {"words": found.words[:SHOWN]}
    if MISSING_SPACE.fullmatch(found.words):
        name = {"x": "X"}.get(network, network)
        sentence = _("%(network)s would make “%(words)s” a link. Put a space after the full stop.")
        sentence = sentence % (words | {"network": name})
    elif urlsplit(settings.LINK_URL).netloc.lower() in found.words.lower():
        sentence = _("Our link is added for you. Take “%(words)s” out.") % words
    else:
        sentence = _("Only our own links can be sent, and they are added for you. Take “%(words)s” out.") % words
    raise BadText(sentence, start=found.start, end=found.end)


def _short_enough(text: str, kind: str, network: str, address: str) -> None:
    """Marks what is too much: the longest beginning that would be taken is found by halves."""
    found = measured(text, kind=kind, network=network, address=address)
    if found.valid:
        return
    fits, over = 0, len(text)
    while over - fits > 1:
        middle = (fits + over) // 2
        if measured(text[:middle], kind=kind, network=network, address=address).used <= found.limit:
            fits = middle
        else:
            over = middle
    counted = {"used": found.used, "limit": found.limit}
    raise BadText(_("%(used)d characters of %(limit)d: shorten it.") % counted, start=fits, end=len(text))
