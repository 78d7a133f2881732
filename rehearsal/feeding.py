"""Takes a number of events, leaves a local HTTP server that streams them as X does, each time with ids of its own.

For measuring how fast the listener is: one event in a hundred is for us. A process of its own (`python -m
rehearsal.feeding`), so that making and sending costs the measured one nothing; it prints its port. Of each connection
to the stream it sends one post at once, and the rest as soon as `/go` was asked for.
"""

import json
import random
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BRANDS = ("citi", "citibank", "citigroup")
_THINGS = """
account alert app atm balance bank branch branches bonus calls card cards cash check checking chat chip
contract credit customer debit deposit deposits dispute email enrollment fee fees fraud gold help hold
hotline interest limit loan login logo mobile mortgage name number offer online password pay payment points
priority rate refund rewards savings service site statement support transfer visa website wire
"""
THINGS = _THINGS.split()
ALONE = (
    "citibank",
    "citicard",
    "citicards",
    "citigold",
    "citiprivate",
    "@askciti",
    "@citi",
    "@citibank",
    "#citi",
    "#citibank",
    "#citicard",
    "$c",
    "citibike card",
    "tarjeta citi",
    "my citi",
    "banco citi",
    "citi en español",
)
TERMS = [*ALONE, *(f"{brand} {thing}" for brand in BRANDS for thing in THINGS)][:197]

ONE_IN = 100
TWICE = 20  # of those for us, one in so many comes twice
_WORDS = """
the of to and a in is it you that was for on are with as his they at be this have from or had by hot word
but what some we can out other were all there when up use your how said an each she which do their time if
will way about many then them write would like so these her long make thing see him two has look more day
could go come did number sound no most people my over know water than call first who may down side been now
find any new work part take get place made live where after back little only round man year came show every
good me give our under name very through just form sentence great think say help low line differ turn cause
much mean before move right boy old too same tell does set three want air well also play small end put home
read hand port large spell add even land here
"""
WORDS = _WORDS.split()
START_ID = 2_000_000_000_000_000_000


def text(chance: random.Random, ours: bool) -> str:
    """About 87 characters, the mean of real posts."""
    words = [chance.choice(WORDS) for _ in range(chance.randint(12, 24))]
    if ours:
        words[chance.randrange(len(words))] = chance.choice(TERMS)
    return " ".join(words)


def event(chance: random.Random, external_id: int, ours: bool) -> dict[str, Any]:
    """About 2 kB, most of which nobody needs, as in X's answers."""
    author = str(10_000_000 + chance.randrange(5_000_000))
    said = text(chance, ours)
    bio = " ".join(chance.choice(WORDS) for _ in range(28))
    picture = f"https://pbs.twimg.com/profile_images/{external_id}/{'x' * 22}_normal.jpg"
    return {
        "data": {
            "attachments": {},
            "author_id": author,
            "context_annotations": [
                {
                    "domain": {
                        "id": str(n),
                        "name": "Unified Twitter Taxonomy",
                        "description": "A taxonomy of interests",
                    },
                    "entity": {"id": str(847_900_493_514_891_265 + n), "name": chance.choice(WORDS).title()},
                }
                for n in range(3)
            ],
            "conversation_id": str(external_id),
            "created_at": "2026-11-22T09:00:00.000Z",
            "edit_history_tweet_ids": [str(external_id)],
            "entities": {
                "annotations": [
                    {"start": 0, "end": 4, "probability": 0.61, "type": "Other", "normalized_text": said[:5]}
                ],
                "hashtags": [],
                "urls": [],
            },
            "id": str(external_id),
            "lang": "en",
            "possibly_sensitive": False,
            "public_metrics": {
                "retweet_count": 0,
                "reply_count": 1,
                "like_count": 12,
                "quote_count": 0,
                "bookmark_count": 0,
                "impression_count": 1234,
            },
            "reply_settings": "everyone",
            "source": "X for iPhone",
            "text": said,
        },
        "includes": {
            "users": [
                {
                    "created_at": "2014-03-01T12:00:00.000Z",
                    "description": bio,
                    "id": author,
                    "location": "New York, NY",
                    "name": f"Person {author}",
                    "profile_banner_url": f"{picture}/1500x500",
                    "profile_image_url": picture,
                    "protected": False,
                    "url": "https://t.co/abcdefghij",
                    "username": f"person_{author}"[:15],
                    "public_metrics": {
                        "followers_count": 512,
                        "following_count": 301,
                        "tweet_count": 20_114,
                        "listed_count": 9,
                        "like_count": 3_141,
                        "media_count": 77,
                    },
                    "verified": False,
                    "verified_type": "none",
                }
            ]
        },
    }


def line(chance: random.Random, external_id: int, ours: bool) -> bytes:
    return json.dumps(event(chance, external_id, ours), separators=(",", ":")).encode() + b"\r\n"


def load(number: int, first_id: int, seed: int) -> bytes:
    """So many events, and a last one for us."""
    chance = random.Random(seed)
    lines = []
    for n in range(number):
        ours = n % ONE_IN == 0
        lines.append(line(chance, first_id + n, ours))
        if ours and n // ONE_IN % TWICE == 0:
            lines.append(lines[-1])
    lines.append(line(chance, first_id + number, True))
    return b"".join(lines)


class Feeder(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, events: int) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.events = events
        self.rounds = 0
        self.go = threading.Event()


class Door(BaseHTTPRequestHandler):
    server: Feeder

    def do_GET(self) -> None:
        path, asked = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/go":
            self.server.go.set()
        if path != "/2/tweets/search/stream":
            return self.say({"data": [], "meta": {}})
        server = self.server
        server.rounds += 1
        first = START_ID + server.rounds * 10_000_000
        number = int(asked.get("events", [str(server.events)])[0])
        payload = load(number, first, server.rounds)
        server.go.clear()
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(line(random.Random(0), first - 1, True))
        server.go.wait(60)
        self.wfile.write(payload)
        try:
            while True:  # until the reader goes
                self.wfile.write(b"\r\n")
                self.connection.settimeout(1)
                try:
                    if not self.connection.recv(1):
                        return None
                except TimeoutError:
                    pass
        except OSError:
            return None

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.say({"meta": {"summary": {"created": 0, "not_created": 0, "valid": 0, "invalid": 0}}})

    def say(self, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def main() -> None:
    feeder = Feeder(int(sys.argv[1]))
    feeder.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    print(json.dumps({"port": feeder.server_port, "terms": TERMS}), flush=True)
    threading.Thread(target=feeder.serve_forever, daemon=True).start()
    sys.stdin.read()  # whoever started us holds the other end


if __name__ == "__main__":
    main()
