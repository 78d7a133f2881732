"""Takes a path of the site, leaves a short link; takes a slug, leaves the link or DeadLink."""

import hmac
import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from citisocial.clock import now
from links import codes
from links.errors import DeadLink, KeyChanged
from links.models import ShortLink

PLACE = "{slug}"
# A path of our own site and nothing a browser would read as another host.
TARGET = re.compile(r"/(?![/\\])[!-\[\]-~]*")

# One statement: the click is written if and only if the link lives, and nothing else is.
CLICK = """
WITH live AS (
    SELECT id, target FROM links_shortlink
    WHERE slug_hmac = %(lookup)s AND revoked_at IS NULL AND expires_at > %(at)s
), clicked AS (
    INSERT INTO links_click (link_id, at, user_agent, method)
    SELECT id, %(at)s, %(agent)s, %(method)s FROM live
)
SELECT target FROM live
"""


def shorten(target: str, *, lifetime: timedelta) -> ShortLink:
    """A new link to `target`, a path of the site with `{slug}` in it once. It dies after `lifetime`."""
    if not TARGET.fullmatch(target) or target.count(PLACE) != 1:
        raise ValueError(f"{target!r} is no target. Give a path of this site with {PLACE} in it once.")
    nonce = codes.fresh_nonce()
    at = now()
    return ShortLink.objects.create(
        nonce=nonce,
        slug_hmac=codes.lookup_of(codes.slug_of(nonce)),
        target=target,
        expires_at=at + lifetime,
        created_at=at,
    )


def slug(link: ShortLink) -> str:
    """The slug, made again from the row's nonce and the key; KeyChanged when nobody could find it."""
    made = codes.slug_of(bytes(link.nonce))
    if not hmac.compare_digest(codes.lookup_of(made), bytes(link.slug_hmac)):
        raise KeyChanged
    return made


def url(link: ShortLink) -> str:
    """What goes into a message: the link host and the slug."""
    return f"{settings.LINK_URL}/{slug(link)}"


def find(slug: str) -> ShortLink:
    """The live link of a slug, or DeadLink. Two queries for any well-formed slug, whatever it died of."""
    if not codes.is_well_formed(slug):
        raise DeadLink
    at = now()
    link = ShortLink.objects.filter(slug_hmac=codes.lookup_of(slug)).first()
    if link is None or link.revoked_at is not None or link.expires_at <= at:
        raise DeadLink
    return link


def click(slug: str, *, method: str, user_agent: str) -> str:
    """Append a Click and return the address it leads to, or raise DeadLink and write nothing."""
    if not codes.is_well_formed(slug):
        raise DeadLink
    # A visitor can call itself anything, a card's number too: the words stay, the digits go.
    agent = re.sub(r"[0-9]", "0", user_agent.encode("ascii", "ignore").decode().replace("\x00", ""))[:200]
    values: dict[str, bytes | datetime | str] = {
        "lookup": codes.lookup_of(slug),
        "at": now(),
        "agent": agent,
        "method": method,
    }
    with connection.cursor() as cursor:
        cursor.execute(CLICK, values)
        row = cursor.fetchone()
    if row is None:
        raise DeadLink
    target: str = row[0]
    return f"{settings.SITE_URL}{target.replace(PLACE, slug)}"


def matches(link: ShortLink, url: str) -> bool:
    """Whether an address read back from a network is this link's. Compares HMACs; no slug is made."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.netloc.lower() != urlsplit(settings.LINK_URL).netloc.lower():
        return False
    return hmac.compare_digest(codes.lookup_of(parts.path.strip("/")), bytes(link.slug_hmac))


def revoke(link: ShortLink) -> bool:
    """The link opens nothing from now on; True when this call did it."""
    changed = ShortLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=now()) == 1
    link.refresh_from_db(fields=["revoked_at"])
    return changed
