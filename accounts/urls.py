"""Takes the addresses of people, leaves allauth's account pages and the way back from X, and no more of it.

`allauth.urls` is not included: it would open signing in through a network.
"""

from django.urls import include, path

from accounts import x

urlpatterns = [
    path("accounts/", include("allauth.account.urls")),
    path("x/callback", x.callback, name="twitter_oauth2_callback"),
    # Names that allauth reverses; all of them end the same way.
    path("x/cancelled", x.refused, name="socialaccount_login_cancelled"),
    path("x/error", x.refused, name="socialaccount_login_error"),
    path("x/signup", x.refused, name="socialaccount_signup"),
    path("x/connections", x.refused, name="socialaccount_connections"),
]
