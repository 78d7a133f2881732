"""Takes a request of the bank's own people, leaves it for its view, or at the door until a second factor was used.

Sockets are not seen here: `conversations.consumers` asks the same of their session. Views that answer people ask it
again (`conversations.views.answers`), because a form that was put aside is resumed without middleware.
"""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from accounts import factors

# In and out, for everybody.
DOORS = {"account_login", "account_logout", "mfa_authenticate", "mfa_login_webauthn"}
# What can be reached with a password alone: to add a factor, and to use it.
ENROLMENT = {
    "mfa_index",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "mfa_view_recovery_codes",
    "mfa_download_recovery_codes",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    "account_reauthenticate",
}


class SecondFactor(MiddlewareMixin):
    """An allow-list: whatever is not named above is closed to staff and agents who have used a password alone."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        name = match.view_name if match is not None else ""
        if name in DOORS or factors.strong(request):
            return None
        if not factors.wanted(request.user):
            if name.startswith("mfa_") and not factors.led(request):
                raise Http404
            return None
        return None if name in ENROLMENT else factors.refusal(request)
