"""Names the wiring to Django, so that its commands, templates and static files are found."""

from django.apps import AppConfig


class CitisocialConfig(AppConfig):
    name = "citisocial"

    def ready(self) -> None:
        """Every process that may nudge needs our Celery app, or its nudges go to Celery's default broker."""
        from citisocial import celery  # noqa: F401 -- needs the settings that are being set up
