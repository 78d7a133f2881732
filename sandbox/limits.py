"""Takes who calls which endpoint, leaves a count in its window and says whether the call is still allowed.

The counts live in this process's memory: a restart opens every window, which X would not do.
"""

import time
from dataclasses import dataclass

QUARTER = 15 * 60
DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """So many calls in so many seconds; `header` is what its three headers begin with."""

    calls: int
    seconds: int = QUARTER
    header: str = "x-rate-limit"
    shared: bool = False  # by all users of the app


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands: `reset` in epoch seconds."""

    allowed: bool
    headers: dict[str, str]


_counts: dict[tuple[str, str, str], tuple[float, int]] = {}


def take(caller: str, endpoint: str, windows: tuple[Window, ...]) -> Standing:
    """Count a call, unless one of the windows is used up: then nothing is counted."""
    now = time.time()
    allowed = True
    found: list[tuple[Window, tuple[str, str, str], float, int]] = []
    for window in windows:
        key = ("app" if window.shared else caller, endpoint, window.header)
        opened, used = _counts.get(key, (now, 0))
        if now >= opened + window.seconds:
            opened, used = now, 0
        found.append((window, key, opened, used))
        allowed = allowed and used < window.calls
    headers: dict[str, str] = {}
    for window, key, opened, used in found:
        if allowed:
            used += 1
            _counts[key] = (opened, used)
        headers[f"{window.header}-limit"] = str(window.calls)
        headers[f"{window.header}-remaining"] = str(window.calls - used)
        headers[f"{window.header}-reset"] = str(int(opened + window.seconds) + 1)
    return Standing(allowed=allowed, headers=headers)


def forget() -> None:
    """Open all windows anew."""
    _counts.clear()
