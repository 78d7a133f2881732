"""A case in its chat at a bank with a phone, and the browsers of both sides."""

import pytest

from tests.factories.invited import invited, proven, signed_in


@pytest.fixture
def world():
    w = invited()
    w.case = proven(w)
    w.case.brand.phone = "+1 212 555 0100"
    w.case.brand.save()
    return w


@pytest.fixture
def maria(world):
    return signed_in(world.maria.user)


@pytest.fixture
def maya(world):
    return signed_in(world.maya.user)
