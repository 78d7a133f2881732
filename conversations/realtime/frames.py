"""The frames that travel on sockets, each a typed class that refuses what it does not know; in both directions."""

from typing import Annotated, Literal

import msgspec


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", omit_defaults=False):
    """A JSON object on a socket, told apart by `type`."""


Seq = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]

# From a client.


class PostMessage(Frame, frozen=True, tag="post"):
    """Say something in the chat; `client_id` is a UUID of the client's own, so a repeat is harmless.

    `seen`: the last seq that the writer had before them. When somebody else has said something since, nothing is
    stored and the answer is the problem `overtaken`; the same `client_id` with a newer `seen` goes out. None: goes out
    in any case. `template`: the number of the one that an agent's text began with.
    """

    client_id: str
    text: Annotated[str, msgspec.Meta(max_length=16384)]
    seen: Seq | None = None
    template: Annotated[int, msgspec.Meta(ge=1, lt=2**31)] | None = None


class EditMessage(Frame, frozen=True, tag="edit"):
    """My message `seq` says `text` from now on."""

    client_id: str
    seq: Seq
    text: Annotated[str, msgspec.Meta(max_length=16384)]


class RemoveMessage(Frame, frozen=True, tag="remove"):
    """My message `seq` is taken back."""

    client_id: str
    seq: Seq


class Seen(Frame, frozen=True, tag="seen"):
    """What arrived here and what was read, up to and with these seq. Sent at most once a second."""

    delivered: Seq
    read: Seq


class Typing(Frame, frozen=True, tag="typing"):
    """I write, or (4 s after the last key) I do not. Repeated every 10 s while it goes on."""

    on: bool


class Looking(Frame, frozen=True, tag="looking"):
    """What an agent does in this case; repeated every 15 s, and gone for the others after 30."""

    what: Literal["looking", "replying", "left"]


class Resume(Frame, frozen=True, tag="resume"):
    """Give me what I lack: messages with seq > after. Sent on connect, on a gap and every 15 s."""

    after: Seq


class ResumeInbox(Frame, frozen=True, tag="resume"):
    """Give me the cases that changed since `after` (ISO 8601, from the last frame's `now`); empty: all that is open."""

    after: str


class Alive(Frame, frozen=True, tag="alive"):
    """Whether the agent did something in the last minutes; sent when that changes. Idle ones become away."""

    active: bool


CaseCommand = PostMessage | Resume | EditMessage | RemoveMessage | Seen | Typing | Looking
InboxCommand = ResumeInbox | Alive

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
    """One line of the chat, to both sides and to the sender's own tab as well: one way into the page.

    `kind` and `about` as in models.Message. `changed` says what a later line did to this one: "", edited (`text` is
    what it says now) or removed (`text` is empty). `file` is its name, `link` where it or the detail asked for is.
    """

    seq: int
    client_id: str
    kind: str
    side: str  # agent | customer | house
    name: str
    text: str
    at: str
    masked: bool
    about: int | None = None
    changed: str = ""
    file: str = ""
    link: str = ""


class Marks(Frame, frozen=True, tag="marks"):
    """How far one side got the messages and read them; both only grow."""

    side: str
    delivered: int
    read: int


class Writing(Frame, frozen=True, tag="typing"):
    """Somebody of that side writes, or stopped; forget it 30 s after the last one."""

    side: str
    name: str
    on: bool


class Here(Frame, frozen=True, tag="here"):
    """Who else has this case open; to a customer only agents who came or went. `id` tells namesakes apart."""

    id: str
    name: str
    side: str  # agent | customer | supervisor
    what: str  # joined | looking | replying | left


class NoteAdded(Frame, frozen=True, tag="note"):
    """A colleague's note, or a supervisor's whisper: read the page's parts again. Never to a customer."""

    id: int


class Availability(Frame, frozen=True, tag="availability"):
    """Of the agent whose inbox this is; `by` is hand, idle or forced."""

    state: str
    by: str


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


# What decoding raises: not JSON, not a frame we know, or nested too deep to be read at all.
UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)
encode = msgspec.json.Encoder().encode
decode_case_command = msgspec.json.Decoder(CaseCommand).decode
decode_inbox_command = msgspec.json.Decoder(InboxCommand).decode
