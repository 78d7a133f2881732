"""Takes nothing, leaves a brand that listens, its agents, and posts as a network hands them over."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from accounts.models import Agent, Team, User
from conversations.intake import ingest
from conversations.models import Brand, BrandAccount, Case, Mention
from conversations.networks.base import Author, Post
from conversations.triage import drain

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
numbers = count(1)


@dataclass
class Bank:
    """Citi with @AskCiti (care) and @Citi (news), and the team that looks after both."""

    brand: Brand
    care: BrandAccount
    news: BrandAccount
    team: Team

    def agent(
        self, name: str, *, languages: tuple[str, ...] = ("en",), capacity: int = 8, online: bool = True
    ) -> Agent:
        """An agent of the team."""
        user = User.objects.create_user(name.lower(), f"{name.lower()}@example.test", "walk-the-talk")
        agent = Agent.objects.create(
            user=user,
            name=name,
            languages=list(languages),
            capacity=capacity,
            availability="online" if online else "offline",
        )
        agent.teams.add(self.team)
        return agent

    def hear(self, *posts: Post, way: str = "stream") -> list[Mention]:
        """Ingest and triage; the mentions in the order given."""
        ingest(self.care, posts, way=way)
        drain()
        rows = {m.external_id: m for m in Mention.objects.select_related("case", "author")}
        return [rows[post.external_id] for post in posts]

    def case(self, text: str = "@AskCiti my card was declined again") -> Case:
        """A new case of somebody new."""
        case = self.hear(post(text, names=(self.care,)))[0].case
        assert case is not None
        return case


def bank() -> Bank:
    """A brand nobody works for yet."""
    team = Team.objects.create(name="Care")
    brand = Brand.objects.create(
        name="Citi", slug="citi", address="citi.example/social", ignored_handles=["ChaseSupport"]
    )
    care = BrandAccount.objects.create(brand=brand, external_id="1001", handle="AskCiti", team=team)
    news = BrandAccount.objects.create(brand=brand, external_id="1002", handle="Citi", purpose="news", team=team)
    return Bank(brand, care, news, team)


def person(handle: str = "", *, receives_dm: bool | None = True) -> Author:
    """Somebody on X."""
    number = next(numbers)
    handle = handle or f"person_{number}"
    return Author(network="x", external_id=str(5_000_000 + number), handle=handle, name="", receives_dm=receives_dm)


def post(
    text: str,
    author: Author | None = None,
    *,
    names: tuple[BrandAccount, ...] = (),
    minutes: float = 0,
    answers: Author | None = None,
    **changes: object,
) -> Post:
    """A post `minutes` after START; `answers` is whom it replies to."""
    number = next(numbers)
    made = Post(
        network="x",
        kind="post",
        external_id=str(1_990_000_000_000_000_000 + number),
        author=author or person(),
        text=text,
        language="en",
        created_at=START + timedelta(minutes=minutes),
        conversation_id=None,
        in_reply_to="77" if answers else None,
        in_reply_to_author=answers.external_id if answers else None,
        is_retweet=False,
        is_quote=False,
        names=tuple(account.external_id for account in names),
        named_handles=tuple(account.handle for account in names),
        permalink="",
        matched=("handles",),
    )
    return replace(made, **changes)  # type: ignore[arg-type]
