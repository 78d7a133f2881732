"""Takes the models of both projects, leaves nothing that `makemigrations` would want to add."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db
def test_the_site_lacks_no_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=1)


def test_the_sandbox_lacks_no_migration(make_database: Callable[[str], str], clean_environment: dict[str, str]) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "sandbox", "makemigrations", "--check", "--dry-run"],
        cwd=ROOT,
        env=clean_environment
        | {"SANDBOX_DATABASE_URL": make_database("sandbox_check"), "SANDBOX_SECRET_KEY": "x" * 50},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_migration_has_a_name() -> None:
    """`0002_alter_case_status_and_more` says what a tool saw, not what somebody meant."""
    made = [
        p for room in ("accounts", "links", "conversations", "sandbox") for p in (ROOT / room).glob("migrations/0*.py")
    ]
    assert made
    assert [str(p) for p in made if "_auto_" in p.name or p.stem.endswith("_and_more")] == []
