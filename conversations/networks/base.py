"""Takes nothing, leaves the words in which every network speaks to the walk: dataclasses and one protocol."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

PostKind = Literal["post", "dm"]
TextKind = Literal["dm", "reply"]

# Texts and tokens stay out of repr(): a log line or a traceback that shows an object must not show a
# customer's words (they are masked only when stored) or a secret.


@dataclass(frozen=True, slots=True)
class Author:
    network: str
    external_id: str
    handle: str  # as the network spells it, without "@"; empty when it left the person out of its answer
    name: str
    receives_dm: bool | None  # None: the network did not say


@dataclass(frozen=True, slots=True)
class Post:
    """One thing somebody wrote: a public post or a direct message."""

    network: str
    kind: PostKind
    external_id: str
    author: Author
    text: str = field(repr=False)
    language: str | None  # the network's own guess, BCP 47
    created_at: datetime  # aware
    conversation_id: str | None
    in_reply_to: str | None  # the post's id
    in_reply_to_author: str | None  # the person's id
    is_retweet: bool
    is_quote: bool
    # Accounts named in the text, each once: their ids (handles where the network gives no id), and their
    # handles.
    names: tuple[str, ...]
    named_handles: tuple[str, ...]
    permalink: str
    matched: tuple[str, ...]  # tags of the stream's rules that matched; empty when it was not the stream


@dataclass(frozen=True, slots=True)
class Page:
    """One page of posts, newest first.

    Keep `newest_id` of the first page as the cursor, and page on with `next_token`.
    """

    posts: tuple[Post, ...]
    newest_id: str | None
    next_token: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """A brand's own account, ready to call."""

    external_id: str
    handle: str
    access_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime  # aware


@dataclass(frozen=True, slots=True)
class Sent:
    external_id: str
    conversation_id: str | None


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What a read-back finds: it did leave. `urls` are the links as they were written, not as wrapped."""

    external_id: str
    text: str = field(repr=False)
    urls: tuple[str, ...] = field(repr=False)
    created_at: datetime  # aware


@dataclass(frozen=True, slots=True)
class Rule:
    """What the stream shall deliver: a query in the network's own language, and our name for it."""

    value: str
    tag: str


@dataclass(frozen=True, slots=True)
class Keepalive:
    """The stream is alive and has nothing to say."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A text's length as the network counts it."""

    used: int
    limit: int
    valid: bool


class Network(Protocol):
    """What the walk asks of a network. Every call raises only the family in errors.py."""

    slug: str

    def lookup(self, handle: str) -> Author:
        """The person behind a handle; Refused("gone") when there is none."""

    def mentions(self, account: Account, *, since_id: str | None = None, page_token: str | None = None) -> Page:
        """Posts that name the account, newest first."""

    def search(self, query: str, *, since_id: str | None = None, page_token: str | None = None) -> Page:
        """Recent posts that match a query in the network's own language, newest first."""

    def direct_messages(self, account: Account, *, page_token: str | None = None) -> Page:
        """Messages that others sent to the account, newest first."""

    def send_direct_message(self, account: Account, *, recipient_id: str, text: str) -> Sent:
        """Send once. On Undetermined, look in sent_direct_messages before sending again."""

    def reply(self, account: Account, *, in_reply_to: str, text: str, message_button: bool) -> Sent:
        """Answer a post in public, once; `message_button` adds a button that lets the reader write to us."""

    def sent_direct_messages(self, account: Account, *, recipient_id: str) -> list[SentMessage]:
        """Read-back: what the account sent to a person, newest first."""

    def sent_replies(self, account: Account, *, in_reply_to: str) -> list[SentMessage]:
        """Read-back: what the account answered to a post, newest first."""

    def set_rules(self, rules: Sequence[Rule]) -> None:
        """Make the stream's rules exactly these. Safe to repeat."""

    def stream(self) -> AsyncIterator[Post | Keepalive]:
        """Posts as they are written, for ever; reconnects by itself. Duplicates and gaps are possible."""

    def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for an account. Store both at once: the old refresh token may be used up."""

    def measure(self, text: str, *, kind: TextKind, link: bool) -> Measure:
        """How long a text would be.

        `{link}` stands for our short link; `link` says that one will be in it.
        """
