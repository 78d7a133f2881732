"""Takes what a crash leaves in a data directory, leaves it swept; and PostgreSQL started in awkward places."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from citisocial import datadir, embedded, named
from citisocial.children import Child, Crew, Spec


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that `nobody` can reach, too long for the name of a socket."""
    made = Path(tempfile.mkdtemp(prefix="citisocial-ground-", dir="/tmp"))
    made.chmod(0o711)
    deep = made / ("a-long-name" * 5) / ("another-long-name" * 4)
    (deep / "logs").mkdir(parents=True)
    yield deep
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def test_a_sweep_ends_what_a_killed_supervisor_left(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    datadir.record(tmp_path, {"web": (sleeper.pid, 0)})
    datadir.sweep(tmp_path)
    assert sleeper.wait(5) == -signal.SIGKILL
    assert not (tmp_path / "pids.json").exists()


def test_a_sweep_spares_a_process_that_only_has_the_number(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    datadir.write_private(tmp_path / "pids.json", {"web": {"pid": sleeper.pid, "restarts": 0, "born": "long ago"}})
    datadir.sweep(tmp_path)
    time.sleep(0.1)
    assert sleeper.poll() is None


def test_secrets_are_made_once_and_for_nobody_else(tmp_path: Path) -> None:
    made = datadir.load_secrets(tmp_path)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert datadir.load_secrets(tmp_path) == made
    assert len(set(made.values())) == len(made)


def test_secrets_that_cannot_be_read_are_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{ torn")
    with pytest.raises(datadir.CannotStart, match=r"secrets\.json cannot be read"):
        datadir.load_secrets(tmp_path)


def test_postgres_starts_under_a_long_path_and_over_stale_locks(place: Path) -> None:
    for lock in ("", "not a number\n", f"{os.getpid()}\n"):
        postgres = embedded.prepare_postgres(place, announce=lambda line: None, settings=embedded.CARELESS)
        crew = Crew(place, announce=lambda line: None)
        try:
            child = crew.start(postgres.spec)
            crew.ready(child, partial(named.postgres_answers, postgres.url("postgres")))
            with psycopg.connect(postgres.url("postgres")) as connection:
                assert connection.execute("SELECT lower('ÄÉ')").fetchone() == ("äé",)
        finally:
            crew.stop()
        (postgres.cluster / "postmaster.pid").write_text(lock)
    assert postgres.socket_dir != postgres.cluster
    shutil.rmtree(postgres.socket_dir)


def test_a_child_that_ignores_its_stop_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citisocial.children.PATIENCE", 0.3)
    (tmp_path / "logs").mkdir()
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    crew = Crew(tmp_path, announce=lambda line: None)
    child = crew.start(spec("web", deaf, tmp_path))
    crew.ready(child, lambda: "deaf" in child.last_lines, within=20)
    crew.stop()
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


def test_a_child_that_keeps_dying_is_given_up_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    crew = Crew(tmp_path, announce=lambda line: None)
    child: Child = crew.start(spec("web", "raise SystemExit('no such table')", tmp_path))
    try:
        with pytest.raises(datadir.CannotStart, match=r"web does not start: no such table"):
            crew.ready(child, lambda: False, within=30)
    finally:
        crew.stop()


def spec(name: str, code: str, cwd: Path) -> Spec:
    return Spec(name=name, command=[sys.executable, "-c", code], env=dict(os.environ), cwd=cwd)
