"""Takes nothing, leaves a house of the rehearsal's own, with data of its own, and nothing of it afterwards."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from citisocial import servers

# A walk wipes Valkey and a replay fills the database: never those that the environment names.
NAMED = ("DATABASE_URL", "REDIS_URL", "SANDBOX_DATABASE_URL")
# What would brake one agent who writes to everybody: ours is raised where a suite needs it, the network's is not.
CAPS = ("OUTREACH_AGENT_PER_HOUR", "OUTREACH_BRAND_PER_HOUR", "OUTREACH_RECIPIENT_PER_DAY")
SHOWN = 12  # lines of a log


def raise_caps() -> None:
    """For every house that is started from here on; said aloud, because the figures are then not a bank's."""
    os.environ.update(dict.fromkeys(CAPS, "100000"))
    complain(f"raised to 100,000 for this suite: {', '.join(CAPS)}")


@contextmanager
def own_house(
    *, keep: bool = False, announce: Callable[[str], None], children: Sequence[str] | None = None
) -> Iterator[servers.House]:
    """A house on free ports in a temporary directory, removed at the end (`keep` leaves it and says where).

    `children`: which processes of ours are started; all when it is not said, none but the servers for ().
    """
    for name in NAMED:
        for variable in (name, f"{name}_FILE"):
            os.environ.pop(variable, None)
    directory = Path(tempfile.mkdtemp(prefix="citisocial-"))
    # As root PostgreSQL runs as somebody else, who must be able to walk through; what is inside is private.
    directory.chmod(0o711)
    try:
        with servers.house(data_dir=directory, announce=announce, children=children) as house:
            yield house
    finally:
        if keep:
            announce(f"The data stays in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def show_logs(house: servers.House) -> None:
    """On stderr: what the processes complained about, and the last thing that those said which still ran."""
    for log in sorted(house.log_dir.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()
        if log.stem in {"postgres", "valkey"}:
            lines = [line for line in lines if "ERROR" in line or "PANIC" in line]
        complains = any(word in line for line in lines for word in ("Traceback", "ERROR", "CRITICAL"))
        shown = lines[-3 * SHOWN :] if complains else lines[-SHOWN:] if house.pid(log.stem) else []
        if shown:
            print(f"--- {log.name}", *shown, sep="\n", file=sys.stderr, flush=True)


def complain(line: str) -> None:
    """On stderr: what is said beside the steps and figures, so that stdout ends with the one line that counts."""
    print(line, file=sys.stderr, flush=True)
