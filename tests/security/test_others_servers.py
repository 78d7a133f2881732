"""What went wrong in the servers and libraries under a chat: tried on the real ones, with the flags that we start."""

import base64
import contextlib
import importlib.metadata
import importlib.util
import os
import re
import socket
import subprocess
import sys
import time

import pytest
from django.conf import settings
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from citisocial import celery, opening
from tests.security import advisories

ECHO = "tests.security.echo:application"
SERVERS = {
    "uvicorn": ["-m", "uvicorn", "--log-level", "error", *opening.FRAMES.split(), ECHO, "--port"],
    "daphne": ["-m", "daphne", "-b", "127.0.0.1", "-v", "0", ECHO, "-p"],
}
BREAKS = {
    "VT": b"\x0b",
    "FF": b"\x0c",
    "FS": b"\x1c",
    "GS": b"\x1d",
    "RS": b"\x1e",
    "NEL": b"\x85",
    "CR": b"\r",
    "NUL": b"\0",
}
# With the corrections of what is in the table, and of Django's own until then.
FLOORS = {"Django": "5.2.19", "channels": "4.3", "daphne": "4.2.2", "django-allauth": "65.19.4", "celery": "5.2.2"}


@pytest.fixture(scope="module", params=SERVERS)
def port(request):
    """A real server of that name with nothing behind it but an echo."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "citisocial.settings", "SECRET_KEY": "x" * 40, "DEMO": "1"}
    command = [sys.executable, *SERVERS[request.param], str(number)]
    server = subprocess.Popen(command, cwd=advisories.ROOT, env=environment)
    try:
        for _try in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", number)) == 0:
                    break
            time.sleep(0.1)
        else:
            pytest.fail(f"{request.param} did not start")
        yield number
    finally:
        server.terminate()
        server.wait(20)


def handshake(port: int, *more: bytes) -> bytes:
    """All that the server says to an opening with these further lines."""
    key = base64.b64encode(os.urandom(16))
    lines = [
        b"GET / HTTP/1.1",
        b"Host: localhost",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + key,
        b"Origin: http://localhost",
        *more,
    ]
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as line:
        line.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        try:
            while b"]]" not in said and (piece := line.recv(65536)):
                said += piece
        except TimeoutError:
            pass
    return said


@pytest.mark.parametrize("name", BREAKS)
def test_daphne_cve_2026_44546_no_byte_makes_another_header(port, name):
    """A byte that some call a line break, in a header of the handshake, became a header of the sender's choice."""
    assert b'"x-plain", "yes"' in handshake(port, b"X-Plain: yes"), "the echo works"
    for line in (b"X-Probe: a" + BREAKS[name] + b"X-Forwarded-For: 6.6.6.6", b"X-Probe" + BREAKS[name] + b"X: 1"):
        said = handshake(port, line)
        assert b'["x-forwarded-for"' not in said.lower(), said
        assert b'["x", "1"]' not in said.lower(), said


def test_daphne_cve_2026_44545_a_frame_too_big_ends_the_socket(port):
    """A frame of any size was collected in memory."""
    with connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
        client.recv(timeout=5)
        client.send("x" * 1000)
        assert client.recv(timeout=5) == "1000"
        with contextlib.suppress(ConnectionClosed):  # it may go while we still send
            client.send("x" * (2**20 + 1))
        with pytest.raises(ConnectionClosed) as ended:
            client.recv(timeout=10)
    assert ended.value.rcvd is None or ended.value.rcvd.code == 1009


def test_autobahn_cve_2026_116579_nothing_compressed_is_taken(port):
    """A few bytes of a compressed frame became gigabytes: no server of ours agrees to compression."""
    offers = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, permessage-brotli"
    head = handshake(port, offers).partition(b"\r\n\r\n")[0]
    assert b" 101 " in head.splitlines()[0]
    assert b"sec-websocket-extensions" not in head.lower()
    assert not [one for one in ("brotli", "brotlicffi", "snappy") if importlib.util.find_spec(one)]
    lock = (advisories.ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"^(brotli|python-snappy|wsaccel|wbits)", lock, re.MULTILINE | re.IGNORECASE)


def test_celery_cve_2021_23727_there_is_no_result_back_end():
    """What stood in the result back end was made into Python again, and run."""
    assert type(celery.app.backend).__name__ == "DisabledBackend"
    assert settings.CELERY_TASK_IGNORE_RESULT
    assert list(celery.app.conf.accept_content) == [celery.app.conf.task_serializer] == ["json"]


@pytest.mark.parametrize("name", FLOORS)
def test_what_is_installed_has_the_corrections(name):
    assert numbers(importlib.metadata.version(name)) >= numbers(FLOORS[name])


def numbers(version: str) -> list[int]:
    return [int(piece) for piece in re.findall(r"\d+", version)][:3]


# The table itself.


def test_every_advisory_has_tests_and_they_are_there():
    assert [(one.name, node) for one in advisories.ADVISORIES for node in one.tests if advisories.missing(node)] == []
    assert [one.name for one in advisories.ADVISORIES if not one.tests] == []
    assert advisories.missing(f"{advisories.HERE}::test_that_nobody_wrote")
    assert advisories.missing("tests/security/nowhere.py::test_it")


def test_every_test_of_others_bugs_is_in_the_table():
    listed = {node for one in advisories.ADVISORIES for node in one.tests}
    for path in (advisories.HERE, advisories.SERVERS):
        source = (advisories.ROOT / path).read_text(encoding="utf-8")
        named = re.findall(r"^(?:async )?def (test_\w+_(?:cve|ghsa|livechat)_\w+)", source, re.MULTILINE)
        assert named
        assert [name for name in named if f"{path}::{name}" not in listed] == []


def test_the_page_says_what_the_table_says():
    assert advisories.DOCUMENT.read_text(encoding="utf-8") == advisories.document(), advisories.__doc__
