"""Takes addresses that should look alike, leaves whether their answers take alike, to be read by people.

On one connection, one after the other in an order by chance, so that whatever else the machine does hits all alike.
"""

import math
import random
import socket
import statistics
import time
from collections.abc import Mapping
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

from .loading import END, LENGTH, request


def compare(addresses: Mapping[str, str], times: int) -> dict[str, Any]:
    """Median microseconds of each kind, and for each pair the chance of such a difference between equals (Welch)."""
    took: dict[str, list[float]] = {kind: [] for kind in addresses}
    parts = urlsplit(next(iter(addresses.values())))
    asked = {kind: request(address) for kind, address in addresses.items()}
    order = [kind for kind in addresses for _ in range(times)]
    random.Random(7).shuffle(order)
    with socket.create_connection(("127.0.0.1", parts.port or 80)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for kind in asked:
            _ask(connection, asked[kind])  # the first of each is looked up
        for kind in order:
            took[kind].append(_ask(connection, asked[kind]))
    return {
        "median_us": {kind: round(statistics.median(all_of_them) * 1e6, 1) for kind, all_of_them in took.items()},
        "p": {f"{a}/{b}": round(welch(took[a], took[b]), 3) for a, b in combinations(took, 2)},
    }


def _ask(connection: socket.socket, asked: bytes) -> float:
    """Seconds from the request to the last byte of its answer."""
    began = time.perf_counter()
    connection.sendall(asked)
    read = b""
    while True:
        read += connection.recv(65536)
        length, end = LENGTH.search(read), read.find(END)
        if length is not None and end >= 0 and len(read) >= end + len(END) + int(length[1]):
            return time.perf_counter() - began


def welch(one: list[float], other: list[float]) -> float:
    """The two-sided p of Welch's test; with thousands of values its t is as good as normal."""
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    t = abs(statistics.fmean(one) - statistics.fmean(other)) / math.sqrt(spread) if spread else 0.0
    return math.erfc(t / math.sqrt(2))
