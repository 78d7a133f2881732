"""Takes the limits that X's headers tell, leaves calls that X would refuse unmade: RateLimited at once, with the wait.

A bucket for each limit, endpoint and account (or the app): X's 15 minutes, and the day of those who write. How much is
left is X's word; between two answers we count down ourselves, since several threads call. Time is X's as well, from the
`Date` of its answers: our own clock may be wrong, and the demo's is moved.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from conversations.networks.errors import RateLimited
from conversations.networks.x.problems import LIMITS, number, server_time

MOST_BUCKETS = 10_000
SET_BACK = 60.0
OF_THE_APP = "x-app-limit-24hour"  # counted over all accounts
_DIGITS = re.compile(r"/(?=[^/]*[0-9])(?!2/)[^/]+|(?<=/username)/[^/]+")

Key = tuple[str, str, str]  # limit, account, endpoint


@dataclass(slots=True)
class _Bucket:
    left: int
    resets_at: float  # by X's clock


class Pace:
    """The limits of one app and its accounts. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ahead: float | None = None  # X's clock minus ours
        self._buckets: dict[Key, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, who: str, endpoint: str) -> None:
        """One call is about to be made. RateLimited, and nothing taken, when a limit of it is used up."""
        with self._lock:
            if self._ahead is None:
                return
            now = self._clock() + self._ahead
            wait = 0.0
            open_ones: list[_Bucket] = []
            for limit in LIMITS:
                bucket = self._buckets.get(_key(limit, who, endpoint))
                if bucket is None or bucket.resets_at <= now:
                    continue
                open_ones.append(bucket)
                if bucket.left <= 0:
                    wait = max(wait, bucket.resets_at - now)
            if not wait:
                for bucket in open_ones:
                    bucket.left -= 1
                return
        raise RateLimited(f"X's limit is used up; it opens again in {wait:.0f} s.", retry_after=max(wait, 1.0))

    def note(self, who: str, endpoint: str, status: int, headers: Mapping[str, str]) -> None:
        """What an answer says about its limits."""
        said_at = server_time(headers)
        with self._lock:
            if said_at is not None:
                ahead = said_at - self._clock()
                if self._ahead is not None and ahead < self._ahead - SET_BACK:
                    self._buckets.clear()  # X's clock was set back: what it said before is hours ahead
                self._ahead = ahead
            elif self._ahead is None:
                self._ahead = time.time() - self._clock()
            now = self._clock() + self._ahead
            for limit in LIMITS:
                left, resets_at = number(headers.get(f"{limit}-remaining")), number(headers.get(f"{limit}-reset"))
                if left is not None and resets_at is not None and resets_at > now:
                    self._set(_key(limit, who, endpoint), int(left), resets_at)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets = {key: kept for key, kept in self._buckets.items() if kept.resets_at > now}

    def _set(self, key: Key, left: int, resets_at: float) -> None:
        known = self._buckets.get(key)
        if known is not None and abs(known.resets_at - resets_at) < 2:
            # The same window: answers overtake each other, and what is left only ever falls.
            known.left = min(known.left, left)
        elif known is None or resets_at > known.resets_at:
            self._buckets[key] = _Bucket(left, resets_at)


def endpoint(method: str, path: str) -> str:
    """The endpoint that X counts a call for: the path without whose it is."""
    return f"{method} {_DIGITS.sub('/:id', path)}"


def _key(limit: str, who: str, endpoint: str) -> Key:
    return limit, "" if limit == OF_THE_APP else who, endpoint
