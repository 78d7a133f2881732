"""`./run --code NAME`: the code of somebody of the demo's staff, and of nobody else, anywhere else."""

import time
from pathlib import Path

import pytest
from django.core.management import CommandError

from citisocial import datadir
from citisocial.management.commands.run import code
from conversations.management import demo
from rehearsal.scene import totp

# RFC 6238, appendix B: SHA-1, the last six of the eight digits.
PAPER = [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]


@pytest.mark.parametrize(("at", "digits"), PAPER)
def test_it_is_what_the_rfc_says(at: int, digits: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_secret", lambda seed, username: b"12345678901234567890")
    assert demo.code("", "", at) == totp(b"12345678901234567890", at // 30) == digits


def test_of_a_demo_that_was_started_once(tmp_path: Path) -> None:
    seed = datadir.load_secrets(tmp_path)["DEMO_SEED"]
    printed, at = code("maya", tmp_path), time.time()
    assert printed in {demo.code(seed, "maya", at), demo.code(seed, "maya", at - 1)}
    with pytest.raises(CommandError, match="not of the demo's staff"):
        code("maria", tmp_path)


def test_not_outside_a_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: object) -> None:
    with pytest.raises(CommandError, match="no demo"):
        code("maya", tmp_path)
    datadir.load_secrets(tmp_path)
    settings.DEMO = False  # type: ignore[attr-defined]
    monkeypatch.setenv("SECRET_KEY", "of a production")
    with pytest.raises(CommandError, match="no demo"):
        code("maya", tmp_path)
