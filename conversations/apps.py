"""Names the walk to Django, and hears what happens to people in `accounts`: the one trail has it."""

from typing import Any

from django.apps import AppConfig

# The rooms are imported when something happens: not every process needs them, and models must exist before.


def _supervised(*, user: Any, by: Any, verb: str, **_: Any) -> None:
    from conversations import audit

    audit.supervised(user, by=by, verb=verb)


def _handle_revoked(*, handle: Any, by: Any, **_: Any) -> None:
    from conversations import handoff

    handoff.note_revoked(handle, by)


class ConversationsConfig(AppConfig):
    name = "conversations"

    def ready(self) -> None:
        from accounts import signals

        signals.supervised.connect(_supervised)
        signals.handle_revoked.connect(_handle_revoked)
