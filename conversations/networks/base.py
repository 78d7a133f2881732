"""Takes nothing, leaves the words in which every network speaks to the walk: dataclasses and one protocol."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from conversations.networks.errors import NetworkError

PostKind = Literal["post", "dm", "opaque"]  # opaque: an encrypted message, of which only that it came is known
EventKind = Literal["post", "message", "sent", "opaque", "deleted", "revoked", "other"]
TextKind = Literal["dm", "reply"]

# What stands in a text until it leaves: our short link, its code for those who type, and the address where to.
LINK, CODE, ADDRESS = "{link}", "{code}", "{address}"

# Texts and tokens stay out of repr(): a log line or a traceback that shows an object must not show a
# customer's words (they are masked only when stored) or a secret.


@dataclass(frozen=True, slots=True)
class Author:
    network: str
    external_id: str
    handle: str  # as the network spells it, without "@"; empty when it left the person out of its answer
    name: str
    receives_dm: bool | None  # None: the network did not say
    followers: int | None = None  # the same


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
class Charge:
    """One thing that the network charges for; the same resource and id again on the same UTC day costs nothing.

    1,000,000 micros are one US dollar. `call` says what it was read or written for: mentions, search, stream,
    activity, dm, read_back, users, send.
    """

    resource: str
    external_id: str
    micros: int
    call: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What came together on the stream; without posts it only says that the stream is alive."""

    posts: tuple[Post, ...]
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that the network pushed. `account_id` is which of our accounts it was subscribed for."""

    event_id: str
    account_id: str
    kind: EventKind
    post: Post | None = None  # of kind post, message and opaque
    sent: "SentMessage | None" = None  # of kind sent: what left as the account, whoever sent it
    external_id: str = ""  # of the post that was deleted
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True, slots=True)
class ComplianceOrder:
    """A question about posts that is open at the network; the address to name them at is as good as a key."""

    external_id: str
    upload_url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of posts, newest first.

    Keep `newest_id` of the first page as the cursor, and page on with `next_token`.
    """

    posts: tuple[Post, ...]
    newest_id: str | None
    next_token: str | None
    sent: "tuple[SentMessage, ...]" = ()  # of direct messages: what the account itself sent, by whatever way


@dataclass(frozen=True, slots=True)
class Account:
    """A brand's own account, ready to call."""

    external_id: str
    handle: str
    access_token: str = field(repr=False)
    owns_app: bool = False  # the developer app is this account's: the network may charge less


@dataclass(frozen=True, slots=True)
class Tokens:
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: int = 7200  # seconds, from the answer on; the database's clock says until when
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    external_id: str
    conversation_id: str | None


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What the network shows of what left as an account. `urls` are the links as they were written, not as wrapped."""

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
class Measure:
    """A text's length as the network counts it."""

    used: int
    limit: int
    valid: bool


class Matcher(Protocol):
    """Says of a text which of our rules it satisfies."""

    def tags(self, text: str) -> tuple[str, ...]:
        """Their tags; none: it is not for us."""

    @property
    def anchored(self) -> Callable[[str], object]:
        """Asked with a lower-cased text: something true when it may satisfy a rule, at a fraction of the cost."""


class Feed(Protocol):
    """Reads lines in the network's own format, from wherever they come."""

    lines: int  # read so far, empty ones included
    bad_lines: int  # of those, the ones that could not be read
    bad: list[int]  # the numbers of the first thousand of them

    def feed(self, chunk: bytes) -> Heard:
        """The posts for us in the lines that these bytes complete."""

    def end(self) -> Heard:
        """Those in what is left when no more bytes come."""


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
        """Messages that others sent to the account, newest first, and beside them those that left as the account."""

    def send_direct_message(self, account: Account, *, recipient_id: str, text: str) -> Sent:
        """Send once. On Undetermined, look in sent_direct_messages before sending again."""

    def reply(
        self, account: Account, *, in_reply_to: str, text: str, message_button: bool, summoned: bool = True
    ) -> Sent:
        """Answer a post in public, once; `message_button` adds a button that lets the reader write to us.

        `summoned`: the post named us, which the network may charge less.
        """

    def sent_direct_messages(self, account: Account, *, recipient_id: str) -> list[SentMessage]:
        """Read-back: what the account sent to a person, newest first."""

    def sent_replies(self, account: Account, *, in_reply_to: str) -> list[SentMessage]:
        """Read-back: what the account answered to a post, newest first."""

    def charged(self, external_id: str, *, text: str, kind: TextKind, summoned: bool = True) -> Charge:
        """What a text of ours cost that a read-back found; where the answer was heard, it was counted then."""

    def set_rules(self, rules: Sequence[Rule]) -> None:
        """Make the stream's rules exactly these. Safe to repeat."""

    def stream(
        self, terms: Matcher | None = None, *, troubled: Callable[[NetworkError], None] | None = None
    ) -> AsyncIterator[Heard]:
        """What is written, for ever, chunk by chunk; reconnects by itself. Duplicates and gaps are possible.

        What the network did not filter itself is kept only when `terms` says so. `troubled` is told, at once and
        without waiting for it, whenever the connection ended.
        """

    def feed(self, terms: Matcher | None = None) -> Feed:
        """A reader of the same lines from elsewhere: an archive, a firehose."""

    def free_stream(self) -> None:
        """Give up every open stream connection of ours: one whose owner died may still hold the only slot."""

    def introduce(self, account: Account, ids: Sequence[str]) -> list[Author]:
        """Up to 100 people by id, asked as the account, to whom the network says whether they take its messages."""

    def whoami(self, access_token: str) -> Author:
        """Whose token this is."""

    def authorize_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        """Where a person lets us act as one of the brand's accounts."""

    def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> Tokens:
        """The tokens for what was allowed there."""

    def revoke(self, token: str) -> None:
        """Give up a token, and with it what was allowed; safe to repeat."""

    def check_app(self) -> None:
        """Raise what is wrong with the app's own credentials, if anything is; free of charge."""

    def answer_challenge(self, token: str) -> str:
        """The proof that the webhook is ours; Refused("invalid") unless the token has the shape of a challenge."""

    def open_envelope(self, body: bytes, signature: str) -> tuple[Event, ...]:
        """What was pushed; Forged unless the network signed these very bytes."""

    def keep_webhook(self, url: str) -> str:
        """The id of our one webhook: made, or checked again by the network, where that is needed."""

    def keep_subscriptions(self, account: Account, *, webhook_id: str) -> int:
        """Make those of the account's subscriptions that are missing; how many were."""

    def begin_compliance(self) -> ComplianceOrder:
        """Open a question about posts that may be gone."""

    def name_posts(self, order: ComplianceOrder, ids: Sequence[str]) -> None:
        """Say which posts the question is about."""

    def deleted_posts(self, external_id: str) -> list[str] | None:
        """The answer: those that are gone; None while it is not there yet; Refused("gone") when it never will."""

    def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for an account. Store both at once: the old refresh token may be used up."""

    def measure(self, text: str, *, kind: TextKind, link: bool) -> Measure:
        """How long a text would be.

        `{link}` stands for our short link; `link` says that one will be in it.
        """
