"""Takes a house, leaves further web processes beside its own, started as that was and again when they die.

How a web process is started is read from the one that runs, so that both are alike whatever the house gives them. Only
the socket that it listens on is another; it is ours and stays open while the process starts, as the house's does.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from citisocial.servers import House

from .people import Stumble
from .working import TETHER

PAUSE, PATIENCE = 0.2, 60.0  # seconds


class Web:
    """The house's own web process."""

    name = "web"

    def __init__(self, house: House) -> None:
        self.house = house
        self.port = urlsplit(house.site_url).port or 80

    @property
    def pid(self) -> int | None:
        """The living process, or None while it is dead or being started again."""
        return self.house.pid("web")

    def healthy(self) -> bool:
        """It answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/healthz", headers={"Host": urlsplit(self.house.site_url).netloc})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def end(self, number: signal.Signals) -> int:
        """Signal the process; which it was. One that is being started is waited for: a signal must hit something."""
        deadline = time.monotonic() + PATIENCE
        while (pid := self.pid) is None:
            if time.monotonic() > deadline:
                raise Stumble(f"{self.name} was not started again within {PATIENCE:.0f} s")
            time.sleep(0.05)
        os.kill(pid, number)
        return pid

    def back(self, other_than: int) -> None:
        """Wait until another process of this name serves."""
        deadline = time.monotonic() + PATIENCE
        while self.pid in (None, other_than) or not self.healthy():
            if time.monotonic() > deadline:
                raise Stumble(f"{self.name} did not serve again within {PATIENCE:.0f} s")
            time.sleep(0.05)


class Twin(Web):
    """One that this suite keeps."""

    def __init__(self, house: House, name: str) -> None:
        super().__init__(house)
        self.name = name
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as the house's: see citisocial.servers
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(1024)
        self.port = self.listener.getsockname()[1]
        self.command, self.environment, self.place = _how(house, self.listener.fileno())
        self.process: subprocess.Popen[bytes] | None = None
        self.over = threading.Event()

    @property
    def pid(self) -> int | None:
        process = self.process
        return process.pid if process is not None and process.poll() is None else None

    def keep(self) -> None:
        """Run it until it is over; the death signal follows this thread, which outlives the process."""
        tether = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(int(signal.SIGKILL)), "-1", "-1"]
        with (self.house.log_dir / f"{self.name}.log").open("ab") as log:
            while not self.over.is_set():
                self.process = subprocess.Popen(
                    [*tether, *self.command], env=self.environment, cwd=self.place, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, pass_fds=(self.listener.fileno(),), start_new_session=True,
                )  # fmt: skip
                self.process.wait()
                self.over.wait(PAUSE)


@contextmanager
def running(house: House, names: tuple[str, ...]) -> Iterator[list[Web]]:
    """The house's own and one for each name, until the end of the block."""
    twins = [Twin(house, name) for name in names]
    keepers = [threading.Thread(target=twin.keep, daemon=True) for twin in twins]
    try:
        for keeper in keepers:
            keeper.start()
        for twin in twins:
            twin.back(0)
        yield [Web(house), *twins]
    finally:
        for twin in twins:
            twin.over.set()
            if (pid := twin.pid) is not None:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        for keeper in keepers:
            keeper.join(10)
        for twin in twins:
            twin.listener.close()


def _how(house: House, fd: int) -> tuple[list[str], dict[str, str], Path]:
    """The command, environment and directory of the house's web process, for another socket."""
    process = Path("/proc", str(house.pid("web")))
    try:
        command = [word.decode() for word in (process / "cmdline").read_bytes().split(b"\0")[:-1]]
        place = (process / "cwd").resolve(strict=True)
        pairs = [line.decode().partition("=") for line in (process / "environ").read_bytes().split(b"\0") if line]
    except OSError as error:
        raise Stumble(f"it cannot be read how web was started: {error}") from error
    if "--fd" not in command:
        raise Stumble("web was not started with a socket of the house's")
    command[command.index("--fd") + 1] = str(fd)
    return command, {name: value for name, _, value in pairs}, place
