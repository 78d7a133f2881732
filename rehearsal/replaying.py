"""Takes a file of real posts and a running house, leaves one line of JSON: what became of every one of them."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from citisocial.servers import House

from . import counting
from .people import Person, Stumble
from .posting import Progress, Steady, knock, post
from .rows import Row, parents_first
from .scene import AGENT, inbox_socket, sign_in
from .sockets import LOOK_AGAIN, Frame, Socket

Tick = Callable[[int, int], None]
KNOCKS, QUICK = 40, 2.0


class OpenInbox:
    """An agent who has her inbox open all the time, as its page does it: reconnects, and asks for what it lacks.

    `heard` is when a frame first named each post, in seconds since the epoch.
    """

    def __init__(self, house: House) -> None:
        self.heard: dict[str, float] = {}
        self.person = Person("the agent")
        sign_in(self.person, house, AGENT, at="/workspace/")
        self.socket: Socket = inbox_socket(self.person, house, also=self._note)
        self.socket.open()
        self.over = threading.Event()
        self.keeper = threading.Thread(target=self._keep, daemon=True)
        self.keeper.start()

    def close(self) -> None:
        self.over.set()
        self.keeper.join(5)
        self.socket.close()
        self.person.close()

    def _note(self, frame: Frame) -> None:
        arrived = time.time()
        for line in frame.get("cases", []):
            for post_id in line["posts"]:
                self.heard.setdefault(post_id, arrived)
        # What was heard is in `heard`; a replay of thousands of posts would keep every line otherwise.
        del self.socket.frames[:-50]

    def _keep(self) -> None:
        ask_at = time.monotonic() + LOOK_AGAIN
        while not self.over.wait(0.2):
            with suppress(Stumble):
                if self.socket.dropped:
                    self.socket.open()
                elif time.monotonic() > ask_at:
                    self.socket.send(self.socket.resume())
                    ask_at = time.monotonic() + LOOK_AGAIN


def wait_until_listening(house: House, inbox: OpenInbox) -> None:
    """In a house that was started a moment ago: until a post shows in the inbox at once, by the stream."""
    for number in range(1, KNOCKS + 1):
        ident = knock(house.x_url, number)
        deadline = time.monotonic() + QUICK
        while time.monotonic() < deadline:
            if ident in inbox.heard:
                return
            time.sleep(0.05)
    raise Stumble(f"no post has shown in the agent's inbox within {QUICK:.0f} s, and {KNOCKS} were tried")


def wait_until_streaming(house: House) -> None:
    """In a house that was started a moment ago: until the stream itself, not only push or a poll, delivers a post."""
    with counting.opened(house.database_url) as books:
        for number in range(1, KNOCKS + 1):
            ident = knock(house.x_url, number)
            deadline = time.monotonic() + QUICK
            while time.monotonic() < deadline:
                if any("stream" in mention.ways for mention in books.mentions([ident])):
                    return
                time.sleep(0.1)
    raise Stumble(f"the stream has not delivered a post within {QUICK:.0f} s, and {KNOCKS} were tried")


def replay(rows: list[Row], house: House, *, rate: float, fresh: bool, tick: Tick | None = None) -> dict[str, Any]:
    """Post the rows, wait until the system has dealt with all of them, and count.

    `fresh` says that the house was started just now; `tick` hears (posted, all) after each batch.
    """
    ordered = parents_first(rows)
    books = counting.Books(house.database_url)
    inbox = OpenInbox(house)
    try:
        if fresh:
            wait_until_listening(house, inbox)
            counting.wait_until_asked(books)
        began = time.monotonic()
        progress = Progress("posted", len(ordered))

        def told(done: int) -> None:
            progress(done)
            if tick is not None:
                tick(done, len(ordered))

        posted = post(ordered, x_url=house.x_url, due=Steady(rate), told=told)
        ours = books.our_handles()
        addressed = {p.id for p in posted if p.matched or any(name.lower() in ours for name in p.names)}
        ids = sorted(addressed)
        counting.wait_until_dealt(books, ids, Progress("dealt with", len(ids)))
        seconds = time.monotonic() - began
        settled = counting.wait_until_polled(books, ids)
        mentions = books.mentions([p.id for p in posted])
        result = counting.summary(posted, mentions, addressed, dict(inbox.heard))
    finally:
        inbox.close()
        books.close()
    return result | {"polls_settled": settled, "seconds": round(seconds, 1)}


def complaints(result: dict[str, Any]) -> list[str]:
    """What is wrong with a replay's figures, in sentences; empty when they hold."""
    ignored = sum(result["ignored"].values())
    said = []
    if result["posted"] != result["not_addressed"] + result["cased"] + ignored:
        said.append("posted is not the sum of not_addressed, cased and ignored")
    if result["lost"]:
        said.append(f"{result['lost']} posts were addressed to us and never dealt with")
    if result["surplus"]:
        said.append(f"{result['surplus']} posts were taken in although nothing addressed them to us")
    if result["brand_cased"]:
        said.append(f"{result['brand_cased']} posts by banks' own accounts became cases")
    if not result["polls_settled"]:
        said.append("the polled ways did not catch up in time, so seen_again may still grow")
    return said
