"""Takes orders from tests, replays and seeds (JSON, no sign-in), leaves people, posts, tokens and messages."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
from django.db import connection, transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from sandbox import (
    activity,
    bill,
    clock,
    courier,
    faults,
    grants,
    limits,
    messages,
    posting,
    refusals,
    snowflakes,
    streaming,
    webhooks,
)
from sandbox.api.calls import json_answer
from sandbox.models import (
    Charge,
    Code,
    ComplianceJob,
    DeletedPost,
    DirectMessage,
    Mention,
    Person,
    Post,
    RateWindow,
    StreamRule,
    Subscription,
    Token,
    Webhook,
)
from sandbox.people import BadHandle, Profile, clean_handle, ensure, find, save_profiles
from sandbox.snowflakes import moment_of

T = TypeVar("T")
MAX_POSTS = 500


class Refused(Exception):
    """An order that cannot be carried out, with a sentence saying why."""


class _Profile(msgspec.Struct, forbid_unknown_fields=True):
    handle: str
    name: str | None = None
    accepts_dm: bool | None = None
    verified: bool | None = None
    owns_app: bool | None = None
    followers: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] | None = None


class _People(msgspec.Struct, forbid_unknown_fields=True):
    people: list[_Profile] = []
    revoke: str = ""


class _Post(msgspec.Struct, forbid_unknown_fields=True):
    author: str
    text: str
    lang: str | None = None
    in_reply_to: str | None = None
    in_reply_to_author: str | None = None
    retweet: bool = False
    key: str | int | None = None


class _Posts(msgspec.Struct, forbid_unknown_fields=True):
    posts: list[_Post] = []
    delete: list[str] = []


class _TokenOrder(msgspec.Struct, forbid_unknown_fields=True):
    handle: str
    scopes: list[str]


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    sender: str = msgspec.field(name="from")
    to: str
    text: str
    encrypted: bool = False


def door(kind: type[T]) -> Callable[[Callable[[T], object]], Callable[[HttpRequest], HttpResponse]]:
    """A view that takes this struct as JSON; what it cannot do is a 400 with a sentence."""

    def declare(run: Callable[[T], object]) -> Callable[[HttpRequest], HttpResponse]:
        @csrf_exempt
        @require_POST
        def answer(request: HttpRequest) -> HttpResponse:
            try:
                return json_answer(run(msgspec.json.decode(request.body or b"{}", type=kind)))
            except (msgspec.DecodeError, UnicodeDecodeError, Refused, BadHandle) as error:
                refusals.record(400, request, str(error))
                return json_answer({"error": str(error)}, status=400)

        return answer

    return declare


@door(_People)
def people(order: _People) -> object:
    """Make or change people; or let one withdraw what they allowed the app."""
    profiles = [Profile(**msgspec.structs.asdict(each)) for each in order.people]
    shown = [
        {
            "id": str(person.pk),
            "handle": person.handle,
            "name": person.name,
            "accepts_dm": person.accepts_dm,
            "owns_app": person.owns_app,
            "followers": person.followers,
        }
        for person in save_profiles(profiles)
    ]
    return {"people": shown, "revoked": _withdraw(order.revoke) if order.revoke else 0}


@door(_Posts)
def posts(order: _Posts) -> object:
    """Tweet up to 500 posts in their order; delete posts, each as its author would."""
    if len(order.posts) > MAX_POSTS:
        raise Refused(f"At most {MAX_POSTS} posts at once, not {len(order.posts)}: send them in several batches.")
    published = posting.publish([_draft(post) for post in order.posts]) if order.posts else []
    gone = [str(number) for number in posting.delete(_number(each, "delete") for each in order.delete)]
    return ({"deleted": gone} if order.delete else {}) | {
        "posts": [
            {
                "key": post.key,
                "id": str(one.post.pk),
                "created_at": _time(one.post.pk),
                "matched": [tag for _, tag in one.matched],
                "names": [person.handle for person in one.named],
            }
            for post, one in zip(order.posts, published, strict=True)
        ],
    }


@door(_TokenOrder)
def tokens(order: _TokenOrder) -> object:
    """Tokens for a person without asking the person."""
    if unknown := [scope for scope in order.scopes if scope not in grants.SCOPES]:
        raise Refused(f"There is no such scope: {' '.join(unknown)}")
    handle = clean_handle(order.handle)
    pair = grants.issue(ensure([handle])[handle.lower()], order.scopes)
    return {"access_token": pair.access_token, "refresh_token": pair.refresh_token, "expires_in": pair.expires_in}


@csrf_exempt
def dms(request: HttpRequest) -> HttpResponse:
    """A person's messages, newest first; or, by POST, one more."""
    if request.method == "POST":
        return _send(request)
    return _inbox(request)


@require_GET
def _inbox(request: HttpRequest) -> HttpResponse:
    person = find(request.GET.get("handle", "").removeprefix("@"))
    rows = list(messages.of(person)[:500]) if person else []
    return json_answer({"dms": [_message(row) for row in rows]})


@door(_Message)
def _send(order: _Message) -> object:
    both = ensure([clean_handle(order.sender), clean_handle(order.to)])
    sender, to = both[clean_handle(order.sender).lower()], both[clean_handle(order.to).lower()]
    if order.encrypted:
        return _send_encrypted(sender, to, order.text)
    try:
        return _message(messages.send(sender, to, order.text))
    except messages.NotAllowed as error:
        raise Refused(f"{error} Let them with /_sandbox/people, accepts_dm.") from error


def _send_encrypted(sender: Person, to: Person, text: str) -> object:
    activity.encrypted(sender, to)
    number = snowflakes.next_id()
    shown: dict[str, object] = {"id": str(number), "from": sender.handle, "to": to.handle, "text": text}
    return shown | {"created_at": _time(number), "encrypted": True}


@door(dict)
def reset(order: dict[str, object]) -> object:
    """Forget everything, and go by the machine's clock again; an open stream ends."""
    tables: tuple[type[Model], ...] = (
        *(Mention, Post, DeletedPost, DirectMessage, StreamRule, Code, Token, Person),
        *(Subscription, Webhook, ComplianceJob, Charge, RateWindow),
    )
    names = [connection.ops.quote_name(model._meta.db_table) for model in tables]
    with transaction.atomic(), connection.cursor() as cursor:
        # Not TRUNCATE, which makes new files for every table: tests reset often, and between them there is little.
        cursor.execute("".join(f"DELETE FROM {name};" for name in names))
    clock.move(0)
    streaming.hub.forget()
    streaming.forget_rules()
    courier.courier.forget()
    for memory in (limits, activity, webhooks, bill, snowflakes):
        memory.forget()
    faults.clear()
    return {"reset": True}


def _withdraw(text: str) -> int:
    handle = clean_handle(text)
    if (person := find(handle)) is None:
        raise Refused(f"There is nobody called @{handle}.")
    ended = grants.withdraw(person)
    activity.revoked(person)
    return ended


def _number(value: str, name: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value) < 2**63):
        raise Refused(f"{name} must be a post id in digits, not '{value[:40]}'.")
    return int(value)


def _draft(post: _Post) -> posting.Draft:
    return posting.Draft(
        author=post.author,
        text=post.text,
        lang=post.lang,
        in_reply_to=_number(post.in_reply_to, "in_reply_to") if post.in_reply_to else None,
        in_reply_to_author=post.in_reply_to_author or None,
        retweet=post.retweet,
    )


def _message(row: DirectMessage) -> dict[str, str]:
    return {
        "id": str(row.pk),
        "from": row.sender.handle,
        "to": row.recipient.handle,
        "text": messages.plain(row),
        "created_at": _time(row.pk),
    }


def _time(snowflake: int) -> str:
    """To the millisecond, unlike X's own times: tests measure with it."""
    moment: datetime = moment_of(snowflake).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
