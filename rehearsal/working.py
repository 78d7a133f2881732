"""Takes a house, leaves its senders and its worker running as processes of their own, started again when they die."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from citisocial.servers import House

from .breaking import ROOT

TETHER = ROOT / "citisocial" / "tether.py"
# What every sending needs is asked for; the rest of the walk would only cost: no message is pushed to these brands.
WITHOUT = {"X_PUSH": "off", "DATABASE_POOL": "0"}


@contextmanager
def starting(house: House, graves: Path, name: str) -> Iterator[None]:
    """`python -m rehearsal.mortals GRAVES NAME` until the end of the block; it dies with us, whatever we die of."""
    over = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def keep() -> None:
        with (house.log_dir / f"{name}.log").open("ab") as log:
            while not over.is_set():
                tether = [
                    sys.executable,
                    "-I",
                    "-S",
                    str(TETHER),
                    str(os.getpid()),
                    str(int(signal.SIGKILL)),
                    "-1",
                    "-1",
                ]
                process = subprocess.Popen(
                    [*tether, sys.executable, "-m", "rehearsal.mortals", str(graves), name],
                    env=house.env | WITHOUT, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
                running.append(process)
                process.wait()

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        for process in running[-1:]:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        keeper.join(10)
