"""The whole walk, in both forms and with Valkey wiped on the way, by the commands that ./run --walk ends in."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from citisocial.servers import House
from rehearsal import walking

ROOT = Path(__file__).resolve().parents[2]
DM = [
    *("agent", "tweet", "inbox", "take", "invite", "dm", "link", "welcome"),
    *("sign-in", "proof", "join", "chat", "resolve", "survey", "story"),
]
REPLY = [*DM[:4], "refused", "reply", "message", *DM[4:]]

# One after the other, or two cores do not suffice for the times within.
pytestmark = pytest.mark.xdist_group("walk")


def walk(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "walk", *options]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary directory with a short name that everybody may walk through: PostgreSQL's socket goes inside."""
    with tempfile.TemporaryDirectory(prefix="walk-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def living(place: Path) -> set[str]:
    """The processes that were started with this directory, by pid and command line."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if str(place).encode() in line + environment:
            found.add(f"{process.name} {line.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


def test_the_walk_ends_well(clean_environment: dict[str, str], place: Path) -> None:
    """As ./run --walk does it: in a house of its own, of which nothing is left."""
    done = walk(clean_environment | {"TMPDIR": str(place)})

    last = done.stdout.splitlines()[-1] if done.stdout else ""
    assert last.startswith("WALK OK "), f"{done.stdout}\n{done.stderr[-4000:]}"
    assert done.returncode == 0
    assert list(json.loads(last.removeprefix("WALK OK "))) == ["start", *DM]
    assert living(place) == set()
    assert list(place.iterdir()) == []


def test_by_public_reply_with_valkey_wiped_on_the_way(running_house: House) -> None:
    said: list[str] = []
    assert walking.walk(form="reply", wipe=True, say=said.append, house=running_house) == 0, "\n".join(said)
    assert list(json.loads(said[-1].removeprefix("WALK OK "))) == ["start", *REPLY]
    assert sum("Valkey wiped" in line for line in said) == 3
