"""The table of contents for HTTP."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from citisocial import health

admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("conversations.urls")),
]
