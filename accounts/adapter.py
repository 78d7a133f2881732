"""Takes allauth's questions about a sign-in, leaves the bank's answers: no sign-up, no networks."""

import functools
from typing import Any, NoReturn

import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount import adapter as stock
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import x


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in with what the bank has given out; nobody makes a login of their own."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Stock offers the password first, also to those who have a second factor: it would confirm nothing."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        words = {"mfa_reauthenticate": _("Use a code"), "mfa_reauthenticate:webauthn": _("Use a passkey")}
        stronger = [method | {"description": words[method["id"]]} for method in methods if method["id"] in words]
        return stronger or methods


class SocialAdapter(stock.DefaultSocialAccountAdapter):
    """Every flow through a network ends in `x.conclude` or on the refused page; it writes no row."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        return False

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """The apps of the settings only: a row in the database must not be able to take their place."""
        by_provider = stock._build_apps_from_settings(provider=provider, client_id=client_id)
        return [app for apps in by_provider.values() for app in apps]

    def get_requests_session(self) -> requests.Session:
        """No .netrc, no proxy from the environment, no redirects (raises), and a limit on waiting."""
        session = requests.Session()
        session.trust_env = False
        session.max_redirects = 0
        patient = functools.partial(session.request, timeout=settings.SOCIALACCOUNT_REQUESTS_TIMEOUT)
        session.request = patient  # type: ignore[method-assign]
        return session

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> NoReturn:
        # The type only: the texts of these exceptions quote what the token endpoint answered.
        reason = type(exception).__name__ if exception else "declined_at_x" if error == "cancelled" else "unknown_state"
        raise ImmediateHttpResponse(x.refuse(request, reason))

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> NoReturn:
        raise ImmediateHttpResponse(x.conclude(request, sociallogin))
