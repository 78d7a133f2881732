"""Takes a house, leaves senders at work in it that die with -9 at the point that a text names, once each.

Runs as a process of the house (`python -m rehearsal.mortals`). The first word of a text is its fault ("after_201 17:
…"); where that is one of POINTS, the sender that comes there kills itself, without a last word. Another takes its
place at once: a fork, so that a death costs as little as it does a pool of workers. The product's functions are
wrapped from outside, by name, and know nothing of it. A file for each death says when and which.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

# Where a sender dies. "reconcile" first dies after the 201, and then a second time while that is looked up.
POINTS = ("before_commit", "after_commit", "mid_write", "after_201", "before_sent", "reconcile")
CLOCK = "clock"  # no death: the sender's own clock is moved an hour in the middle of it, and stays so
SENDERS = 8  # most wait, for an X that hangs
LOOK, LOOK_UP = 0.5, 3.0  # seconds between two questions whether anything waits, or is in doubt

_now = threading.local()  # the text under way


class Mark:
    """What a text says about its sender's fate."""

    def __init__(self, graves: Path) -> None:
        self.graves = graves

    def due(self, outgoing: Any, point: str) -> bool:
        """Whether this text's sender is to die here, and no sender of it has yet."""
        words = outgoing.text.split(" ", 2)
        wanted = {"reconcile": ("reconcile", "after_201")}.get(words[0], (words[0],))
        return point in wanted and not (self.graves / f"{outgoing.pk}.{point}").exists()

    def die(self, outgoing: Any, point: str) -> None:
        """kill -9 of this very process."""
        self.note(outgoing, point)
        os.kill(os.getpid(), signal.SIGKILL)

    def note(self, outgoing: Any, point: str) -> None:
        """When it happened."""
        (self.graves / f"{outgoing.pk}.{point}").write_text(str(time.monotonic()))


def arm(mark: Mark) -> None:
    """Put every point in its place."""
    delivery, outbox = _module("conversations.delivery"), _module("conversations.outbox")
    stream = import_module("httpcore._backends.sync").SyncStream
    _wrap(delivery, "_send", before=lambda row: _about(mark, row), after=lambda row: _die(mark, row, "after_201"))
    _wrap(delivery, "_sent_before", after=lambda row: _die(mark, row, "reconcile"))
    move, write = outbox.move, stream.write

    def moved(outgoing: Any, to: str, **more: Any) -> bool:
        done = bool(move(outgoing, to, **more))
        if done and to == "SENDING":  # the transaction around it is still open
            _die(mark, outgoing, "before_commit")
        if done and to == "SENT":
            _die(mark, outgoing, "before_sent")
        return done

    def written(self: Any, buffer: bytes, timeout: float | None = None) -> None:
        outgoing = getattr(_now, "outgoing", None)
        if outgoing is not None and buffer.startswith(b'{"text"') and mark.due(outgoing, "mid_write"):
            write(self, buffer[: len(buffer) // 2], timeout)
            mark.die(outgoing, "mid_write")
        write(self, buffer, timeout)

    outbox.move, stream.write = moved, written


def _module(name: str) -> Any:
    return import_module(name)


def _wrap(module: Any, name: str, *, before: Callable[[Any], None] | None = None, after: Callable[[Any], None]) -> None:
    real = getattr(module, name)

    def wrapped(outgoing: Any) -> Any:
        if before is not None:
            before(outgoing)
        try:
            found = real(outgoing)
        finally:
            _now.outgoing = None
        after(outgoing)
        return found

    setattr(module, name, wrapped)


def _about(mark: Mark, outgoing: Any) -> None:
    """Claimed and committed; nothing is sent yet."""
    _die(mark, outgoing, "after_commit")
    if mark.due(outgoing, CLOCK):
        mark.note(outgoing, CLOCK)
        _shift_clock(3600.0 if outgoing.pk % 2 else -3600.0)
    _now.outgoing = outgoing


def _die(mark: Mark, outgoing: Any, point: str) -> None:
    if mark.due(outgoing, point):
        mark.die(outgoing, point)


def _shift_clock(seconds: float) -> None:
    """This process's clock, as far as Python code can ask it."""
    real = time.time
    time.time = lambda: real() + seconds

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=seconds)

    for name, module in list(sys.modules.items()):
        if (
            name.split(".")[0] in {"conversations", "links", "citisocial"}
            and getattr(module, "datetime", 0) is datetime
        ):
            module.datetime = Shifted  # type: ignore[attr-defined]


def spare(mark: Mark) -> None:
    """For workers that are not to die: they leave the texts alone whose senders still have to."""
    delivery = _module("conversations.delivery")
    claim, look_up = delivery._claim, delivery._look_up
    outgoing_model = import_module("conversations.models").Outgoing

    def doomed(outgoing: Any) -> bool:
        return any(mark.due(outgoing, point) for point in (*POINTS, CLOCK))

    def claimed(outgoing_id: int) -> Any:
        return None if doomed(outgoing_model.objects.get(pk=outgoing_id)) else claim(outgoing_id)

    def looked_up(outgoing: Any) -> bool:
        return False if doomed(outgoing) else bool(look_up(outgoing))

    delivery._claim, delivery._look_up = claimed, looked_up


def work() -> None:
    """One sender: asks what beat asks, and survives what a worker survives."""
    delivery = import_module("conversations.delivery")
    connection = import_module("django.db").connection
    asked, parent = time.monotonic(), os.getppid()
    while os.getppid() == parent:
        try:
            delivery.deliver_waiting()
            if time.monotonic() - asked > LOOK_UP:
                asked = time.monotonic()
                delivery.look_up_doubtful()
        except Exception as error:  # the database was started again: as a worker's next task
            print(f"sender: {type(error).__name__}", file=sys.stderr, flush=True)
        finally:
            connection.close()
        time.sleep(LOOK)


def main() -> None:
    """Arguments: the directory for the files, and "senders" or "worker"."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "citisocial.settings"
    app = import_module("citisocial.celery").app
    import_module("django").setup()
    mark = Mark(Path(sys.argv[1]))
    if sys.argv[2] == "worker":
        spare(mark)
        _celery(app, Path(sys.argv[1]))
    arm(mark)
    children: set[int] = set()
    while True:
        while len(children) < SENDERS:
            pid = os.fork()
            if not pid:
                work()
                os._exit(0)
            children.add(pid)
        children.discard(os.wait()[0])


def _celery(app: Any, directory: Path) -> None:
    """The product's own worker with its own beat in it, which asks for sending and looking up alone."""
    wanted = ("conversations.tasks.deliver", "conversations.tasks.look_up_doubtful")
    app.conf.beat_schedule = {k: v for k, v in app.conf.beat_schedule.items() if v["task"] in wanted}
    schedule = str(directory / "schedule")
    app.worker_main(
        ["worker", "--beat", "--schedule", schedule, "--pool", "threads", "--concurrency", "4", "--loglevel", "WARNING"]
    )
    raise SystemExit(0)


if __name__ == "__main__":
    main()
