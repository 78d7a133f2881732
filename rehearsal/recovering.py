"""Takes faults that were fired and what became of the posts, leaves how long it took to get over each: a table."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from . import faultlist
from .counting import Mention, nearest
from .firing import Firing

HEADER = ("fault", "endpoint", "ordered", "fired", "recovered p50", "max s", "stored p50", "max s")


def first_by(mentions: Iterable[Mention]) -> dict[str, int]:
    """How many posts each way stored first."""
    return dict(sorted(Counter(mention.ways[0] for mention in mentions).items()))


def faults(firings: Sequence[Firing], mentions: Sequence[Mention]) -> dict[str, dict[str, Any]]:
    """By fault, then endpoint: ordered, fired, recovered, and p50 and max of two times in seconds.

    recovery_s: from the fault to the endpoint's next good answer; stored_s: from the fault until everything that was
    written before that answer was stored, by whichever way.
    """
    grouped: dict[tuple[str, str], list[Firing]] = defaultdict(list)
    for firing in firings:
        grouped[firing.order.fault, firing.order.endpoint].append(firing)
    found: dict[str, dict[str, Any]] = {}
    for fault in faultlist.SHARES:
        endpoints = {endpoint: mine for (kind, endpoint), mine in sorted(grouped.items()) if kind == fault}
        found[fault] = {
            "fired": sum(f.fired is not None for mine in endpoints.values() for f in mine),
            "endpoints": {endpoint: _line(mine, mentions) for endpoint, mine in endpoints.items()},
        }
    return found


def _line(firings: Sequence[Firing], mentions: Sequence[Mention]) -> dict[str, Any]:
    recovery = [f.recovered - f.fired for f in firings if f.fired is not None and f.recovered is not None]
    stored = [waited for f in firings if (waited := _until_stored(f, mentions)) is not None]
    return {
        "ordered": len(firings),
        "fired": sum(f.fired is not None for f in firings),
        "recovered": len(recovery),
        "recovery_s": _p50_and_max(recovery),
        "stored_s": _p50_and_max(stored),
    }


def _until_stored(firing: Firing, mentions: Sequence[Mention]) -> float | None:
    """Seconds from the fault until the last post that was written during it was stored; None: nobody wrote."""
    if firing.fired is None or firing.recovered is None:
        return None
    during = [m for m in mentions if firing.fired <= m.posted_at.timestamp() <= firing.recovered]
    return max((m.ingested_at.timestamp() for m in during), default=0.0) - firing.fired if during else None


def _p50_and_max(values: Sequence[float]) -> dict[str, float] | None:
    ordered = sorted(values)
    return {"p50": round(nearest(ordered, 50), 2), "max": round(ordered[-1], 2)} if ordered else None


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """Lines for people."""
    rows = [HEADER]
    for fault, line in found.items():
        for endpoint, one in line["endpoints"].items():
            rows.append((fault, endpoint, str(one["ordered"]), str(one["fired"]), *_cells(one)))
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEADER))]
    return ["  ".join(_padded(n, row[n], widths[n]) for n in range(len(HEADER))) for row in rows]


def _padded(column: int, cell: str, width: int) -> str:
    """Names begin on the left, figures end on the right."""
    return cell.ljust(width) if column < 2 else cell.rjust(width)


def _cells(one: dict[str, Any]) -> tuple[str, str, str, str]:
    shown = [f"{times[key]:.2f}" if (times := one[name]) else "-" for name in ("recovery_s", "stored_s")
             for key in ("p50", "max")]  # fmt: skip
    return shown[0], shown[1], shown[2], shown[3]


def complaints(result: dict[str, Any], firings: Sequence[Firing], runs: int) -> list[str]:
    """What is wrong, in sentences; empty when nothing was lost or doubled and every fault came and went."""
    said = []
    if result["lost"]:
        said.append(f"{result['lost']} posts and messages were addressed to us and never dealt with")
    if result["doubled"]:
        said.append(f"{result['doubled']} things are there more than once")
    if result["surplus"]:
        said.append(f"{result['surplus']} posts were taken in although nothing addressed them to us")
    for fault, line in result["faults"].items():
        if line["fired"] < runs:
            said.append(f"{fault} was fired {line['fired']} times of {runs}")
    for firing in firings:
        what = f"{firing.order.fault} on {firing.order.endpoint}"
        if firing.fired is None:
            said.append(f"{what} met no call in time")
        elif firing.recovered is None:
            said.append(f"{what} was not got over in time")
    return said
