"""Takes ./run in places where something is missing, leaves one sentence that says what, or a repaired environment."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "dirname", "cat", "cksum", "grep", "rm", "mkdir", "uname", "env")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A fresh clone with nothing to install, whose manage.py repeats what it was asked."""
    shutil.copy(ROOT / "run", tmp_path / "run")
    for name in ("requirements.lock", "requirements-uv.lock"):
        (tmp_path / name).write_text("# nothing\n")
    (tmp_path / "manage.py").write_text("import sys; print('asked for', *sys.argv[1:])\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    return tmp_path


def program(place: Path, name: str, script: str) -> None:
    path = place / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def run(place: Path, *arguments: str, python: str = "") -> "subprocess.CompletedProcess[str]":
    """./run with nothing on the PATH but the tools that every system has, and the programs of the test."""
    env = {"PATH": str(place / "bin"), "HOME": str(place), "PYTHON": python}
    return subprocess.run(
        [str(place / "run"), *arguments], env=env, capture_output=True, text=True, check=False, cwd="/", timeout=60
    )


def test_no_python_is_said(place: Path) -> None:
    answer = run(place)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("No Python was found: install Python 3.11")


def test_an_old_python_is_said_by_its_number(place: Path) -> None:
    program(place, "python3", 'case "$2" in *print*) echo 3.9 ;; *) exit 1 ;; esac')
    answer = run(place)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "needs Python 3.11 or newer, and this is 3.9" in answer.stderr
    assert not (place / ".venv").exists()


def test_a_missing_venv_module_is_said_with_its_package(place: Path) -> None:
    program(place, "python3", 'case "$2" in *print*) echo 3.12 ;; *ensurepip*) exit 1 ;; esac')
    answer = run(place)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "Python 3.12 has no venv module" in answer.stderr
    assert "python3-venv" in answer.stderr


def test_it_is_set_up_once_goes_on_with_a_new_lock_and_is_repaired_after_an_interruption(place: Path) -> None:
    # A version manager's shim that fails is passed over.
    program(place, "python3", 'echo "command not found" >&2; exit 127')
    (place / "bin" / "python3.11").symlink_to(sys.executable)
    first = run(place)
    assert first.returncode == 0, first.stderr
    assert "Making a virtual environment" in first.stdout

    again = run(place, "--port", "9000", "--data", "here")
    assert again.stdout == "asked for run --port 9000 --data here\n"

    (place / "requirements.lock").write_text("# something else\n")
    changed = run(place, "--replay", "posts.csv", "--rate", "50")
    assert "Making a virtual environment" not in changed.stdout
    assert "from requirements.lock" in changed.stdout
    assert changed.stdout.endswith("asked for replay posts.csv --rate 50\n")

    (place / ".venv" / ".unfinished").touch()
    (place / ".venv" / "bin" / "python").unlink()
    repaired = run(place, "--walk", "--by", "reply")
    assert "Making a virtual environment" in repaired.stdout
    assert repaired.stdout.endswith("asked for walk --by reply\n")


def test_the_locks_name_no_registry() -> None:
    for lock in ROOT.glob("*.lock"):
        assert "://" not in lock.read_text(encoding="utf-8"), lock


def test_every_direct_dependency_says_why_it_is_there() -> None:
    said = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    for name in ("requirements.txt", "requirements-test.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            package = re.match(r"[a-z][a-z0-9-]*", line)
            assert package is None or re.search(rf"^\|.*\b{package[0]}\b.*\|", said, re.MULTILINE), line
