"""The verdict of a walk: its last line, whatever happened, and everybody home afterwards."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from citisocial.servers import CannotStart, House
from rehearsal import walking
from rehearsal.people import Stumble
from rehearsal.scene import Scene

Run = Callable[[], tuple[int, list[str]]]


def empty_house(path: Path) -> House:
    (path / "logs").mkdir()
    (path / "logs" / "web.log").write_text("Traceback\nValueError: the reason\n")
    url = "http://localhost:1"
    return House(path, url, url, url, "postgresql:///none", "postgresql:///none", "redis://localhost:1", {}, {})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """A walk of two steps through an empty house: `fine`, and `odd`, which is `steps["odd"]`."""

    @contextmanager
    def own_house(**options: object) -> Iterator[House]:
        yield empty_house(tmp_path)

    monkeypatch.setattr(walking, "own_house", own_house)

    def walk() -> tuple[int, list[str]]:
        said: list[str] = []
        return walking.walk(form="dm", keep=False, wipe=False, say=said.append), said

    return walk


def steps(monkeypatch: pytest.MonkeyPatch, odd: Callable[[Scene], str]) -> None:
    monkeypatch.setitem(walking.STEPS, "dm", [("fine", lambda scene: "it is"), ("odd", odd)])


def test_a_walk_that_ends_well_says_what_each_step_took(run: Run, monkeypatch: pytest.MonkeyPatch):
    steps(monkeypatch, lambda scene: "so so")

    status, said = run()

    assert status == 0
    assert [re.sub(r"\s+\d+ ms\s+", ": ", line) for line in said[:-1]] == [
        "start: http://localhost:1",
        "fine: it is",
        "odd: so so",
    ]
    assert list(json.loads(said[-1].removeprefix("WALK OK "))) == ["start", "fine", "odd"]


def test_a_step_that_stumbles_is_named_with_why_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def stumble(scene: Scene) -> str:
        raise Stumble("the page\nsaid no")

    steps(monkeypatch, stumble)

    status, said = run()

    assert status == 1
    assert said[-1] == "WALK FAILED at odd: the page said no"


def test_a_house_that_does_not_start_is_a_failed_walk(run: Run, monkeypatch: pytest.MonkeyPatch):
    @contextmanager
    def own_house(**options: object) -> Iterator[House]:
        raise CannotStart("no room")
        yield

    monkeypatch.setattr(walking, "own_house", own_house)

    assert run() == (1, ["WALK FAILED at start: no room"])


def test_what_the_processes_complained_about_is_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def stumble(scene: Scene) -> str:
        raise Stumble("no")

    steps(monkeypatch, stumble)

    run()

    assert "--- web.log\nTraceback\nValueError: the reason" in capsys.readouterr().err
