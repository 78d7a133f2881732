"""Who may say and hear what on a socket: every frame class against every role. A frame without a row here fails.

One letter for each role of `authorising.ROLES`, as in test_authorisation.py: y it takes effect or arrives, n it does
not: the handshake is refused, or the frame changes nothing and tells nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, get_args
from uuid import uuid4

import msgspec
import pytest
from asgiref.sync import sync_to_async
from django.urls import reverse

from conversations import events, marks, notes
from conversations.models import Mark, Message
from conversations.realtime import frames
from tests.architecture.authorising import ROLES, Scene, scene
from tests.factories.plugged import socket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]

#               anonymous, customer, eve, agent, colleague, outsider, supervisor
IN = "nynyyny"  # who sees the case at all
TALK = "nynynnn"  # the two who talk
SAID_TO_CASE = {
    "post": TALK,
    "resume": IN,
    "edit": "nynnnnn",  # of a line of the customer's
    "remove": "nynnnnn",
    "seen": TALK,
    "typing": TALK,
    "looking": "nnnyynn",
}
SAID_TO_INBOX = {"resume": "nnnyyyn", "alive": "nnnyyyn"}
HEARD = {
    "message": IN,
    "caught_up": IN,
    "case": IN,
    "marks": IN,
    "typing": IN,
    "here": "nnnyyny",  # what colleagues do
    "note": "nnnyyny",
    "problem": IN,
    # In the inbox, whose rows are the agent's own banks' cases: tests/conversations/test_sockets.py.
    "inbox": "nnnyyyn",
    "cases": "nnnyyyn",
    "sending": "nnnyyyn",
    "availability": "nnnyyyn",
}
PATIENCE = 1.5


def tag(frame: type[msgspec.Struct]) -> str:
    return str(frame.__struct_config__.tag)


def test_every_frame_has_a_row():
    commands = {*get_args(frames.CaseCommand), *get_args(frames.InboxCommand)}
    assert {tag(one) for one in get_args(frames.CaseCommand)} == set(SAID_TO_CASE)
    assert {tag(one) for one in get_args(frames.InboxCommand)} == set(SAID_TO_INBOX)
    every = {one for one in frames.Frame.__subclasses__() if one not in commands}
    assert {tag(one) for one in every} == set(HEARD)


class Ear:
    """An open socket that has said where it stands, and everything it heard since."""

    def __init__(self, communicator: Any) -> None:
        self.communicator = communicator
        self.heard: list[dict[str, Any]] = []
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while (event := await self.communicator.output_queue.get())["type"] == "websocket.send":
            self.heard.append(msgspec.json.decode(event["text"]))

    async def hears(self, kind: str, like: Callable[[dict[str, Any]], bool] = lambda _: True) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                while not any(frame["type"] == kind and like(frame) for frame in self.heard):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return False
        return True

    async def shut(self) -> None:
        self.task.cancel()
        await self.communicator.disconnect()


async def opened(s: Scene, role: str, path: str) -> Ear | None:
    """Their socket, if the handshake lets them in. A supervisor opens the page first, as everybody who listens."""
    browser = await sync_to_async(s.browser)(role)
    if role == "supervisor":
        await sync_to_async(browser.get)(reverse("listen", kwargs={"case_id": s.case.public_id}))
    communicator = await socket(path, browser if s.people[role] else None)
    if not (await communicator.connect())[0]:
        return None
    ear = Ear(communicator)
    await communicator.send_json_to({"type": "resume", "after": 0 if "case" in path else ""})
    assert await ear.hears("caught_up" if "case" in path else "sending")
    return ear


@pytest.fixture
def s(settings, tmp_path):
    settings.ATTACHMENTS = str(tmp_path)
    return scene()


def case_path(s: Scene) -> str:
    return f"/ws/case/{s.case.public_id}/"


async def takes_effect(s: Scene, kind: str, role: str, mine: Ear, others: Ear) -> bool:
    """Says it, and looks in the table or with somebody else whether anything came of it."""
    key = uuid4()
    said: dict[str, dict[str, Any]] = {
        "post": {"client_id": str(key), "text": "hello"},
        "resume": {"after": 0},
        "edit": {"client_id": str(key), "seq": s.values["seq"], "text": "otherwise"},
        "remove": {"client_id": str(key), "seq": s.values["seq"]},
        "seen": {"delivered": 1, "read": 1},
        "typing": {"on": True},
        "looking": {"what": "replying"},
    }
    mine.heard.clear()
    others.heard.clear()
    await mine.communicator.send_json_to({"type": kind} | said[kind])
    if kind in ("post", "edit", "remove"):
        answered = await mine.hears("message", lambda f: f["client_id"] == str(key)) or await mine.hears("problem")
        assert answered
        return await Message.objects.filter(case=s.case, client_id=key).aexists()
    if kind == "resume":
        return await mine.hears("caught_up")
    if kind == "seen":
        await asyncio.sleep(marks.FLUSH + 0.3)
        return await Mark.objects.filter(case=s.case, read=1).aexists()
    return await others.hears("typing" if kind == "typing" else "here")


@pytest.mark.parametrize("kind", SAID_TO_CASE)
async def test_what_is_said_to_a_case(s, kind):
    found = ""
    for role in ROLES:
        mine = await opened(s, role, case_path(s))
        others = await opened(s, "colleague" if role != "colleague" else "agent", case_path(s))
        assert others is not None
        done = mine is not None and await takes_effect(s, kind, role, mine, others)
        found += "y" if done else "n"
        await asyncio.gather(*(ear.shut() for ear in (mine, others) if ear))
        await Mark.objects.all().adelete()
    assert found == SAID_TO_CASE[kind]


async def test_what_is_said_to_an_inbox(s):
    found = {}
    for kind, body in {"resume": {"after": ""}, "alive": {"active": False}}.items():
        letters = ""
        for role in ROLES:
            ear = await opened(s, role, "/ws/inbox/")
            letters += "n" if ear is None else "y"
            if ear is not None:
                ear.heard.clear()
                await ear.communicator.send_json_to({"type": kind} | body)
                assert await ear.hears("inbox" if kind == "resume" else "availability")
                await ear.shut()
        found[kind] = letters
    assert found == SAID_TO_INBOX


async def test_who_hears_what_of_a_case(s):
    ears = {role: await opened(s, role, case_path(s)) for role in ROLES}
    talker = await opened(s, "agent", case_path(s))
    writer = await opened(s, "customer", case_path(s))
    for ear in ears.values():
        if ear:
            ear.heard.clear()

    def change() -> None:
        events.poke_case(s.case.pk, "noted")
        notes.add(s.case, by=s.world.maya, text="between us")

    await talker.communicator.send_json_to({"type": "looking", "what": "replying"})
    await writer.communicator.send_json_to({"type": "typing", "on": True})
    await talker.communicator.send_json_to({"type": "typing", "on": True})
    await talker.communicator.send_json_to({"type": "seen", "delivered": 1, "read": 1})
    await talker.communicator.send_json_to({"type": "post", "client_id": str(uuid4()), "text": "hello"})
    await sync_to_async(change)()
    found = dict.fromkeys(HEARD, "")
    for role in ROLES:
        ear = ears[role]
        for kind in HEARD:
            found[kind] += "y" if ear and await heard_or_provoked(ear, kind) else "n"
    of_case = ("message", "caught_up", "case", "marks", "typing", "here", "note", "problem")
    # One's own other tab is not told of oneself: the agent's colleague is who hears that the agent replies.
    found["here"] = found["here"][:3] + "y" + found["here"][4:] if found["here"][4] == "y" else found["here"]
    assert {kind: found[kind] for kind in of_case} == {kind: HEARD[kind] for kind in of_case}
    customer = ears["customer"]
    assert all("between us" not in str(frame) for frame in customer.heard)
    await asyncio.gather(*(ear.shut() for ear in (*ears.values(), talker, writer) if ear))


async def heard_or_provoked(ear: Ear, kind: str) -> Awaitable[bool] | bool:
    if kind in ("caught_up", "problem"):
        said = {"type": "resume", "after": 0} if kind == "caught_up" else {"type": "shout"}
        await ear.communicator.send_json_to(said)
    if kind in ("inbox", "cases", "sending", "availability"):
        return any(frame["type"] == kind for frame in ear.heard)
    return await ear.hears(kind)
