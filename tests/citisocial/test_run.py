"""Takes ./run as a person starts and stops it, leaves one clear sentence when it cannot, and never a process behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from citisocial import servers
from citisocial.children import TETHER

ROOT = Path(__file__).resolve().parents[2]
START = 180.0  # seconds that a cold start may take on a very busy machine
pytestmark = pytest.mark.xdist_group("run")  # one house at a time
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, and death signals are Linux's")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory that `nobody` can reach, with a short path (pytest's own is neither)."""
    made = Path(tempfile.mkdtemp(prefix="citisocial-run-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def port() -> int:
    """The first of three free ports in a row."""
    while True:
        with closing(socket.socket()) as first, closing(socket.socket()) as second, closing(socket.socket()) as third:
            first.bind(("127.0.0.1", 0))
            number: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", number + 1))
                third.bind(("127.0.0.1", number + 2))
            except (OSError, OverflowError):
                continue
            return number


class Running:
    """One ./run: what it printed so far, and its process."""

    def __init__(self, data_dir: Path, port: int, env: dict[str, str]) -> None:
        # Tied to us, so that a killed test run leaves no house behind either.
        tied = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(int(signal.SIGTERM)), "-1", "-1"]
        descriptor, name = tempfile.mkstemp(prefix="citisocial-run-", suffix=".out")
        self.output = Path(name)
        with os.fdopen(descriptor, "wb") as out:
            self.process = subprocess.Popen(
                [*tied, str(ROOT / "run"), "--port", str(port), "--data", str(data_dir)],
                env=env,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def until(self, words: str) -> "Running":
        wait_for(lambda: words in self.said() or self.process.poll() is not None, START)
        assert words in self.said(), self.said()
        return self

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
        self.output.unlink(missing_ok=True)


@pytest.fixture
def start(data_dir: Path, port: int, clean_environment: dict[str, str]) -> Iterator[Callable[..., Running]]:
    """start(**environment) -> a ./run on the test's own directory and ports; stopped at the end, whatever happens."""
    begun: list[Running] = []

    def start(**environment: str) -> Running:
        begun.append(Running(data_dir, port, clean_environment | environment))
        return begun[-1]

    yield start
    for running in begun:
        running.stop()


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def processes_of(data_dir: Path) -> list[str]:
    """The command lines of all processes that know of that directory or sit in it; empty where there is no /proc."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command = (directory / "cmdline").read_bytes()
            traces = command + (directory / "environ").read_bytes() + os.fsencode((directory / "cwd").readlink())
            if int(directory.name) != os.getpid() and data_dir.name.encode() in traces:
                found.append(command.replace(b"\0", b" ").decode())
        except OSError:  # gone meanwhile, or a zombie
            continue
    return found


def refused(running: Running) -> str:
    """Wait for a start that must fail: its words, after status 1."""
    assert running.process.wait(START) == 1, running.said()
    return running.said()


def is_one_sentence(text: str) -> bool:
    return text.count("\n") == 1 and "Traceback" not in text


def test_a_taken_port_is_named(start: Callable[..., Running], data_dir: Path, port: int) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        said = refused(start())
    assert is_one_sentence(said)
    assert said.startswith(f"Port {port + 1} is taken")
    assert "--port" in said
    assert processes_of(data_dir) == []
    assert not (data_dir / "postgres").exists()


def test_a_database_that_does_not_answer_is_named_without_its_password(
    start: Callable[..., Running], data_dir: Path, port: int
) -> None:
    said = refused(start(DATABASE_URL=f"postgresql://someone:secret-word@127.0.0.1:{port}/citisocial"))
    assert is_one_sentence(said)
    assert said.startswith("DATABASE_URL names a database that cannot be reached")
    assert "secret-word" not in said
    assert processes_of(data_dir) == []


def test_a_redis_that_does_not_answer_is_named(start: Callable[..., Running], data_dir: Path, port: int) -> None:
    said = refused(start(REDIS_URL=f"redis://:secret-word@127.0.0.1:{port}/0"))
    assert is_one_sentence(said)
    assert said.startswith("REDIS_URL names a server that cannot be reached")
    assert "secret-word" not in said
    assert processes_of(data_dir) == []


def test_data_of_another_version_is_left_alone(start: Callable[..., Running], data_dir: Path) -> None:
    cluster = data_dir / "postgres"
    cluster.mkdir(mode=0o700)
    (cluster / "PG_VERSION").write_text("17\n")
    said = refused(start())
    assert is_one_sentence(said)
    assert "made by PostgreSQL 17, and this is 18" in said
    assert sorted(cluster.iterdir()) == [cluster / "PG_VERSION"]
    assert processes_of(data_dir) == []


def pid_of(data_dir: Path, name: str) -> int:
    pid: int = json.loads((data_dir / "pids.json").read_text())[name]["pid"]
    return pid


@LINUX
def test_the_life_of_a_run(
    start: Callable[..., Running], data_dir: Path, port: int, clean_environment: dict[str, str]
) -> None:
    """Started cold; a second start refused; a killed child restarted; the supervisor killed, and nothing survives;
    started again on the same data; stopped by Ctrl-C."""
    first = start().until("Ctrl-C stops everything")
    assert f"http://localhost:{port}/workspace/" in first.said()

    second = Running(data_dir, port, clean_environment)
    assert second.process.wait(START) == 1
    assert second.said().startswith(f"citisocial is already running on {data_dir} (pid {first.process.pid})")
    second.output.unlink()

    found = servers.running(data_dir)
    assert found is not None
    assert found.site_url == f"http://localhost:{port}"
    killed = found.pid("web")
    assert killed == pid_of(data_dir, "web")
    os.kill(killed, signal.SIGKILL)
    with urllib.request.urlopen(f"{found.site_url}/healthz", timeout=30) as answer:  # waits, is not refused
        assert answer.status == 200
    assert found.pid("web") not in {None, killed}
    assert (found.restarts("web"), found.restarts("worker")) == (1, 0)

    secrets = (data_dir / "secrets.json").read_text()
    assert len(processes_of(data_dir)) >= 9
    first.process.kill()
    first.process.wait()
    wait_for(lambda: processes_of(data_dir) == [], 10)
    assert processes_of(data_dir) == []
    assert servers.running(data_dir) is None

    again = start().until("Ctrl-C stops everything")
    assert (data_dir / "secrets.json").read_text() == secrets
    began = time.monotonic()
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(30) == 0, again.said()
    assert time.monotonic() - began < 10
    assert again.said().endswith("Stopped. The data stays.\n")
    assert "Traceback" not in again.said()
    assert processes_of(data_dir) == []


@LINUX
def test_a_signal_in_the_middle_of_starting_leaves_nothing(start: Callable[..., Running], data_dir: Path) -> None:
    early = start().until("Preparing the database")
    early.process.send_signal(signal.SIGTERM)
    assert early.process.wait(30) == 128 + signal.SIGTERM
    assert processes_of(data_dir) == []
    assert "Traceback" not in early.said()


@LINUX
def test_named_servers_are_used_and_none_is_started(
    data_dir: Path, make_database: Callable[[str], str], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = make_database("named")
    monkeypatch.setenv("DATABASE_URL", named)
    monkeypatch.setenv("REDIS_URL", redis_url)
    with servers.house(data_dir=data_dir, children=(), announce=lambda line: None) as found:
        assert (found.database_url, found.redis_url) == (named, redis_url)
        assert (found.pid("postgres"), found.pid("valkey")) == (None, None)
        for url, table in ((named, "conversations_case"), (found.sandbox_database_url, "pg_class")):
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT to_regclass(%s)", [table]).fetchone() != (None,)
    assert not (data_dir / "postgres").exists()
