"""Takes a signed-in customer to X and back, leaves the id X vouches for with HANDLE_PROOF, or one refusal.

A proof, not a sign-in. allauth's provider does the OAuth; what it does with the answer (connect, sign in,
sign up) never runs: `conclude` ends every flow. Each override below closes something that the stock code was
seen to do.
"""

import logging
from collections.abc import Mapping
from typing import Any

import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.base.provider import ProviderException
from allauth.socialaccount.providers.oauth2.client import OAuth2Client, OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.twitter_oauth2.views import TwitterOAuth2Adapter
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import User

logger = logging.getLogger(__name__)

NETWORK = "x"
PROVIDER = "twitter_oauth2"
REVOKE_SECONDS = 3

# What unreadable JSON turns into inside allauth, which expects none of it and would answer 500.
UNREADABLE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)


class XAdapter(TwitterOAuth2Adapter):
    """One round trip to X, made for one request; the sandbox is another URL and nothing else."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.authorize_url = settings.X_AUTHORIZE_URL
        self.access_token_url = settings.X_API_URL + "/2/oauth2/token"
        self.profile_url = settings.X_API_URL + "/2/users/me"

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        # The registered address, not whatever Host header the request came with.
        return f"{settings.SITE_URL}{reverse(PROVIDER + '_callback')}"

    def get_access_token_data(
        self,
        request: HttpRequest,
        app: SocialApp,
        client: OAuth2Client,
        pkce_code_verifier: str | None = None,
    ) -> Any:
        if not pkce_code_verifier:
            raise OAuth2Error("no verifier")
        try:
            return super().get_access_token_data(request, app, client, pkce_code_verifier)
        except UNREADABLE as error:
            raise OAuth2Error("unreadable token answer") from error

    def parse_token(self, data: Any) -> SocialToken:
        # Nothing but a bearer access token survives: no refresh token, no expiry to compute with.
        if not isinstance(data, dict) or str(data.get("token_type")).lower() != "bearer":
            raise OAuth2Error("unreadable token answer")
        token = data.get("access_token")
        if not isinstance(token, str) or not token:
            raise OAuth2Error("unreadable token answer")
        parsed: SocialToken = super().parse_token({"access_token": token})  # type: ignore[no-untyped-call]
        return parsed

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        try:
            login: SocialLogin = super().complete_login(request, app, token, **kwargs)
            return login
        except UNREADABLE as error:
            raise ProviderException("unreadable profile") from error
        finally:
            self.revoke(app, token)

    def revoke(self, app: SocialApp, token: SocialToken) -> None:
        """Hand the token back and forget it. Should X not answer, it dies by itself within two hours."""
        try:
            with get_adapter().get_requests_session() as session:
                answer = session.request(
                    "POST",
                    settings.X_API_URL + "/2/oauth2/revoke",
                    data={"token": token.token, "token_type_hint": "access_token"},
                    auth=(app.client_id, app.secret),
                    timeout=REVOKE_SECONDS,
                )
                answer.raise_for_status()
        except (requests.RequestException, ValueError) as error:
            logger.warning("X did not confirm that a customer's token is revoked (%s)", type(error).__name__)
        token.token = ""


def begin(request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
    """Send the signed-in customer to X. `data` (JSON values) comes back to HANDLE_PROOF with "user" added.

    It waits in the session under OAuth's state, so that two tabs with two invitations cannot be mixed up.
    """
    if not request.user.is_authenticated:
        return refuse(request, "no_login")
    provider = get_adapter().get_provider(request, PROVIDER)
    answer: HttpResponse = provider.redirect(
        request, process=AuthProcess.CONNECT, data={**data, "user": request.user.pk}
    )
    return answer


def conclude(request: HttpRequest, login: SocialLogin) -> HttpResponse:
    """X has answered: ask HANDLE_PROOF, or refuse. Nothing of allauth's own runs after this."""
    state = login.state
    data = state.get("data")
    if state.get("process") != AuthProcess.CONNECT or state.get("headless"):
        return refuse(request, "not_begun_here")
    if not request.session.exists(request.session.session_key or ""):
        request.session.flush()  # signed out meanwhile: there is nothing left that could be saved
        return refuse(request, "session_over")
    if not _same_person(request, data):
        return refuse(request, "wrong_customer")
    hook = import_string(settings.HANDLE_PROOF)
    try:
        answer = hook(
            request,
            network=NETWORK,
            external_id=login.account.uid,
            handle=login.account.extra_data["username"],
            data=data,
        )
    except PermissionDenied:
        answer = None
    return answer if isinstance(answer, HttpResponse) else refuse(request, "not_accepted")


def _same_person(request: HttpRequest, data: Any) -> bool:
    """Whether who left for X came back and still may: X may have taken seconds, so the row is asked again."""
    user = request.user
    if not isinstance(data, dict) or not isinstance(user, User) or data.get("user") != user.pk:
        return False
    return User.objects.filter(pk=user.pk, is_active=True, epoch=user.epoch, password=user.password).exists()


def refuse(request: HttpRequest, reason: str) -> HttpResponse:
    """The one page that every other end leads to. The reason is for HANDLE_REFUSED and the log, the page tells none."""
    logger.info("a proof of a handle on X was refused: %s", reason)
    import_string(settings.HANDLE_REFUSED)(request, reason)
    answer = render(request, "accounts/refused.html", status=403)
    add_never_cache_headers(answer)
    return answer


def refused(request: HttpRequest) -> HttpResponse:
    """What stands at the addresses that allauth wants for cancelling, errors, sign-up and connections."""
    return refuse(request, "address_not_in_use")


_callback = OAuth2CallbackView.adapter_view(XAdapter)


@never_cache
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Where X sends people back to. Somebody who is not signed in is refused before X is asked anything."""
    if not request.user.is_authenticated:
        return refuse(request, "no_login")
    answer: HttpResponse = _callback(request)
    return answer
