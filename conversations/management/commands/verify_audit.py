"""Takes the audit trail, leaves a sentence for everything in it that does not add up, and exit code 1 for any."""

import sys
import time
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandParser

from citisocial.clock import now
from conversations import seals, tasks

BAR = 40


class Command(BaseCommand):
    """`manage.py verify_audit [--alarm]`; docs/audit.md says what is checked and what cannot be seen."""

    help = "Check every line of the audit trail, its seals and the anchor file. Exit code 1 when anything is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--alarm", action="store_true", help="raise an alarm for supervisors when anything is wrong, as each night"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        bar = Bar()
        try:
            report = tasks.verified(bar) if options["alarm"] else seals.verify(bar)
        except ImproperlyConfigured as error:
            raise SystemExit(str(error)) from None
        bar.end()
        for sentence in report.findings:
            self.stdout.write(self.style.ERROR(sentence))
        if report.found > len(report.findings):
            self.stdout.write(self.style.ERROR(f"… and {report.found - len(report.findings):,} more of this kind."))
        self.stdout.write(f"{report.lines:,} lines and {report.seals:,} seals were checked.{unsealed(report)}")
        if not report.is_clean:
            self.stdout.write("The trail is not whole: docs/audit.md says what to do with each of these.")
            raise SystemExit(1)
        self.stdout.write(self.style.SUCCESS("Nothing was changed, taken out, put in or cut off."))


def unsealed(report: seals.Report) -> str:
    """What only the lines' own MACs speak for, and since when."""
    if not report.unsealed or report.oldest_unsealed is None:
        return ""
    seconds = max(0.0, (now() - report.oldest_unsealed).total_seconds())
    return f" {report.unsealed:,} lines are not sealed yet, the oldest for {seconds:,.0f} s."


class Bar:
    """A progress bar on stderr, where that is a terminal."""

    def __init__(self) -> None:
        self.shown = 0.0

    def __call__(self, done: int, of: int) -> None:
        if sys.stderr.isatty() and time.monotonic() > self.shown + 0.1:
            self.shown = time.monotonic()
            share = min(1.0, done / of) if of else 1.0
            print(f"\r[{'#' * int(BAR * share):<{BAR}}] {done:,} of {of:,} lines", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Take it away again."""
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
