"""The whole walk, in both forms and with Valkey wiped on the way, by the commands that ./run --walk ends in."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DM = [
    *("start", "agent", "tweet", "inbox", "take", "invite", "dm", "link", "welcome"),
    *("sign-in", "proof", "join", "chat", "resolve", "survey", "story"),
]
REPLY = [*DM[:5], "refused", "reply", "message", *DM[5:]]

# Each starts a house of its own; one after the other, or two cores do not suffice for the times within.
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


@pytest.mark.parametrize(
    ("options", "steps"),
    [([], DM), (["--by", "reply", "--wipe"], REPLY)],
    ids=["dm", "reply, wiped"],
)
def test_the_walk_ends_well(clean_environment: dict[str, str], place: Path, options: list[str], steps: list[str]):
    done = walk(clean_environment | {"TMPDIR": str(place)}, *options)

    last = done.stdout.splitlines()[-1] if done.stdout else ""
    assert last.startswith("WALK OK "), f"{done.stdout}\n{done.stderr[-4000:]}"
    assert done.returncode == 0
    assert list(json.loads(last.removeprefix("WALK OK "))) == steps
    assert living(place) == set()
    assert list(place.iterdir()) == []
