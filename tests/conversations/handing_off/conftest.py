"""An invitation on its way, and an X that answers."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from tests.accounts.fake_x import FakeX, fake_x
from tests.factories.invited import World, invited


@pytest.fixture
def world() -> World:
    return invited()


@pytest.fixture
def x(settings: Settings) -> Iterator[FakeX]:
    """An X that answers, with @maria_m signed in there."""
    with fake_x() as server:
        settings.X_API_URL = server.url
        settings.X_AUTHORIZE_URL = server.url + "/i/oauth2/authorize"
        yield server
