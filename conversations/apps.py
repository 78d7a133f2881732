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


def _availability_changed(*, agent_ids: Any, **_: Any) -> None:
    from conversations import hours

    hours.tell(agent_ids)


class ConversationsConfig(AppConfig):
    name = "conversations"

    def ready(self) -> None:
        from accounts import signals

        signals.supervised.connect(_supervised)
        signals.handle_revoked.connect(_handle_revoked)
        signals.availability_changed.connect(_availability_changed)
