"""Takes Django's start-up, leaves the sandbox registered as an app."""

from django.apps import AppConfig


class SandboxConfig(AppConfig):
    """The sandbox, an app in a project of its own."""

    name = "sandbox"
    verbose_name = "Sandbox"
