"""Takes nothing, leaves how many redirects a second the link host answers with every click recorded, and beside what.

Three ways in turn, on the same server (uvicorn, one process) and with the same client: the link host itself; an
application that answers the same 302 and does nothing else; a plain Django view with a SELECT and an INSERT. A round
of the link host ends when its last click is in the table, not when its last answer has come. Client, server and
PostgreSQL share the machine's processors: on two cores the fast ways are held back by the client as well, all alike.

Then the link host is restarted in the middle of such a load: what it answered and what is in the table must be one.
"""

import argparse
import http.client
import itertools
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from citisocial.servers import House

from .loading import Load, request, run
from .people import Stumble
from .premises import complain, own_house

ROOT = Path(__file__).resolve().parent.parent
UVICORN = ["-m", "uvicorn", "--no-access-log", "--no-server-header", "--log-level", "warning", "--lifespan", "off"]
LINKS = 1000
CONNECTIONS = 64
PATIENCE = 20.0  # seconds for a server to start, and for the last clicks to be written
RESTART = 6.0  # seconds of load around the restart
AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Twitterbot/1.0",
)


def add(kinds: "argparse._SubParsersAction[Any]") -> None:
    """The sub-command `links` of `manage.py bench`."""
    parser = kinds.add_parser("links", help="redirects of short links, each click recorded")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="of each way, in turn (default 3)")
    parser.set_defaults(run=lambda options: bench(rounds=options["rounds"], seconds=options["seconds"]))


def bench(*, rounds: int, seconds: float) -> dict[str, Any]:
    """Redirects a second, as medians of the rounds; clicks that were answered and are not in the table."""
    with own_house(announce=complain, children=("links",)) as house, ExitStack() as stack:
        bare = stack.enter_context(server("rehearsal.bare:application", house))
        view = stack.enter_context(server("rehearsal.plainview:application", house))
        links = make_links(house, LINKS)
        ours = Ours(house, links)
        stack.callback(ours.books.close)
        ways: dict[str, Callable[[], tuple[float, float]]] = {
            "bare": lambda: Round(bare, [f"{bare}{link[len(house.link_url) :]}" for link in links]).measure(seconds),
            "view": lambda: Round(view, [f"{view}/{n:013}" for n in range(LINKS)]).measure(seconds),
            "links": lambda: ours.measure(seconds),
        }
        found: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(rounds + 1):
            for way, measure in ways.items():
                per_s, busy = measure()
                complain(f"round {number}: {way:5} {per_s:9,.0f} redirects/s; the client used {busy:.0%} of a core")
                if number:  # the first warms up
                    found[way].append(per_s)
        ours.restart()
    median = {way: statistics.median(all_of_them) for way, all_of_them in found.items()}
    return {
        "per_s": round(median["links"]),
        "vs_raw": round(median["links"] / median["bare"], 2),
        "vs_view": round(median["links"] / median["view"], 1),
        "clicks_lost": ours.lost,
    }


class Round:
    """So many seconds of load on one server."""

    def __init__(self, url: str, addresses: list[str]) -> None:
        self.url = url
        agents = itertools.cycle(AGENTS)
        self.requests = [request(address, user_agent=next(agents)) for address in addresses]

    def measure(self, seconds: float) -> tuple[float, float]:
        """Redirects a second, and the share of a core that the client used."""
        began, busy = time.perf_counter(), time.process_time()
        load = run(Load(self.url, self.until(began + seconds), connections=CONNECTIONS))
        busy = (time.process_time() - busy) / (time.perf_counter() - began)
        self.settle(load)
        took = time.perf_counter() - began
        if set(load.answered) != {302} or load.cut:
            raise Stumble(f"{self.url} answered {dict(load.answered)}, and {load.cut} were cut off")
        return load.answered[302] / took, busy

    def settle(self, load: Load) -> None:
        """Wait for what belongs to the load and is not done when the last answer has come: nothing."""

    def until(self, deadline: float) -> Iterator[bytes]:
        """The requests over and over, as long as there is time."""
        for each in itertools.cycle(self.requests):
            if time.perf_counter() > deadline:
                return
            yield each


class Ours(Round):
    """The link host. `lost`: redirects that it answered and whose clicks are not in the table."""

    def __init__(self, house: House, links: list[str]) -> None:
        super().__init__(house.link_url, links)
        self.house = house
        self.books = psycopg.connect(house.database_url, autocommit=True)
        self.answered = 0
        self.lost = 0

    def restart(self) -> None:
        """SIGTERM in the middle of a load; the supervisor starts it again on the same socket."""
        ended: list[int] = []

        def stopped(requests: Iterator[bytes], at: float) -> Iterator[bytes]:
            for each in requests:
                if not ended and time.perf_counter() > at and (pid := self.house.pid("links")):
                    ended.append(pid)
                    os.kill(pid, signal.SIGTERM)
                yield each

        began = time.perf_counter()
        requests = stopped(self.until(began + RESTART), began + RESTART / 3)
        load = run(Load(self.url, requests, connections=CONNECTIONS))
        self.settle(load)
        if set(load.answered) != {302}:
            raise Stumble(f"around the restart the link host answered {dict(load.answered)}")
        if self.house.restarts("links") != 1:
            raise Stumble(f"the link host was started again {self.house.restarts('links')} times, not once")
        complain(
            f"restart: {load.answered[302]:,} redirects answered, {load.cut} requests cut off unanswered, "
            f"{self.lost} clicks lost"
        )

    def settle(self, load: Load) -> None:
        """Wait until the clicks of what was answered are in the table."""
        self.answered += load.answered[302]
        deadline = time.monotonic() + PATIENCE
        while (written := self._written()) < self.answered and time.monotonic() < deadline:
            time.sleep(0.02)
        self.lost = max(self.lost, self.answered - written)

    def _written(self) -> int:
        [count] = self.books.execute("SELECT count(*) FROM links_click").fetchone() or [0]
        return int(count)


def make_links(house: House, number: int, *more: str) -> list[str]:
    """Addresses of so many new links."""
    return inside(house, str(ROOT / "manage.py"), "make_links", str(number), *more).split()


def inside(house: House, *command: str) -> str:
    """What a Python command says that runs as a process of the house."""
    done = subprocess.run([sys.executable, *command], env=house.env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Stumble(f"{' '.join(command[:3])} ended with an error; it is above")
    return done.stdout


@contextmanager
def server(application: str, house: House) -> Iterator[str]:
    """An application of the rehearsal's own on the same server as ours, once it answers; yields its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as the house's own sockets have it
        port = listener.getsockname()[1]
        command = [sys.executable, *UVICORN, application, "--fd", str(listener.fileno())]
        process = subprocess.Popen(command, env=house.env, cwd=ROOT, pass_fds=[listener.fileno()])
    try:
        # Our socket waits with the request until the server takes it up, or refuses when the server has died.
        first = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            first.request("GET", f"/{0:013}")
            status = first.getresponse().status
        except OSError:
            status = 0
        finally:
            first.close()
        if status != 302:
            raise Stumble(f"{application} does not start: it answers {status}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)
