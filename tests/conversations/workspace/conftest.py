"""The bank's one case, and the browsers of its agent and of her colleague."""

import pytest
from django.test import Client

from conversations.models import BrandAccount
from tests.factories.desks import colleague
from tests.factories.invited import World, invited, signed_in


@pytest.fixture
def world() -> World:
    world = invited()
    post = world.case.mentions.get()
    post.accounts.add(BrandAccount.objects.get())
    return world


@pytest.fixture
def maya(world: World) -> Client:
    return signed_in(world.maya.user)


@pytest.fixture
def omar(world: World) -> Client:
    return signed_in(colleague(world, "omar").user)
