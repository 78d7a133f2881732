"""A bank whose every text waits, its agent, and a supervisor's browser."""

import pytest

from conversations.models import ApprovalRule
from tests.factories.heard import bank
from tests.factories.walked import supervisor


@pytest.fixture
def b():
    made = bank()
    ApprovalRule.objects.create(brand=made.brand, kind="new_agent", threshold=100)
    return made


@pytest.fixture
def maya(b):
    return b.agent("Maya")


@pytest.fixture
def grace():
    return supervisor()


@pytest.fixture
def browser(client, grace):
    client.force_login(grace)
    return client
