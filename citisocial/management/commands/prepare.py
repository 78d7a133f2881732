"""Takes an empty or older database, leaves it migrated and, with --seed, the demo in it: one process for both."""

import time
import urllib.error
import urllib.request
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

PATIENCE = 60.0  # seconds for the sandbox, which is started while this migrates


class Command(BaseCommand):
    """What `./run` does before the site starts: importing everything twice would cost a second more."""

    help = "Migrate the database; with --seed also wait for the sandbox and seed the demo."
    requires_system_checks = ["safety"]  # all of them would import every page first

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, stdout=self.stdout)
        if options["seed"]:
            wait_for(f"{settings.X_API_URL}/healthz")
            call_command("seed", stdout=self.stdout)


def wait_for(url: str) -> None:
    """Return once the address answers with success."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - the sandbox's address, from our own settings
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise CommandError(f"{url} does not answer, so the demo cannot be seeded: see the sandbox's log.")
