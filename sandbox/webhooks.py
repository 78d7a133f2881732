"""Takes addresses that proved to know the app's secret, leaves them kept: in rows, and in memory to deliver by."""

from dataclasses import dataclass
from datetime import timedelta

from sandbox import clock
from sandbox.models import Webhook
from sandbox.snowflakes import next_id

MAX_WEBHOOKS = 1
CHECK_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Hook:
    """Where to send, and whether the address proved itself the last time it was asked."""

    url: str
    valid: bool


_hooks: dict[int, Hook] | None = None


def hooks() -> dict[int, Hook]:
    """All webhooks by id, read once. The event loop reads the dictionary that the database's thread made."""
    global _hooks
    if _hooks is None:
        _hooks = {row.pk: Hook(row.url, row.valid) for row in Webhook.objects.all()}
    return _hooks


def known(number: int) -> Hook | None:
    """A webhook, without asking the database: for the event loop."""
    return (_hooks or {}).get(number)


def forget() -> None:
    """Read the webhooks again next time; called by whoever changed them."""
    global _hooks
    _hooks = None


def add(url: str) -> Webhook:
    """A new webhook whose address has just proved itself."""
    now = clock.now()
    row = Webhook.objects.create(id=next_id(), url=url, valid=True, created_at=now, checked_at=now)
    forget()
    hooks()
    return row


def checked(number: int, *, valid: bool) -> None:
    """Note how an address did when it was asked."""
    Webhook.objects.filter(pk=number).update(valid=valid, checked_at=clock.now())
    forget()
    hooks()


def due() -> list[tuple[int, str]]:
    """The webhooks that have not been asked for an hour."""
    rows = Webhook.objects.filter(checked_at__lt=clock.now() - CHECK_EVERY)
    return list(rows.values_list("pk", "url"))
