"""Maria in the chat of her case, a folder for its files, and the browsers of both sides."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from conversations import chat
from tests.factories.invited import World, invited, proven, signed_in


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> World:
    settings.ATTACHMENTS = str(tmp_path / "attachments")
    w = invited()
    w.case = proven(w)
    chat.join(w.case, w.maria)
    w.case.refresh_from_db()
    return w


@pytest.fixture
def maria(world: World) -> Client:
    return signed_in(world.maria.user)


@pytest.fixture
def maya(world: World) -> Client:
    return signed_in(world.maya.user)
