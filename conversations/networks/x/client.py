"""Takes one call of X's API as a plain function call, leaves what the answer holds, or raises one of our
errors.

Nothing here knows what the walk wants; adapter.py does. Idempotency is decided here: a call that writes and
gets no clear answer raises Undetermined and is never repeated by this module.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Protocol, TypeVar

import httpx

from conversations.networks.base import Charge
from conversations.networks.errors import Refused, Unavailable, Undetermined
from conversations.networks.http import Answer, Http
from conversations.networks.x import pace, prices, texts, wire
from conversations.networks.x.problems import Doing, failure, server_time
from conversations.networks.x.vocabulary import PERSON, PERSON_TO_US, Vocabularies

log = logging.getLogger(__name__)

T = TypeVar("T")


class Meter(Protocol):
    """Is told what an answer charged; `day`: the UTC day it was made on, by X's clock."""

    def __call__(self, charges: Sequence[Charge], /, *, day: date | None = None) -> None: ...


_PAGE = "100"


class Client:
    """X's API for one app. Safe to share between threads; one pool of connections."""

    def __init__(
        self,
        api_url: str,
        bearer_token: str,
        client_id: str,
        client_secret: str,
        *,
        timeout: float = 10.0,
        meter: Meter | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = Http(api_url, timeout=timeout, transport=transport)
        self._meter = meter
        self._pace = pace.Pace()
        self._bearer_token = bearer_token
        self._credentials = (client_id, client_secret)
        self.vocabularies = Vocabularies()

    def user(self, handle: str) -> wire.User:
        answer = self.call("GET", f"/2/users/by/username/{handle}", params={"user.fields": "username,name"})
        user = read(answer, wire.OneUser).data
        if user is None:  # X says 200 with a resource-not-found in `errors`
            raise Refused("gone")
        self._charge(answer, [prices.one("user", user.id, "users")])
        return user

    def users(self, ids: Sequence[str], *, token: str) -> list[wire.User]:
        params = {"ids": ",".join(ids), "user.fields": PERSON_TO_US}
        answer = self.call("GET", "/2/users", params=params, token=token)
        listing = read(answer, wire.Listing)
        self._charge(answer, prices.of_listing(listing, "user", "users"))
        return wire.items(listing.data, wire.User)

    def me(self, *, token: str) -> wire.User:
        answer = self.call("GET", "/2/users/me", params={"user.fields": "username,name"}, token=token)
        user = read(answer, wire.OneUser).data
        if user is None:
            raise Refused("auth")
        self._charge(answer, [prices.one("user", user.id, "users")])
        return user

    def mentions(
        self, user_id: str, *, token: str, since_id: str | None, page_token: str | None, owned: bool = False
    ) -> wire.Listing:
        """`owned`: the developer app belongs to this very account, and X charges a fifth."""
        return self._posts(
            "mentions",
            f"/2/users/{user_id}/mentions",
            token=token,
            call="mentions",
            resource="owned_post" if owned else "post",
            user_fields=PERSON_TO_US,
            params=_given(since_id=since_id, pagination_token=page_token),
        )

    def search(self, query: str, *, since_id: str | None, page_token: str | None, call: str = "search") -> wire.Listing:
        return self._posts(
            "search",
            "/2/tweets/search/recent",
            token=self._bearer_token,
            call=call,
            resource="post",
            user_fields=PERSON,
            params={"query": query} | _given(since_id=since_id, next_token=page_token),
        )

    def direct_messages(self, *, token: str, page_token: str | None) -> wire.Listing:
        return self._messages("/2/dm_events", token=token, page_token=page_token, call="dm")

    def direct_messages_with(self, user_id: str, *, token: str) -> wire.Listing:
        return self._messages(
            f"/2/dm_conversations/with/{user_id}/dm_events", token=token, page_token=None, call="read_back"
        )

    def send_direct_message(self, user_id: str, text: str, *, token: str) -> wire.CreatedMessage:
        answer = self.call(
            "POST",
            f"/2/dm_conversations/with/{user_id}/messages",
            json={"text": text},
            token=token,
            doing=Doing.DIRECT_MESSAGE,
        )
        made = _written(answer, wire.MessageCreated).data
        self._charge(answer, [prices.one("dm_create", made.dm_event_id, "send")])
        return made

    def reply(
        self, post_id: str, text: str, *, token: str, message_link: str | None, summoned: bool
    ) -> wire.CreatedPost:
        body: dict[str, object] = {"text": text, "reply": {"in_reply_to_tweet_id": post_id}}
        if message_link:
            body["direct_message_deep_link"] = message_link
        answer = self.call("POST", "/2/tweets", json=body, token=token, doing=Doing.REPLY)
        made = _written(answer, wire.PostCreated).data
        self._charge(answer, [prices.of_written(made.id, link=bool(texts.urls(text, None)), answers=summoned)])
        return made

    def rules(self) -> list[wire.StoredRule]:
        found: list[wire.StoredRule] = []
        page: str | None = None
        while True:
            answer = self.call("GET", "/2/tweets/search/stream/rules", params=_given(pagination_token=page))
            listing = read(answer, wire.Listing)
            found += wire.items(listing.data, wire.StoredRule)
            page = listing.meta.next_token if listing.meta else None
            if not page:
                return found

    def add_rules(self, rules: Sequence[Mapping[str, str]]) -> None:
        self._change_rules({"add": list(rules)})

    def delete_rules(self, ids: Sequence[str]) -> None:
        self._change_rules({"delete": {"ids": list(ids)}})

    def refresh(self, refresh_token: str) -> wire.TokenAnswer:
        return self._tokens({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> wire.TokenAnswer:
        """A code works once and for half a minute."""
        return self._tokens(
            {
                "grant_type": "authorization_code",
                "code": code,
                "code_verifier": verifier,
                "redirect_uri": redirect_uri,
            }
        )

    def revoke(self, token: str) -> None:
        """X ends the token; of a refresh token's pair it documents nothing, so both are to be given up."""
        form = {"token": token, "client_id": self._credentials[0]}
        answer = self._http.call("POST", "/2/oauth2/revoke", form=form, auth=self._credentials, writes=False)
        self.good(answer, Doing.SETTING)

    def _tokens(self, form: dict[str, str]) -> wire.TokenAnswer:
        answer = self._http.call(
            "POST",
            "/2/oauth2/token",
            form=form | {"client_id": self._credentials[0]},
            auth=self._credentials,
            writes=Doing.REFRESH.writes,
        )
        return _written(self.good(answer, Doing.REFRESH), wire.TokenAnswer)

    def upload(self, url: str, body: bytes) -> None:
        """To an address that X named. Our own token goes along only when it is X's API itself."""
        self.good(self._http.call("PUT", url, headers=self._headers_for(url), body=body, writes=False), Doing.SETTING)

    def download(self, url: str) -> bytes:
        return self.good(self._http.call("GET", url, headers=self._headers_for(url), writes=False), Doing.READ).body

    def _headers_for(self, url: str) -> dict[str, str]:
        plain = {"Content-Type": "text/plain"}
        if self._http.is_ours(url):
            return plain | {"Authorization": _bearer(self._bearer_token)}
        if not url.startswith("https://"):
            raise Refused("invalid", "X named an address that is not https. Nothing was sent there.")
        return plain

    def stream_request(self) -> tuple[str, dict[str, str], dict[str, str]]:
        """Path, query and headers of the filtered stream, in the vocabulary it is now known to speak."""
        parameters = self.vocabularies.of("stream").parameters(PERSON)
        # Uncompressed: a compressor on the way may hold a lone post back until its buffer fills.
        return (
            "/2/tweets/search/stream",
            parameters,
            {"Authorization": _bearer(self._bearer_token), "Accept-Encoding": "identity"},
        )

    @staticmethod
    def good(answer: Answer, doing: Doing) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        raise failure(answer.status, answer.headers, answer.body, doing=doing)

    def close(self) -> None:
        self._http.close()

    def _charge(self, answer: Answer, charges: Sequence[Charge]) -> None:
        """Tell the meter. What X did is done: a meter that fails must not make it look undone."""
        if self._meter is None or not charges:
            return
        try:
            at = server_time(answer.headers)
            self._meter(charges, day=None if at is None else datetime.fromtimestamp(at, UTC).date())
        except Exception as error:  # whatever it has; the text may quote rows
            log.error("%d charges of X were not metered (%s)", len(charges), type(error).__name__)

    def _posts(
        self,
        endpoint: str,
        path: str,
        *,
        token: str,
        call: str,
        resource: str,
        user_fields: str,
        params: dict[str, str],
    ) -> wire.Listing:
        def ask() -> Answer:
            words = self.vocabularies.of(endpoint).parameters(user_fields)
            return self.send("GET", path, params={"max_results": _PAGE} | params | words, token=token)

        answer = ask()
        if answer.status == 400 and self.vocabularies.switch(endpoint, wire.problem(answer.body)):
            answer = ask()
        listing = read(self.good(answer, Doing.READ), wire.Listing)
        self._charge(answer, prices.of_listing(listing, resource, call))
        return listing

    def _messages(self, path: str, *, token: str, page_token: str | None, call: str) -> wire.Listing:
        params = {
            "max_results": _PAGE,
            "event_types": "MessageCreate",
            "dm_event.fields": "created_at,dm_conversation_id,entities,event_type,id,text",
            "expansions": "sender_id",  # the one way, in the newer vocabulary, to be told who wrote
            "user.fields": PERSON_TO_US,
        }
        answer = self.call("GET", path, params=params | _given(pagination_token=page_token), token=token)
        listing = read(answer, wire.Listing)
        self._charge(answer, prices.of_listing(listing, "dm_event", call))
        return listing

    def _change_rules(self, body: dict[str, object]) -> None:
        answer = self.call("POST", "/2/tweets/search/stream/rules", json=body, doing=Doing.SETTING)
        changed = read(answer, wire.RulesChanged)
        summary = changed.meta.summary if changed.meta else None
        # A duplicate is a rule that is there already, which is what was wanted.
        wrong = [e for e in changed.errors or () if not (e.type or "").endswith("/duplicate-rules")]
        if wrong or (summary is not None and summary.invalid):
            raise Refused(
                "invalid",
                "X refuses one of the stream's rules. Check the account's terms, and X's operators.",
            )

    def call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        json: object = None,
        token: str | None = None,
        doing: Doing = Doing.READ,
    ) -> Answer:
        """The answer of 2xx, or the error that another one means."""
        return self.good(self.send(method, path, params=params, json=json, token=token, doing=doing), doing)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        json: object = None,
        token: str | None = None,
        doing: Doing = Doing.READ,
    ) -> Answer:
        """The answer, of whatever status; as the app when there is no `token`. RateLimited: the call was not made."""
        token = self._bearer_token if token is None else token
        headers = {"Authorization": _bearer(token)}
        # Whose limit it is, and not whose key: a digest, because this is kept.
        who, endpoint = hashlib.sha256(token.encode()).hexdigest(), pace.endpoint(method, path)
        self._pace.take(who, endpoint)
        answer = self._http.call(method, path, headers=headers, params=params, json=json, writes=doing.writes)
        self._pace.note(who, endpoint, answer.status, answer.headers)
        return answer


def _bearer(token: str) -> str:
    # A token with a line break in it would be quoted in full by the HTTP library's complaint.
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Refused("auth", "The stored token is empty or damaged. Connect the account again.")
    return f"Bearer {token}"


def _given(**parameters: str | None) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value}


def read(answer: Answer, kind: type[T]) -> T:
    try:
        return wire.decode(answer.body, kind)
    except wire.BadAnswer as error:
        raise Unavailable(f"X sent an answer that cannot be read ({error}). Wait: it is tried again.") from error


def _written(answer: Answer, kind: type[T]) -> T:
    """What a write made. X said yes, so an answer that cannot be read leaves a doubt, not a failure."""
    try:
        return wire.decode(answer.body, kind)
    except wire.BadAnswer as error:
        raise Undetermined(
            "X accepted, but its answer cannot be read. Look it up there before sending again."
        ) from error
