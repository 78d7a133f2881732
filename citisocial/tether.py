"""Takes a parent's pid, a signal, a user and a command; leaves the command running, tied to the parent's life.

Run by its path (`python -I -S tether.py PARENT SIGNAL UID GID COMMAND…`), so that nothing has to happen between
fork and exec in a process that has threads. The order matters: changing the user clears the death signal, so the
user comes first; and the parent may have died before the signal was asked for, so it is looked at afterwards.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def tie(parent: int, signal: int, uid: int, gid: int, command: list[str]) -> None:
    """Become `command` as user `uid` (-1: stay who we are).

    Only Linux has death signals; elsewhere the next start sweeps.
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the supervisor is gone")
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    number, death, user, group = map(int, sys.argv[1:5])
    tie(number, death, user, group, sys.argv[5:])
