"""Takes who calls which endpoint, leaves a count in its window and says whether the call is still allowed.

The counts are kept in memory for reading and in rows for a restart: X does not forget them either.
"""

from dataclasses import dataclass

from sandbox import clock
from sandbox.models import RateWindow

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


_counts: dict[str, tuple[float, int]] | None = None


def take(caller: str, endpoint: str, windows: tuple[Window, ...]) -> Standing:
    """Count a call, unless one of the windows is used up: then nothing is counted. One statement."""
    now = clock.epoch()
    counts = _known()
    allowed = True
    found: list[tuple[Window, str, float, int]] = []
    for window in windows:
        key = f"{'app' if window.shared else caller} {endpoint} {window.header}"
        opened, used = counts.get(key, (now, 0))
        if not opened <= now < opened + window.seconds:  # over, or the clock was set back before it
            opened, used = now, 0
        found.append((window, key, opened, used))
        allowed = allowed and used < window.calls
    headers: dict[str, str] = {}
    rows: list[RateWindow] = []
    for window, key, opened, used in found:
        if allowed:
            used += 1
            counts[key] = (opened, used)
            rows.append(RateWindow(key=key, opened=opened, used=used))
        headers[f"{window.header}-limit"] = str(window.calls)
        headers[f"{window.header}-remaining"] = str(window.calls - used)
        headers[f"{window.header}-reset"] = str(int(opened + window.seconds) + 1)
    _keep(rows)
    return Standing(allowed=allowed, headers=headers)


def forget() -> None:
    """Open all windows anew; the rows are the caller's to delete."""
    global _counts
    _counts = None


def _known() -> dict[str, tuple[float, int]]:
    global _counts
    if _counts is None:
        _counts = {row.key: (row.opened, row.used) for row in RateWindow.objects.all()}
    return _counts


def _keep(rows: list[RateWindow]) -> None:
    if rows:
        RateWindow.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["key"], update_fields=["opened", "used"]
        )
