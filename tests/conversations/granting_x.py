"""Takes consents, codes and refreshes as X does, leaves tokens of whoever is signed in there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from conversations.credentials import SCOPES
from tests.accounts.fake_x import Answer, FakeX, Request


class GrantingX(FakeX):
    """`person` is signed in there; `allowed` is what they allow; refresh tokens work once."""

    def __init__(self) -> None:
        super().__init__()
        self.person = {"id": "1001", "name": "Citi Customer Service", "username": "AskCiti"}
        self.allowed = " ".join(SCOPES)
        self.holders: dict[str, dict[str, str]] = {}
        self.refreshes: dict[str, dict[str, str]] = {}
        self.app_works = True

    def consent(self, location: str) -> dict[str, str]:
        """The person agrees on X's page: what X sends back with them."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        return {"state": asked["state"], "code": self.code_for(asked["code_challenge"])}

    def grant(self, person: dict[str, str]) -> dict[str, object]:
        number = len(self.holders)
        access, refresh = f"access-{number}", f"refresh-{number}"
        self.holders[access], self.refreshes[refresh] = person, person
        self.live_tokens |= {access, refresh}
        body = {"token_type": "bearer", "expires_in": 7200, "access_token": access, "refresh_token": refresh}
        return body | {"scope": self.allowed}

    def exchange(self, request: Request) -> Answer:
        """A code or a refresh token for a new pair."""
        if request.form["grant_type"] == "refresh_token":
            person = self.refreshes.pop(request.form["refresh_token"], None)
            if person is None or request.form["refresh_token"] not in self.live_tokens:
                return Answer(400, body={"error": "invalid_request"})
            return Answer(body=self.grant(person))
        if super().exchange(request).status != 200:
            return Answer(400, body={"error": "invalid_request"})
        return Answer(body=self.grant(self.person))

    def whoami(self, request: Request) -> Answer:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.live_tokens:
            return Answer(401, body={"title": "Unauthorized", "status": 401, "type": "about:blank"})
        return Answer(body={"data": self.holders[token]})

    def reply_to(self, request: Request) -> Answer:
        if request.path != "/2/tweets/search/stream/rules":
            return super().reply_to(request)
        self.seen.append(request)
        if not self.app_works:
            return Answer(401, body={"title": "Unauthorized", "status": 401, "type": "about:blank"})
        return Answer(body={"data": [], "meta": {"sent": "2026-11-22T09:00:00.000Z", "result_count": 0}})


@contextmanager
def granting_x() -> Iterator[GrantingX]:
    """A running one on a free port."""
    server = GrantingX()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
