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
    Charge,
    ComplianceOrder,
    Event,
    Heard,
    Matcher,
    Measure,
    Page,
    Rule,
    Sent,
    SentMessage,
    TextKind,
    Tokens,
)
from conversations.networks.errors import NetworkError, Refused, Unavailable
from conversations.networks.http import async_client
from conversations.networks.x import keeping, length, prices, reading, stream, texts, webhooks, wire
from conversations.networks.x.client import Client, Meter
from conversations.networks.x.feed import Feed
from conversations.networks.x.reading import SLUG, order, snowflake_time

log = logging.getLogger(__name__)

SCOPES = "tweet.read tweet.write users.read dm.read dm.write offline.access"
MOST_PAGES = 10  # of a read-back; X sells every post that it returns
# A little less than the week that search looks back, and refuses ids from before.
SEARCHABLE = timedelta(days=6, hours=20)

_HANDLE = re.compile(r"@?([A-Za-z0-9_]{1,15})\Z")


class X:
    """X for one app.

    Safe to share between threads; `web_url` is where people see posts (the demo's is the sandbox). `meter` is told,
    once per answer, what X charges for it.
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
        consumer_secret: str = "",
        meter: Meter | None = None,
        web_url: str = "https://x.com",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._api_url = api_url
        self._timeout = timeout
        self._client_id = client_id
        self._consumer_secret = consumer_secret
        self._web_url = web_url.rstrip("/")
        self._client = Client(
            api_url, bearer_token, client_id, client_secret, timeout=timeout, meter=meter, transport=transport
        )

    def lookup(self, handle: str) -> Author:
        """`receives_dm` stays unknown: X tells it only to an account that asks with its own token."""
        found = _HANDLE.match(handle.strip())
        if not found:
            raise Refused("gone", "This is not a handle of X: up to 15 letters, digits and underscores.")
        return reading.author(self._client.user(found.group(1)))

    def introduce(self, account: Account, ids: Sequence[str]) -> list[Author]:
        """Those of them that X shows to the account, at most 100 at once."""
        wanted = list(dict.fromkeys(_id(external_id) for external_id in ids))
        if len(wanted) > 100:
            raise Refused("invalid", "X introduces at most 100 people at once. Ask in several calls.")
        if not wanted:
            return []
        return [reading.author(user) for user in self._client.users(wanted, token=account.access_token)]

    def whoami(self, access_token: str) -> Author:
        return reading.author(self._client.me(token=access_token))

    def mentions(self, account: Account, *, since_id: str | None = None, page_token: str | None = None) -> Page:
        listing = self._client.mentions(
            _id(account.external_id),
            token=account.access_token,
            since_id=since_id,
            page_token=page_token,
            owned=account.owns_app,
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
            reading.message(
                event.id,
                users.get(event.sender_id) or wire.User(id=event.sender_id),
                event.text,
                conversation_id=event.dm_conversation_id,
                at=reading.moment(event.id, event.created_at),
                web_url=self._web_url,
            )
            for event in events
            if event.sender_id and event.sender_id != account.external_id
        ]
        newest = max((event.id for event in events), key=order, default=None)
        return Page(tuple(posts), newest, _next_token(listing), sent=_sent_by(account, events))

    def send_direct_message(self, account: Account, *, recipient_id: str, text: str) -> Sent:
        made = self._client.send_direct_message(_id(recipient_id), text, token=account.access_token)
        return Sent(external_id=made.dm_event_id, conversation_id=made.dm_conversation_id)

    def reply(
        self, account: Account, *, in_reply_to: str, text: str, message_button: bool, summoned: bool = True
    ) -> Sent:
        link = reading.message_link(account.external_id, web_url=self._web_url) if message_button else None
        made = self._client.reply(
            _id(in_reply_to), text, token=account.access_token, message_link=link, summoned=summoned
        )
        return Sent(external_id=made.id, conversation_id=None)

    def charged(self, external_id: str, *, text: str, kind: TextKind, summoned: bool = True) -> Charge:
        if kind == "dm":
            return prices.one("dm_create", external_id, "send")
        return prices.of_written(external_id, link=bool(texts.urls(text, None)), answers=summoned)

    def sent_direct_messages(self, account: Account, *, recipient_id: str) -> list[SentMessage]:
        """Among the newest 100 of the conversation, of the last 30 days. 15 calls in 15 minutes."""
        listing = self._client.direct_messages_with(_id(recipient_id), token=account.access_token)
        found = _sent_by(account, _messages(listing))
        return sorted(found, key=lambda sent: order(sent.external_id), reverse=True)

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
                f"from:{account.handle} is:reply",
                since_id=answered if recent else None,
                page_token=page,
                call="read_back",
            )
            for post in wire.items(listing.data, wire.Post):
                if reading.reference(post, "replied_to") == answered:
                    text, entities = texts.whole(post)
                    created = reading.moment(post.id, post.created_at)
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
        self,
        terms: Matcher | None = None,
        *,
        troubled: stream.Troubled | None = None,
        silence: float = stream.SILENCE,
        sleep: stream.Sleep = asyncio.sleep,
    ) -> AsyncIterator[Heard]:
        """`silence`: seconds without a byte that count as a dead connection. `sleep` is for tests."""
        async with async_client(self._api_url, connect=self._timeout, read=silence) as client:

            def open_stream() -> stream.Opening:
                path, params, headers = self._client.stream_request()
                return client.stream("GET", path, params=params, headers=headers)

            def switch(problem: wire.Problem) -> bool:
                return self._client.vocabularies.switch("stream", problem)

            async def free() -> None:
                try:
                    await asyncio.to_thread(self.free_stream)
                except NetworkError as error:
                    log.warning("X's stream: the slot could not be freed: %s", error)

            listening = stream.listen(
                open_stream, feed=lambda: self.feed(terms), switch=switch, free=free, troubled=troubled, sleep=sleep
            )
            async with aclosing(listening) as chunks:
                async for heard in chunks:
                    yield heard

    def feed(self, terms: Matcher | None = None) -> Feed:
        return Feed(terms, web_url=self._web_url)

    def free_stream(self) -> None:
        keeping.free_stream(self._client)

    def answer_challenge(self, token: str) -> str:
        return webhooks.answer_challenge(token, secret=self._consumer_secret)

    def open_envelope(self, body: bytes, signature: str) -> tuple[Event, ...]:
        return webhooks.open_envelope(body, signature, secret=self._consumer_secret, web_url=self._web_url)

    def keep_webhook(self, url: str) -> str:
        return keeping.keep_webhook(self._client, url)

    def keep_subscriptions(self, account: Account, *, webhook_id: str) -> int:
        return keeping.keep_subscriptions(self._client, account, webhook_id=webhook_id)

    def begin_compliance(self) -> ComplianceOrder:
        return keeping.begin_compliance(self._client)

    def name_posts(self, order: ComplianceOrder, ids: Sequence[str]) -> None:
        keeping.name_posts(self._client, order, [_id(external_id) for external_id in ids])

    def deleted_posts(self, external_id: str) -> list[str] | None:
        return keeping.deleted_posts(self._client, _id(external_id))

    def authorize_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        """With S256 as the method of the challenge."""
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPES,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._web_url}/i/oauth2/authorize?{urlencode(query)}"

    def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> Tokens:
        """Within half a minute: that is how long X's codes live."""
        made = self._client.exchange(code, verifier=verifier, redirect_uri=redirect_uri)
        return Tokens(made.access_token, made.refresh_token, made.expires_in, tuple(made.scope.split()))

    def revoke(self, token: str) -> None:
        self._client.revoke(token)

    def check_app(self) -> None:
        """By reading the stream's rules, which takes the app's bearer token and costs nothing."""
        self._client.rules()

    def refresh(self, refresh_token: str) -> Tokens:
        made = self._client.refresh(refresh_token)
        # X may keep the old one in use; then it says nothing.
        kept = made.refresh_token or refresh_token
        return Tokens(made.access_token, kept, made.expires_in, tuple(made.scope.split()))

    def measure(self, text: str, *, kind: TextKind, link: bool) -> Measure:
        return length.measure(text, kind=kind, link=link)

    def close(self) -> None:
        self._client.close()

    def _posts(self, listing: wire.Listing) -> Page:
        users = listing.users
        posts = wire.items(listing.data, wire.Post)
        newest = listing.meta.newest_id if listing.meta else None
        read = [reading.post(post, users, (), web_url=self._web_url) for post in posts]
        return Page(
            posts=tuple(post for post in read if post is not None),
            newest_id=newest or max((post.id for post in posts), key=order, default=None),
            next_token=_next_token(listing),
        )


def _id(external_id: str) -> str:
    """An id that goes into a path; anything else in there would be another endpoint."""
    if not reading.is_id(external_id):
        raise Refused("invalid", "This is not an id of X. Look the account or the post up again.")
    return external_id


def _next_token(listing: wire.Listing) -> str | None:
    return listing.meta.next_token if listing.meta else None


def _sent_by(account: Account, events: Sequence[wire.DirectMessage]) -> tuple[SentMessage, ...]:
    return tuple(
        SentMessage(
            external_id=event.id,
            text=texts.clean(event.text),
            urls=texts.urls(event.text, event.entities),
            created_at=reading.moment(event.id, event.created_at),
        )
        for event in events
        if event.sender_id == account.external_id
    )


def _messages(listing: wire.Listing) -> list[wire.DirectMessage]:
    events = wire.items(listing.data, wire.DirectMessage)
    return [event for event in events if event.event_type == "MessageCreate" and reading.is_id(event.id)]
