"""A network that grants and refreshes tokens, a supervisor's browser, and an account to connect."""

import pytest
from django.test import Client

from conversations import credentials
from tests.conversations.granting_x import granting_x
from tests.factories.heard import bank
from tests.factories.walked import supervisor


@pytest.fixture
def x(settings):
    with granting_x() as server:
        settings.X_API_URL, settings.X_AUTHORIZE_URL = server.url, f"{server.url}/i/oauth2/authorize"
        credentials.network.cache_clear()
        yield server
        credentials.network("x").close()
        credentials.network.cache_clear()


@pytest.fixture
def grace(client: Client):
    client.force_login(supervisor())
    return client


@pytest.fixture
def care():
    return bank().care
