#!/usr/bin/env python
"""Takes a command line, leaves it to Django's commands: `run`, `seed`, `migrate`, `walk`, `replay`, …"""

import os
import sys

from django.core.management import execute_from_command_line, load_command_class

# These start processes and talk to them from outside. Setting Django up for them would cost a second in which nothing
# has been started yet.
OUTSIDE = {"run": "citisocial", **dict.fromkeys(("walk", "replay", "faults", "bench", "rehearse"), "rehearsal")}


def main() -> None:
    """Hand over to the command; without Django's models where none are used."""
    if len(sys.argv) > 1 and sys.argv[1] in OUTSIDE:
        load_command_class(OUTSIDE[sys.argv[1]], sys.argv[1]).run_from_argv(sys.argv)
    else:
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "citisocial.settings")
    try:
        main()
    except KeyboardInterrupt:  # before a command could take it: nothing was started yet
        sys.exit(130)
