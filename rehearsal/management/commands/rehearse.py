"""Takes `day`, leaves one JSON line: what a day of mentions cost by the product's meter and by X's own bill."""

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from citisocial.servers import CannotStart
from rehearsal import day
from rehearsal.people import Stumble
from rehearsal.premises import complain


def some(text: str) -> int:
    """Mentions of a day: enough that every hour has both kinds."""
    value = int(text)
    if not 24 * 20 <= value <= 100_000:
        raise argparse.ArgumentTypeError("give a number from 480 to 100000")
    return value


class Command(BaseCommand):
    """`manage.py rehearse day`"""

    help = "Rehearse a whole day, with the clocks moved, in a house of its own."
    requires_system_checks: list[str] = []  # it starts processes that check themselves

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="what")
        one = what.add_parser(
            "day", help="a UTC day of mentions, and whether our meter agrees with X's bill to the cent"
        )
        one.add_argument("--mentions", type=some, default=3000, help="how many (default 3000)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = day.rehearse(options["mentions"])
        except (Stumble, CannotStart) as error:
            raise SystemExit(f"The day ended early: {error}") from None
        wrong = result.pop("wrong")
        for sentence in wrong:
            complain(sentence)
        print(json.dumps(result), file=sys.stdout, flush=True)
        if wrong:
            raise SystemExit(1)
