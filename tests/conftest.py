"""Takes pytest's start and end, leaves the run's servers started and stopped, and fixtures that point at them."""

import os
from collections.abc import Callable, Iterator

import pytest
import redis

from tests import servers

crews: list[servers.Crew] = []


def pytest_configure(config: pytest.Config) -> None:
    """The controller (or the only process) starts the servers; workers find them by the environment."""
    if servers.worker() == "main" and not config.option.collectonly:
        crews.append(servers.open_house())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Also after Ctrl-C."""
    while crews:
        servers.close_house(crews.pop())


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: object) -> None:
    """Instead of pytest-django's own: a copy of the template that was migrated once for all workers."""
    servers.clone_site()


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The run's PostgreSQL server (its database `postgres`), for those who need a database of their own."""
    return servers.postgres_url()


@pytest.fixture(scope="session")
def make_database() -> Callable[[str], str]:
    """make_database("name") -> URL of a fresh, empty database of that name, of this worker alone."""
    return lambda name: servers.create_database(f"{name}_{servers.worker()}")


@pytest.fixture(scope="session")
def redis_url() -> str:
    """This worker's own database number on the run's Valkey."""
    return servers.redis_url()


@pytest.fixture
def valkey(redis_url: str) -> Iterator["redis.Redis"]:
    """A client of this worker's Valkey database, empty before and after."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def clean_environment() -> dict[str, str]:
    """The environment for a ./run of its own: without what the test run added."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "PYTEST_", "CITISOCIAL_TEST"))}
