"""Takes what is said in a case, leaves it as the case's next message: the only writer of Message and Case.last_seq.

One at a time in a transaction of the caller's (`append`), or all that the sockets of this process say, together
(`Ledger`): while one batch is committed the next comes together, so a message waits for no timer and a busy second
costs few commits. What is told to the rooms was committed before.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

import psycopg
from django.db import transaction
from psycopg import AsyncConnection

from accounts.models import Agent, Customer
from citisocial import clock
from conversations import cases, events, standing
from conversations.models import Case, Message, Side
from conversations.reading import Line
from conversations.realtime.direct import direct
from conversations.realtime.hub import Word, hub
from conversations.standing import Sitting

log = logging.getLogger(__name__)

MOST = 500  # messages in one commit
Kind = Message.Kind


def append(
    case: Case,
    *,
    kind: str,
    author: Agent | Customer | None,
    text: str = "",
    about: int | None = None,
    client_id: UUID | None = None,
    masked: int = 0,
    agent: Agent | None = None,
) -> Message:
    """The case's next message, inside the caller's transaction; told to its rooms when that commits.

    It checks nothing: who may say what is the caller's. The same `client_id` again is the message that is there.
    The author None is the house itself, `agent` then whom it speaks about.
    """
    with transaction.atomic():
        locked = Case.objects.select_for_update().get(pk=case.pk)
        if client_id and (said := Message.objects.filter(case=case, client_id=client_id).first()):
            return said
        message = Message.objects.create(
            case=case,
            seq=locked.last_seq + 1,
            client_id=client_id or uuid4(),
            kind=kind,
            about=about,
            side=Side.HOUSE if author is None else Side.AGENT if isinstance(author, Agent) else Side.CUSTOMER,
            agent=author if isinstance(author, Agent) else agent,
            customer=author if isinstance(author, Customer) else None,
            text=text,
            masked=masked,
            sent_at=clock.now(),
        )
        Case.objects.filter(pk=case.pk).update(last_seq=message.seq, changed_at=message.sent_at)
        case.last_seq = message.seq
        events.tell(case.pk, events.MESSAGE, message.seq)
    return message


@dataclass(frozen=True, slots=True)
class Entry:
    """What one socket says: by whom (`name` as the others read it), and with what before them.

    `seen`: the last seq they had before them; None: it goes out in any case.
    """

    sitting: Sitting
    name: str
    client_id: UUID
    text: str
    masked: int
    seen: int | None


@dataclass(frozen=True, slots=True)
class Written:
    """Where an entry stands; one that was there before is not `fresh`."""

    seq: int
    sent_at: datetime
    brand_id: int
    fresh: bool


class Ledger:
    """Of one event loop."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Entry, asyncio.Future[Written | None]]] = []
        self.task: asyncio.Task[None] | None = None

    async def write(self, entry: Entry) -> Written | None:
        """None: by what the case and the login are now it may not be written, or not like this; ask `chat.post` why.

        psycopg.OperationalError: the database is away, and nobody knows if it was written: the same again is harmless.
        """
        done: asyncio.Future[Written | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((entry, done))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        while self.waiting:
            batch, self.waiting = self.waiting[:MOST], self.waiting[MOST:]
            await self._settle(batch)

    async def _settle(self, batch: list[tuple[Entry, "asyncio.Future[Written | None]"]]) -> None:
        """Commit, then tell whoever asked. One bad entry fails alone: the batch is halved until it is found."""
        entries = [entry for entry, _ in batch]
        try:
            written = await direct("ledger").run(lambda connection: _store(connection, entries))
        except psycopg.OperationalError as error:
            self._fail(batch, error)
        except psycopg.Error as error:
            if len(batch) == 1:
                log.warning("ledger: an entry was refused by PostgreSQL (%s)", type(error).__name__)
                self._fail(batch, error)
                return
            half = len(batch) // 2
            await self._settle(batch[:half])
            await self._settle(batch[half:])
        else:
            _tell(entries, written)
            for (_entry, done), found in zip(batch, written, strict=True):
                if not done.done():
                    done.set_result(found)

    def _fail(self, batch: list[tuple[Entry, "asyncio.Future[Written | None]"]], error: psycopg.Error) -> None:
        for _entry, done in batch:
            if not done.done():
                done.set_exception(error)


LOCK = "SELECT FROM conversations_case WHERE id = ANY(%s) ORDER BY id FOR UPDATE"


@cache
def _write_sql() -> str:
    """1. `may`: by whom it may be said now, nothing said between, and not said before. 2. Numbered, for each case in
    the order it came. 3. The case, once. 4. The messages. What was said before answers with its number."""
    return f"""
WITH clock AS MATERIALIZED (SELECT {clock.expression()} AS at), {standing.SAT},
said AS (SELECT * FROM unnest(%(n)s::int[], %(client_id)s::uuid[], %(text)s::text[], %(masked)s::int[], %(seen)s::int[])
  AS said(n, client_id, text, masked, seen)),
may AS (
  SELECT DISTINCT ON (c.id, said.client_id) said.*, c.id AS case_id, c.last_seq, sat.agent_id, sat.customer_id
  FROM said JOIN sat USING (n) JOIN conversations_case c ON c.id = sat.case_id
  WHERE {cases.SPEAKABLE} AND (c.agent_id = sat.agent_id OR c.customer_id = sat.customer_id)
    AND {standing.SIGNED_IN.format(now="(SELECT at FROM clock)")}
    AND (said.seen IS NULL OR said.seen >= c.last_seq OR NOT EXISTS (
      SELECT FROM conversations_message m WHERE m.case_id = c.id AND m.seq > said.seen
      AND m.agent_id IS DISTINCT FROM sat.agent_id))
    AND NOT EXISTS (SELECT FROM conversations_message m WHERE m.case_id = c.id AND m.client_id = said.client_id)
  ORDER BY c.id, said.client_id, said.n),
numbered AS (SELECT *, last_seq + row_number() OVER (PARTITION BY case_id ORDER BY n) AS seq FROM may),
spoken AS (
  UPDATE conversations_case c SET last_seq = l.seq, {cases.SPOKEN}
  FROM (SELECT DISTINCT ON (case_id) case_id, seq, agent_id FROM numbered ORDER BY case_id, seq DESC) l, clock
  WHERE c.id = l.case_id),
fresh AS (
  INSERT INTO conversations_message
    (case_id, seq, client_id, kind, side, agent_id, customer_id, text, masked, sent_at)
  SELECT case_id, seq, client_id, 'said', CASE WHEN agent_id IS NULL THEN 'customer' ELSE 'agent' END,
    agent_id, customer_id, text, masked, clock.at FROM numbered, clock
  RETURNING case_id, client_id, seq, sent_at)
SELECT n, fresh.seq, fresh.sent_at, c.brand_id, true
FROM fresh JOIN (said JOIN sat USING (n)) USING (case_id, client_id) JOIN conversations_case c ON c.id = fresh.case_id
UNION ALL
SELECT n, m.seq, m.sent_at, c.brand_id, false
FROM said JOIN sat USING (n) JOIN conversations_case c ON c.id = sat.case_id
JOIN conversations_message m ON m.case_id = c.id AND m.client_id = said.client_id
WHERE m.agent_id = sat.agent_id OR m.customer_id = sat.customer_id"""


async def _store(connection: "AsyncConnection[Any]", entries: list[Entry]) -> list[Written | None]:
    """One transaction, two statements: the second sees what others committed before the first had its locks."""
    sittings = [entry.sitting for entry in entries]
    columns = standing.columns(sittings) | {
        name: [getattr(entry, name) for entry in entries] for name in ("client_id", "text", "masked", "seen")
    }
    async with connection.pipeline(), connection.transaction():
        await connection.execute(LOCK, [[sitting.case for sitting in sittings]])
        answer = await connection.execute(_write_sql(), columns)
    found: list[Written | None] = [None] * len(entries)
    for n, *stands in await answer.fetchall():
        found[n] = Written(*stands)
    return found


def _tell(entries: list[Entry], written: list[Written | None]) -> None:
    """The rooms of the cases, in the order of their numbers, and the inboxes, once for each brand."""
    words: list[Word] = []
    brands: dict[int, dict[str, list[str]]] = {}
    for entry, stands in zip(entries, written, strict=True):
        if stands is None or not stands.fresh or entry.sitting.case is None:
            continue
        line = Line(
            seq=stands.seq,
            client_id=entry.client_id,
            kind=Kind.SAID,
            side=Side.CUSTOMER if entry.sitting.agent is None else Side.AGENT,
            name=entry.name,
            text=entry.text,
            at=stands.sent_at,
            masked=entry.masked,
        )
        words.append((events.case_room(entry.sitting.case), events.MESSAGE, (stands.seq, line.travelling())))
        brands.setdefault(stands.brand_id, {})[str(entry.sitting.case)] = []
    words += [(events.inbox_room(brand), events.INBOX, case_ids) for brand, case_ids in brands.items()]
    if words:
        hub().tell(words)


def ledger() -> Ledger:
    """The running loop's."""
    return _ledgers.setdefault(asyncio.get_running_loop(), Ledger())


_ledgers: "WeakKeyDictionary[asyncio.AbstractEventLoop, Ledger]" = WeakKeyDictionary()
