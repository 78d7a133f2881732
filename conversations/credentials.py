"""Takes settings and sealed tokens, leaves a network ready to call and the account to call it as.

Tokens lie sealed (AES-256-GCM, bound to their row) and are opened for one call. A refresh token works once, so
exactly one process may use it: the refresh is claimed by a conditional UPDATE, the network is asked outside any
transaction, and the new pair is stored in one statement.
"""

import hashlib
import os
from datetime import timedelta
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db.models import Q

from citisocial.clock import now
from conversations.models import BrandAccount
from conversations.networks.base import Account, Network, Tokens
from conversations.networks.errors import Refused
from conversations.networks.x.adapter import X

EARLY = timedelta(minutes=5)  # refreshed this long before it ends
CLAIM = timedelta(seconds=60)  # a claim older than this belongs to a process that died


@lru_cache
def network(slug: str) -> Network:
    """The adapter of one network, made once per process from settings."""
    if slug != X.slug:
        raise LookupError(f"There is no network called {slug!r}.")
    return X(
        api_url=settings.X_API_URL,
        bearer_token=settings.X_BEARER_TOKEN,
        client_id=settings.X_CLIENT_ID,
        client_secret=settings.X_CLIENT_SECRET,
        web_url="{0.scheme}://{0.netloc}".format(urlsplit(settings.X_AUTHORIZE_URL)),
    )


def ready(account: BrandAccount) -> Account:
    """The account with a token that works, refreshed first when it is about to end. Refused("auth") without one."""
    if account.tokens_expire_at and account.tokens_expire_at < now() + EARLY:
        _refresh(account)
    tokens = _open(account)
    return Account(external_id=account.external_id, handle=account.handle, access_token=tokens.access_token)


def store(account: BrandAccount, tokens: Tokens) -> None:
    """Seal and keep a new pair of tokens, and end any claim on refreshing them."""
    account.sealed_tokens = _seal(account, tokens)
    account.tokens_expire_at = tokens.expires_at
    account.refresh_claimed_at = None
    account.save(update_fields=["sealed_tokens", "tokens_expire_at", "refresh_claimed_at"])


def _refresh(account: BrandAccount) -> None:
    at = now()
    free = Q(refresh_claimed_at=None) | Q(refresh_claimed_at__lt=at - CLAIM)
    seen = Q(tokens_expire_at=account.tokens_expire_at)
    claimed = BrandAccount.objects.filter(free, seen, pk=account.pk).update(refresh_claimed_at=at)
    if claimed:
        refresh_token = _open(account).refresh_token
        if refresh_token:
            store(account, network(account.network).refresh(refresh_token))
    else:  # another process is at it or has done it: its tokens are as good
        account.refresh_from_db()


def _cipher() -> AESGCM:
    return AESGCM(hashlib.sha256(settings.SEALING_KEY.encode()).digest())


def _bound_to(account: BrandAccount) -> bytes:
    return f"brand_account:{account.pk}:tokens".encode()


def _seal(account: BrandAccount, tokens: Tokens) -> bytes:
    nonce = os.urandom(12)
    return nonce + _cipher().encrypt(nonce, msgspec.json.encode(tokens), _bound_to(account))


def _open(account: BrandAccount) -> Tokens:
    sealed = bytes(account.sealed_tokens)
    if not sealed:
        raise Refused("auth", f"@{account.handle} is not connected: connect it in the admin.")
    return msgspec.json.decode(_cipher().decrypt(sealed[:12], sealed[12:], _bound_to(account)), type=Tokens)
