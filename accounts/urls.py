"""Takes the addresses of people, leaves allauth's account pages and the way back from X, and no more of it.

`allauth.urls` is not included: it would open signing in through a network.
"""

from django.urls import include, path
from django.views.generic import RedirectView

from accounts import x
from accounts.mfa import RemovePasskey

urlpatterns = [
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/webauthn/keys/<int:pk>/remove/", RemovePasskey.as_view(), name="mfa_remove_webauthn"),
    # One page shows all factors: the second list is not mounted, and what is below leads to the first.
    path("accounts/2fa/webauthn/", RedirectView.as_view(pattern_name="mfa_index"), name="mfa_list_webauthn"),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("x/callback", x.callback, name="twitter_oauth2_callback"),
    # Names that allauth reverses; all of them end the same way.
    path("x/cancelled", x.refused, name="socialaccount_login_cancelled"),
    path("x/error", x.refused, name="socialaccount_login_error"),
    path("x/signup", x.refused, name="socialaccount_signup"),
    path("x/connections", x.refused, name="socialaccount_connections"),
]
