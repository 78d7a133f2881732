"""Takes a consent, leaves codes and tokens; only their hashes are kept."""

import hashlib
import hmac
import secrets
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from sandbox import clock
from sandbox.models import Code, Person, Token

CODE_LIFETIME = timedelta(seconds=30)
ACCESS_LIFETIME = timedelta(hours=2)
REFRESH_LIFETIME = timedelta(days=180)
SCOPES = {
    "tweet.read": "See posts",
    "tweet.write": "Post and repost for you",
    "tweet.moderate.write": "Hide and unhide replies to your posts",
    "users.read": "See your account: name, handle and settings",
    "users.email": "See your e-mail address",
    "follows.read": "See whom you follow and who follows you",
    "follows.write": "Follow and unfollow for you",
    "offline.access": "Stay connected until you withdraw it",
    "space.read": "See Spaces that you can see",
    "mute.read": "See whom you muted",
    "mute.write": "Mute and unmute for you",
    "like.read": "See what you like",
    "like.write": "Like for you",
    "list.read": "See your lists",
    "list.write": "Make and change lists for you",
    "block.read": "See whom you blocked",
    "block.write": "Block and unblock for you",
    "bookmark.read": "See your bookmarks",
    "bookmark.write": "Bookmark for you",
    "dm.read": "Read your direct messages",
    "dm.write": "Send direct messages for you",
    "media.write": "Upload media for you",
}


class Refused(Exception):
    """A code, verifier or token that does not hold."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An access token and, with offline.access, a refresh token."""

    access_token: str
    refresh_token: str | None
    scopes: list[str]

    @property
    def expires_in(self) -> int:
        """Seconds that the access token lives."""
        return int(ACCESS_LIFETIME.total_seconds())


def same(given: str, kept: str) -> bool:
    """Whether two secrets are equal; an empty one equals nothing."""
    return bool(kept) and hmac.compare_digest(given.encode(), kept.encode())


def consent(person: Person, *, redirect_uri: str, scopes: Iterable[str], challenge: str) -> str:
    """A code for what the person allowed, valid for 30 seconds."""
    code = secrets.token_urlsafe(48)
    Code.objects.create(
        hash=_hash(code),
        person=person,
        redirect_uri=redirect_uri,
        scopes=list(scopes),
        challenge=challenge,
        expires_at=clock.now() + CODE_LIFETIME,
    )
    return code


def redeem(code: str, *, redirect_uri: str, verifier: str) -> Pair:
    """Tokens for a code; it is used up by the attempt, whatever comes of it. Raises Refused."""
    used = Code.objects.filter(hash=_hash(code), used_at=None).update(used_at=clock.now())
    row = Code.objects.select_related("person").filter(hash=_hash(code)).first()
    if not used or row is None or row.expires_at <= clock.now():
        raise Refused("Value passed for the authorization code was invalid.")
    if row.redirect_uri != redirect_uri:
        raise Refused("Value passed for the redirect uri did not match the uri of the authorization code.")
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if not hmac.compare_digest(challenge, row.challenge):
        raise Refused("Value passed for the code verifier did not match the code challenge.")
    return issue(row.person, row.scopes)


def issue(person: Person, scopes: Iterable[str], *, grant: uuid.UUID | None = None) -> Pair:
    """Fresh tokens for a person."""
    scopes = list(scopes)
    grant = grant or uuid.uuid4()
    access, refresh = secrets.token_urlsafe(48), secrets.token_urlsafe(48) if "offline.access" in scopes else None
    now = clock.now()
    rows = [_row(access, "access", person, scopes, grant, now + ACCESS_LIFETIME)]
    if refresh:
        rows.append(_row(refresh, "refresh", person, scopes, grant, now + REFRESH_LIFETIME))
    Token.objects.bulk_create(rows)
    return Pair(access, refresh, scopes)


def rotate(refresh_token: str) -> Pair:
    """New tokens for a refresh token, which is used up. Raises Refused."""
    with transaction.atomic():
        used = Token.objects.filter(
            hash=_hash(refresh_token), kind="refresh", revoked_at=None, expires_at__gt=clock.now()
        ).update(revoked_at=clock.now())
        if not used:
            raise Refused("Value passed for the token was invalid.")
        row = Token.objects.select_related("person").get(hash=_hash(refresh_token))
        return issue(row.person, row.scopes, grant=row.grant)


def revoke(token: str) -> None:
    """End a token; a refresh token takes with it the access tokens of the same consent."""
    row = Token.objects.filter(hash=_hash(token)).first()
    if row is None:
        return
    rows = Token.objects.filter(grant=row.grant) if row.kind == "refresh" else Token.objects.filter(hash=row.hash)
    rows.filter(revoked_at=None).update(revoked_at=clock.now())


def withdraw(person: Person) -> int:
    """End everything that a person ever allowed; returns how many tokens that ended."""
    Code.objects.filter(person=person, used_at=None).update(used_at=clock.now())
    return Token.objects.filter(person=person, revoked_at=None).update(revoked_at=clock.now())


def holder(access_token: str) -> tuple[Person, frozenset[str]] | None:
    """Whose access token this is, and its scopes."""
    row = (
        Token.objects.select_related("person")
        .filter(hash=_hash(access_token), kind="access", revoked_at=None, expires_at__gt=clock.now())
        .first()
    )
    return (row.person, frozenset(row.scopes)) if row else None


def _row(token: str, kind: str, person: Person, scopes: list[str], grant: uuid.UUID, expires_at: datetime) -> Token:
    return Token(hash=_hash(token), kind=kind, person=person, scopes=scopes, grant=grant, expires_at=expires_at)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
