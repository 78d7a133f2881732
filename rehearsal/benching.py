"""Takes nothing, leaves the figures of one benchmark: the servers and the feeder that it needs are started for it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rehearsal.people import Stumble
from rehearsal.premises import complain, own_house

ROOT = Path(__file__).resolve().parent.parent


def ingest(*, events: int, rounds: int) -> dict[str, Any]:
    """From bytes on a socket to rows, once each, beside the raw reference and the naive loop. CPU in microseconds."""
    with own_house(announce=complain, children=()) as house, feeder(events) as (port, terms):
        env = house.env | {"X_API_URL": f"http://127.0.0.1:{port}"}
        command = [sys.executable, str(ROOT / "manage.py"), "measure_ingest", "--rounds", str(rounds)]
        command += ["--events", str(events)]
        ended = subprocess.run(
            command, env=env, cwd=ROOT, input=json.dumps(terms), stdout=subprocess.PIPE, text=True, check=False
        )
    if ended.returncode != 0:
        raise Stumble("the measured process ended with an error; it is above")
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


@contextmanager
def feeder(events: int) -> Iterator[tuple[int, list[str]]]:
    """The feeder in a process of its own: its port, and the terms that its events are for us by."""
    with subprocess.Popen(
        [sys.executable, "-m", "rehearsal.feeding", str(events)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        try:
            yield said["port"], said["terms"]
        finally:
            process.stdin.close()
