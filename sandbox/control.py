"""Takes orders from tests, replays and seeds (JSON, no sign-in), leaves people, posts, tokens and messages."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from sandbox import grants, limits, messages, posting, refusals, streaming
from sandbox.api.calls import json_answer
from sandbox.models import Code, DirectMessage, Mention, Person, Post, StreamRule, Token
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


class _People(msgspec.Struct, forbid_unknown_fields=True):
    people: list[_Profile]


class _Post(msgspec.Struct, forbid_unknown_fields=True):
    author: str
    text: str
    lang: str | None = None
    in_reply_to: str | None = None
    in_reply_to_author: str | None = None
    retweet: bool = False
    key: str | int | None = None


class _Posts(msgspec.Struct, forbid_unknown_fields=True):
    posts: list[_Post]


class _TokenOrder(msgspec.Struct, forbid_unknown_fields=True):
    handle: str
    scopes: list[str]


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    sender: str = msgspec.field(name="from")
    to: str
    text: str


def _order(kind: type[T]) -> Callable[[Callable[[T], object]], Callable[[HttpRequest], HttpResponse]]:
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


@_order(_People)
def people(order: _People) -> object:
    """Make or change people."""
    profiles = [Profile(each.handle, each.name, each.accepts_dm, each.verified) for each in order.people]
    return {
        "people": [
            {"id": str(person.pk), "handle": person.handle, "name": person.name, "accepts_dm": person.accepts_dm}
            for person in save_profiles(profiles)
        ]
    }


@_order(_Posts)
def posts(order: _Posts) -> object:
    """Tweet up to 500 posts in their order."""
    if len(order.posts) > MAX_POSTS:
        raise Refused(f"At most {MAX_POSTS} posts at once, not {len(order.posts)}: send them in several batches.")
    published = posting.publish([_draft(post) for post in order.posts])
    return {
        "posts": [
            {
                "key": post.key,
                "id": str(one.post.pk),
                "created_at": _time(one.post.pk),
                "matched": [tag for _, tag in one.matched],
                "names": [person.handle for person in one.named],
            }
            for post, one in zip(order.posts, published, strict=True)
        ]
    }


@_order(_TokenOrder)
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


@_order(_Message)
def _send(order: _Message) -> object:
    both = ensure([clean_handle(order.sender), clean_handle(order.to)])
    sender, to = both[clean_handle(order.sender).lower()], both[clean_handle(order.to).lower()]
    try:
        return _message(messages.send(sender, to, order.text))
    except messages.NotAllowed as error:
        raise Refused(f"{error} Let them with /_sandbox/people, accepts_dm.") from error


@_order(dict)
def reset(order: dict[str, object]) -> object:
    """Forget everything: people, posts, messages, rules, tokens and rate limits; an open stream ends."""
    tables = (Mention, Post, DirectMessage, StreamRule, Code, Token, Person)
    names = [connection.ops.quote_name(model._meta.db_table) for model in tables]
    with transaction.atomic(), connection.cursor() as cursor:
        # Not TRUNCATE, which makes new files for every table: tests reset often, and between them there is little.
        cursor.execute("".join(f"DELETE FROM {name};" for name in names))
    streaming.hub.drop()
    streaming.forget_rules()
    limits.forget()
    return {"reset": True}


def _draft(post: _Post) -> posting.Draft:
    number = post.in_reply_to or None
    if number is not None and not (number.isascii() and number.isdigit() and int(number) < 2**63):
        raise Refused(f"in_reply_to must be a post id in digits, not '{number[:40]}'.")
    return posting.Draft(
        author=post.author,
        text=post.text,
        lang=post.lang,
        in_reply_to=int(number) if number else None,
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
