"""Takes the source of conversations, leaves each state column with one writing module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# column -> {model whose state it is: the only module that writes it}
WRITERS = {
    "status": {"Case": "cases"},
    "delivery": {"Outgoing": "outbox"},
    "handoff": {"Invitation": "invitations"},
    "state": {
        "Mention": "mentions",
        "Survey": "surveys",
        "ComplianceJob": "compliance",
        "SecureRequest": "details",
        "Callback": "callbacks",
        "EmailNotice": "notices",
        "Transfer": "transfers",
    },
    "opted_out_at": {"Author": "eligibility"},
}
WRITING_CALLS = {"update", "create", "get_or_create", "update_or_create", "bulk_update", "acreate", "aupdate"}
MODELS = {model for models in WRITERS.values() for model in models}
NOT_OURS = ("networks", "migrations")  # plain Python without rows; the schema


def writes(source: str) -> Iterator[tuple[str, int, set[str]]]:
    """Each write to a state column: (column, line, models that its statement names)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in WRITERS:
            yield node.attr, node.lineno, set()
        elif isinstance(node, ast.Call):
            for column in called_with(node):
                yield column, node.lineno, named_in(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and spreads(node):
            for column, line in dictionary_keys(node):
                yield column, line, set()


def called_with(call: ast.Call) -> Iterator[str]:
    """The state columns that a call writes: update(status=…), Case(status=…), bulk_update(rows, ["status"])."""
    method = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if method in WRITING_CALLS or method in MODELS:
        yield from (word.arg for word in call.keywords if word.arg in WRITERS)
    if method in {"bulk_update", "bulk_create"} or any(word.arg == "update_fields" for word in call.keywords):
        yield from (n.value for n in ast.walk(call) if isinstance(n, ast.Constant) and n.value in WRITERS)


def spreads(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it writes columns from a dictionary: update(**columns)."""
    calls = [n for n in ast.walk(function) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    return any(c.func.attr in WRITING_CALLS and any(k.arg is None for k in c.keywords) for c in calls)  # type: ignore[attr-defined]


def dictionary_keys(function: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(function):
        keys: list[ast.expr | None] = []
        if isinstance(node, ast.Dict):
            keys = list(node.keys)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            keys = [node.slice]
        yield from ((k.value, k.lineno) for k in keys if isinstance(k, ast.Constant) and k.value in WRITERS)


def named_in(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in MODELS}


def allowed(column: str, module: str, models: set[str]) -> bool:
    writers = WRITERS[column]
    concerned = models & set(writers) or set(writers)
    return module in {writers[model] for model in concerned}


def sources() -> list[Path]:
    files = (ROOT / "conversations").rglob("*.py")
    return sorted(f for f in files if not set(NOT_OURS) & set(f.relative_to(ROOT).parts))


def test_each_state_column_has_one_writing_module() -> None:
    strays = []
    for file in sources():
        module = ".".join(file.relative_to(ROOT / "conversations").with_suffix("").parts)
        for column, line, models in writes(file.read_text(encoding="utf-8")):
            if not allowed(column, module, models):
                strays.append(f"{file.relative_to(ROOT)}:{line} writes {column}; only {WRITERS[column]} may")
    assert strays == []


def test_each_writer_is_there_and_writes() -> None:
    """A renamed module would leave the table above guarding nothing."""
    for column, models in WRITERS.items():
        for module in models.values():
            source = (ROOT / "conversations" / f"{module}.py").read_text(encoding="utf-8")
            assert column in {found for found, _, _ in writes(source)}, f"{module} writes no {column}"


@pytest.mark.parametrize(
    "line",
    [
        "case.status = Case.Status.CLOSED",
        "case.reason, case.status = '', 'CLOSED'",
        "Case.objects.filter(pk=1).update(status='CLOSED')",
        "Case.objects.create(status='CLOSED')",
        "Case.objects.bulk_update(found, ['status'])",
        "case.save(update_fields=['status'])",
        "columns = {'status': 'CLOSED'}; Case.objects.update(**columns)",
        "columns['status'] = 'CLOSED'; Case.objects.update(**columns)",
    ],
)
def test_a_planted_write_is_seen(line: str) -> None:
    seen = [column for column, _, models in writes(f"def act(case, columns):\n    {line}\n")]
    assert "status" in seen
    assert not allowed("status", "views.workspace", set())


@pytest.mark.parametrize(
    "line", ["Case.objects.filter(status='OPEN')", "render(request, status=404)", "seen = {'status': case.status}"]
)
def test_a_read_is_none(line: str) -> None:
    assert list(writes(f"def act(case):\n    {line}\n")) == []
