"""Takes the name of a benchmark, leaves one JSON line with its figures, beside a reference from the same run."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from citisocial.servers import CannotStart
from rehearsal import benching, conversing, redirects
from rehearsal.people import Stumble


class Command(BaseCommand):
    """`manage.py bench <what>`; it starts the servers that it needs itself, as `./run` does."""

    help = "Measure how fast something is, beside a reference measured in the same run."
    requires_system_checks: list[str] = []  # it starts processes that check themselves

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = parser.add_subparsers(dest="kind", required=True, metavar="what")
        ingest = kinds.add_parser(
            "ingest", help="from bytes on a socket to rows in PostgreSQL, one event in 100 for us"
        )
        ingest.add_argument("--events", type=int, default=60_000, help="in a round (default 60000)")
        ingest.add_argument("--rounds", type=int, default=3, help="of each way, in turn (default 3)")
        ingest.set_defaults(run=self.ingest)
        redirects.add(kinds)
        conversing.add(kinds)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = options["run"](options)
        except (Stumble, CannotStart) as error:
            raise SystemExit(f"The benchmark {options['kind']} ended early: {error}") from None
        print(json.dumps(result), file=sys.stdout, flush=True)

    def ingest(self, options: dict[str, Any]) -> dict[str, Any]:
        return benching.ingest(events=options["events"], rounds=options["rounds"])
