"""Takes a sandbox, leaves people talking to the bank all the time: posts by handle and by keyword, and messages.

Beside a replay it sees to it that every way in has something to deliver while a fault lasts.
"""

import threading
from typing import Any

import httpx

from .people import Stumble

EVERY = 0.8  # seconds between two posts
MESSAGE_EVERY = 8  # posts
HANDLE = "AskCiti"


class Chatter(threading.Thread):
    """Posts and writes until it is told to stop. `posts` and `messages` are the ids of what was said."""

    def __init__(self, x_url: str) -> None:
        super().__init__(daemon=True)
        self.client = httpx.Client(base_url=x_url, timeout=30, trust_env=False)
        self.over = threading.Event()
        self.posts: list[str] = []
        self.messages: list[str] = []
        self.error: Exception | None = None

    def stop(self) -> None:
        """Once everything that was begun is said."""
        self.over.set()
        if self.is_alive():
            self.join(30)
        self.client.close()

    def run(self) -> None:
        number = 0
        try:
            while not self.over.wait(EVERY):
                number += 1
                self.posts.append(self._post(number))
                if number % MESSAGE_EVERY == 0:
                    self.messages.append(self._message(number))
        except Exception as error:  # said by whoever started this thread
            self.error = error

    def _post(self, number: int) -> str:
        text = f"@{HANDLE} my card was declined, no {number}. Can you help?"
        if number % 2:
            text = f"citibank has declined my card for the {number}th time, who can help"
        draft = {"author": f"talker_{number}", "text": text, "key": str(number)}
        return str(self._call("/_sandbox/posts", {"posts": [draft]})["posts"][0]["id"])

    def _message(self, number: int) -> str:
        body = {"from": f"talker_{number}", "to": HANDLE, "text": f"Hello, this is about my card, no {number}."}
        return str(self._call("/_sandbox/dms", body)["id"])

    def _call(self, path: str, body: object) -> dict[str, Any]:
        try:
            answer = self.client.post(path, json=body)
        except httpx.HTTPError as error:
            raise Stumble(f"the sandbox does not take {path}: {type(error).__name__}") from error
        if not answer.is_success:
            raise Stumble(f"the sandbox refused {path}: {answer.status_code} {answer.text[:200]}")
        said: dict[str, Any] = answer.json()
        return said
