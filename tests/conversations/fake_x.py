"""Takes direct messages and replies as X's API does, leaves them on record; fails in ways an outbox must survive.

A threaded HTTP server on a free port. `mode` says what the next POSTs meet: ok, lost (accepted, then the connection
dies), error (500 after accepting), swallowed (the connection dies and nothing was accepted), forbidden, busy (429);
deaf: reads are answered with 503.
"""

import html
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeX:
    """What was accepted, in order: {"id", "path", "answers", "text", "created_at"}."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.sent: list[dict[str, str]] = []
        self.posts = 0  # requests, accepted or not
        self.reads = 0
        self.url = ""


@contextmanager
def running() -> Iterator[FakeX]:
    """A fake X for the time of a test."""
    fake = FakeX()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            fake.posts += 1
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if fake.mode == "busy":
                return self.answer(429, {"title": "Too Many Requests", "status": 429, "detail": "slow down"})
            if fake.mode == "forbidden":
                detail = "You do not have permission to DM one or more participants."
                return self.answer(403, {"title": "Forbidden", "status": 403, "detail": detail, "type": "about:blank"})
            if fake.mode != "swallowed":
                fake.sent.append(
                    {
                        "id": str(9_000_000 + len(fake.sent)),
                        "path": self.path,
                        "answers": body.get("reply", {}).get("in_reply_to_tweet_id", ""),
                        "text": body["text"],
                        "created_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                    }
                )
            if fake.mode in {"lost", "swallowed"}:
                return self.connection.close()
            if fake.mode == "error":
                return self.answer(503, {"title": "Service Unavailable", "status": 503})
            newest = fake.sent[-1]["id"]
            if self.path == "/2/tweets":
                return self.answer(201, {"data": {"id": newest, "text": body["text"]}})
            return self.answer(201, {"data": {"dm_event_id": newest, "dm_conversation_id": "1-2"}})

        def do_GET(self) -> None:
            """Read-back, newest first: a conversation's messages, links expanded as X does, or a search's replies."""
            fake.reads += 1
            if fake.mode == "deaf":
                return self.answer(503, {"title": "Service Unavailable", "status": 503})
            path = self.path.split("?")[0]
            conversation = path.replace("/dm_events", "/messages")
            posts = path == "/2/tweets/search/recent"
            found = [self.post(one) if posts else self.event(one) for one in reversed(fake.sent)
                     if one["path"] == ("/2/tweets" if posts else conversation)]  # fmt: skip
            return self.answer(200, {"data": found, "meta": {"result_count": len(found)}})

        def event(self, sent: dict[str, str]) -> dict[str, Any]:
            links = [{"url": w, "expanded_url": w} for w in sent["text"].split() if w.startswith("http")]
            known = {name: sent[name] for name in ("id", "text", "created_at")}
            return known | {"event_type": "MessageCreate", "sender_id": "1001", "entities": {"urls": links}}

        def post(self, sent: dict[str, str]) -> dict[str, Any]:
            known = {name: sent[name] for name in ("id", "created_at")}
            # As X does: the name of who is answered before the text, and three signs escaped.
            text = "@maria_m " + html.escape(sent["text"], quote=False)
            answers = [{"type": "replied_to", "id": sent["answers"]}]
            return known | {"text": text, "author_id": "1001", "referenced_tweets": answers}

        def answer(self, status: int, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("x-rate-limit-limit", "15")
            self.send_header("x-rate-limit-remaining", "0" if status == 429 else "14")
            self.send_header("x-rate-limit-reset", str(int(time.time()) + 300))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
