"""Takes source, templates and styles, leaves the habits of the house that no linter knows."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("citisocial", "conversations", "links", "accounts", "sandbox", "rehearsal")
JUNK = {"utils", "util", "helpers", "helper", "common", "services", "service", "lib", "misc", "tools"}
INLINE = {
    "an inline script": re.compile(r"<script(?![^>]*\ssrc=)(?![^>]*type=\"application/json\")[^>]*>", re.IGNORECASE),
    "an inline style": re.compile(r"<style\b|<[a-z][^<>]*\sstyle\s*=", re.IGNORECASE),
    "an inline handler": re.compile(r"<[a-z][^<>]*\son[a-z]+\s*=", re.IGNORECASE),
    "a javascript: address": re.compile(r"=\s*[\"']?\s*javascript:", re.IGNORECASE),
}


def files(pattern: str, *rooms: str) -> list[Path]:
    return sorted(path for room in rooms or ROOMS for path in (ROOT / room).rglob(pattern))


def junk(names: Iterator[Path]) -> list[str]:
    return [str(path) for path in names if path.stem in JUNK]


def test_no_room_has_a_junk_drawer() -> None:
    python = files("*.py")
    folders = {folder for path in python for folder in path.relative_to(ROOT).parents}
    assert junk(iter([*python, *folders])) == []


def test_a_junk_drawer_is_seen() -> None:
    assert junk(iter([Path("conversations/utils.py"), Path("links/helpers"), Path("links/codes.py")])) == [
        "conversations/utils.py",
        "links/helpers",
    ]


def counting(source: str) -> list[str]:
    """What in a view makes PostgreSQL walk past rows it does not show: an offset, a count, a Paginator."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and node.slice.lower is not None:
            found.append(f"line {node.lineno}: a slice with an offset")
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"count", "acount"}
        ):
            found.append(f"line {node.lineno}: count()")
        elif isinstance(node, ast.Name) and node.id == "Paginator":
            found.append(f"line {node.lineno}: Paginator")
    return found


def test_views_page_by_keys_and_count_nothing() -> None:
    views = files("*.py", "conversations/views", "accounts/views", "links/views")
    assert views
    assert {str(path): found for path in views if (found := counting(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize("line", ["rows[20:40]", "rows[start:]", "rows.count()", "Paginator(rows, 20)"])
def test_an_offset_is_seen(line: str) -> None:
    assert counting(line)
    assert not counting("rows[:20]")


def inline(html: str) -> list[str]:
    """What a strict content security policy would refuse."""
    return [name for name, pattern in INLINE.items() if pattern.search(html)]


def test_templates_keep_scripts_and_styles_in_files() -> None:
    templates = files("*.html")
    assert templates
    assert {str(path): found for path in templates if (found := inline(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    "html",
    [
        "<script>go()</script>",
        '<script type="module">go()</script>',
        "<style>p {}</style>",
        '<p class="a" style="color: red">',
        '<button type="submit" onclick="go()">',
        '<a href="javascript:go()">',
    ],
)
def test_inline_code_is_seen(html: str) -> None:
    assert inline(html)


def test_code_in_files_is_no_inline_code() -> None:
    assert (
        inline('<script type="module" src="/a.js"></script><script type="application/json">{}</script><p>on = 1</p>')
        == []
    )


def declarations(css: str, opening: str) -> list[str]:
    """The declarations between that opening line and its closing brace."""
    body = css.split(opening, 1)[1].split("}", 1)[0]
    return [line.strip() for line in re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL).splitlines() if line.strip()]


def test_the_two_dark_themes_are_one() -> None:
    """CSS cannot share a block between a media query and an attribute, so it is written twice."""
    css = (ROOT / "citisocial/static/citisocial/tokens.css").read_text(encoding="utf-8")
    asked = declarations(css, ':root:not([data-theme="light"]) {')
    assert asked
    assert asked == declarations(css, ':root[data-theme="dark"] {')


@pytest.mark.xdist_group("habits")
def test_tests_of_one_group_stay_together(request: pytest.FixtureRequest) -> None:
    """pytest-xdist writes a test's group behind its name; what it does not write it does not keep to either."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("there is one process, so everything stays together")
    assert request.node.nodeid.endswith("@habits"), "not kept: use --dist loadgroup, and a pytest that xdist knows"
