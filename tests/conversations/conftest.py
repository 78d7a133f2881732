"""Takes nothing, leaves a fake X that the product talks to, and a desk with one case on it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from accounts.models import Agent
from conversations import assignment, credentials
from conversations.models import Case
from conversations.networks.base import Tokens
from tests.conversations import fake_x
from tests.factories.heard import Bank, bank, person, post


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    """Sign-ins of earlier tests, all from one address, do not count against this one."""
    cache.clear()


@pytest.fixture
def x(settings: Any) -> Iterator[fake_x.FakeX]:
    with fake_x.running() as fake:
        settings.X_API_URL = fake.url
        credentials.network.cache_clear()
        yield fake
    credentials.network.cache_clear()


@pytest.fixture
def house(x: fake_x.FakeX) -> tuple[Bank, Agent, Case]:
    """A bank with a connected account, Maya with a case of @maria_m."""
    b = bank()
    credentials.store(b.care, Tokens("token", "refresh"))
    maya = b.agent("Maya")
    maria = person("maria_m")
    case = b.hear(post("@AskCiti my card was declined", maria, names=(b.care,)))[0].case
    assignment.take(case, maya)
    return b, maya, case
