"""Takes a port and a data directory, leaves the demo running until Ctrl-C, and says how to walk it."""

import argparse
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from citisocial import datadir, servers
from citisocial.settings import env
from conversations.management import demo

GUIDE = """
citisocial is running. From a tweet to a chat in five clicks:

  1. Open {x}/ and press "Tweet an example", or tweet something of your own as @maria_m.
  2. Open {site}/workspace/, sign in as maya (code: {command} --code maya), open the case and take it.
  3. Press "Send direct message".
  4. Open {x}/dms as @maria_m and tap the link ({links}/…).
  5. Sign in to the bank as maria, confirm that @maria_m is yours, and chat.

Who signs in; the password is {password} for all of them, and staff type a code as well:
  agents maya, omar and lena at {site}/workspace/, supervisors grace and ruth at {site}/admin/;
  {command} --code maya prints maya's code
  customers maria (@maria_m), jorge (@jorge_p) and dee (@dee_says) by their links, or at {site}/

The data and the logs are in {data}. Ctrl-C stops everything; the data stays.
"""


def port_number(text: str) -> int:
    """The first of three ports."""
    port = int(text)
    if not 1 <= port <= 65533:
        raise argparse.ArgumentTypeError("a port is 1 to 65533; the two after it are used as well")
    return port


class Command(BaseCommand):
    """./run ends here."""

    help = "Start everything: PostgreSQL, Valkey, the site, its link host, its workers and the sandbox."
    requires_system_checks: list[str] = []  # there is nothing to check against yet

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--port", type=port_number, default=8000, help="the site; links and sandbox take the next two"
        )
        parser.add_argument(
            "--data", type=Path, default=servers.DEFAULT_DATA, help="where the data lives (default .data)"
        )
        parser.add_argument(
            "--code",
            metavar="NAME",
            help="print the code with which NAME of the demo's staff signs in now, and start nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        port: int = options["port"]
        if options["code"]:
            self.say(code(options["code"], options["data"]))
            self.stderr.write(f"for {demo.PERIOD - int(time.time()) % demo.PERIOD} seconds; it serves once")
            return
        try:
            with servers.house(
                data_dir=options["data"],
                ports=servers.Ports(port, port + 1, port + 2),
                announce=self.say,
                show_logs=True,
            ) as found:
                self.say(guide(found))
                servers.wait_forever()
        except servers.CannotStart as error:
            self.stderr.write(str(error))
            raise SystemExit(1) from None
        except KeyboardInterrupt:
            self.say("Stopped. The data stays.")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def code(name: str, data: Path) -> str:
    """The six digits of one of the demo's staff, from the seed in the data directory, whether it runs or not.

    Raises CommandError for anybody else, and where there is no demo: nowhere else do such codes open anything.
    """
    if name not in demo.STAFF:
        raise CommandError(f"{name} is not of the demo's staff: it is {', '.join(demo.STAFF)}.")
    seed = datadir.read_json(data / "secrets.json").get("DEMO_SEED")
    if not seed or (env("SECRET_KEY") and not settings.DEMO):  # configured as something else than a demo
        raise CommandError(f"There is no demo in {data}: start it once with ./run, or name its directory with --data.")
    return demo.code(seed, name, time.time())


def guide(found: servers.House) -> str:
    """The five clicks and who signs in, with this house's addresses."""
    return GUIDE.format(
        site=found.site_url,
        links=found.link_url,
        x=found.x_url,
        password=demo.DEMO_PASSWORD,
        command="./run" if found.data_dir == servers.DEFAULT_DATA else f"./run --data {found.data_dir}",
        data=found.data_dir,
    )
