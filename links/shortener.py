"""Takes a path of the site, leaves a short link; takes a slug or a code, leaves the link or DeadLink."""

import hmac
import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction

from citisocial.clock import now
from links import codes
from links.errors import DeadLink, KeyChanged
from links.models import ShortLink

PLACE = "{slug}"
# A path of our own site and nothing a browser would read as another host.
TARGET = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def shorten(target: str, *, lifetime: timedelta) -> ShortLink:
    """A new link to `target`, a path of the site with `{slug}` in it once. It dies after `lifetime`."""
    if not TARGET.fullmatch(target) or target.count(PLACE) != 1:
        raise ValueError(f"{target!r} is no target. Give a path of this site with {PLACE} in it once.")
    at = now()
    try:
        with transaction.atomic():
            return _create(target, at, at + lifetime)
    except IntegrityError:
        # A code is one of 2^40: where a million links are, one new link in a million meets a code that is taken.
        return _create(target, at, at + lifetime)


def _create(target: str, at: datetime, expires_at: datetime) -> ShortLink:
    nonce = codes.fresh_nonce()
    return ShortLink.objects.create(
        nonce=nonce,
        slug_hmac=codes.lookup_of(codes.slug_of(nonce)),
        code_hmac=codes.lookup_of_code(codes.code_of(nonce)),
        target=target,
        expires_at=expires_at,
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


def code(link: ShortLink) -> str:
    """What is typed instead of following the link, as it is shown: `XXXX-XXXX`; KeyChanged as with `slug`."""
    made = codes.code_of(bytes(link.nonce))
    if not hmac.compare_digest(codes.lookup_of_code(made), bytes(link.code_hmac)):
        raise KeyChanged
    return f"{made[:4]}-{made[4:]}"


def find(slug: str) -> ShortLink:
    """The live link of a slug, or DeadLink. Two queries for any well-formed slug, whatever it died of."""
    if not codes.is_well_formed(slug):
        raise DeadLink
    return _live(slug_hmac=codes.lookup_of(slug))


def find_by_code(text: str) -> ShortLink:
    """The live link of a code as somebody typed it, or DeadLink. Whoever asks counts the tries: it has 40 bits."""
    code = codes.typed_code(text)
    if not codes.is_code(code):
        raise DeadLink
    return _live(code_hmac=codes.lookup_of_code(code))


def _live(**lookup: bytes) -> ShortLink:
    at = now()
    link = ShortLink.objects.filter(**lookup).first()
    if link is None or link.revoked_at is not None or link.expires_at <= at:
        raise DeadLink
    return link


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
