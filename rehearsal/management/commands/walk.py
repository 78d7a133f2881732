"""Takes `--by dm` or `--by reply`, leaves `WALK OK {...}` or `WALK FAILED at <step>: why` as its last line."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from rehearsal.walking import STEPS, walk


class Command(BaseCommand):
    """./run --walk ends here."""

    help = "Walk from a tweet to a resolved case through the front doors, in a house of its own."
    requires_system_checks: list[str] = []  # it starts processes that check themselves

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--by", choices=sorted(STEPS), default="dm", help="invitation by DM, or a public reply first"
        )
        parser.add_argument("--keep", action="store_true", help="leave the data and logs where they are, and say where")
        parser.add_argument("--wipe", action="store_true", help="wipe Valkey three times on the way")

    def handle(self, *args: Any, **options: Any) -> None:
        status = walk(form=options["by"], keep=options["keep"], wipe=options["wipe"], say=self.say)
        if status:
            raise SystemExit(status)

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
