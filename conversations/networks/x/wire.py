"""Takes the bytes X sends, leaves typed structs; unknown fields are passed over, and both of X's vocabularies
are read.

X renamed `tweet.fields`, `referenced_tweets`, `note_tweet` to `post.fields`, `referenced_posts`, `note_post`,
in some places and not in others; which one an answer uses does not matter to anybody who reads through this
module.
"""

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

log = logging.getLogger(__name__)

T = TypeVar("T")


class BadAnswer(ValueError):
    """Bytes that are not what X documents."""


class Reference(msgspec.Struct, frozen=True):
    type: str  # "replied_to", "quoted", "retweeted"
    id: str


class Mention(msgspec.Struct, frozen=True):
    username: str
    id: str | None = None


class Link(msgspec.Struct, frozen=True):
    url: str | None = None
    expanded_url: str | None = None
    unwound_url: str | None = None


class Entities(msgspec.Struct, frozen=True):
    mentions: list[Mention] | None = None
    urls: list[Link] | None = None


class Note(msgspec.Struct, frozen=True):
    """The whole of a post that is longer than 280 characters."""

    text: str | None = None
    entities: Entities | None = None


class Post(msgspec.Struct, frozen=True):
    id: str
    text: str = ""
    author_id: str | None = None
    created_at: datetime | None = None
    lang: str | None = None
    conversation_id: str | None = None
    in_reply_to_user_id: str | None = None
    entities: Entities | None = None
    referenced_tweets: list[Reference] | None = None
    referenced_posts: list[Reference] | None = None
    note_tweet: Note | None = None
    note_post: Note | None = None

    @property
    def references(self) -> list[Reference]:
        return self.referenced_posts or self.referenced_tweets or []

    @property
    def note(self) -> Note | None:
        return self.note_post or self.note_tweet


class UserMetrics(msgspec.Struct, frozen=True):
    followers_count: int | None = None


class User(msgspec.Struct, frozen=True):
    id: str
    username: str = ""
    name: str = ""
    receives_your_dm: bool | None = None
    public_metrics: UserMetrics | None = None


class DirectMessage(msgspec.Struct, frozen=True):
    id: str
    event_type: str = "MessageCreate"
    text: str = ""
    sender_id: str | None = None
    dm_conversation_id: str | None = None
    created_at: datetime | None = None
    entities: Entities | None = None


class StoredRule(msgspec.Struct, frozen=True):
    id: str
    value: str
    tag: str = ""


class MatchingRule(msgspec.Struct, frozen=True):
    id: str | None = None
    tag: str | None = None


class Identified(msgspec.Struct, frozen=True):
    """Whatever has an id: X charges by it."""

    id: str


class Includes(msgspec.Struct, frozen=True):
    users: list[msgspec.Raw] | None = None
    tweets: list[msgspec.Raw] | None = None
    posts: list[msgspec.Raw] | None = None  # the newer name of the same


class Meta(msgspec.Struct, frozen=True):
    newest_id: str | None = None
    next_token: str | None = None
    result_count: int | None = None


class Fault(msgspec.Struct, frozen=True):
    """One entry of a problem's `errors`: a parameter's, a resource's, or an old numbered one."""

    message: str | None = None
    title: str | None = None
    detail: str | None = None
    type: str | None = None
    parameter: str | None = None
    parameters: dict[str, Any] | None = None
    connection_issue: str | None = None
    disconnect_type: str | None = None


class Problem(msgspec.Struct, frozen=True):
    """A refusal: X's problem JSON, its older `errors` list, or OAuth's `error`."""

    title: str | None = None
    detail: str | None = None
    type: str | None = None
    reason: str | None = None
    parameter: str | None = None
    connection_issue: str | None = None
    disconnect_type: str | None = None
    error: str | None = None
    error_description: str | None = None
    errors: list[Fault] | None = None

    @property
    def kind(self) -> str:
        """The last word of the problem's type, as `client-forbidden`; empty for `about:blank` and none."""
        types = [self.type, *(fault.type for fault in self.errors or ())]
        known = [value.rsplit("/", 1)[-1] for value in types if value and "/problems/" in value]
        return known[0] if known else ""

    @property
    def words(self) -> str:
        """What X said in prose, in lower case, for telling one refusal from another; never for showing."""
        said: list[str | None] = [self.title, self.detail, self.reason, self.error, self.error_description]
        for fault in self.errors or ():
            said += [fault.title, fault.detail, fault.message]
        return " | ".join(word for word in said if word).lower()

    @property
    def bare(self) -> bool:
        """X says "Forbidden" and gives no reason at all."""
        return self.title == self.detail == "Forbidden" and not self.kind and not self.errors

    @property
    def parameters(self) -> set[str]:
        """Names of the request's parameters that X complains about."""
        named = {self.parameter} if self.parameter else set()
        for fault in self.errors or ():
            named |= set(fault.parameters or ()) | ({fault.parameter} if fault.parameter else set())
        return named

    @property
    def slot_taken(self) -> bool:
        """The one stream connection that we may have is taken."""
        issues = [self.connection_issue, *(fault.connection_issue for fault in self.errors or ())]
        return "TooManyConnections" in issues

    @property
    def disconnects(self) -> bool:
        """A line of a stream after which X closes it."""
        types = [self.disconnect_type, *(fault.disconnect_type for fault in self.errors or ())]
        return any(types) or self.slot_taken or self.kind in {"operational-disconnect", "streaming-connection"}


class Listing(msgspec.Struct, frozen=True):
    """An answer with a list in it.

    The items stay raw, so that one odd item does not take the page with it.
    """

    data: list[msgspec.Raw] | None = None
    includes: Includes | None = None
    meta: Meta | None = None
    errors: list[Fault] | None = None

    @property
    def users(self) -> dict[str, User]:
        raw = self.includes.users if self.includes else None
        return {user.id: user for user in items(raw, User)}


class OneUser(msgspec.Struct, frozen=True):
    data: User | None = None


class Webhook(msgspec.Struct, frozen=True):
    id: str
    url: str = ""
    valid: bool = False


class OneWebhook(msgspec.Struct, frozen=True):
    data: Webhook


class Validity(msgspec.Struct, frozen=True):
    valid: bool = False


class WebhookChecked(msgspec.Struct, frozen=True):
    data: Validity | None = None


class Filter(msgspec.Struct, frozen=True):
    user_id: str | int | None = None


class Subscription(msgspec.Struct, frozen=True):
    subscription_id: str
    event_type: str = ""
    filter: Filter | None = None
    webhook_id: str | None = None


class ComplianceJob(msgspec.Struct, frozen=True):
    id: str
    status: str = ""  # created, in_progress, complete, failed, expired
    upload_url: str = ""
    download_url: str = ""


class OneComplianceJob(msgspec.Struct, frozen=True):
    data: ComplianceJob


class ComplianceLine(msgspec.Struct, frozen=True):
    id: str
    action: str = ""


class CreatedPost(msgspec.Struct, frozen=True):
    id: str


class CreatedMessage(msgspec.Struct, frozen=True):
    dm_event_id: str
    dm_conversation_id: str | None = None


class PostCreated(msgspec.Struct, frozen=True):
    data: CreatedPost


class MessageCreated(msgspec.Struct, frozen=True):
    data: CreatedMessage


class RulesSummary(msgspec.Struct, frozen=True):
    created: int = 0
    not_created: int = 0
    invalid: int = 0


class RulesMeta(msgspec.Struct, frozen=True):
    summary: RulesSummary | None = None


class RulesChanged(msgspec.Struct, frozen=True):
    meta: RulesMeta | None = None
    errors: list[Fault] | None = None


class TokenAnswer(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int = 7200
    refresh_token: str | None = None
    scope: str = ""


class StreamLine(msgspec.Struct, frozen=True):
    data: msgspec.Raw = msgspec.Raw()  # empty when there is none (msgspec knows no `Raw | None`)
    includes: Includes | None = None
    matching_rules: list[MatchingRule] | None = None
    text: str | None = None  # of archives, whose lines are posts with nothing around them
    # A post may come with errors beside it (a field that could not be filled); without one they are the message.
    errors: list[Fault] | None = None

    @property
    def has_post(self) -> bool:
        return bytes(self.data) not in {b"", b"null"}

    @property
    def users(self) -> dict[str, User]:
        raw = self.includes.users if self.includes else None
        return {user.id: user for user in items(raw, User)}


def decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    """The struct in a body; raises BadAnswer, which never quotes the body."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise BadAnswer(f"{kind.__name__}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_broken(bytes(body), kind)
    except (RecursionError, OverflowError):
        raise BadAnswer(f"{kind.__name__}: nested too deeply, or a number too large") from None


def _decode_broken(body: bytes, kind: type[T]) -> T:
    # Half of a surrogate pair (an emoji cut in two) is legal JSON to many writers and an error to msgspec.
    # One such post must not stop the page it is on for ever, so what cannot be text becomes a replacement
    # character.
    try:
        value = json.loads(body.decode("utf-8", "replace"))
        text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        return msgspec.json.decode(text, type=kind)
    except (ValueError, RecursionError, OverflowError):
        raise BadAnswer(f"{kind.__name__}: not JSON that can be read") from None


def items(raw: Sequence[msgspec.Raw] | None, kind: type[T]) -> list[T]:
    """The items of a list, without those that make no sense; they are counted in the log, not shown."""
    found: list[T] = []
    for item in raw or ():
        try:
            found.append(decode(item, kind))
        except BadAnswer as error:
            log.warning("X sent an item that cannot be read, passed over: %s", error)
    return found


def problem(body: bytes) -> Problem:
    """What a refusal says; an empty one when it says nothing that can be read (a proxy's HTML page, say)."""
    try:
        return decode(body, Problem)
    except BadAnswer:
        return Problem()
