"""Names the app to Django and hangs up its system checks and its one group."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        # Both register themselves on import, which must wait until the models exist.
        from accounts import checks, permissions

        checks.watch()
        permissions.watch()
