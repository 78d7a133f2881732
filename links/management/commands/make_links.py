"""Takes a number and a lifetime, leaves so many short links that lead to no hand-off, and their addresses on stdout."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from links import shortener

TARGET = "/welcome/{slug}/"


class Command(BaseCommand):
    """The half of `manage.py bench links` and `manage.py faults links` that makes links."""

    help = "Used by `manage.py bench links` and `manage.py faults links`: links that nobody was written to with."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", type=int)
        parser.add_argument("--hours", type=float, default=1.0, help="their lifetime; 0 for links that are over")
        parser.add_argument("--revoked", action="store_true")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        for _ in range(options["number"]):
            link = shortener.shorten(TARGET, lifetime=timedelta(hours=options["hours"]))
            if options["revoked"]:
                shortener.revoke(link)
            self.stdout.write(shortener.url(link))
