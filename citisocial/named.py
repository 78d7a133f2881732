"""Takes the environment, leaves the servers that it names, each reached once, and databases where missing."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql

from .datadir import CannotStart


def variable(name: str) -> str:
    """The environment's NAME, or the content of the file that NAME_FILE names; empty when there is neither."""
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name, "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CannotStart(f"{name}_FILE names {path}, which cannot be read ({error.strerror}).") from None


def named_postgres() -> Callable[[str], str] | None:
    """Where a database of the named server is, by its name; None when none is named. It was reached once."""
    url = variable("DATABASE_URL")
    if not url:
        return None
    check_postgres(url)
    return partial(beside, url)


def named_redis() -> str | None:
    """The named Redis or Valkey, reached once; None when none is named."""
    url = variable("REDIS_URL")
    if url:
        check_redis(url)
    return url or None


def beside(url: str, name: str) -> str:
    """The URL of a database on the named server: the site's is the one that was named, another lies beside it."""
    if name == "citisocial":
        return url
    own = variable("SANDBOX_DATABASE_URL") if name == "sandbox" else ""
    parts = urlsplit(url)
    return own or urlunsplit(parts._replace(path=f"{parts.path or '/citisocial'}_{name}"))


def check_postgres(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            version = connection.info.server_version
    except psycopg.Error as error:
        reason = " ".join(str(error).split()) or "no answer"
        raise CannotStart(
            f"DATABASE_URL names a database that cannot be reached ({reason}): start that server, correct the "
            "variable, or unset it to use the embedded PostgreSQL."
        ) from None
    if version < 150000:
        raise CannotStart(f"DATABASE_URL names a PostgreSQL {version // 10000}: citisocial needs 15 or newer.")


def check_redis(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise CannotStart(
            f"REDIS_URL names a server that cannot be reached ({error}): start it, correct the variable, or unset it "
            "to use the embedded Valkey."
        ) from None


def postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def redis_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def ensure_databases(site: str, sandbox: str) -> None:
    """Create the two databases where they are missing. Raises CannotStart when the server does not let us."""
    for url in (site, sandbox):
        try:
            psycopg.connect(url, connect_timeout=5).close()
            continue
        except psycopg.OperationalError:
            pass
        parts = urlsplit(url)
        name = parts.path.lstrip("/")
        try:
            server = site if url != site else urlunsplit(parts._replace(path="/postgres"))
            with psycopg.connect(server, connect_timeout=5, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.Error as error:
            raise CannotStart(
                f"The database {name} is missing and could not be made ({' '.join(str(error).split())}): create it, or "
                "name another with SANDBOX_DATABASE_URL."
            ) from None
