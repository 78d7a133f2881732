"""Takes a case and a number, leaves the messages after it as they are to be read now: edited, taken back, with links.

For pages one case at a time, for sockets all that ask at once in one query, which also asks again whether they may.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import connection as django_connection
from django.urls import reverse
from psycopg import AsyncConnection

from citisocial import clock
from conversations import standing
from conversations.realtime import frames
from conversations.realtime.direct import direct
from conversations.standing import Sitting

PAGE = 50
MOST = 200  # sockets that are answered by one query


@dataclass(frozen=True, slots=True)
class Line:
    """One message as it is to be read now; the fields are those of frames.ChatMessage."""

    seq: int
    client_id: UUID
    kind: str
    side: str
    name: str
    text: str
    at: datetime
    masked: int
    about: int | None = None
    changed: str = ""
    file: str = ""
    link: str = ""

    def travelling(self) -> str:
        """The frame, as it goes out on every socket."""
        return frames.encode(
            frames.ChatMessage(
                seq=self.seq,
                client_id=str(self.client_id),
                kind=self.kind,
                side=self.side,
                name=self.name,
                text=self.text,
                at=self.at.isoformat(),
                masked=bool(self.masked),
                about=self.about,
                changed=self.changed,
                file=self.file,
                link=self.link,
            )
        ).decode()


@dataclass(frozen=True, slots=True)
class Page:
    """What a socket gets: at most PAGE lines as frames with their seq, and how the case stands."""

    last_seq: int
    status: str
    agent_id: int | None
    agent: str | None
    lines: list[tuple[int, str]]


# Of a message `m`: what the last change of it, or of the line it is about, made of it. What was taken back is said to
# nobody again, not even in an earlier change.
LINE = """m.seq, m.client_id, m.kind, m.side, split_part(coalesce(a.name, u.name, ''), ' ', 1),
  CASE WHEN m.kind IN ('removed', 'answered', 'checked', 'event') THEN m.text
       WHEN ch.kind = 'removed' THEN '' ELSE coalesce(ch.text, m.text) END,
  m.sent_at, coalesce(ch.masked, m.masked), m.about, CASE WHEN m.about IS NULL THEN coalesce(ch.kind, '') ELSE '' END,
  CASE WHEN ch.kind = 'removed' THEN '' ELSE coalesce(f.name, '') END,
  CASE WHEN ch.kind = 'removed' THEN NULL ELSE coalesce(f.public_id, d.public_id) END"""
CHANGED = """LEFT JOIN LATERAL (SELECT ch.kind, ch.text, ch.masked FROM conversations_message ch
  WHERE ch.case_id = m.case_id AND ch.about = coalesce(m.about, m.seq) AND ch.kind IN ('edited', 'removed')
  ORDER BY ch.seq DESC LIMIT 1) ch ON true"""
FROM = f"""LEFT JOIN accounts_agent a ON a.id = m.agent_id LEFT JOIN accounts_customer u ON u.id = m.customer_id
{CHANGED}
LEFT JOIN conversations_attachment f ON m.kind = 'file' AND f.message_id = m.id
LEFT JOIN conversations_securerequest d ON m.kind = 'asked' AND d.message_id = m.id"""


def lines(case_id: int, *, after: int = 0, limit: int = PAGE) -> list[Line]:
    """The case's lines with seq > after, in order; ask again from the last one for more."""
    with django_connection.cursor() as cursor:
        cursor.execute(
            f"SELECT c.public_id, {LINE} FROM conversations_message m JOIN conversations_case c ON c.id = m.case_id "
            f"{FROM} WHERE m.case_id = %s AND m.seq > %s ORDER BY m.seq LIMIT %s",
            [case_id, after, limit],
        )
        return [_line(*row) for row in cursor.fetchall()]


def _line(case: UUID, *row: Any) -> Line:
    return Line(*(*row[:-1], _link(case, row[2], row[-1])))


def _link(case: UUID, kind: str, thing: UUID | None) -> str:
    if kind == "file" and thing:
        return reverse("file", kwargs={"file_id": thing})
    if kind == "asked" and thing:
        return reverse("detail", kwargs={"case_id": case, "detail_id": thing})
    if kind == "check":
        return reverse("prove", kwargs={"case_id": case})
    return ""


class Reader:
    """Of one event loop: those who ask while a query is on its way are answered together by the next."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Sitting, int, asyncio.Future[Page | None]]] = []
        self.task: asyncio.Task[None] | None = None

    async def after(self, sitting: Sitting, seq: int) -> Page | None:
        """The lines of the sitting's case after `seq`; None: who sits there may see it no longer."""
        done: asyncio.Future[Page | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((sitting, seq, done))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        while self.waiting:
            asked, self.waiting = self.waiting[:MOST], self.waiting[MOST:]
            try:
                pages = await direct("reader").run(partial(_read, asked=asked))
            except Exception as error:
                for _sitting, _seq, done in asked:
                    if not done.done():
                        done.set_exception(error)
            else:
                for (_sitting, _seq, done), page in zip(asked, pages, strict=True):
                    if not done.done():
                        done.set_result(page)


@cache
def _read_sql() -> str:
    now = f"(SELECT {clock.expression()})"
    return f"""WITH {standing.SAT}, asked AS (SELECT * FROM unnest(%(n)s::int[], %(after)s::int[]) AS asked(n, after))
SELECT n, c.last_seq, c.status, c.agent_id, holder.name, l.*
FROM sat JOIN asked USING (n) JOIN conversations_case c ON c.id = sat.case_id
LEFT JOIN accounts_agent holder ON holder.id = c.agent_id
LEFT JOIN LATERAL (SELECT c.public_id, {LINE} FROM conversations_message m {FROM}
  WHERE m.case_id = c.id AND m.seq > asked.after ORDER BY m.seq LIMIT {PAGE}) l ON c.last_seq > asked.after
WHERE {standing.SIGNED_IN.format(now=now)} AND {standing.THEIRS} ORDER BY n, l.seq"""


async def _read(
    connection: "AsyncConnection[Any]", asked: "Sequence[tuple[Sitting, int, asyncio.Future[Page | None]]]"
) -> list[Page | None]:
    columns = standing.columns([sitting for sitting, _, _ in asked]) | {"after": [seq for _, seq, _ in asked]}
    pages: list[Page | None] = [None] * len(asked)
    answer = await connection.execute(_read_sql(), columns)
    for n, last_seq, status, agent_id, agent, *row in await answer.fetchall():
        page = pages[n]
        if page is None:
            page = pages[n] = Page(last_seq, status, agent_id, agent, [])
        if row[1] is not None:
            line = _line(*row)
            page.lines.append((line.seq, line.travelling()))
    return pages


def reader() -> Reader:
    """The running loop's."""
    return _readers.setdefault(asyncio.get_running_loop(), Reader())


_readers: "WeakKeyDictionary[asyncio.AbstractEventLoop, Reader]" = WeakKeyDictionary()
