"""What `faults audit` does, a few times, to a trail of the test's own: everything is found, and put back."""

import time

import psycopg
import pytest
from django.db import connection

from conversations import audit, seals
from conversations.models import AuditEvent, AuditSeal
from rehearsal import tampering, vandalism

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def anchors(settings, tmp_path):
    """The anchor file of a trail of five seals."""
    settings.AUDIT_ANCHORS = str(tmp_path / "anchors")
    until = time.monotonic() + 30
    for number in range(1, 6):
        for line in range(4):
            audit.record("budget", actor="supervisor", data={"limit": line, "by": f"Grace {number}"})
        while AuditSeal.objects.count() < number and time.monotonic() < until:  # other tests' transactions run
            seals.seal()
    return tmp_path / "anchors"


def url():
    found = connection.settings_dict
    return psycopg.conninfo.make_conninfo(
        "", dbname=found["NAME"], user=found["USER"], host=found["HOST"], port=found["PORT"] or None
    )


def state():
    return list(AuditEvent.objects.order_by("pk").values()), list(AuditSeal.objects.order_by("pk").values())


def test_everything_is_found_and_put_back(anchors):
    before, noted = state(), anchors.read_bytes()
    result = tampering.tamper(url(), anchors, lambda: seals.verify().is_clean, runs=40, seed=4)
    assert (result["tampered"], result["found"], result["missed"]) == (40, 40, {})
    assert (result["untouched"], result["false_alarms"]) == (2, 0)
    assert len(result["kinds"]) > 6
    assert (state(), anchors.read_bytes()) == (before, noted)


def test_a_verification_that_sees_nothing_is_seen(anchors):
    assert tampering.tamper(url(), anchors, lambda: True, runs=5)["found"] == 0
    assert tampering.tamper(url(), anchors, lambda: False, runs=5)["false_alarms"] == 1


def test_every_act_is_found(anchors, monkeypatch):
    for act in vandalism.ACTS:
        monkeypatch.setattr(vandalism, "ACTS", (act,))
        result = tampering.tamper(url(), anchors, lambda: seals.verify().is_clean, runs=3, seed=7)
        assert result["found"] == 3, (act, result)
