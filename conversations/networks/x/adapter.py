"""Takes what the walk wants of X, leaves it done, in the words of base.py: the network "x"."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import httpx

from conversations.networks.base import (
    Account,
    Author,
    Keepalive,
    Measure,
    Page,
    Post,
    Rule,
    Sent,
    SentMessage,
    TextKind,
    Tokens,
)
from conversations.networks.errors import Refused, Unavailable
from conversations.networks.http import async_client
from conversations.networks.x import length, stream, texts, wire
from conversations.networks.x.client import Client

log = logging.getLogger(__name__)

SLUG = "x"
MOST_PAGES = 10  # of a read-back; X sells every post that it returns
SEARCHABLE = timedelta(
    days=6, hours=20
)  # a little less than the week that search looks back, and refuses ids from before

_HANDLE = re.compile(r"@?([A-Za-z0-9_]{1,15})\Z")
_ID = re.compile(r"[0-9]{1,19}\Z")
_SNOWFLAKE_EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=UTC)


class X:
    """X for one app.

    Safe to share between threads; `web_url` is where people see posts (the demo's is the sandbox).
    """

    slug = SLUG

    def __init__(
        self,
        api_url: str,
        bearer_token: str,
        client_id: str,
        client_secret: str,
        timeout: float = 10.0,
        *,
        web_url: str = "https://x.com",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._api_url = api_url
        self._timeout = timeout
        self._web_url = web_url.rstrip("/")
        self._client = Client(api_url, bearer_token, client_id, client_secret, timeout=timeout, transport=transport)

    def lookup(self, handle: str) -> Author:
        """`receives_dm` stays unknown: X tells it only to an account that asks with its own token."""
        found = _HANDLE.match(handle.strip())
        if not found:
            raise Refused("gone", "This is not a handle of X: up to 15 letters, digits and underscores.")
        return _author(self._client.user(found.group(1)))

    def mentions(self, account: Account, *, since_id: str | None = None, page_token: str | None = None) -> Page:
        listing = self._client.mentions(
            _id(account.external_id), token=account.access_token, since_id=since_id, page_token=page_token
        )
        return self._posts(listing)

    def search(self, query: str, *, since_id: str | None = None, page_token: str | None = None) -> Page:
        """Up to 7 days back; X leaves out the last half minute."""
        return self._posts(self._client.search(query, since_id=since_id, page_token=page_token))

    def direct_messages(self, account: Account, *, page_token: str | None = None) -> Page:
        """`newest_id` counts the account's own messages too, so that a cursor moves past them.

        15 calls in 15 minutes.
        """
        listing = self._client.direct_messages(token=account.access_token, page_token=page_token)
        events = _messages(listing)
        users = listing.users
        posts = [
            self._inbound(event, event.sender_id, users)
            for event in events
            if event.sender_id and event.sender_id != account.external_id
        ]
        newest = max((event.id for event in events), key=_order, default=None)
        return Page(posts=tuple(posts), newest_id=newest, next_token=_next_token(listing))

    def send_direct_message(self, account: Account, *, recipient_id: str, text: str) -> Sent:
        made = self._client.send_direct_message(_id(recipient_id), text, token=account.access_token)
        return Sent(external_id=made.dm_event_id, conversation_id=made.dm_conversation_id)

    def reply(self, account: Account, *, in_reply_to: str, text: str, message_button: bool) -> Sent:
        link = self._message_link(account.external_id) if message_button else None
        made = self._client.reply(_id(in_reply_to), text, token=account.access_token, message_link=link)
        return Sent(external_id=made.id, conversation_id=None)

    def sent_direct_messages(self, account: Account, *, recipient_id: str) -> list[SentMessage]:
        """Among the newest 100 of the conversation, of the last 30 days. 15 calls in 15 minutes."""
        listing = self._client.direct_messages_with(_id(recipient_id), token=account.access_token)
        found = [
            SentMessage(
                external_id=event.id,
                text=texts.clean(event.text),
                urls=texts.urls(event.text, event.entities),
                created_at=event.created_at or snowflake_time(event.id),
            )
            for event in _messages(listing)
            if event.sender_id == account.external_id
        ]
        return sorted(found, key=lambda sent: _order(sent.external_id), reverse=True)

    def sent_replies(self, account: Account, *, in_reply_to: str) -> list[SentMessage]:
        """By search, which sees a reply from half a minute after it was written, for 7 days."""
        answered = _id(in_reply_to)
        # An answer is younger than what it answers, so the post's own id is the lower end. X documents no
        # search for the answers to one post, only for those in its conversation, which is not known here.
        recent = datetime.now(UTC) - snowflake_time(answered) < SEARCHABLE
        found: list[SentMessage] = []
        page: str | None = None
        for _ in range(MOST_PAGES):
            listing = self._client.search(
                f"from:{account.handle} is:reply", since_id=answered if recent else None, page_token=page
            )
            for post in wire.items(listing.data, wire.Post):
                if _reference(post, "replied_to") == answered:
                    text, entities = texts.whole(post)
                    created = post.created_at or snowflake_time(post.id)
                    found.append(SentMessage(post.id, text, texts.urls(text, entities), created))
            page = _next_token(listing)
            if not page:
                return found
        # "Not found" would have the reply sent again, so what was not looked through must not look like an
        # absence.
        raise Unavailable("The account answered too much lately to look for one reply. Look for it on X by hand.")

    def set_rules(self, rules: Sequence[Rule]) -> None:
        wanted = {rule.value: rule.tag for rule in rules}
        if len(wanted) != len(rules):
            raise Refused("invalid", "Two of the stream's rules have the same text. X takes each only once.")
        stored = self._client.rules()
        kept = {rule.value for rule in stored if wanted.get(rule.value) == rule.tag}
        # X refuses the same text twice, so what only changes its tag goes first. The rest goes last: between
        # the two calls the stream delivers too much rather than nothing.
        retagged = [rule.id for rule in stored if rule.value in wanted and rule.value not in kept]
        missing = [{"value": value, "tag": tag} for value, tag in wanted.items() if value not in kept]
        unwanted = [rule.id for rule in stored if rule.value not in wanted]
        if retagged:
            self._client.delete_rules(retagged)
        if missing:
            self._client.add_rules(missing)
        if unwanted:
            self._client.delete_rules(unwanted)

    async def stream(
        self, *, silence: float = stream.SILENCE, sleep: stream.Sleep = asyncio.sleep
    ) -> AsyncIterator[Post | Keepalive]:
        """`silence`: seconds without a byte that count as a dead connection. `sleep` is for tests."""
        async with async_client(self._api_url, connect=self._timeout, read=silence) as client:

            def open_stream() -> stream.Opening:
                path, params, headers = self._client.stream_request()
                return client.stream("GET", path, params=params, headers=headers)

            def switch(problem: wire.Problem) -> bool:
                return self._client.vocabularies.switch("stream", problem)

            async with aclosing(stream.listen(open_stream, switch=switch, sleep=sleep)) as lines:
                async for line in lines:
                    if line is None:
                        yield Keepalive()
                    elif (post := self._delivered(line)) is not None:
                        yield post

    def refresh(self, refresh_token: str) -> Tokens:
        asked = datetime.now(UTC)
        made = self._client.refresh(refresh_token)
        return Tokens(
            access_token=made.access_token,
            # X may keep the old one in use; then it says nothing.
            refresh_token=made.refresh_token or refresh_token,
            expires_at=asked + timedelta(seconds=made.expires_in),
        )

    def measure(self, text: str, *, kind: TextKind, link: bool) -> Measure:
        return length.measure(text, kind=kind, link=link)

    def close(self) -> None:
        self._client.close()

    def _posts(self, listing: wire.Listing) -> Page:
        users = listing.users
        posts = wire.items(listing.data, wire.Post)
        newest = listing.meta.newest_id if listing.meta else None
        return Page(
            posts=tuple(read for post in posts if (read := self._post(post, users, ())) is not None),
            newest_id=newest or max((post.id for post in posts), key=_order, default=None),
            next_token=_next_token(listing),
        )

    def _delivered(self, line: wire.StreamLine) -> Post | None:
        matched = tuple(rule.tag for rule in line.matching_rules or () if rule.tag)
        posts = wire.items([line.data], wire.Post)
        return self._post(posts[0], line.users, matched) if posts else None

    def _post(self, post: wire.Post, users: dict[str, wire.User], matched: tuple[str, ...]) -> Post | None:
        if not post.author_id:
            # Nobody to answer and nothing to tell two people apart by.
            log.warning("X sent post %s without its author, passed over", post.id)
            return None
        author = _author(users.get(post.author_id) or wire.User(id=post.author_id))
        text, entities = texts.whole(post)
        ids, handles = texts.named(text, entities)
        return Post(
            network=SLUG,
            kind="post",
            external_id=post.id,
            author=author,
            text=text,
            language=None if post.lang in {None, "", "und"} else post.lang,
            created_at=_moment(post.id, post.created_at),
            conversation_id=post.conversation_id,
            in_reply_to=_reference(post, "replied_to"),
            in_reply_to_author=post.in_reply_to_user_id,
            is_retweet=_reference(post, "retweeted") is not None,
            is_quote=_reference(post, "quoted") is not None,
            names=ids,
            named_handles=handles,
            permalink=f"{self._web_url}/{author.handle or 'i'}/status/{post.id}",
            matched=matched,
        )

    def _inbound(self, event: wire.DirectMessage, sender_id: str, users: dict[str, wire.User]) -> Post:
        return Post(
            network=SLUG,
            kind="dm",
            external_id=event.id,
            author=_author(users.get(sender_id) or wire.User(id=sender_id)),
            text=texts.clean(event.text),
            language=None,
            created_at=_moment(event.id, event.created_at),
            conversation_id=event.dm_conversation_id,
            in_reply_to=None,
            in_reply_to_author=None,
            is_retweet=False,
            is_quote=False,
            names=(),
            named_handles=(),
            permalink=self._message_link(sender_id),
            matched=(),
        )

    def _message_link(self, user_id: str) -> str:
        return f"{self._web_url}/messages/compose?{urlencode({'recipient_id': user_id})}"


def snowflake_time(external_id: str) -> datetime:
    """When an id was made: X keeps the milliseconds in its upper bits."""
    return _SNOWFLAKE_EPOCH + timedelta(milliseconds=_order(external_id) >> 22)


def _moment(external_id: str, said: datetime | None) -> datetime:
    """When it was written. X says so in whole seconds; its id, where that agrees, to the millisecond."""
    made = snowflake_time(external_id)
    return made if said is None or abs(made - said) < timedelta(seconds=1) else said


def _order(external_id: str) -> int:
    # Ids are numbers written as text: as text, "9" would come after "10".
    return int(external_id) if external_id.isdecimal() else 0


def _id(external_id: str) -> str:
    """An id that goes into a path; anything else in there would be another endpoint."""
    if not _ID.match(external_id):
        raise Refused("invalid", "This is not an id of X. Look the account or the post up again.")
    return external_id


def _next_token(listing: wire.Listing) -> str | None:
    return listing.meta.next_token if listing.meta else None


def _messages(listing: wire.Listing) -> list[wire.DirectMessage]:
    events = wire.items(listing.data, wire.DirectMessage)
    return [event for event in events if event.event_type == "MessageCreate"]


def _author(user: wire.User) -> Author:
    return Author(
        network=SLUG,
        external_id=user.id,
        handle=user.username,
        name=texts.clean(user.name) or user.username,
        receives_dm=user.receives_your_dm,
    )


def _reference(post: wire.Post, kind: str) -> str | None:
    return next((reference.id for reference in post.references if reference.type == kind), None)
