"""Takes a change that was committed, leaves pokes on the channel layer; and the frames that travel on sockets.

PostgreSQL is the truth. What goes over Redis is ids only ("look at case 7"), never a text, so a lost, doubled or
forged poke costs at most one query: each consumer reads what its own user may see, and sends it as one of the
frames below. Unknown fields are refused in both directions.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any

import msgspec
from channels.layers import get_channel_layer
from django.db import transaction

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds to wait for Redis; a poke that got lost is made good by the clients' resume


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", omit_defaults=False):
    """A JSON object on a socket, told apart by `type`."""


# From a client.


class PostMessage(Frame, frozen=True, tag="post"):
    """Say something in the chat; `client_id` is a UUID of the client's own, so a repeat is harmless.

    `template`: the number of the one that an agent's text began with.
    """

    client_id: str
    text: str
    template: Annotated[int, msgspec.Meta(ge=1, lt=2**31)] | None = None


class Resume(Frame, frozen=True, tag="resume"):
    """Give me what I lack: messages with seq > after. Sent on connect, on a gap and every 15 s."""

    after: int


class ResumeInbox(Frame, frozen=True, tag="resume"):
    """Give me the cases that changed since `after` (ISO 8601, from the last frame's `now`); empty: all that is open."""

    after: str


CaseCommand = PostMessage | Resume

# To a client.


class CaseLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the inbox. Times are ISO 8601; `posts` names the network's ids of posts that joined just now."""

    id: str
    number: int
    handle: str
    name: str
    network: str
    status: str
    move: str  # ours | theirs
    channel: str  # public | dm | secure
    language: str
    topic: str
    preview: str
    agent: str | None
    mine: bool
    waiting_since: str
    changed_at: str
    posts: list[str]


class InboxSnapshot(Frame, frozen=True, tag="inbox"):
    """Everything open that this agent may see, at most 200 lines, most urgent first."""

    cases: list[CaseLine]
    more: bool
    now: str


class InboxChanges(Frame, frozen=True, tag="cases"):
    """Lines that changed since the last frame; a line with status RESOLVED or CLOSED leaves the list."""

    cases: list[CaseLine]
    now: str


class SendingState(Frame, frozen=True, tag="sending"):
    """Whether anything leaves to networks now: `stopped` is the sentence of the banner, empty when all is well."""

    stopped: str


class ChatMessage(Frame, frozen=True, tag="message"):
    """One message, to both sides and to the sender's own tab as well: one way into the page."""

    seq: int
    client_id: str
    side: str  # agent | customer
    name: str
    text: str
    at: str
    masked: bool


class CaughtUp(Frame, frozen=True, tag="caught_up"):
    """The answer to `resume` after its messages: nothing newer than `seq` exists."""

    seq: int
    status: str


class CaseChanged(Frame, frozen=True, tag="case"):
    """The case or its timeline is not what it was; `what` names the change (see conversations.audit)."""

    what: str
    status: str
    agent: str | None


class Problem(Frame, frozen=True, tag="problem"):
    """A refusal in the reader's words; `client_id` names the message it was about, if any."""

    code: str
    message: str
    client_id: str | None = None


encode = msgspec.json.Encoder().encode
decode_case_command = msgspec.json.Decoder(CaseCommand).decode
decode_inbox_command = msgspec.json.Decoder(ResumeInbox).decode


def inbox_group(brand_id: int) -> str:
    """The group of everybody with an open inbox of this brand."""
    return f"inbox.{brand_id}"


def case_group(case_id: int) -> str:
    """The group of everybody with this case open: its agent's tabs and its customer's."""
    return f"case.{case_id}"


def poke_case(case_id: int, what: str) -> None:
    """On commit: those who have the case open look at it again. Called only from the domain."""
    _on_commit(case_group(case_id), {"type": "case.poke", "what": what})


def poke_inbox(brand_id: int, posts: Mapping[int, Sequence[str]]) -> None:
    """On commit: open inboxes look at these cases again, each with the network's ids of posts that joined."""
    cases = {str(case_id): list(ids) for case_id, ids in posts.items()}
    _on_commit(inbox_group(brand_id), {"type": "inbox.poke", "cases": cases})


def poke_brand(brand_id: int) -> None:
    """On commit: open inboxes of the brand show that sending was stopped or resumed."""
    _on_commit(inbox_group(brand_id), {"type": "inbox.sending"})


def _on_commit(group: str, message: dict[str, Any]) -> None:
    def send() -> None:
        layer = get_channel_layer()
        assert layer is not None  # settings name one
        asyncio.run_coroutine_threadsafe(layer.group_send(group, message), _loop()).result(PATIENCE)

    transaction.on_commit(send, robust=True)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One loop of this process for all pokes, because the connection to Redis belongs to a loop: one of their own for
    each poke would connect anew each time."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="pokes", daemon=True).start()
    return loop
