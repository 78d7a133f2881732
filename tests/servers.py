"""Takes a test run, leaves one PostgreSQL and one Valkey for all its workers, and a database of its own for each.

The controller decides where they will be before Django's settings are read (an environment variable, so that
workers inherit it), starts them in pytest_configure and stops them at the end; when it is killed they die with it.
The site is migrated once, by the first worker that needs a database, into a template that the others copy.
"""

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

from citisocial import embedded, named
from citisocial.children import Crew

ROOT = Path(__file__).resolve().parent.parent
HOME_VARIABLE = "CITISOCIAL_TEST_HOME"
TEMPLATE = "template_site"
REDIS_PASSWORD = "tests"


def worker() -> str:
    """gw0, gw1, … under xdist, or main."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


def home() -> Path:
    """The run's own directory; made by whoever asks first, which is the controller."""
    if HOME_VARIABLE not in os.environ:
        # A short path: the name of a socket may have about a hundred characters.
        made = Path(tempfile.mkdtemp(prefix="citisocial-tests-", dir="/tmp" if Path("/tmp").is_dir() else None))
        atexit.register(shutil.rmtree, made, ignore_errors=True)  # also when the settings cannot be read
        made.chmod(0o711)  # as root PostgreSQL runs as somebody else, in here
        (made / "logs").mkdir()
        os.environ[HOME_VARIABLE] = str(made)
        (made / "redis-port").write_text(str(embedded.free_port()), encoding="utf-8")
    return Path(os.environ[HOME_VARIABLE])


def redis_url() -> str:
    """The worker's own database number on the run's Valkey."""
    number = int(worker().removeprefix("gw")) + 1 if worker() != "main" else 0
    return f"redis://:{REDIS_PASSWORD}@127.0.0.1:{redis_port()}/{number}"


def redis_port() -> int:
    return int((home() / "redis-port").read_text(encoding="utf-8"))


def postgres_url(name: str = "postgres") -> str:
    """A database on the run's PostgreSQL."""
    return embedded.socket_url(home() / "postgres", name)


def environment(database_url: str) -> dict[str, str]:
    """What a process of ours is told in tests: the run's servers, and keys that protect nothing."""
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url(),
        "DEMO": "1",
        "SECRET_KEY": "a key for tests, which protects nothing",
        "LINK_KEY": "another key for tests, which protects nothing",
        "SEALING_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "DEMO_SEED": "a seed for tests",
        "AUDIT_KEY": "a third key for tests, which protects nothing",
        "AUDIT_ANCHORS": str(home() / f"anchors-{worker()}"),
        "ATTACHMENTS": str(home() / f"attachments-{worker()}"),
        "SITE_URL": "http://localhost:8000",
        "LINK_URL": "http://localhost:8001",
        "X_API_URL": "http://localhost:8002",
        "X_AUTHORIZE_URL": "http://localhost:8002/i/oauth2/authorize",
        "X_CLIENT_ID": "client",
        "X_CLIENT_SECRET": "secret",
        "X_BEARER_TOKEN": "bearer",
    }


def open_house() -> Crew:
    """Start both servers; the caller stops the crew."""
    crew = Crew(home(), announce=print)
    try:
        postgres = embedded.prepare_postgres(
            home(), announce=print, settings=(*embedded.CARELESS, "max_connections=200")
        )
        started = crew.start(postgres.spec)
        valkey, url = embedded.prepare_valkey(home(), port=redis_port(), password=REDIS_PASSWORD, durable=False)
        crew.ready(crew.start(valkey), lambda: named.redis_answers(url))
        crew.ready(started, lambda: named.postgres_answers(postgres_url()))
    except BaseException:
        close_house(crew)
        raise
    return crew


def close_house(crew: Crew) -> None:
    """Stop both and leave nothing behind."""
    crew.stop()
    shutil.rmtree(home(), ignore_errors=True)


def create_database(name: str, *, template: str = "template1") -> str:
    """Make (or make again) a database, copied from another; returns its URL."""
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return postgres_url(name)


def clone_site() -> str:
    """The worker's own migrated database, by the name that tests/settings.py gives to Django."""
    with open(home() / "template.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = home() / "template.done"
        if not done.exists():
            migrate(create_database(TEMPLATE))
            done.touch()
        return create_database(f"site_{worker()}", template=TEMPLATE)


def migrate(url: str) -> None:
    answer = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input"],
        cwd=ROOT,
        env=os.environ | environment(url) | {"DJANGO_SETTINGS_MODULE": "citisocial.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise RuntimeError(f"The test database cannot be migrated:\n{answer.stdout}{answer.stderr}")
    with psycopg.connect(url, autocommit=True) as connection:  # tests that commit are cleaned up with TRUNCATE
        for table in ("conversations_auditevent", "conversations_auditseal"):
            connection.execute(
                sql.SQL("ALTER TABLE {} DISABLE TRIGGER trail_not_emptied").format(sql.Identifier(table))
            )
