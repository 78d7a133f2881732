"""Takes posts and messages written down in a test, leaves them told as a network tells them: pages, gaps and refusals.

No wire: what X's answers look like is tested with the adapter. Here a test decides what is visible and what fails.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count

from django.db import connection

from conversations import ways
from conversations.models import BrandAccount
from conversations.networks.base import Account, Author, ComplianceOrder, Page, Post, SentMessage
from conversations.networks.errors import NetworkError
from tests.factories.heard import person, post

TIMELINE = 800  # X's mentions timeline is not longer
numbers = count(1)


def said(
    at: datetime, text: str = "@AskCiti my card was declined", author: Author | None = None, **more: object
) -> Post:
    """A post of this moment, with an id of this moment."""
    return replace(post(text, author, **more), external_id=str(ways.id_of(at) + next(numbers)), created_at=at)  # type: ignore[arg-type]


def message(at: datetime, text: str = "it is me", author: Author | None = None) -> Post:
    """A direct message of this moment."""
    return replace(said(at, text, author or person()), kind="dm", matched=())


@dataclass
class PaperX:
    """`trouble` is asked before each answer and may raise; `calls` are what was asked for, in order."""

    slug: str = "x"
    mentioned: list[Post] = field(default_factory=list)
    searchable: list[Post] = field(default_factory=list)
    messages: list[Post] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    shuffled: bool = False
    size: int = 100
    trouble: Callable[[str], None] = lambda call: None
    calls: list[tuple[str, str]] = field(default_factory=list)
    takes_dm: dict[str, bool] = field(default_factory=dict)
    missing: int = 0  # subscriptions
    named: list[str] = field(default_factory=list)
    gone: list[str] | None = None
    sent: list[SentMessage] = field(default_factory=list)

    def count(self, call: str) -> int:
        return sum(called == call for called, _ in self.calls)

    def mentions(self, account: Account, *, since_id: str | None = None, page_token: str | None = None) -> Page:
        newest = sorted(self.mentioned, key=lambda p: int(p.external_id), reverse=True)[:TIMELINE]
        return self._page("mentions", newest, since_id, page_token)

    def search(self, query: str, *, since_id: str | None = None, page_token: str | None = None) -> Page:
        found = self.mentioned if query.startswith("@") else self.searchable
        return self._page("search", found, since_id, page_token)

    def direct_messages(self, account: Account, *, page_token: str | None = None) -> Page:
        return self._page("dm", self.messages, None, page_token)

    def sent_direct_messages(self, account: Account, *, recipient_id: str) -> list[SentMessage]:
        self._asked("read_back", recipient_id)
        return self.sent

    def introduce(self, account: Account, ids: Sequence[str]) -> list[Author]:
        self._asked("introduce", ",".join(ids))
        return [Author("x", i, f"known_{i}", "", self.takes_dm[i]) for i in ids if i in self.takes_dm]

    def keep_webhook(self, url: str) -> str:
        self._asked("webhook", url)
        return "7"

    def keep_subscriptions(self, account: Account, *, webhook_id: str) -> int:
        self._asked("subscribe", account.handle)
        made, self.missing = self.missing, 0
        return made

    def begin_compliance(self) -> ComplianceOrder:
        self._asked("begin", "")
        return ComplianceOrder(str(next(numbers)), "https://upload.example/1")

    def name_posts(self, order: ComplianceOrder, ids: Sequence[str]) -> None:
        self._asked("name", order.external_id)
        self.named = list(ids)

    def deleted_posts(self, external_id: str) -> list[str] | None:
        self._asked("deleted", external_id)
        return self.gone

    def _asked(self, call: str, what: str) -> None:
        assert not connection.in_atomic_block or self.lenient, "the network is called in a transaction"
        self.calls.append((call, what))
        self.trouble(call)

    lenient: bool = True  # the test itself runs in a transaction

    def _page(self, call: str, posts: list[Post], since_id: str | None, token: str | None) -> Page:
        self._asked(call, since_id or "")
        found = [p for p in posts if int(p.external_id) > int(since_id or 0) and p.external_id not in self.hidden]
        found.sort(key=lambda p: int(p.external_id), reverse=True)
        start = int(token or 0)
        part = found[start : start + self.size]
        newest = found[0].external_id if found else None
        if self.shuffled:
            random.Random(7).shuffle(part)
        more = start + self.size < len(found)
        return Page(posts=tuple(part), newest_id=newest, next_token=str(start + self.size) if more else None)


def once(error: NetworkError, *, at: int) -> Callable[[str], None]:
    """Trouble at the so-many-th call from now on, and never again."""
    calls = count(1)

    def trouble(_call: str) -> None:
        if next(calls) == at:
            raise error

    return trouble


def turn(*accounts: BrandAccount) -> None:
    """Every way of these accounts (of all) may be asked again now."""
    from conversations.models import Cursor

    rows = Cursor.objects.filter(account__in=accounts) if accounts else Cursor.objects.all()
    rows.update(asked_at=None, paused_until=None)
