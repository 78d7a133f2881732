"""Takes nothing, leaves the commands `walk`, `replay` and `faults` where manage.py finds them."""

from django.apps import AppConfig


class RehearsalConfig(AppConfig):
    name = "rehearsal"
