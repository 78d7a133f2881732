"""Takes pytest's start and end, leaves the run's servers started and stopped, and fixtures that point at them."""

import inspect
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from _pytest.terminal import TerminalReporter

from citisocial.servers import House
from tests import servers

crews: list[servers.Crew] = []
X_DOCUMENT = Path("x_api_wire", "openapi.json.gz")  # X's own description of its API, of the shared data


def pytest_configure(config: pytest.Config) -> None:
    """The controller (or the only process) starts the servers; workers find them by the environment."""
    if servers.worker() == "main" and not config.option.collectonly:
        crews.append(servers.open_house())
        # Every sandbox that a test starts inherits this, and checks all it answers.
        if (document := x_document()).is_file():
            os.environ["SANDBOX_OPENAPI"] = str(document)
            os.environ["SANDBOX_OPENAPI_REPORT"] = str(servers.home() / "x-report")


def x_document() -> Path:
    """Where X's OpenAPI document is, if it is here."""
    return Path(os.environ.get("CITISOCIAL_DATA", servers.ROOT.parent / "shared" / "data")) / X_DOCUMENT


def x_report() -> list[str]:
    """What sandboxes answered that X's document does not allow."""
    report = Path(os.environ.get("SANDBOX_OPENAPI_REPORT", ""))
    return sorted(set(report.read_text(encoding="utf-8").splitlines())) if report.is_file() else []


def pytest_report_header() -> list[str]:
    """Said aloud, because what is not checked looks like what is."""
    if x_document().is_file():
        return []
    return [f"x: the sandbox's answers are not checked: {X_DOCUMENT} is not here (CITISOCIAL_DATA names its folder)"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A sandbox's wrong answer fails the run, whatever the test made of it."""
    if servers.worker() == "main" and x_report():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """The wrong answers, each once."""
    if wrong := x_report():
        terminalreporter.section("not as X's document says", red=True)
        for line in wrong:
            terminalreporter.line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Also after Ctrl-C."""
    while crews:
        servers.close_house(crews.pop())


@pytest.fixture
async def stopped() -> AsyncIterator[None]:
    """What a server does when it stops: the loop's own connections are closed, and not left to the collector."""
    yield
    from conversations.realtime import direct

    await direct.close()


@pytest.fixture(autouse=True)
def loops_end(request: pytest.FixtureRequest) -> None:
    """Every test that has an event loop stops it like a server."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("stopped")


@pytest.fixture(autouse=True)
def second_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    """`client.force_login(staff)` is somebody who has used a second factor; who has not signs in by the page."""
    from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY as RECORDS
    from django.test.client import ClientMixin

    from accounts import factors

    stock = ClientMixin.force_login

    def force_login(client: Any, user: Any, backend: str | None = None) -> None:
        stock(client, user, backend)
        if factors.wanted(user):
            session = client.session
            session[RECORDS] = [{"method": "mfa", "type": "totp", "at": time.time()}]
            session[factors.OWNER] = str(user.pk)
            session.save()

    monkeypatch.setattr(ClientMixin, "force_login", force_login)


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


@pytest.fixture(scope="session")
def running_house() -> Iterator[House]:
    """A whole house with all its processes, for every test that plays people: starting it takes longer than most.

    Those tests share it, so they are in one group (xdist), and each plays somebody else or minds its own case alone.
    """
    from rehearsal.premises import complain, own_house

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SWEEP_SECONDS", "2")  # a replay waits until every way in was asked twice
        with own_house(announce=complain) as opened:
            yield opened


@pytest.fixture
def clean_environment() -> dict[str, str]:
    """The environment for a ./run of its own: without what the test run added."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "PYTEST_", "CITISOCIAL_TEST"))}
