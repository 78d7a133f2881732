"""docs/walk.md and the code agree: its functions exist, its tasks are beat's, its states are the columns'."""

import importlib
import re
from pathlib import Path

import pytest

from citisocial.celery import app
from conversations.models import (
    Callback,
    Case,
    ComplianceJob,
    EmailNotice,
    Invitation,
    Mention,
    Message,
    Outgoing,
    SecureRequest,
    Survey,
    Transfer,
)

PAGE = (Path(__file__).parents[2] / "docs" / "walk.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`((?:conversations|accounts|links)(?:\.\w+)+)`", PAGE)))


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_names_exists(name):
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[cut:]:
            found = getattr(found, attribute)
        return
    pytest.fail(f"{name} is nowhere")


def test_every_line_of_the_beat_table_is_on_the_page():
    for entry in app.conf.beat_schedule.values():
        assert f"`{entry['task']}`" in PAGE


@pytest.mark.parametrize(
    "states",
    [
        Mention.State.values,
        ComplianceJob.State.values,
        Case.Status.values,
        ["QUEUED", "SENDING", "SENT", "DOUBTFUL", "FAILED"],
        [s for s in Invitation.Handoff.values if s != "REVOKED"],
        Survey.State.values,
        Transfer.State.values,
        SecureRequest.State.values,
        Callback.State.values,
        EmailNotice.State.values,
        [f"`{kind}`" for kind in Message.Kind.values],
    ],
)
def test_every_state_of_the_walk_is_on_the_page(states):
    assert Outgoing.Delivery.QUEUED in PAGE
    assert [state for state in states if state not in PAGE] == []
