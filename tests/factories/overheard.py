"""Takes a browser, leaves its sockets open or refused, and in a test's hand all that is heard over them."""

import contextlib
import json
from uuid import uuid4

from asgiref.sync import sync_to_async

from conversations import chat
from conversations.models import Message
from tests.factories.invited import signed_in
from tests.factories.plugged import socket

WORDS = "my card ends in 4471"
QUIET = 0.4  # seconds in which what is told would have come


def ws(case) -> str:
    return f"/ws/case/{case.public_id}/"


def browser(user):
    return sync_to_async(signed_in)(user)


@contextlib.asynccontextmanager
async def opened(case_or_path, client, **more):
    """A socket that is open, and has caught up where it is a case's."""
    path = case_or_path if isinstance(case_or_path, str) else ws(case_or_path)
    communicator = await socket(path, client, **more)
    assert (await communicator.connect(timeout=10))[0]
    await communicator.send_json_to({"type": "resume", "after": "" if "inbox" in path else 0})
    await until(communicator, "availability" if "inbox" in path else "caught_up")
    try:
        yield communicator
    finally:
        await communicator.disconnect()


async def opens(path, client, protocols=None) -> bool:
    communicator = await socket(path, client, protocols=protocols)
    is_open, _ = await communicator.connect(timeout=10)
    if is_open:
        await communicator.disconnect()
    return bool(is_open)


async def until(communicator, *kinds, within=5):
    while (frame := await communicator.receive_json_from(timeout=within))["type"] not in kinds:
        pass
    return frame


async def closed(communicator) -> int:
    """The code that the server ends it with, within the five seconds that it has."""
    while (event := await communicator.receive_output(timeout=5))["type"] != "websocket.close":
        pass
    return event["code"]


async def said_meanwhile(communicator) -> str:
    """All that comes for a while."""
    got = []
    while not await communicator.receive_nothing(timeout=QUIET):
        event = await communicator.receive_output(timeout=1)
        got.append(json.dumps(event))
        if event["type"] == "websocket.close":
            break
    return "".join(got)


def say(world, author, text=WORDS, case=None) -> Message:
    return chat.post(case or world.case, author=author, client_id=uuid4(), text=text)
