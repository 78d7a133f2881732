"""Takes a reason, leaves sending stopped: the same stop as in the admin, for when there is no browser or no Redis."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations import stops
from conversations.errors import ConversationError
from conversations.models import Brand, BrandAccount, SendingStop


class Command(BaseCommand):
    """`manage.py stop "reason" [--account @handle | --brand slug]`, `manage.py stop --list`."""

    help = (
        "Stop sending at once: everything, one brand or one account. What waits is kept, secure chat goes on. It needs "
        "the database alone. It cannot end a stop: two people do that in the admin, on the page “Sending”."
    )

    requires_system_checks: list[str] = []  # they load the whole site, and none may keep it from stopping

    def add_arguments(self, parser: CommandParser) -> None:
        """A reason that everybody reads, and what shall be stopped."""
        parser.add_argument("reason", nargs="?", default="", help="why; everybody who works here reads it")
        scope = parser.add_mutually_exclusive_group()
        scope.add_argument("--account", help="only what leaves as this account (its handle)")
        scope.add_argument("--brand", help="only this brand's accounts (its slug)")
        scope.add_argument("--list", action="store_true", help="say what is stopped now and stop nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Stop, and say what holds now."""
        if not options["list"]:
            self._stop(**options)
        running = stops.running()
        for stop in running:
            self.stdout.write(stops.sentence(stop))
            self.stdout.write(f"  {_count(stop)}")
        if not running:
            self.stdout.write("Nothing is stopped.")

    def _stop(self, reason: str, account: str | None, brand: str | None, **_: Any) -> None:
        try:
            stops.start(by=None, reason=_signed(reason), actor="command line", **_scope(account, brand))
        except ConversationError as refusal:
            raise CommandError(str(refusal)) from None


def _scope(account: str | None, brand: str | None) -> dict[str, Any]:
    if account:
        found = BrandAccount.objects.filter(handle__iexact=account.removeprefix("@")).select_related("brand")
        if len(found) != 1:
            raise CommandError(f"There is no account {account}. The admin lists them under “Brand accounts”.")
        return {"account": found[0]}
    if brand:
        if (one := Brand.objects.filter(slug=brand).first()) is None:
            raise CommandError(f"There is no brand {brand}. Give its slug, as the admin shows it.")
        return {"brand": one}
    return {}


def _signed(reason: str) -> str:
    """With the name of the login on this machine: no person of ours is signed in here."""
    return f"{reason.strip()} ({getpass.getuser()}, command line)" if reason.strip() else ""


def _count(stop: SendingStop) -> str:
    waiting = stops.waiting(stop)
    return f"{stops.scope(stop)}: {waiting} text{' waits' if waiting == 1 else 's wait'}."
