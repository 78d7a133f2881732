"""Takes the run's PostgreSQL, leaves a real sandbox process on a free port, and browsers and apps for it."""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BEARER = "test-bearer"
CLIENT = ("test-client", "test-secret")
CONSUMER_SECRET = "test-consumer-secret"
REDIRECT = "http://localhost:9/x/callback"
KEEPALIVE = 0.5
EVERYTHING = ["tweet.read", "tweet.write", "users.read", "dm.read", "dm.write", "offline.access"]


@dataclass
class Sandbox:
    """A running sandbox: `app` calls as the developer's app, `user(handle)` with a person's token, `control` orders."""

    url: str
    app: httpx.Client
    anonymous: httpx.Client
    closing: ExitStack

    def user(self, handle: str, scopes: list[str] | None = None) -> httpx.Client:
        """A client with a fresh token of this person."""
        answer = self.control("tokens", handle=handle, scopes=EVERYTHING if scopes is None else scopes)
        return self.client({"Authorization": f"Bearer {answer['access_token']}"})

    def control(self, order: str, **body: Any) -> Any:
        """An order to the control door."""
        answer = self.anonymous.post(f"/_sandbox/{order}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def people(self, **accepts_dm: bool) -> dict[str, str]:
        """Make people; returns their ids by handle."""
        profiles = [{"handle": handle, "name": handle.title(), "accepts_dm": dm} for handle, dm in accepts_dm.items()]
        return {person["handle"]: person["id"] for person in self.control("people", people=profiles)["people"]}

    def bill(self, day: str = "") -> dict[str, int]:
        """What X charges: units by resource."""
        told = self.anonymous.get("/_sandbox/bill", params={"day": day} if day else {}).json()
        assert told["micros"] == sum(line["micros"] for line in told["lines"])
        units: dict[str, int] = {}
        for line in told["lines"]:
            units[line["resource"]] = units.get(line["resource"], 0) + line["units"]
        return units

    def tweet(self, author: str, text: str, **more: Any) -> dict[str, Any]:
        """One post through the control door; returns what it says about it."""
        posts = self.control("posts", posts=[{"author": author, "text": text, **more}])["posts"]
        return dict(posts[0])

    def control_dms(self, handle: str) -> list[dict[str, str]]:
        """A person's messages, newest first."""
        return list(self.anonymous.get("/_sandbox/dms", params={"handle": handle}).json()["dms"])

    def rule(self, value: str, tag: str = "") -> httpx.Response:
        """Add a stream rule."""
        return self.app.post("/2/tweets/search/stream/rules", json={"add": [{"value": value, "tag": tag}]})

    def client(self, headers: dict[str, str] | None = None) -> httpx.Client:
        """A client that follows nothing by itself; closed when the test ends."""
        return self.closing.enter_context(httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False))


class Browser:
    """A person's browser: keeps cookies, fills the forms that are on the page, sends their CSRF tokens."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.http = sandbox.client()
        self.page = httpx.Response(200)

    def get(self, path: str) -> str:
        """Open a page and follow redirects."""
        self.page = self.http.get(path, follow_redirects=True)
        return self.page.text

    def press(self, action: str, *, follow: bool = True, **fields: str) -> httpx.Response:
        """Send the page's form with this action, as it stands but for these fields."""
        forms = re.findall(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', self.page.text, re.DOTALL)
        found = [(where, form) for where, form in forms if where.split("?")[0] == action]
        assert found, f"there is no form for {action} on the page"
        where, form = found[0]
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
        self.page = self.http.post(
            where.replace("&amp;", "&"),
            data=hidden | fields,
            headers={"Origin": str(self.http.base_url).rstrip("/")},
            follow_redirects=follow,
        )
        return self.page

    def become(self, handle: str) -> "Browser":
        """Act as somebody (else)."""
        if 'action="/logout"' in self.get("/"):
            self.press("/logout")
        self.press("/login", handle=handle)
        return self


@dataclass
class Consent:
    """An app's authorization request, with its verifier kept."""

    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = "a-state"
    scope: str = "users.read tweet.read"

    def query(self, **changes: str | None) -> str:
        """The authorize URL; a change to None leaves the parameter out."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query: dict[str, str | None] = {
            "response_type": "code",
            "client_id": CLIENT[0],
            "redirect_uri": REDIRECT,
            "scope": self.scope,
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        query |= changes
        kept = {name: value for name, value in query.items() if value is not None}
        return "/i/oauth2/authorize?" + str(httpx.QueryParams(kept))

    def exchange(self, sandbox: Sandbox, code: str, **changes: str) -> httpx.Response:
        """Ask for the tokens."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": self.verifier,
        }
        return sandbox.anonymous.post("/2/oauth2/token", data=form | changes, auth=CLIENT)


def code_of(response: httpx.Response) -> dict[str, str]:
    """The parameters of the redirect back to the app."""
    assert response.status_code == 302, response.text
    location = response.headers["location"]
    assert location.startswith(REDIRECT + "?")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Process:
    """A sandbox process that can be killed and started again on the same database."""

    database_url: str
    port: int
    log: Path
    child: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What the process is told."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "SANDBOX_"))},
            **{name: value for name, value in os.environ.items() if name.startswith("SANDBOX_OPENAPI")},
            "SANDBOX_DATABASE_URL": self.database_url,
            "SANDBOX_URL": f"http://localhost:{self.port}",
            "SANDBOX_SECRET_KEY": "a key for tests, which protects nothing",
            "SANDBOX_BEARER_TOKEN": BEARER,
            "SANDBOX_CLIENT_ID": CLIENT[0],
            "SANDBOX_CLIENT_SECRET": CLIENT[1],
            "SANDBOX_REDIRECT_URIS": f"http://elsewhere.test/callback,{REDIRECT}",
            "SANDBOX_KEEPALIVE_SECONDS": str(KEEPALIVE),
            "SANDBOX_CONSUMER_SECRET": CONSUMER_SECRET,
            "SANDBOX_WEBHOOK_LOCAL": "1",
            "SANDBOX_WEBHOOK_RETRY_SECONDS": "0.02",
        }

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [sys.executable, "-m", "uvicorn", "sandbox.asgi:application", "--host", "127.0.0.1"]
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                [*command, "--port", str(self.port), "--no-access-log", "--no-date-header"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.child.poll() is None:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/healthz", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        self.stop(kill=True)
        raise AssertionError(f"the sandbox did not start:\n{self.log.read_text()}")

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, or kill it."""
        assert self.child is not None
        if kill:
            self.child.kill()
        else:
            self.child.terminate()
        try:
            self.child.wait(timeout=10)
        except subprocess.TimeoutExpired:  # an open stream holds a polite stop up
            self.child.kill()
            self.child.wait(timeout=10)


@pytest.fixture(scope="session")
def process(make_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    running = Process(make_database("sandbox"), free_port(), tmp_path_factory.mktemp("sandbox") / "sandbox.log")
    migrated = subprocess.run(
        [sys.executable, "-m", "sandbox", "migrate", "--no-input"],
        cwd=ROOT,
        env=running.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    running.start()
    yield running
    running.stop()


@pytest.fixture
def sandbox(process: Process) -> Iterator[Sandbox]:
    """The sandbox, with nobody and nothing in it."""
    url = f"http://localhost:{process.port}"
    with ExitStack() as closing:
        app, anonymous = (
            closing.enter_context(httpx.Client(base_url=url, headers=headers, timeout=20, trust_env=False))
            for headers in ({"Authorization": f"Bearer {BEARER}"}, {})
        )
        running = Sandbox(url, app, anonymous, closing)
        running.control("reset")
        yield running


@dataclass
class Receiver:
    """A webhook of the app's: proves itself when asked (unless told not to), keeps what it is sent.

    `statuses` are what the next deliveries are answered with; 200 when there is nothing more.
    """

    url: str = ""
    honest: bool = True
    statuses: list[int] = field(default_factory=list)
    asked: int = 0
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def token(self, content: bytes) -> str:
        """The signature that content must bear."""
        digest = hmac.new(CONSUMER_SECRET.encode(), content, hashlib.sha256).digest()
        return "sha256=" + base64.b64encode(digest).decode()

    def wait(self, count: int, seconds: float = 5) -> list[dict[str, Any]]:
        """The events, once so many deliveries came."""
        deadline = time.monotonic() + seconds
        while len(self.bodies) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.bodies) == count, f"{len(self.bodies)} deliveries instead of {count}"
        return [json.loads(body)["data"] for body in self.bodies]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook that listens; nobody was told of it yet."""
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            told.asked += 1
            token = parse_qs(urlsplit(self.path).query)["crc_token"][0]
            answer = told.token(token.encode()) if told.honest else "sha256=" + token
            self.reply(200, json.dumps({"response_token": answer}).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.headers.append({name.lower(): value for name, value in self.headers.items()})
            told.bodies.append(body)
            self.reply(told.statuses.pop(0) if told.statuses else 200, b"")

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        told.url = f"http://127.0.0.1:{server.server_address[1]}/hooks/x/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield told
        server.shutdown()
        thread.join()


@pytest.fixture
def browser(sandbox: Sandbox) -> Browser:
    """Somebody's browser, signed in as nobody."""
    return Browser(sandbox)


@pytest.fixture
def make_old(process: Process) -> Callable[[str], None]:
    """make_old(sql): move something in the sandbox's database into the past."""

    def run(statement: str) -> None:
        with psycopg.connect(process.database_url, autocommit=True) as connection:
            connection.execute(statement.encode())

    return run
