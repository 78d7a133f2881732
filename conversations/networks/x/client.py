"""Takes one call of X's API as a plain function call, leaves what the answer holds, or raises one of our
errors.

Nothing here knows what the walk wants; adapter.py does. Idempotency is decided here: a call that writes and
gets no clear answer raises Undetermined and is never repeated by this module.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import httpx

from conversations.networks.errors import Refused, Unavailable, Undetermined
from conversations.networks.http import Answer, Http
from conversations.networks.x import wire
from conversations.networks.x.problems import Doing, failure

T = TypeVar("T")

_PAGE = "100"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How one of X's two vocabularies asks for the same things."""

    fields_parameter: str
    fields: str
    expansions: str

    def parameters(self, user_fields: str) -> dict[str, str]:
        return {self.fields_parameter: self.fields, "expansions": self.expansions, "user.fields": user_fields}

    def refused_by(self, problem: wire.Problem) -> bool:
        """X complains about the words themselves, so the other vocabulary is worth a try."""
        ours = {self.fields_parameter, "expansions"}
        return bool(ours & problem.parameters) or self.fields_parameter in problem.words


TWEET = Vocabulary(
    fields_parameter="tweet.fields",
    fields="author_id,conversation_id,created_at,entities,in_reply_to_user_id,lang,note_tweet,referenced_tweets",
    expansions="author_id",
)
# The newer vocabulary has no field for who wrote a post or what it answers: there they only come as
# expansions.
POST = Vocabulary(
    fields_parameter="post.fields",
    fields="conversation_id,created_at,entities,lang,note_post",
    expansions="author_id,in_reply_to_user_id,referenced_posts",
)


class Vocabularies:
    """Which vocabulary each endpoint was last found to speak; a wrong guess costs one call per process."""

    def __init__(self) -> None:
        self._known: dict[str, Vocabulary] = {}

    def of(self, endpoint: str) -> Vocabulary:
        return self._known.get(endpoint, TWEET)

    def switch(self, endpoint: str, problem: wire.Problem) -> bool:
        """True when the problem is the vocabulary, and the other one is in use from now on."""
        current = self.of(endpoint)
        if not current.refused_by(problem):
            return False
        self._known[endpoint] = POST if current is TWEET else TWEET
        return True


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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = Http(api_url, timeout=timeout, transport=transport)
        self._bearer_token = bearer_token
        self._credentials = (client_id, client_secret)
        self.vocabularies = Vocabularies()

    def user(self, handle: str) -> wire.User:
        answer = self._call("GET", f"/2/users/by/username/{handle}", params={"user.fields": "username,name"})
        user = _read(answer, wire.OneUser).data
        if user is None:  # X says 200 with a resource-not-found in `errors`
            raise Refused("gone")
        return user

    def mentions(self, user_id: str, *, token: str, since_id: str | None, page_token: str | None) -> wire.Listing:
        return self._posts(
            "mentions",
            f"/2/users/{user_id}/mentions",
            token=token,
            # Whether somebody takes our direct messages is only told to the account that asks with its own
            # token.
            user_fields="username,name,receives_your_dm",
            params=_given(since_id=since_id, pagination_token=page_token),
        )

    def search(self, query: str, *, since_id: str | None, page_token: str | None) -> wire.Listing:
        return self._posts(
            "search",
            "/2/tweets/search/recent",
            token=self._bearer_token,
            user_fields="username,name",
            params={"query": query} | _given(since_id=since_id, next_token=page_token),
        )

    def direct_messages(self, *, token: str, page_token: str | None) -> wire.Listing:
        return self._messages("/2/dm_events", token=token, page_token=page_token)

    def direct_messages_with(self, user_id: str, *, token: str) -> wire.Listing:
        return self._messages(f"/2/dm_conversations/with/{user_id}/dm_events", token=token, page_token=None)

    def send_direct_message(self, user_id: str, text: str, *, token: str) -> wire.CreatedMessage:
        answer = self._call(
            "POST",
            f"/2/dm_conversations/with/{user_id}/messages",
            json={"text": text},
            token=token,
            doing=Doing.DIRECT_MESSAGE,
        )
        return _written(answer, wire.MessageCreated).data

    def reply(self, post_id: str, text: str, *, token: str, message_link: str | None) -> wire.CreatedPost:
        body: dict[str, object] = {"text": text, "reply": {"in_reply_to_tweet_id": post_id}}
        if message_link:
            body["direct_message_deep_link"] = message_link
        answer = self._call("POST", "/2/tweets", json=body, token=token, doing=Doing.REPLY)
        return _written(answer, wire.PostCreated).data

    def rules(self) -> list[wire.StoredRule]:
        found: list[wire.StoredRule] = []
        page: str | None = None
        while True:
            answer = self._call("GET", "/2/tweets/search/stream/rules", params=_given(pagination_token=page))
            listing = _read(answer, wire.Listing)
            found += wire.items(listing.data, wire.StoredRule)
            page = listing.meta.next_token if listing.meta else None
            if not page:
                return found

    def add_rules(self, rules: Sequence[Mapping[str, str]]) -> None:
        self._change_rules({"add": list(rules)})

    def delete_rules(self, ids: Sequence[str]) -> None:
        self._change_rules({"delete": {"ids": list(ids)}})

    def refresh(self, refresh_token: str) -> wire.TokenAnswer:
        answer = self._http.call(
            "POST",
            "/2/oauth2/token",
            form={
                "grant_type": "refresh_token",
                "refresh_token": refresh_token,
                "client_id": self._credentials[0],
            },
            auth=self._credentials,
            writes=Doing.REFRESH.writes,
        )
        if not 200 <= answer.status < 300:
            raise failure(answer.status, answer.headers, answer.body, doing=Doing.REFRESH)
        return _written(answer, wire.TokenAnswer)

    def stream_request(self) -> tuple[str, dict[str, str], dict[str, str]]:
        """Path, query and headers of the filtered stream, in the vocabulary it is now known to speak."""
        parameters = self.vocabularies.of("stream").parameters("username,name")
        # Uncompressed: a compressor on the way may hold a lone post back until its buffer fills.
        return (
            "/2/tweets/search/stream",
            parameters,
            {"Authorization": _bearer(self._bearer_token), "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        self._http.close()

    def _posts(self, endpoint: str, path: str, *, token: str, user_fields: str, params: dict[str, str]) -> wire.Listing:
        def ask() -> Answer:
            words = self.vocabularies.of(endpoint).parameters(user_fields)
            return self._send("GET", path, params={"max_results": _PAGE} | params | words, token=token)

        answer = ask()
        if answer.status == 400 and self.vocabularies.switch(endpoint, wire.problem(answer.body)):
            answer = ask()
        return _read(_good(answer, Doing.READ), wire.Listing)

    def _messages(self, path: str, *, token: str, page_token: str | None) -> wire.Listing:
        params = {
            "max_results": _PAGE,
            "event_types": "MessageCreate",
            "dm_event.fields": "created_at,dm_conversation_id,entities,event_type,id,text",
            "expansions": "sender_id",  # the one way, in the newer vocabulary, to be told who wrote
            "user.fields": "username,name,receives_your_dm",
        }
        return _read(
            self._call("GET", path, params=params | _given(pagination_token=page_token), token=token),
            wire.Listing,
        )

    def _change_rules(self, body: dict[str, object]) -> None:
        answer = self._call("POST", "/2/tweets/search/stream/rules", json=body, doing=Doing.RULES)
        changed = _read(answer, wire.RulesChanged)
        summary = changed.meta.summary if changed.meta else None
        # A duplicate is a rule that is there already, which is what was wanted.
        wrong = [e for e in changed.errors or () if not (e.type or "").endswith("/duplicate-rules")]
        if wrong or (summary is not None and summary.invalid):
            raise Refused(
                "invalid",
                "X refuses one of the stream's rules. Check the account's terms, and X's operators.",
            )

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        json: object = None,
        token: str | None = None,
        doing: Doing = Doing.READ,
    ) -> Answer:
        return _good(self._send(method, path, params=params, json=json, token=token, doing=doing), doing)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        json: object = None,
        token: str | None = None,
        doing: Doing = Doing.READ,
    ) -> Answer:
        headers = {"Authorization": _bearer(self._bearer_token if token is None else token)}
        return self._http.call(method, path, headers=headers, params=params, json=json, writes=doing.writes)


def _bearer(token: str) -> str:
    # A token with a line break in it would be quoted in full by the HTTP library's complaint.
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Refused("auth", "The stored token is empty or damaged. Connect the account again.")
    return f"Bearer {token}"


def _given(**parameters: str | None) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value}


def _good(answer: Answer, doing: Doing) -> Answer:
    if 200 <= answer.status < 300:
        return answer
    raise failure(answer.status, answer.headers, answer.body, doing=doing)


def _read(answer: Answer, kind: type[T]) -> T:
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
