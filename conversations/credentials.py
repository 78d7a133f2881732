"""Takes settings and sealed tokens, leaves a network ready to call and the account to call it as.

Tokens lie sealed (AES-256-GCM, bound to their row) and are opened for one call. A refresh token works once, so
exactly one process may use it: the refresh is claimed by a conditional UPDATE, the network is asked outside any
transaction, and the new pair is stored in one statement.
"""

import base64
import hashlib
import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts import sealing
from accounts.models import User
from citisocial.clock import now
from conversations import audit, metering
from conversations.errors import WrongAccount
from conversations.models import BrandAccount
from conversations.networks.base import Account, Author, Network, Tokens
from conversations.networks.errors import NetworkError, Refused, Unavailable
from conversations.networks.x.adapter import X

log = logging.getLogger(__name__)

EARLY = timedelta(minutes=5)  # refreshed this long before it ends
LAST_MOMENT = timedelta(seconds=5)  # a token that ends sooner may end on the way
CLAIM = timedelta(seconds=60)  # a claim older than this belongs to a process that died
SCOPES = ("tweet.read", "tweet.write", "users.read", "dm.read", "dm.write", "offline.access")  # what the walk needs
RETURN = "/admin/conversations/brandaccount/connected/"  # where the network sends a supervisor back to
AGAIN = "connect it again in the admin, under Channels."
TOKEN_FIELDS = ["sealed_tokens", "tokens_expire_at", "refresh_claimed_at", "refused_at", "scopes"]


@dataclass(frozen=True, slots=True)
class Consent:
    """One question to the network whether we may act as an account. Whoever has `verifier` can redeem the answer."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked, in a sentence that says what to do when it is not well."""

    ok: bool
    words: str


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
        consumer_secret=settings.X_CONSUMER_SECRET,
        meter=partial(metering.record, slug),
        web_url="{0.scheme}://{0.netloc}".format(urlsplit(settings.X_AUTHORIZE_URL)),
    )


def ready(account: BrandAccount) -> Account:
    """The account with a token that works, refreshed first when it is about to end.

    Refused("auth") for an account that is not connected or whose tokens the network has refused: nobody is asked
    again then, since only connecting it again helps. Unavailable while another process is refreshing.
    """
    if account.refused_at:
        raise Refused("auth", f"The network has withdrawn our access to @{account.handle}: {AGAIN}")
    if account.tokens_expire_at and account.tokens_expire_at < now() + EARLY:
        _refresh(account)
    return _account(account, _open(account))


def store(account: BrandAccount, tokens: Tokens) -> None:
    """Seal and keep a new pair of tokens: it ends any claim on refreshing and any refusal of the pair before."""
    fresh = _fresh(account, tokens) | {"connected_at": now()}
    for name, value in fresh.items():
        setattr(account, name, value)
    account.save(update_fields=list(fresh))


def refused(account: BrandAccount) -> bool:
    """The network does not accept the tokens that `account` holds: its channels are dead until it is connected again.

    Noted once, with a line in the trail. A refusal of tokens that were replaced meanwhile is nobody's business.
    """
    at = now()
    held = BrandAccount.objects.filter(pk=account.pk, refused_at=None, sealed_tokens=bytes(account.sealed_tokens))
    with transaction.atomic():
        first = held.exclude(sealed_tokens=b"").update(refused_at=at) == 1
        if first:
            account.refused_at = at
            audit.record("account_refused", actor="network", data={"account": str(account)})
            log.warning("%s: the network refuses its tokens; connect it again", account)
    return first


def _refresh(account: BrandAccount) -> None:
    """Replace a pair that is about to end; exactly one process may, since a refresh token works once.

    1. The claim is a conditional UPDATE: it counts while the pair is the one we saw, for 60 s (its owner may die).
    2. The network is asked outside any transaction.
    3. The new pair takes the place of the one it was made from, and of no other: a supervisor may have connected the
       account again meanwhile, and whoever claimed before us may have been slow and not dead.
    4. A refusal is final and noted. After anything else the old pair is used while it lasts, and the next claim, after
       60 s, tries the same refresh token: if the answer got lost and it is used up, that try is refused (see 4).
    """
    at = now()
    pair = Q(pk=account.pk, sealed_tokens=bytes(account.sealed_tokens))
    free = Q(refresh_claimed_at=None) | Q(refresh_claimed_at__lt=at - CLAIM)
    if not BrandAccount.objects.filter(pair & free).update(refresh_claimed_at=at):
        _as_another_left_it(account, at)
        return
    refresh_token = _open(account).refresh_token
    if not refresh_token:
        return
    try:
        tokens = network(account.network).refresh(refresh_token)
    except Refused as error:
        if error.reason == "auth" and not refused(account):
            _as_another_left_it(account, at)  # the pair is not the one that was refused any more
            return
        raise
    except NetworkError as error:
        if account.tokens_expire_at and account.tokens_expire_at > at + LAST_MOMENT:
            log.warning("%s: its tokens could not be refreshed yet (%s)", account, error)
            return
        raise
    BrandAccount.objects.filter(pair).update(**_fresh(account, tokens))
    account.refresh_from_db(fields=TOKEN_FIELDS)


def _as_another_left_it(account: BrandAccount, at: datetime) -> None:
    """Another process refreshes the pair or has done it: its tokens are as good, unless ours end before it is done."""
    account.refresh_from_db(fields=TOKEN_FIELDS)
    if account.refused_at:
        raise Refused("auth", f"The network has withdrawn our access to @{account.handle}: {AGAIN}")
    if account.tokens_expire_at and account.tokens_expire_at < at + LAST_MOMENT:
        raise Unavailable(f"The access to @{account.handle} is being renewed. Wait: it is tried again.", retry_after=5)


def _fresh(account: BrandAccount, tokens: Tokens) -> dict[str, Any]:
    """The columns of a new pair. A network that names no scopes has not changed them."""
    columns = {
        "sealed_tokens": _seal(account, tokens),
        "tokens_expire_at": now() + timedelta(seconds=tokens.expires_in),
        "refresh_claimed_at": None,
        "refused_at": None,
    }
    return columns | ({"scopes": " ".join(tokens.scopes)[:300]} if tokens.scopes else {})


def _account(account: BrandAccount, tokens: Tokens) -> Account:
    return Account(
        external_id=account.external_id,
        handle=account.handle,
        access_token=tokens.access_token,
        owns_app=account.owns_app,
    )


def _bound_to(account: BrandAccount) -> str:
    return f"brand_account:{account.pk}:tokens"


def _seal(account: BrandAccount, tokens: Tokens) -> bytes:
    return sealing.seal(msgspec.json.encode(tokens), bound_to=_bound_to(account))


def _open(account: BrandAccount) -> Tokens:
    sealed = bytes(account.sealed_tokens)
    if not sealed:
        raise Refused("auth", f"@{account.handle} is not connected: connect it in the admin.")
    try:
        opened = sealing.unseal(sealed, bound_to=_bound_to(account))
    except InvalidTag:
        raise Refused("auth", f"What is stored for @{account.handle} was sealed with another key: {AGAIN}") from None
    return msgspec.json.decode(opened, type=Tokens)


# --- connecting -------------------------------------------------------------------------------------------------


def ask_consent(slug: str) -> Consent:
    """A new question for one person: keep it in their session, and send them to its address."""
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    url = network(slug).authorize_url(state=state, challenge=challenge, redirect_uri=redirect_uri())
    return Consent(url, state, verifier)


def redirect_uri() -> str:
    """Must be registered with the app at the network, letter for letter."""
    return f"{settings.SITE_URL}{RETURN}"


def connect(account: BrandAccount, *, code: str, verifier: str, by: User) -> BrandAccount:
    """Redeem the code and keep the tokens, if they are this account's; one without an id yet takes theirs.

    Tokens of anybody else are given back at once: WrongAccount. Raises the network's errors.
    """
    at = network(account.network)
    tokens = at.exchange(code, verifier=verifier, redirect_uri=redirect_uri())
    try:
        who = at.whoami(tokens.access_token)
        account = _the_one(account, who)
        with transaction.atomic():
            account.handle = who.handle or account.handle
            account.save(update_fields=["handle"] if account.pk else None)
            store(account, tokens)
            data = {"account": str(account), "id": account.external_id}
            audit.record("account_connected", user=by, actor="supervisor", data=data)
    except Exception:
        _give_back(at, tokens)
        raise
    return account


def disconnect(account: BrandAccount, *, by: User) -> bool:
    """Forget the account's tokens, whatever the network says. Returns whether it says that they are void."""
    given_back = True
    if account.sealed_tokens:
        try:
            given_back = _give_back(network(account.network), _open(account))
        except Refused:  # sealed with another key: nobody can use them
            given_back = False
    gone: dict[str, Any] = {"sealed_tokens": b"", "tokens_expire_at": None, "refresh_claimed_at": None}
    gone |= {"refused_at": None, "connected_at": None, "scopes": ""}
    with transaction.atomic():
        BrandAccount.objects.filter(pk=account.pk).update(**gone)
        data = {"account": str(account), "void": given_back}
        audit.record("account_disconnected", user=by, actor="supervisor", data=data)
    return given_back


def _the_one(account: BrandAccount, who: Author) -> BrandAccount:
    """The row that these tokens may be kept in."""
    if account.external_id:
        if who.external_id != account.external_id:
            raise WrongAccount(
                f"You were signed in on the network as @{who.handle}, and this is @{account.handle}. Nothing was kept."
                f" Sign in there as @{account.handle}, and connect again."
            )
        return account
    known = BrandAccount.objects.filter(network=account.network, external_id=who.external_id).first()
    if known is not None and known.brand_id != account.brand_id:
        raise WrongAccount(f"@{who.handle} belongs to another brand here. Nothing was kept.")
    account.external_id = who.external_id
    return known or account


def _give_back(at: Network, tokens: Tokens) -> bool:
    """Have the network void both; True when it says so."""
    void = True
    for token in filter(None, (tokens.refresh_token, tokens.access_token)):
        try:
            at.revoke(token)
        except NetworkError as error:
            log.warning("a token could not be given back: %s", error)
            void = False
    return void


def check(account: BrandAccount) -> list[Finding]:
    """Ask the network about everything that must be right before this account can be listened for and answered as."""
    return [*_check_tokens(account), _check_scopes(account), _check_app(account), *_check_push()]


def _check_tokens(account: BrandAccount) -> Iterator[Finding]:
    """Also of an account that was refused: if its tokens work after all, it is not any more."""
    stood, account.refused_at = account.refused_at, None
    try:
        who = network(account.network).whoami(ready(account).access_token)
    except NetworkError as error:
        if isinstance(error, Refused) and error.reason == "auth":
            refused(account)
        account.refused_at = account.refused_at or stood
        yield Finding(False, str(error))
        return
    if who.external_id != account.external_id:
        yield Finding(False, f"The tokens are @{who.handle}'s and not @{account.handle}'s. Connect the account again.")
        return
    BrandAccount.objects.filter(pk=account.pk, sealed_tokens=bytes(account.sealed_tokens)).update(refused_at=None)
    yield Finding(True, f"The network knows us as @{who.handle}.")


def _check_scopes(account: BrandAccount) -> Finding:
    missing = [scope for scope in SCOPES if scope not in account.scopes.split()]
    if not account.scopes:
        return Finding(False, "It is not known what the account allowed us to do. Connect it again.")
    if missing:
        return Finding(False, f"The account did not allow {', '.join(missing)}. Connect it again and allow all of it.")
    return Finding(True, "The account allowed everything that is needed.")


def _check_app(account: BrandAccount) -> Finding:
    try:
        network(account.network).check_app()
    except Refused:
        return Finding(False, "The network refuses the app's bearer token. Set X_BEARER_TOKEN to the app's own.")
    except NetworkError as error:
        return Finding(False, f"The app's bearer token could not be checked. {error}")
    return Finding(True, "The app's bearer token works.")


def _check_push() -> Iterator[Finding]:
    if settings.X_PUSH == "off":
        yield Finding(True, "X_PUSH is off: nothing is pushed to us, and no consumer secret is needed.")
    elif settings.X_CONSUMER_SECRET:
        yield Finding(True, "The consumer secret is there, so that pushed events can be told from forged ones.")
    else:
        yield Finding(False, "X_CONSUMER_SECRET is missing: nothing that is pushed can be believed. Set it.")
