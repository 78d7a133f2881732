"""Takes the source, leaves the trail with one writer, verbs that have words, and seals that only the sealer makes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conversations.audit import VERBS

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("citisocial", "conversations", "links", "accounts")
WRITERS = {"AuditEvent": "conversations/audit.py", "AuditSeal": "conversations/seals/sealing.py"}
WRITING = {
    "create", "acreate", "bulk_create", "abulk_create", "get_or_create", "update_or_create", "update", "aupdate",
    "bulk_update", "delete", "adelete",
}  # fmt: skip
SQL = re.compile(r"(insert\s+into|update|delete\s+from|truncate)\s+\"?conversations_audit(event|seal)", re.IGNORECASE)


def sources() -> list[Path]:
    found = (path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return sorted(path for path in found if "migrations" not in path.parts)


def writes(source: str) -> Iterator[tuple[str, int]]:
    """Each place that makes or changes a row of the trail: (model, line)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (hit := SQL.search(node.value)):
            yield f"Audit{hit[2].title()}", node.lineno
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in WRITERS:
            yield node.func.id, node.lineno
        elif isinstance(node.func, ast.Attribute) and node.func.attr in WRITING:
            named = {each.id for each in ast.walk(node.func) if isinstance(each, ast.Name)} & set(WRITERS)
            trail = {each.attr for each in ast.walk(node.func) if isinstance(each, ast.Attribute)} & {"trail"}
            yield from ((model, node.lineno) for model in sorted(named or {"AuditEvent" for _ in trail}))


def recorded(source: str) -> Iterator[tuple[str, int]]:
    """The verbs that are written out where something is recorded: audit.record("sent", …) and verb="sent"."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        if (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == "record"
            and ast.unparse(node.func.value) == "audit"
        ):
            yield from ((word, node.lineno) for word in constants(node.args[:1]))
        if not (isinstance(node.func, ast.Attribute) and node.func.attr in {"filter", "exclude", "get"}):
            yield from ((word, node.lineno) for word in constants([k.value for k in node.keywords if k.arg == "verb"]))


def constants(nodes: list[ast.expr]) -> list[str]:
    """Also both branches of `"a" if … else "b"`."""
    flat = [
        branch for node in nodes for branch in ((node.body, node.orelse) if isinstance(node, ast.IfExp) else (node,))
    ]
    return [
        node.value for node in flat if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value
    ]


def test_the_trail_has_one_writer() -> None:
    strays = [
        f"{path.relative_to(ROOT)}:{line} writes {model}; only {WRITERS[model]} may"
        for path in sources()
        for model, line in writes(path.read_text(encoding="utf-8"))
        if str(path.relative_to(ROOT)) != WRITERS[model]
    ]
    assert strays == []
    for model, path in WRITERS.items():
        assert model in {found for found, _ in writes((ROOT / path).read_text(encoding="utf-8"))}


def test_every_verb_that_is_recorded_has_words_and_no_word_is_left_over() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in sources()}
    found = {verb: f"{path}:{line}" for path, text in texts.items() for verb, line in recorded(text)}
    assert found
    assert {verb: at for verb, at in found.items() if verb not in VERBS} == {}
    everything = "".join(text for path, text in texts.items() if path.name != "audit.py")
    assert [verb for verb in VERBS if f'"{verb}"' not in everything] == []
    assert all(words[0].isupper() for words in VERBS.values())


@pytest.mark.parametrize(
    "line",
    [
        "AuditEvent(verb='closed').save()",
        "AuditEvent.objects.create(verb='closed')",
        "AuditEvent.objects.filter(pk=1).update(verb='closed')",
        "AuditEvent.objects.bulk_create(rows)",
        "case.trail.create(verb='closed')",
        "cursor.execute('DELETE FROM conversations_auditevent')",
        "AuditSeal.objects.all().delete()",
    ],
)
def test_a_planted_writer_is_seen(line: str) -> None:
    assert list(writes(f"def act(case, cursor, rows):\n    {line}\n"))


def test_a_reader_is_none_and_a_planted_verb_is_seen() -> None:
    assert list(writes("AuditEvent.objects.filter(verb='x').count(); case.trail.filter(verb='x').first()")) == []
    assert list(recorded("audit.record('whispered', actor='x'); move(case, verb='hushed' if late else 'told')")) == [
        ("whispered", 1),
        ("hushed", 1),
        ("told", 1),
    ]
