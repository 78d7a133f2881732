"""Takes X's structs, leaves posts, messages and people in the words of base.py."""

import logging
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from conversations.networks.base import Author, Post
from conversations.networks.x import texts, wire

log = logging.getLogger(__name__)

SLUG = "x"

MOST_FOLLOWERS = 2**31 - 1  # what a column of ours holds; nobody has them

_ID = re.compile(r"[0-9]{1,19}\Z", re.ASCII)
_SNOWFLAKE_EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=UTC)


def is_id(text: str) -> bool:
    """Ids of X are numbers of at most 64 bits, written as text."""
    return _ID.match(text) is not None


def order(external_id: str) -> int:
    # As text, "9" would come after "10".
    return int(external_id) if is_id(external_id) else 0


def snowflake_time(external_id: str) -> datetime:
    """When an id was made: X keeps the milliseconds in its upper bits."""
    return _SNOWFLAKE_EPOCH + timedelta(milliseconds=order(external_id) >> 22)


def author(user: wire.User) -> Author:
    followers = user.public_metrics.followers_count if user.public_metrics else None
    return Author(
        network=SLUG,
        external_id=user.id,
        handle=texts.clean(user.username)[:50],
        name=texts.clean(user.name) or user.username,
        receives_dm=user.receives_your_dm,
        followers=None if followers is None or followers < 0 else min(followers, MOST_FOLLOWERS),
    )


def post(post: wire.Post, users: dict[str, wire.User], matched: tuple[str, ...], *, web_url: str) -> Post | None:
    """A public post; None without an author: nobody to answer and nothing to tell two people apart by."""
    if not is_id(post.id) or not post.author_id or not is_id(post.author_id):
        log.warning("X sent a post without its author or with an id that is none, passed over")
        return None
    by = author(users.get(post.author_id) or wire.User(id=post.author_id))
    text, entities = texts.whole(post)
    ids, handles = texts.named(text, entities)
    return Post(
        network=SLUG,
        kind="post",
        external_id=post.id,
        author=by,
        text=text,
        language=None if post.lang in {None, "", "und"} else post.lang,
        created_at=moment(post.id, post.created_at),
        conversation_id=_or_none(post.conversation_id),
        in_reply_to=_or_none(reference(post, "replied_to")),
        in_reply_to_author=_or_none(post.in_reply_to_user_id),
        is_retweet=reference(post, "retweeted") is not None,
        is_quote=reference(post, "quoted") is not None,
        names=ids,
        named_handles=handles,
        permalink=f"{web_url}/{by.handle or 'i'}/status/{post.id}",
        matched=matched,
    )


def message(
    external_id: str, by: wire.User, text: str, *, conversation_id: str | None, at: datetime, web_url: str
) -> Post:
    """A direct message that somebody sent to us."""
    return _private("dm", external_id, by, texts.clean(text), conversation_id, at, web_url)


def sealed(external_id: str, by: wire.User, *, conversation_id: str | None, at: datetime, web_url: str) -> Post:
    """An encrypted message: only that it came is known, and where to read it."""
    return _private("opaque", external_id, by, "", conversation_id, at, web_url)


def _private(
    kind: str, external_id: str, by: wire.User, text: str, conversation_id: str | None, at: datetime, web_url: str
) -> Post:
    return Post(
        network=SLUG,
        kind="opaque" if kind == "opaque" else "dm",
        external_id=external_id,
        author=author(by),
        text=text,
        language=None,
        created_at=at,
        conversation_id=conversation_id[:64] if conversation_id else None,
        in_reply_to=None,
        in_reply_to_author=None,
        is_retweet=False,
        is_quote=False,
        names=(),
        named_handles=(),
        permalink=message_link(by.id, web_url=web_url),
        matched=(),
    )


def message_link(user_id: str, *, web_url: str) -> str:
    """Where a browser opens the conversation with a person."""
    return f"{web_url}/messages/compose?{urlencode({'recipient_id': user_id})}"


def moment(external_id: str, said: datetime | None) -> datetime:
    """When it was written. X says so in whole seconds; its id, where that agrees, to the millisecond."""
    made = snowflake_time(external_id)
    if said is None or not 2006 <= said.year < 9000:  # X began in the one; the other is nobody's clock
        return made
    said = said if said.tzinfo else said.replace(tzinfo=UTC)
    return made if abs(made - said) < timedelta(seconds=1) else said


def milliseconds(said: str | int | None) -> datetime | None:
    """A time as the older parts of X write it; None when it is no time that can be."""
    try:
        return datetime.fromtimestamp(int(said) / 1000, UTC) if said is not None else None
    except (ValueError, OverflowError, OSError):
        return None


def reference(post: wire.Post, kind: str) -> str | None:
    return next((reference.id for reference in post.references if reference.type == kind), None)


def _or_none(external_id: str | None) -> str | None:
    return external_id if external_id and is_id(external_id) else None
