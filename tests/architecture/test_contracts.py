"""Takes a copy of the tree with one wrong import planted, leaves the contract that names it broken."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("citisocial", "conversations", "links", "accounts", "sandbox", "rehearsal")
LINT = "import sys; from importlinter.cli import lint_imports_command as lint; sys.exit(lint())"

# contract, where, what
PLANTED = [
    ("direction", "links/codes.py", "import accounts.models"),
    ("direction", "accounts/agents.py", "import links.codes"),
    ("direction", "links/models.py", "import conversations.cases"),
    ("direction", "conversations/triage.py", "import citisocial.settings"),
    ("ground", "citisocial/clock.py", "import links.codes"),
    ("servers", "citisocial/datadir.py", "import django.conf"),
    ("walk", "conversations/triage.py", "import conversations.assignment"),
    ("walk", "conversations/outreach.py", "import conversations.views.workspace"),
    ("walk", "conversations/models/case.py", "import conversations.cases"),
    ("walk", "conversations/networks/base.py", "import conversations.models"),
    ("walk", "conversations/utils.py", "import re"),
    ("networks", "conversations/networks/base.py", "import django.conf"),
    ("sandbox", "sandbox/models.py", "import links.codes"),
    ("outside", "conversations/sweep.py", "import sandbox.models"),
    ("people", "rehearsal/walking.py", "import conversations.cases"),
    ("people", "rehearsal/walking.py", "import citisocial.settings"),
    ("audience", "citisocial/urls.py", "import rehearsal.walking"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rooms' Python, copied once."""
    copy = tmp_path_factory.mktemp("tree")
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=_not_python)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def _not_python(directory: str, names: list[str]) -> list[str]:
    return [n for n in names if n == "__pycache__" or not (n.endswith(".py") or os.path.isdir(f"{directory}/{n}"))]


def lint(tree: Path, contract: str) -> tuple[int, str]:
    command = [sys.executable, "-c", LINT, "--contract", contract, "--no-cache"]
    answer = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return answer.returncode, re.sub(r"\x1b\[[0-9;]*m", "", answer.stdout + answer.stderr)


@pytest.mark.parametrize(("contract", "where", "what"), PLANTED, ids=lambda value: str(value).replace("import ", ""))
def test_a_planted_violation_breaks_the_contract(tree: Path, contract: str, where: str, what: str) -> None:
    file = tree / where
    before = file.read_text(encoding="utf-8") if file.exists() else None
    try:
        file.write_text(f"{before or ''}\n{what}\n", encoding="utf-8")
        status, said = lint(tree, contract)
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before, encoding="utf-8")

    assert status == 1, said
    assert "0 kept, 1 broken" in said
    module = where.removesuffix(".py").replace("/", ".")
    assert module in said, said


def test_every_contract_has_a_planted_violation() -> None:
    written = re.findall(r'^id = "(\w+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(written) == {contract for contract, _, _ in PLANTED}
