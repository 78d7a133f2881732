"""Takes the test database, leaves the cast: maria and jorge (customers), eve, maya (agent), grace (supervisor)."""

from collections.abc import Iterator

import pytest
from django.conf import settings as project

from accounts.models import Agent, Customer, User
from accounts.permissions import appoint_supervisor
from tests.accounts.fake_x import FakeX, fake_x


def login(name: str) -> User:
    """A login whose password is "<name> has a long password"."""
    return User.objects.create_user(name, f"{name}@example.com", f"{name} has a long password")


@pytest.fixture
def maria(db: None) -> Customer:
    return Customer.objects.create(user=login("maria"), name="Maria Martinez")


@pytest.fixture
def jorge(db: None) -> Customer:
    return Customer.objects.create(user=login("jorge"), name="Jorge Perez")


@pytest.fixture
def eve(db: None) -> User:
    return login("eve")


@pytest.fixture
def maya(db: None) -> Agent:
    return Agent.objects.create(user=login("maya"), name="Maya", languages=["en", "es"])


@pytest.fixture
def grace(db: None) -> User:
    user = login("grace")
    appoint_supervisor(user)
    return user


@pytest.fixture
def x(settings: type(project)) -> Iterator[FakeX]:  # type: ignore[valid-type]
    """A fake X that the site is pointed at, the door to it, and a hook that takes every proof."""
    with fake_x() as server:
        settings.X_API_URL = server.url
        settings.X_AUTHORIZE_URL = server.url + "/i/oauth2/authorize"
        settings.ROOT_URLCONF = "tests.accounts.door"
        settings.HANDLE_PROOF = "tests.accounts.door.on_proof"
        yield server
