"""Takes processes, leaves each on a core of its own; and what one has used: processor time, memory."""

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from citisocial.servers import House

from .people import Stumble
from .premises import complain

PROC = Path("/proc")
PATIENCE = 30.0  # seconds for a process to be started again


def pin(pid: int, core: int) -> None:
    """The process, all its threads and children, and what they start from here on. Without two cores: nothing."""
    if (os.cpu_count() or 1) < 2 or not hasattr(os, "sched_setaffinity"):
        return
    for one in [pid, *_children(pid)]:
        for thread in (PROC / str(one) / "task").glob("*"):
            try:
                os.sched_setaffinity(int(thread.name), {core})
            except OSError:  # it has ended meanwhile
                continue


def _children(pid: int) -> Iterator[int]:
    for children in (PROC / str(pid) / "task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            yield child
            yield from _children(child)


def used(pid: int) -> float:
    """Processor time in seconds, of all its threads, the kernel's work for it included."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Bytes of memory."""
    return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def command(pid: int) -> list[str]:
    """The words that it was started with."""
    return (PROC / str(pid) / "cmdline").read_text().split("\0")[:-1]


def pid_of(house: House, name: str) -> int:
    """The living process of the house, as soon as it is there; whoever measures needs Linux."""
    if not PROC.exists():
        raise Stumble("processor time and memory are read from /proc: run this on Linux")
    deadline = time.monotonic() + PATIENCE
    while (pid := house.pid(name)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if pid is None:
        raise Stumble(f"{name} does not run")
    return pid


def allow_files(wanted: int) -> None:
    """So many open files for this process and those that it starts; a Stumble where the system does not allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (-1, resource.RLIM_INFINITY) and hard < wanted:
        raise Stumble(f"{wanted} open files are needed and {hard} are allowed: raise `ulimit -Hn`, or ask for less")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        complain(f"raised for this run: {wanted} open files")
