"""Takes how often each fault is to happen, leaves the orders: which fault, on which endpoint, in which lane, how long.

A lane is one endpoint: its faults come one after the other, each when the last has been got over; the lanes run side
by side. What X itself allows sets the shares: 50 connections of the stream and 15 reads of direct messages in 15
minutes, so most of what may happen anywhere happens on the endpoints that are asked often.
"""

import math
import random
from dataclasses import dataclass

# Of each fault's runs, the share of every endpoint. What is refused, silent or cut off can happen anywhere; no rules
# (409) and goodbye are the stream's; only pages have an order. A refresh of tokens is only refused before it was
# accepted: an answer that is lost after the tokens were changed takes a person to connect the account again.
SHARES: dict[str, dict[str, float]] = {
    "429": {"mentions": 0.3, "stream": 0.2, "search": 0.2, "webhook": 0.15, "token": 0.1, "dm_events": 0.05},
    "503": {"mentions": 0.3, "stream": 0.2, "search": 0.2, "webhook": 0.15, "token": 0.1, "dm_events": 0.05},
    "409": {"stream": 1.0},
    "reset": {"mentions": 0.3, "stream": 0.25, "search": 0.2, "webhook": 0.2, "dm_events": 0.05},
    "stall": {"mentions": 0.5, "stream": 0.2, "search": 0.25, "token": 0.05},
    "disconnect": {"stream": 1.0},
    "duplicate": {"mentions": 0.3, "stream": 0.25, "search": 0.2, "webhook": 0.2, "dm_events": 0.05},
    "out_of_order": {"mentions": 0.4, "stream": 0.2, "search": 0.2, "webhook": 0.2},
    "lost": {"mentions": 0.3, "stream": 0.25, "search": 0.2, "webhook": 0.2, "dm_events": 0.05},
    "slow": {"mentions": 0.3, "stream": 0.25, "search": 0.25, "webhook": 0.2},
    "bad_json": {"mentions": 0.3, "stream": 0.25, "search": 0.25, "webhook": 0.2},
}
# Asked so seldom that a short run meets them with one fault only.
SELDOM = {"token", "dm_events"}
ALWAYS = "503"
# What its kind makes of `seconds`: how far ahead a limit ends, how late an answer is; a stall lasts until the reader
# gives up, which is what is rehearsed.
SECONDS = {"429": 2.0, "slow": 3.0, "stall": 0.0}
ENDS_STREAM = {"429", "503", "409", "reset", "stall", "disconnect", "lost"}
REFUSALS = {"503", "409"}
# Seconds from the order to the recovery, to pace the posts by: how long until such a call is made, and how long the
# product waits after such a fault.
UNTIL_CALLED = {"stream": 1.5, "mentions": 4.0, "search": 12.0, "dm_events": 6.0, "token": 6.0, "webhook": 1.5}
PRODUCT_WAITS = {"stall": 10.0, "slow": 3.0, "429": 2.0}
STREAM_WAITS = {"stall": 25.0, "503": 26.0, "409": 26.0}
TOKEN_WAITS = 60.0  # how long the claim of a refresh that failed keeps others from trying


@dataclass(frozen=True, slots=True)
class Order:
    """One fault, once. `cost`: about how many seconds it takes from the order to the recovery."""

    fault: str
    endpoint: str
    seconds: float
    cost: float

    @property
    def connects(self) -> bool:
        """Whether the stream has to connect again after it."""
        return self.endpoint == "stream" and self.fault in ENDS_STREAM

    @property
    def waits_longer_each_time(self) -> bool:
        """Whether the product doubles its wait unless the connection before was a steady one."""
        return self.endpoint == "stream" and self.fault in REFUSALS


def lanes(runs: int) -> dict[str, list[Order]]:
    """The orders of each endpoint; every fault comes at least `runs` times, and everywhere it can."""
    found: dict[str, list[Order]] = {}
    for fault, shares in SHARES.items():
        for endpoint, count in _counts(fault, shares, runs).items():
            order = Order(fault, endpoint, SECONDS.get(fault, 2.0), _cost(fault, endpoint))
            found.setdefault(endpoint, []).extend([order] * count)
    for endpoint, orders in found.items():
        random.Random(endpoint).shuffle(orders)  # mixed, and always the same
    return found


def _counts(fault: str, shares: dict[str, float], runs: int) -> dict[str, int]:
    counts = {}
    for endpoint, share in shares.items():
        least = int(endpoint not in SELDOM or fault == ALWAYS)
        counts[endpoint] = max(least, math.floor(share * runs + 1e-9))
    first = next(iter(shares))
    counts[first] += max(0, runs - sum(counts.values()))
    return counts


def _cost(fault: str, endpoint: str) -> float:
    if endpoint == "stream":
        return UNTIL_CALLED["stream"] + STREAM_WAITS.get(fault, PRODUCT_WAITS.get(fault, 1.0))
    if endpoint == "token":
        return UNTIL_CALLED["token"] + (3.0 if fault == "slow" else TOKEN_WAITS)
    return UNTIL_CALLED[endpoint] + PRODUCT_WAITS.get(fault, 1.0)
