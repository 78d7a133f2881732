"""Names the walk to Django."""

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "conversations"
