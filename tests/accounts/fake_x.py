"""Takes OAuth and profile requests over a real socket, leaves what a test wants X to answer, and remembers all.

A test replaces `token`, `profile` or `revocation` by a function of the request.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What goes back; a body that is not bytes is sent as JSON."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    body: object = b""


Behaviour = Callable[[Request], Answer]


class FakeX(ThreadingHTTPServer):
    """An X with one person behind it. A code is single use and bound to its challenge."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.seen: list[Request] = []
        self.codes: dict[str, str] = {}
        self.live_tokens: set[str] = set()
        self.token: Behaviour = self.exchange
        self.profile: Behaviour = self.whoami
        self.revocation: Behaviour = self.forget
        self.person = {"id": "1900000000000000001", "name": "Maria M", "username": "maria_m"}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def paths(self) -> list[str]:
        """What was asked so far."""
        return [request.path for request in self.seen]

    def code_for(self, challenge: str) -> str:
        """As the consent page would: a code that only the challenge's verifier can redeem."""
        code = f"code-{len(self.codes)}"
        self.codes[code] = challenge
        return code

    def exchange(self, request: Request) -> Answer:
        """X's own behaviour at the token endpoint, PKCE included."""
        challenge = self.codes.pop(request.form.get("code", ""), None)
        digest = hashlib.sha256(request.form.get("code_verifier", "").encode()).digest()
        if challenge is None or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
            return Answer(400, body={"error": "invalid_request"})
        token = f"token-{len(self.seen)}"
        self.live_tokens.add(token)
        return Answer(body={"token_type": "bearer", "expires_in": 7200, "access_token": token})

    def whoami(self, request: Request) -> Answer:
        """X's own behaviour at users/me."""
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.live_tokens:
            return Answer(401, body={"title": "Unauthorized"})
        return Answer(body={"data": self.person})

    def forget(self, request: Request) -> Answer:
        """X's own behaviour at revoke."""
        self.live_tokens.discard(request.form.get("token", ""))
        return Answer(body={"revoked": True})

    def reply_to(self, request: Request) -> Answer:
        """One request."""
        self.seen.append(request)
        doors = {
            "/2/oauth2/token": self.token,
            "/2/users/me": self.profile,
            "/2/oauth2/revoke": self.revocation,
        }
        return doors.get(request.path, elsewhere)(request)


def elsewhere(request: Request) -> Answer:
    """Where a redirect would lead: looks like a token answer and like a profile, to whoever believes it."""
    eve = {"id": "666", "name": "Eve", "username": "eve"}
    return Answer(body={"data": eve, "access_token": "stolen", "token_type": "bearer"})


class Door(BaseHTTPRequestHandler):
    """One connection."""

    server: FakeX
    protocol_version = "HTTP/1.1"

    def respond(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        request = Request(
            method=self.command,
            path=parts.path,
            query={name: values[0] for name, values in parse_qs(parts.query).items()},
            form={name: values[0] for name, values in parse_qs(body).items()},
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        answer = self.server.reply_to(request)
        sent = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = respond

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def fake_x() -> Iterator[FakeX]:
    """A running fake X on a free port."""
    server = FakeX()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
