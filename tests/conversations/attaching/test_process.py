"""The process that makes a stranger's picture anew: it has little to break and nothing to steal."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from conversations import reencoding
from conversations.reencoding import pictures
from tests.factories.pictured import drawn, refused, remade, saved


def processes() -> Iterator[tuple[int, str, int]]:
    """Of this machine: number, state (Z: nobody has waited for it) and parent."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            yield int(stat.parent.name), state, int(parent)


@pytest.fixture
def instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """instead("code"): the process runs that. As if a picture had taken it over."""

    def use(code: str, seconds: float = 8.0) -> None:
        monkeypatch.setattr(reencoding, "SECONDS", seconds)
        script = tmp_path / "taken.py"
        script.write_text(f"import os, sys, time, signal\n{code}\n", encoding="utf-8")
        monkeypatch.setattr(reencoding, "SCRIPT", script)

    yield use
    assert "Z" not in {state for _, state, parent in processes() if parent == os.getpid()}  # everybody was waited for


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "broken"),
        ("os.abort()", "broken"),
        ("raise RuntimeError('<script>')", "broken"),
        ("sys.exit(77)", "broken"),
        ("time.sleep(60)", "slow"),
        ("os.kill(os.getpid(), signal.SIGXCPU)", "slow"),
        ("sys.exit(3)", "pixels"),
        ("sys.exit(5)", "full"),
        ("pass", "broken"),
        ("os.write(2, b'PNG 1 1')", "broken"),
        ("os.write(1, b'<html>'); os.write(2, b'PNG 1 1')", "broken"),
        ("os.write(1, b'%PDF-1.7'); os.write(2, b'PDF 1 1')", "broken"),
        ("os.write(1, b'GIF89a'); os.write(2, b'GIF 1 1')", "broken"),
        (r"os.write(1, b'\x89PNG\r\n\x1a\n'); os.write(2, b'PNG one 1')", "broken"),
        (r"os.write(1, b'\x89PNG\r\n\x1a\n'); os.write(2, b'PNG 1 1 1')", "broken"),
        (r"os.write(1, b'\x89PNG\r\n\x1a\n'); os.write(2, b'\xff\xfe')", "broken"),
        ("while True: os.write(2, b'x' * 65536)", "slow"),
    ],
)
def test_a_process_that_falls_over_or_was_taken_over_is_a_refusal(code: str, why: str, instead: Any) -> None:
    instead(code, 1.0 if "sleep" in code or "while" in code else 8.0)
    began = time.monotonic()
    assert refused(saved(drawn(), "PNG")) == why
    assert time.monotonic() - began < 12


@pytest.mark.parametrize(("then", "why"), [("signal.pause()", "slow"), ("time.sleep(1); sys.exit(4)", "broken")])
def test_whom_it_started_dies_with_it(then: str, why: str, tmp_path: Path, instead: Any) -> None:
    """Root may start somebody in spite of the limit."""
    left = tmp_path / "pid"
    start = f"os.fork() or (open({str(left)!r}, 'w').write(str(os.getpid())), signal.pause())"
    instead(f"{start}\n{then}", 3.0)
    assert refused(saved(drawn(), "PNG")) == why
    for _ in range(40):
        if int(left.read_text()) not in {number for number, state, _ in processes() if state != "Z"}:
            return
        time.sleep(0.05)
    pytest.fail("its child is still running")


def test_only_so_many_work_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reencoding, "SECONDS", 0.05)
    for _ in range(reencoding.TOGETHER):
        assert reencoding._room.acquire(blocking=False)
    try:
        assert refused(saved(drawn(), "PNG")) == "busy"
    finally:
        for _ in range(reencoding.TOGETHER):
            reencoding._room.release()
    monkeypatch.setattr(reencoding, "SECONDS", 10.0)
    assert remade(saved(drawn(), "PNG"))[0].width == 60


def test_the_process_has_no_environment_of_ours(monkeypatch: pytest.MonkeyPatch, instead: Any) -> None:
    monkeypatch.setenv("SECRET_KEY", "not for strangers")
    instead("sys.exit(5 if 'SECRET_KEY' in os.environ or os.getcwd() != '/' or os.getpgid(0) != os.getpid() else 3)")
    assert refused(saved(drawn(), "PNG")) == "pixels"


CONFINED = """
import json, sys, socket, subprocess
sys.path.insert(0, sys.argv[1])
import pictures
pictures.confine(1000)
pictures.read("PNG", 10_000)
def refuses(work):
    try:
        work()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"
answers = {
    "file": refuses(lambda: open("/etc/hostname")),
    "connection": refuses(socket.socket),
    "memory": refuses(lambda: bytearray(pictures.MEMORY)),
    "core": pictures.resource.getrlimit(pictures.resource.RLIMIT_CORE),
    "cpu": pictures.resource.getrlimit(pictures.resource.RLIMIT_CPU),
    "started": pictures.resource.getrlimit(pictures.resource.RLIMIT_NPROC),
    "django": any(name.startswith(("django", "conversations", "msgspec")) for name in sys.modules),
}
print(json.dumps(answers), flush=True)
sys.stdout.write("x" * 2000)
sys.stdout.flush()
"""


def test_the_process_opens_nothing_and_gets_no_more_than_it_may() -> None:
    with TemporaryFile() as source, TemporaryFile() as target:
        source.write(saved(drawn(), "PNG"))
        source.seek(0)
        command = [sys.executable, "-I", "-c", CONFINED, str(reencoding.SCRIPT.parent)]
        done = subprocess.run(command, stdin=source, stdout=target, stderr=subprocess.PIPE, check=False)
        target.seek(0)
        said, _, rest = target.read().partition(b"\n")
    assert json.loads(said) == {
        "file": "OSError",
        "connection": "OSError",
        "memory": "MemoryError",
        "core": [0, 0],
        "cpu": [pictures.CPU_SECONDS] * 2,
        "started": [0, 0],
        "django": False,
    }
    assert len(said) + 1 + len(rest) == 1000
    assert b"File too large" in done.stderr
