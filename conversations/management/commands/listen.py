"""Takes the command line, leaves `listening` at work: on the network's stream for ever, or through one file."""

import asyncio
import logging
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations import assignment, listening, triage
from conversations.networks.errors import NetworkError

log = logging.getLogger(__name__)


class Command(BaseCommand):
    """One process per installation: X allows one connection. A second one waits until the first is gone."""

    help = "Listen to X's filtered stream and store what it delivers, or what is for us in a file of posts."
    requires_system_checks = ["safety"]  # all of them would import every page first

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--file",
            metavar="FILE",
            help="read a file of posts as X's API writes them, one JSON object a line (.gz is unpacked; - is standard "
            "input), keep those that our listening rules and handles find, and end",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["file"]:
                self.read(options["file"])
            else:
                asyncio.run(listening.listen(decide))
        except (KeyboardInterrupt, asyncio.CancelledError):
            log.info("listener: stopped")

    def read(self, name: str) -> None:
        """The whole file, with a line of progress every second on standard error."""
        said_at = time.monotonic()

        def progress(read: listening.Read) -> None:
            nonlocal said_at
            if time.monotonic() - said_at >= 1:
                said_at = time.monotonic()
                self.stderr.write(f"{read.feed.lines:,} lines, {read.new:,} new …")

        try:
            read = listening.read_file(name, after=decide, progress=progress)
        except OSError as error:
            raise CommandError(
                f"{name} cannot be read: {error.strerror or error}. Check its name and rights."
            ) from None
        except (LookupError, NetworkError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(read.summary)


def decide() -> None:
    """What follows on posts that were stored: is it for us, and who takes it?"""
    if triage.drain():
        assignment.assign_waiting()
