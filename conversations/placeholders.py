"""Takes a stored text of ours, leaves the words: as they leave, as they are read, and whether a network shows them.

Until a text leaves, our link, its code and our address stand in it as placeholders: nothing that opens a door is
stored with the words.
"""

import html
import re
import unicodedata
from datetime import datetime, timedelta

from conversations.models import Outgoing
from conversations.networks.base import ADDRESS, CODE, LINK, SentMessage
from links import shortener

UNSEEN = "····-····"  # in the place of a code, which is the recipient's alone
CLOCKS_APART = timedelta(seconds=5)  # the network's and ours
WRAPPED = re.compile(r"https?://\S+")


def as_sent(outgoing: Outgoing) -> str:
    """The words as they leave: the link, its code and our address in their places."""
    text = outgoing.text
    if CODE in text:
        text = text.replace(CODE, shortener.code(outgoing.invitation.link))
    if LINK in text:
        text = text.replace(LINK, shortener.url(outgoing.invitation.link))
    return text.replace(ADDRESS, outgoing.case.brand.address)


def as_read(text: str, address: str) -> str:
    """The words as the bank's own people read them, `{link}` still in it: our address, and dots for the code."""
    return text.replace(CODE, UNSEEN).replace(ADDRESS, address)


def in_short(text: str) -> str:
    """The words for a line of a list, dots for whatever is filled in when it leaves."""
    for placeholder in (LINK, CODE, ADDRESS):
        text = text.replace(placeholder, "…")
    return text


def shows(message: SentMessage, outgoing: Outgoing, *, since: datetime) -> bool:
    """Whether a message of the network is this text: the same link; without one, the same words, sent `since`."""
    if LINK in outgoing.text:
        return any(shortener.matches(outgoing.invitation.link, url) for url in message.urls)
    if message.created_at < since - CLOCKS_APART:
        return False
    address = outgoing.account.brand.address
    ours, theirs = _words(outgoing.text.replace(ADDRESS, "")), _words(message.text.replace(address, ""))
    # A network puts the names of those who are answered before a reply.
    return theirs.endswith(ours) if outgoing.kind == Outgoing.Kind.REPLY else theirs == ours


def _words(text: str) -> str:
    """A text without what a network may change about it: forms of letters, escapes, gaps, addresses wrapped."""
    text = unicodedata.normalize("NFC", html.unescape(text))
    return " ".join(WRAPPED.sub("", text).split())
