"""Takes the addresses of a house and its servers, leaves its six processes prepared, started and ready."""

import hashlib
import http.client
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import datadir
from .children import Child, Crew, Echo, Spec

ROOT = Path(__file__).resolve().parent.parent
HOST = "localhost"  # the name in URLs: browsers treat it as a secure origin; what listens is 127.0.0.1
EVERYBODY = ("sandbox", "web", "links", "worker", "beat", "listener")
UVICORN = "-m uvicorn --no-access-log --no-server-header --log-level warning --timeout-graceful-shutdown 5"
FRAMES = (
    "--http citisocial.serving:Http --ws citisocial.serving:WebSocket --ws-per-message-deflate false "
    "--ws-max-size 16384"
)
CELERY = "-m celery --app citisocial --quiet"
THREADS = "--pool threads --concurrency 4 --without-gossip --without-mingle --without-heartbeat"
AS_ROOT = "ignore:You're running the worker with superuser"  # the worker takes JSON alone, and ids at that
COMMANDS: Mapping[str, Sequence[str]] = {
    "sandbox": f"{UVICORN} --no-date-header sandbox.asgi:application".split(),
    "web": f"{UVICORN} citisocial.asgi:application {FRAMES}".split(),
    "links": f"{UVICORN} links.asgi:application".split(),
    "worker": ["-W", AS_ROOT, *f"{CELERY} worker {THREADS} --loglevel WARNING".split()],
    "beat": [*f"{CELERY} beat --loglevel WARNING --pidfile".split(), ""],
    "listener": [str(ROOT / "manage.py"), "listen"],
}
POOLS = {"web": "20", "worker": "5"}  # connections to PostgreSQL; listener and link host keep their own two each


@dataclass(frozen=True, slots=True)
class House:
    """Where everything is. `env` is what a further process of ours needs (`manage.py …`), os.environ included."""

    data_dir: Path
    site_url: str
    link_url: str
    x_url: str
    database_url: str
    sandbox_database_url: str
    redis_url: str
    env: dict[str, str] = field(repr=False)
    secrets: dict[str, str] = field(repr=False)

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "logs"

    def pid(self, name: str) -> int | None:
        """The living process of that child, or None while it is dead or being started again."""
        entry = datadir.read_json(self.data_dir / "pids.json").get(name, {})
        pid = entry.get("pid")
        return pid if pid and datadir.birth(pid) == entry.get("born") else None

    def restarts(self, name: str) -> int:
        """How many times that child was started again since the house was opened."""
        return int(datadir.read_json(self.data_dir / "pids.json").get(name, {}).get("restarts", 0))


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening of the house: migrations, sandbox, seed, the rest; as much at once as depends on nothing else."""

    crew: Crew
    found: House
    sockets: Mapping[str, socket.socket]
    wanted: Sequence[str]
    echo: Echo | None

    def run(self, cluster: Path | None) -> None:
        """`cluster` is the embedded server's directory: there a stamp tells whether anything is to be prepared."""
        stamp = None if cluster is None else cluster / "citisocial.prepared"
        fresh = fingerprint(self.found) + ",".join(sorted(self.wanted))
        if stamp is None or not stamp.exists() or stamp.read_text() != fresh:
            self.prepare()
            if stamp is not None:
                stamp.write_text(fresh)
        # Beat last: it only asks again and again, and nobody waits for its first question.
        for together in ([name for name in self.wanted if name != "beat"], [n for n in self.wanted if n == "beat"]):
            for name in together:
                self.start(name)
            for name in together:
                self.ready(name)

    def prepare(self) -> None:
        """Migrate both databases at once; seed the demo as soon as the sandbox answers.

        Starting costs processor time and little else, so the second core is given what needs no migrated
        database: the sandbox (which has its own), web and links, which look at theirs when they are asked, the
        worker, which is asked by beat alone, and the listener, which waits for somebody to listen for.
        """
        self.crew.announce("Preparing the database …")
        demo = "sandbox" in self.wanted
        site = self.begin("prepare", str(ROOT / "manage.py"), "prepare", *(["--seed"] if demo else []))
        if demo:
            self.crew.completed(self.begin("migrate-sandbox", "-m", "sandbox", "migrate", "--no-input"))
            for name in ("sandbox", "web", "worker", "listener", "links"):
                self.start(name)
            self.ready("sandbox")
        self.crew.completed(site)

    def spec(self, name: str, command: Sequence[str], fd: int | None = None) -> Spec:
        env = dict(self.found.env) | ({"DATABASE_POOL": POOLS[name]} if name in POOLS else {})
        return Spec(name=name, command=[sys.executable, *command], env=env, cwd=ROOT, fd=fd)

    def begin(self, name: str, *command: str) -> Child:
        return self.crew.begin(self.spec(name, command))

    def start(self, name: str) -> None:
        """Start a child that is wanted and not there yet."""
        if name in self.crew.children or name not in self.wanted:
            return
        command = list(COMMANDS[name])
        fd = None
        if name in self.sockets:
            fd = self.sockets[name].fileno()
            command += ["--fd", str(fd)]
        if name == "beat":
            schedule = self.found.data_dir / "beat"
            schedule.mkdir(mode=0o700, exist_ok=True)
            command += ["--schedule", str(schedule / "schedule")]
        self.crew.start(self.spec(name, command, fd), echo=self.echo)

    def ready(self, name: str) -> None:
        """Wait for a real answer of those that serve HTTP; the others are ready when they live."""
        port = self.sockets[name].getsockname()[1] if name in self.sockets else None
        self.crew.ready(self.crew.children[name], lambda: port is None or healthy(port), within=60)


def healthy(port: int) -> bool:
    """GET /healthz says 200. The socket is ours and open, so this waits in its queue until the child serves it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/healthz", headers={"Host": f"{HOST}:{port}", "Connection": "close"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def fingerprint(found: House) -> str:
    """Changes when any of our code, the locked packages or the addresses change: then migrate and seed again."""
    digest = hashlib.sha256(
        " ".join((found.site_url, found.link_url, found.x_url, *sys.version_info.__repr__())).encode()
    )
    rooms = ("citisocial", "accounts", "links", "conversations", "sandbox")
    for path in [
        ROOT / "requirements.lock",
        *sorted(p for room in rooms for p in (ROOT / room).rglob("*.py")),
    ]:
        digest.update(f"\n{path}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
