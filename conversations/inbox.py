"""Takes an agent, leaves the lines of their inbox: open cases of their brands, a fixed number of queries, no OFFSET."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import Agent
from conversations import outbox
from conversations.cases import WORKED_ON
from conversations.events import CaseLine
from conversations.models import Case, Mention, Message, Outgoing
from conversations.permissions import cases_of

LIMIT = 200
PREVIEW = 160
LISTED = [Case.Status.OPEN, *WORKED_ON]


def lines(
    agent: Agent,
    *,
    after: datetime | None = None,
    case_ids: Sequence[int] | None = None,
    posts: dict[int, list[str]] | None = None,
) -> list[CaseLine]:
    """At most LIMIT lines (all of `case_ids`), our move first and longest waiting first.

    Without arguments: everything open. `after`: what changed since, whatever its status. `case_ids`: just these.
    `posts`: network ids of posts that joined just now, by case.
    """
    cases = cases_of(agent)
    if case_ids is not None:
        cases = cases.filter(pk__in=case_ids)
    elif after is not None:
        cases = cases.filter(changed_at__gt=after)
    else:
        cases = cases.filter(status__in=LISTED)
    cases = _with_preview(cases).select_related("author", "agent").order_by("move", "waiting_since", "pk")
    wanted = cases if case_ids is not None else cases[:LIMIT]
    return [_line(case, agent, (posts or {}).get(case.pk, [])) for case in wanted]


def _with_preview(cases: QuerySet[Case]) -> QuerySet[Case]:
    """Each case with its last inbound post, its last chat message and its last outgoing, in the same query."""
    mention = Mention.objects.filter(case=OuterRef("pk")).order_by("-posted_at")
    message = Message.objects.filter(case=OuterRef("pk")).order_by("-seq")
    outgoing = (
        Outgoing.objects.filter(case=OuterRef("pk")).exclude(delivery=Outgoing.Delivery.CANCELLED).order_by("-id")
    )
    return cases.annotate(
        post_text=Subquery(mention.values("text")[:1]),
        post_kind=Subquery(mention.values("kind")[:1]),
        post_at=Subquery(mention.values("posted_at")[:1]),
        chat_text=Subquery(message.values("text")[:1]),
        chat_at=Subquery(message.values("sent_at")[:1]),
        out_text=Subquery(outgoing.values("text")[:1]),
        out_kind=Subquery(outgoing.values("kind")[:1]),
        out_at=Subquery(outgoing.values("created_at")[:1]),
    )


def _line(case: Case, agent: Agent, posts: list[str]) -> CaseLine:
    channel, preview = _newest(case)
    return CaseLine(
        id=str(case.public_id),
        number=case.pk,
        handle=case.author.handle,
        name=case.author.name,
        network=case.author.network,
        status=case.status,
        move=case.move,
        channel=channel,
        language=case.language,
        topic=case.topic,
        preview=preview[:PREVIEW],
        agent=case.agent.name if case.agent else None,
        mine=case.agent_id == agent.pk,
        waiting_since=case.waiting_since.isoformat(),
        changed_at=case.changed_at.isoformat(),
        posts=posts,
    )


def _newest(row: Any) -> tuple[str, str]:
    """What was said last, and where, from the annotated columns."""
    said: list[tuple[datetime, str, str]] = []
    if row.post_at:
        said.append((row.post_at, "dm" if row.post_kind == "dm" else "public", row.post_text))
    if row.chat_at:
        said.append((row.chat_at, "secure", row.chat_text))
    if row.out_at:
        said.append((row.out_at, "dm" if row.out_kind == "dm" else "public", row.out_text.replace(outbox.LINK, "…")))
    _at, channel, text = max(said, default=(None, "public", ""))
    return channel, text
