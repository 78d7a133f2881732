"""Takes a CSV or CSV.gz of real posts, leaves them dealt with and one JSON line that says how."""

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from citisocial import servers
from rehearsal import rows
from rehearsal.people import Stumble
from rehearsal.premises import complain, own_house, show_logs
from rehearsal.replaying import complaints, replay


def rate(text: str) -> float:
    """Posts a second."""
    value = float(text)
    if not 0 < value <= 5000:
        raise argparse.ArgumentTypeError("the rate is posts a second: more than 0, at most 5000")
    return value


class Command(BaseCommand):
    """./run --replay ends here."""

    help = "Tweet a file of real posts into the sandbox and wait until the system has dealt with all of them."
    requires_system_checks: list[str] = []  # it needs no database of its own settings

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="CSV or CSV.gz with the columns id, author, text; see docs/walk.md")
        parser.add_argument("--rate", type=rate, default=50.0, help="posts a second (default 50)")
        parser.add_argument(
            "--data", type=Path, default=servers.DEFAULT_DATA, help="of the ./run to use, if one is running there"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = rows.read(options["file"])
        except rows.UnreadableFile as error:
            raise SystemExit(str(error)) from None
        for bad in found.bad:
            complain(f"row {bad.number} left out: {bad.why}")
        with ExitStack() as stack:
            try:
                found_running = servers.running(options["data"])
                house = found_running or stack.enter_context(own_house(announce=complain))
            except servers.CannotStart as error:
                raise SystemExit(str(error)) from None
            try:
                result = replay(found.good, house, rate=options["rate"], fresh=found_running is None)
            except Stumble as error:
                show_logs(house)
                raise SystemExit(f"The replay ended early: {error}") from None
            wrong = complaints(result)
            if wrong:
                show_logs(house)
        result["bad_rows"] = len(found.bad)
        for sentence in wrong:
            complain(sentence)
        print(json.dumps(result), file=sys.stdout, flush=True)
        if wrong:
            raise SystemExit(1)
