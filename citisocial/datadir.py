"""Takes a path, leaves a data directory that one supervisor holds: its lock, its secrets, its list of processes.

What is in it: `lock` (flock, the supervisor's pid), `secrets.json` (0600, made once), `state.json` (0600, where
everything listens), `pids.json` (every child), `anchors` (0600, the audit trail's seals), `attachments/` (0700, the
files of chats), `logs/`, `postgres/`, `valkey/`, `beat/`.
"""

import base64
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LINUX = sys.platform == "linux"


class CannotStart(Exception):
    """Something is in the way of starting; the text is one sentence that says what to do about it."""


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Hold the directory for this process alone, until the block ends. Raises CannotStart when another holds it."""
    try:
        # Traversable, not readable, for others: as root PostgreSQL runs as somebody else, in here. Files are 0600.
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
        (directory / "logs").mkdir(mode=0o700, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(
            f"The data directory {directory} cannot be used ({error.strerror}): name another with --data."
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            raise CannotStart(
                f"citisocial is already running on {directory} (pid {holder}): stop that one first, "
                "or start another with --data and --port of its own."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        (directory / "state.json").unlink(missing_ok=True)
        try:
            yield
        finally:
            (directory / "state.json").unlink(missing_ok=True)
    finally:
        os.close(lock)


def held(directory: Path) -> bool:
    """Whether a living supervisor holds the directory; a number in a file could be anybody's by now, a lock cannot."""
    try:
        lock = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def write_private(path: Path, content: Any) -> None:
    """Replace a JSON file as a whole, readable by its owner only."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
    fresh.replace(path)


def read_json(path: Path) -> Any:
    """What `write_private` left there; {} when there is nothing to read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def load_secrets(directory: Path) -> dict[str, str]:
    """The data directory's secrets, made at its first start; its links and sealed columns need them for ever."""
    path = directory / "secrets.json"
    known: dict[str, str] = read_json(path)
    if not known and path.exists():
        raise CannotStart(f"The file {path} cannot be read: restore it, or move {directory} away to start afresh.")
    made = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "LINK_KEY": secrets.token_urlsafe(32),
        "AUDIT_KEY": secrets.token_urlsafe(32),
        "SEALING_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "DEMO_SEED": secrets.token_urlsafe(32),
        "SANDBOX_SECRET_KEY": secrets.token_urlsafe(48),
        "X_CLIENT_ID": secrets.token_urlsafe(18),
        "X_CLIENT_SECRET": secrets.token_urlsafe(32),
        "X_CONSUMER_SECRET": secrets.token_urlsafe(32),
        "X_BEARER_TOKEN": secrets.token_urlsafe(48),
        "REDIS_PASSWORD": secrets.token_urlsafe(24),
    } | known
    if made != known:
        write_private(path, made)
    return made


def birth(pid: int) -> str | None:
    """When a living process began, in whatever words this system has for it; None when there is no such process."""
    if LINUX:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[19]
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def record(directory: Path, children: Mapping[str, tuple[int, int]]) -> None:
    """Leave each child's (pid, restarts), with its birth, for `sweep` and for whoever attaches."""
    write_private(
        directory / "pids.json",
        {name: {"pid": pid, "restarts": n, "born": birth(pid)} for name, (pid, n) in children.items()},
    )


def sweep(directory: Path) -> None:
    """End what a supervisor that was killed left running: where the system has no death signals, nobody else does.

    A number is only acted on when the process began at the very moment that was written down. PostgreSQL is
    asked to stop (SIGINT) and waited for; the others have nothing to lose.
    """
    for name, entry in read_json(directory / "pids.json").items():
        pid = entry.get("pid")
        if not pid or not entry.get("born") or birth(pid) != entry["born"]:
            continue
        os.kill(pid, signal.SIGINT if name == "postgres" else signal.SIGKILL)
        deadline = time.monotonic() + 10
        while birth(pid) == entry["born"] and time.monotonic() < deadline:
            time.sleep(0.05)
    (directory / "pids.json").unlink(missing_ok=True)
