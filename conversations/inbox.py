"""Takes an agent, leaves the lines of their inbox: open cases of their brands, a fixed number of queries, no OFFSET."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext as _

from accounts.models import Agent
from conversations import mentions, reading
from conversations.cases import WORKED_ON
from conversations.models import Case
from conversations.permissions import cases_of
from conversations.placeholders import in_short
from conversations.realtime.frames import CaseLine

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
    cases = cases.select_related("author", "agent").order_by("move", "waiting_since", "pk")
    wanted = list(cases if case_ids is not None else cases[:LIMIT])
    newest = _newest_of([case.pk for case in wanted])
    return [_line(case, newest[case.pk], agent, (posts or {}).get(case.pk, [])) for case in wanted]


@dataclass(frozen=True, slots=True)
class _Newest:
    """What was said last in a case, by each way; None in `*_at` where nothing was."""

    post_text: str
    post_kind: str
    post_state: str
    post_at: datetime | None
    chat_text: str | None  # None: it was taken back
    chat_at: datetime | None
    out_text: str
    out_kind: str
    out_at: datetime | None


# By hand, because every open inbox asks at every change: the same from the ORM takes ten times as long to be put
# together as PostgreSQL takes to answer it.
NEWEST = f"""
SELECT c.id, p.text, p.kind, p.state, p.posted_at, m.text, m.sent_at, o.text, o.kind, o.created_at
FROM unnest(%s::bigint[]) AS c (id)
LEFT JOIN LATERAL (SELECT text, kind, state, posted_at FROM conversations_mention
    WHERE case_id = c.id ORDER BY posted_at DESC, id DESC LIMIT 1) p ON true
LEFT JOIN LATERAL (SELECT CASE WHEN ch.kind = 'removed' THEN NULL ELSE coalesce(ch.text, m.text) END AS text, m.sent_at
    FROM conversations_message m {reading.CHANGED}
    WHERE m.case_id = c.id AND m.kind IN ('said', 'file') ORDER BY m.seq DESC LIMIT 1) m ON true
LEFT JOIN LATERAL (SELECT text, kind, created_at FROM conversations_outgoing
    WHERE case_id = c.id AND delivery <> 'CANCELLED' ORDER BY id DESC LIMIT 1) o ON true
"""


def _newest_of(case_ids: Sequence[int]) -> dict[int, _Newest]:
    """Each case's last inbound post, last chat message and last outgoing, in one query."""
    with connection.cursor() as sql:
        sql.execute(NEWEST, [list(case_ids)])
        return {row[0]: _Newest(*row[1:]) for row in sql.fetchall()}


def _line(case: Case, said: _Newest, agent: Agent, posts: list[str]) -> CaseLine:
    channel, preview = _last(said, case.author.network)
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


def _last(row: _Newest, network: str) -> tuple[str, str]:
    """Where something was said last, and what."""
    said: list[tuple[datetime, str, str]] = []
    if row.post_at:
        text = mentions.instead(row.post_kind, row.post_state, network) or row.post_text
        said.append((row.post_at, "public" if row.post_kind == "post" else "dm", text))
    if row.chat_at:
        said.append((row.chat_at, "secure", _("Message taken back") if row.chat_text is None else row.chat_text))
    if row.out_at:
        said.append((row.out_at, "dm" if row.out_kind == "dm" else "public", in_short(row.out_text)))
    _at, channel, newest = max(said, default=(None, "public", ""))
    return channel, newest
