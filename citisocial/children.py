"""Takes descriptions of processes, leaves them running: logged, restarted when they die, stopped in order.

Each child is a session of its own, so a terminal's Ctrl-C reaches the supervisor alone, and is tied to the
supervisor's life by `tether.py`. The death signal follows the thread that forked: every thread that starts a
child here outlives the children.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .datadir import CannotStart, record

TETHER = Path(__file__).with_name("tether.py")
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds before a dead child is started again, doubling
SETTLED = 20.0  # seconds of life after which a child's earlier deaths are forgotten
PATIENCE = 10.0  # seconds a child is given to stop before SIGKILL
LOG_LIMIT = 5_000_000  # bytes; a longer log is put aside at the next start
NAMES = (
    "web",
    "links",
    "listener",
    "beat",
    "worker",
    "sandbox",
    "valkey",
    "postgres",
)  # the order of stopping
WIDTH = max(map(len, NAMES))
Echo = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Spec:
    """One process: how it is started, as whom, and which signals mean "stop" and "your supervisor is dead"."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    user: tuple[int, int] | None = None  # uid, gid; None: ours
    fd: int | None = None  # a listening socket that the child inherits


def terminal(colour: bool) -> Echo:
    """A printer of prefixed lines, `web      | …`, each name in a colour of its own on a terminal."""
    write = threading.Lock()

    def echo(name: str, line: str) -> None:
        prefix = f"{name:<{WIDTH}} |"
        if colour:
            shade = 31 + (NAMES.index(name) if name in NAMES else 0) % 6
            prefix = f"\033[{shade}m{prefix}\033[0m"
        with write:
            print(prefix, line, flush=True)

    return echo


class Child:
    """One process and its successors. `restarts` counts the successors."""

    def __init__(self, spec: Spec, log_dir: Path, echo: Echo | None) -> None:
        self.spec = spec
        self.log_path = log_dir / f"{spec.name}.log"
        self.echo = echo
        self.last_lines: deque[str] = deque(maxlen=20)
        self.restarts = 0
        self.pause = FIRST_PAUSE
        self.due: float | None = None  # when the successor starts
        self.process: subprocess.Popen[bytes] | None = None
        self.reader: threading.Thread | None = None
        self.started = 0.0

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.poll() is None else None

    def start(self) -> None:
        """Fork and exec; the child's words go to its log, and to the terminal when there is an echo."""
        spec = self.spec
        uid, gid = spec.user or (-1, -1)
        tether = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(int(spec.orphan_signal))]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*tether, str(uid), str(gid), *spec.command],
            env=dict(spec.env),
            cwd=spec.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=() if spec.fd is None else (spec.fd,),
            start_new_session=True,
        )
        reader = threading.Thread(target=self._read, args=(self.process,), daemon=True, name=spec.name)
        reader.start()
        self.reader = reader  # only once it runs: whoever asks why a child died waits for it

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout, open(self.log_path, "ab", buffering=0) as log:
            for raw in process.stdout:
                log.write(raw)
                line = raw.decode(errors="replace").rstrip()
                self.last_lines.append(line)
                if self.echo is not None:
                    self.echo(self.spec.name, line)

    def signal(self, number: signal.Signals) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, deadline: float) -> None:
        """Wait until the process is gone; past the deadline it is killed, with whatever it forked."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.reader is not None:
            self.reader.join(1)

    def fate(self) -> str:
        """How the process ended, in words."""
        code = self.process.returncode if self.process else None
        return f"killed by signal {-code}" if code is not None and code < 0 else f"exit status {code}"

    def why(self) -> str:
        """The last thing that a failed process said, as the end of a sentence."""
        if self.reader is not None:
            self.reader.join(1)
        said = next((line for line in reversed(self.last_lines) if line.strip()), "it said nothing")
        return f"{said.strip()} (all of it: {self.log_path})"


class Crew:
    """The children of one supervisor. One thread looks after them until they are all stopped."""

    def __init__(self, data_dir: Path, announce: Callable[[str], None]) -> None:
        self.data_dir = data_dir
        self.announce = announce
        self.children: dict[str, Child] = {}
        self.tasks: list[Child] = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.stopped = threading.Event()
        self.keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self, spec: Spec, *, echo: Echo | None = None) -> Child:
        """Start a child and look after it from now on."""
        child = Child(spec, self.data_dir / "logs", echo)
        if child.log_path.exists() and child.log_path.stat().st_size > LOG_LIMIT:
            child.log_path.replace(child.log_path.with_suffix(".log.1"))
        with self.lock:
            child.start()
            self.children[spec.name] = child
            self._record()
        if not self.keeper.is_alive():
            self.keeper.start()
        return child

    def begin(self, spec: Spec) -> Child:
        """Start a command that ends by itself (a migration); `completed` waits for it."""
        task = Child(spec, self.data_dir / "logs", None)
        task.start()
        self.tasks.append(task)
        return task

    def completed(self, task: Child) -> None:
        """Wait for a command that `begin` started; raises CannotStart with its last words when it failed."""
        assert task.process is not None
        if task.process.wait() != 0:
            raise CannotStart(f"{task.spec.name} failed ({task.fate()}): {task.why()}")

    def ready(self, child: Child, answers: Callable[[], bool], *, within: float = 60.0) -> None:
        """Wait until `answers()`; raises CannotStart when the child keeps dying or stays silent."""
        deadline = time.monotonic() + within
        while True:
            if child.pid is not None and answers():
                return
            if child.restarts >= 3 or (child.pid is None and self.stopping.is_set()):
                raise CannotStart(f"{child.spec.name} does not start: {child.why()}")
            if time.monotonic() > deadline:
                raise CannotStart(f"{child.spec.name} is not ready after {within:.0f} s: {child.why()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop everything in order: what faces people and the network, the sandbox, Valkey, PostgreSQL last."""
        self.stopping.set()
        with self.lock:  # from here on the keeper starts nobody
            for task in self.tasks:
                task.wait(time.monotonic())
            ours = [self.children[name] for name in NAMES if name in self.children]
        infrastructure = [c for c in ours if c.spec.name in {"sandbox", "valkey", "postgres"}]
        for together in ([c for c in ours if c not in infrastructure], *([c] for c in infrastructure)):
            for child in together:
                child.signal(child.spec.stop_signal)
            deadline = time.monotonic() + PATIENCE
            for child in together:
                child.wait(deadline)
        self.stopped.set()
        if self.keeper.is_alive():
            self.keeper.join(1)
        (self.data_dir / "pids.json").unlink(missing_ok=True)

    def _record(self) -> None:
        record(self.data_dir, {n: (c.pid or 0, c.restarts) for n, c in self.children.items()})

    def _keep(self) -> None:
        # Stays until everybody is gone, even while stopping: a child forked by this thread dies with it.
        while not self.stopped.wait(0.05):
            with self.lock:
                if not self.stopping.is_set():
                    for child in self.children.values():
                        self._look_after(child)

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.pid is not None:
            return
        if child.due is None:
            if now - child.started > SETTLED:
                child.pause = FIRST_PAUSE
            child.due = now + child.pause
            self.announce(f"{child.spec.name} ended ({child.fate()}); starting it again in {child.pause:.1f} s.")
            child.pause = min(child.pause * 2, LONGEST_PAUSE)
        elif now >= child.due:
            child.due = None
            child.restarts += 1
            try:
                child.start()
            except OSError as error:
                self.announce(f"{child.spec.name} could not be started ({error.strerror}); trying again.")
            self._record()
