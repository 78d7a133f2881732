"""Takes the name of a suite, leaves one JSON line: what was lost or doubled while things were breaking."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from citisocial.servers import CannotStart
from rehearsal import (
    breaking,
    chatting,
    clicking,
    disturbing,
    intruding,
    masking,
    recovering,
    rows,
    sendings,
    stopping,
    storming,
    tampering,
)
from rehearsal.management.commands.replay import rate
from rehearsal.people import Stumble
from rehearsal.premises import complain

# Suites that bring their own sub-command: each has `add(suites)`, which names a function `run(options) -> bool`.
SUITES: tuple[ModuleType, ...] = (sendings, intruding, stopping, tampering, clicking, storming, chatting)


class Command(BaseCommand):
    """`manage.py faults <suite>`; each suite is a sub-command of its own."""

    help = "Break things on purpose and show that nothing is lost and nothing doubled."
    requires_system_checks: list[str] = []  # it starts processes that check themselves

    def add_arguments(self, parser: CommandParser) -> None:
        suites = parser.add_subparsers(dest="suite", required=True, metavar="suite")
        replay = suites.add_parser("replay", help="worker, listener and web killed with -9 in the middle of a replay")
        source = replay.add_mutually_exclusive_group()
        source.add_argument("--file", type=Path, help="CSV or CSV.gz (default: askciti_dev.csv of $CITISOCIAL_DATA)")
        source.add_argument("--posts", type=int, help="so many invented posts instead of a file")
        replay.add_argument("--rate", type=rate, default=50.0, help="posts a second (default 50)")
        replay.add_argument("--runs", type=int, default=1, help="how often it is broken (default once)")
        replay.set_defaults(run=self.replay)
        masked = suites.add_parser("masking", help="private numbers in at every door, and none of them kept")
        masked.add_argument("--cards", type=int, default=5000, help="how many card numbers (default 5000)")
        masked.add_argument("--file", type=Path, help="real posts for false alarms (default: dev.csv.gz of the data)")
        masked.set_defaults(run=self.masking)
        for suite in SUITES:
            suite.add(suites)
        self._add_listening(suites.add_parser("listening", help="X fails in every way it can, during a replay"))

    def _add_listening(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--file", type=Path, help="CSV or CSV.gz (default: dev.csv.gz of $CITISOCIAL_DATA)")
        source.add_argument("--posts", type=int, help="so many invented posts instead of a file")
        parser.add_argument("--rate", type=rate, default=60.0, help="posts a second at the most (default 60)")
        parser.add_argument("--runs", type=int, default=20, help="how often each fault happens at least (default 20)")
        parser.set_defaults(run=self.listening)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            good = options["run"](options)
        except (Stumble, CannotStart) as error:
            raise SystemExit(f"The suite {options['suite']} ended early: {error}") from None
        if not good:
            raise SystemExit(1)

    def replay(self, options: dict[str, Any]) -> bool:
        """Whether a replay with kills ended exactly as one without."""
        posts = breaking.invented(options["posts"]) if options["posts"] else self.read(options["file"])
        result = breaking.compare(posts, rate=options["rate"], runs=options["runs"])
        wrong = result.pop("wrong")
        for sentence in wrong:
            complain(sentence)
        print(json.dumps(result), file=sys.stdout, flush=True)
        return not wrong and result["alike"] and result["lost"] == result["doubled"] == 0

    def listening(self, options: dict[str, Any]) -> bool:
        """Whether every fault happened and was got over, and nothing was lost or doubled by any."""
        posts = breaking.invented(options["posts"]) if options["posts"] else self.read(options["file"], "dev.csv.gz")
        result = disturbing.disturb(posts, runs=options["runs"], most=options["rate"])
        wrong = result.pop("wrong")
        for line in (*recovering.table(result["faults"]), *wrong):
            complain(line)
        print(json.dumps(result), file=sys.stdout, flush=True)
        return not wrong

    def masking(self, options: dict[str, Any]) -> bool:
        """Whether none of the seeded numbers was kept, and real posts were left alone."""
        result = masking.rehearse(options["cards"], self.read(options["file"], "dev.csv.gz"))
        wrong = result.pop("wrong")
        for sentence in wrong:
            complain(sentence)
        print(json.dumps(result), file=sys.stdout, flush=True)
        return not wrong and result["found"] == 0

    def read(self, file: Path | None, name: str = "askciti_dev.csv") -> list[rows.Row]:
        """The posts of the file; what to do when there is none."""
        path = file or breaking.default_file(name)
        if not path.exists():
            raise SystemExit(
                f"{path} is not there: name a file with --file, the data directory with {breaking.DATA}, "
                "or use --posts 500 for invented posts."
            )
        try:
            return rows.read(path).good
        except rows.UnreadableFile as error:
            raise SystemExit(str(error)) from None
