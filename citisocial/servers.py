"""Takes a data directory and three ports, leaves the whole house running: servers, site, link host, workers, sandbox.

Django is not needed to import this: whoever starts processes (`manage.py run`, the rehearsal, the tests) starts
them here. `house` starts and stops; `running` finds a house that somebody else started.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from . import datadir, embedded, named
from .children import Crew, terminal
from .datadir import CannotStart
from .opening import EVERYBODY, HOST, ROOT, House, Opening

__all__ = ["CannotStart", "House", "Ports", "house", "running"]

DEFAULT_DATA = ROOT / ".data"


@dataclass(frozen=True, slots=True)
class Ports:
    """The three origins of the demo. Cookies ignore ports, so each of the three has cookie names of its own."""

    site: int
    links: int
    sandbox: int


@contextmanager
def house(
    *,
    data_dir: Path,
    ports: Ports | None = None,
    announce: Callable[[str], None] = print,
    children: Sequence[str] | None = None,
    show_logs: bool = False,
) -> Iterator[House]:
    """Start everything, wait until each is ready, keep it running, and stop it all at the end, whatever the end is.

    1. What may be in the way is looked at before anything starts: the lock, the servers that are named, the ports.
    2. PostgreSQL and Valkey (unless named), databases, migrations; the sandbox; the seed; the rest.
    3. A child that dies is started again with back-off, on the same listening socket: callers wait, none is refused.
    `ports=None` takes free ones. `children` names those to start (default: all six); the demo is seeded only when
    the sandbox is among them. SIGTERM and SIGHUP end the block like Ctrl-C does.
    Raises CannotStart, with nothing left running.
    """
    data_dir = data_dir.resolve()
    wanted = EVERYBODY if children is None else tuple(children)
    with ExitStack() as stack:
        stack.enter_context(interruptible())
        stack.enter_context(datadir.claimed(data_dir))
        postgres, valkey = named.named_postgres(), named.named_redis()
        sockets = listen(ports, stack)
        datadir.sweep(data_dir)
        secrets = datadir.load_secrets(data_dir)
        crew = Crew(data_dir, announce)
        stack.enter_context(stopping(crew))
        if valkey is None:  # first, because it starts while PostgreSQL is being prepared
            valkey = start_valkey(crew, secrets)
        cluster = None
        if postgres is None:
            cluster, postgres = start_postgres(crew)
        if "valkey" in crew.children:
            crew.ready(crew.children["valkey"], partial(named.redis_answers, valkey))
        found = describe(data_dir, sockets, secrets, postgres, valkey)
        named.ensure_databases(found.database_url, found.sandbox_database_url)
        echo = terminal(sys.stdout.isatty() and "NO_COLOR" not in os.environ) if show_logs else None
        Opening(crew, found, sockets, wanted, echo).run(cluster)
        datadir.write_private(data_dir / "state.json", state(found))
        yield found


def running(data_dir: Path) -> House | None:
    """The house that a living supervisor keeps on this data directory and that is ready, or None."""
    data_dir = data_dir.resolve()
    said = datadir.read_json(data_dir / "state.json")
    if not said or not datadir.held(data_dir):
        return None
    return House(
        data_dir=data_dir,
        env=base_environment() | said.pop("env"),
        secrets=datadir.load_secrets(data_dir),
        **said,
    )


def state(found: House) -> dict[str, Any]:
    """What `running` needs to know; the environment without what everybody has anyway."""
    inherited = base_environment()
    return {
        "site_url": found.site_url,
        "link_url": found.link_url,
        "x_url": found.x_url,
        "database_url": found.database_url,
        "sandbox_database_url": found.sandbox_database_url,
        "redis_url": found.redis_url,
        "env": {key: value for key, value in found.env.items() if inherited.get(key) != value},
    }


# --- before anything starts -------------------------------------------------------------------------------------


class Ended(SystemExit):
    """A signal asked us to stop; leaves by the same door as Ctrl-C, with the status a shell expects."""


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP raise Ended in the main thread; while things are being stopped further signals wait."""
    try:
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}

        def end(number: int, frame: FrameType | None) -> None:
            raise Ended(128 + number)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGHUP, end)
    except ValueError:  # not the main thread: whoever is in it decides about signals
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopping(crew: Crew) -> Iterator[None]:
    """Stop the crew at the end; an impatient second Ctrl-C does not interrupt the stopping."""
    try:
        yield
    finally:
        try:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
        except ValueError:
            pass
        crew.stop()


def listen(ports: Ports | None, stack: ExitStack) -> dict[str, socket.socket]:
    """Open the three listening sockets, so that a taken port is known before anything starts."""
    chosen = {"web": 0, "links": 0, "sandbox": 0}
    if ports is not None:
        chosen = {"web": ports.site, "links": ports.links, "sandbox": ports.sandbox}
    sockets = {}
    for name, port in chosen.items():
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Uvicorn takes what it is handed for a Unix socket and does not set it itself: without
        # it the second part of an answer, the body, waits 40 ms for the first to be acknowledged.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if port and somebody_answers("::1", port):  # browsers try ::1 first for "localhost"
                raise OSError("taken")
            listener.bind(("127.0.0.1", port))
            listener.listen(1024)
        except OSError:
            raise CannotStart(
                f"Port {port} is taken by another program: choose others with ./run --port N (it takes N, N+1 and N+2)."
            ) from None
        sockets[name] = listener
    return sockets


def somebody_answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


# --- servers and databases --------------------------------------------------------------------------------------


def start_valkey(crew: Crew, secrets: Mapping[str, str]) -> str:
    """Start the embedded Valkey and return its URL, without waiting for it."""
    password = secrets["REDIS_PASSWORD"]
    spec, url = embedded.prepare_valkey(crew.data_dir, port=embedded.free_port(), password=password)
    crew.start(spec)
    return url


def start_postgres(crew: Crew) -> tuple[Path, Callable[[str], str]]:
    """Start the embedded PostgreSQL: (its directory, database name -> URL), once it answers."""
    postgres = embedded.prepare_postgres(crew.data_dir, announce=crew.announce)
    child = crew.start(postgres.spec)
    crew.ready(child, lambda: named.postgres_answers(postgres.url("postgres")))
    return postgres.cluster, postgres.url


def base_environment() -> dict[str, str]:
    """Ours, without what would point a child at other settings than its own."""
    return {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}


def describe(
    data_dir: Path,
    sockets: Mapping[str, socket.socket],
    secrets: Mapping[str, str],
    postgres: Callable[[str], str],
    valkey: str,
) -> House:
    """Put together what every process of the house is told."""
    urls = {name: f"http://{HOST}:{listener.getsockname()[1]}" for name, listener in sockets.items()}
    ours = {
        "DATABASE_URL": postgres("citisocial"),
        "SANDBOX_DATABASE_URL": postgres("sandbox"),
        "REDIS_URL": valkey,
        "DEMO": "1",
        "SITE_URL": urls["web"],
        "LINK_URL": urls["links"],
        "X_API_URL": urls["sandbox"],
        "X_AUTHORIZE_URL": f"{urls['sandbox']}/i/oauth2/authorize",
        "SANDBOX_URL": urls["sandbox"],
        "SANDBOX_BEARER_TOKEN": secrets["X_BEARER_TOKEN"],
        "SANDBOX_CLIENT_ID": secrets["X_CLIENT_ID"],
        "SANDBOX_CLIENT_SECRET": secrets["X_CLIENT_SECRET"],
        "SANDBOX_CONSUMER_SECRET": secrets["X_CONSUMER_SECRET"],
        "SANDBOX_WEBHOOK_LOCAL": "1",  # the real X takes neither http nor a port in a webhook's address
        "SANDBOX_REDIRECT_URIS": f"{urls['web']}/x/callback,{urls['web']}/admin/conversations/brandaccount/connected/",
        "X_PUSH": "webhook",
        "AUDIT_ANCHORS": str(data_dir / "anchors"),
        "ATTACHMENTS": str(data_dir / "attachments"),
        "EMAIL_FILE_PATH": str(data_dir / "mail"),
        "PYTHONUNBUFFERED": "1",
        **{key: value for key, value in secrets.items() if key != "REDIS_PASSWORD"},
    }
    inherited = {key: value for key, value in base_environment().items() if key.removesuffix("_FILE") not in ours}
    return House(
        data_dir=data_dir,
        site_url=urls["web"],
        link_url=urls["links"],
        x_url=urls["sandbox"],
        database_url=ours["DATABASE_URL"],
        sandbox_database_url=ours["SANDBOX_DATABASE_URL"],
        redis_url=valkey,
        env=inherited | ours,
        secrets=dict(secrets),
    )


def wait_forever() -> None:
    """Until a signal ends it."""
    while True:
        time.sleep(3600)
