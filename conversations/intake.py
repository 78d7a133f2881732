"""Takes posts from any way in, leaves Mentions NEW: each stored once, masked, with the cursor in the same transaction.

Stream, mentions timeline, search, pushed events, direct messages and files all end in `ingest`. It takes one statement
for five hundred posts as for one: each column travels as one array, and PostgreSQL's unique keys say what was there
already. Ways in that deliver the same at the same moment take turns: each holds authors and posts until it commits, and
two that hold what the other waits for would cost a second and one of them its transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from citisocial.clock import OFFSET
from conversations import ways
from conversations.masking import mask
from conversations.models import BrandAccount
from conversations.networks.base import Author, Post

# Who they are. Rows that are as they should be are not written again: people write often and seldom change their names.
PEOPLE = """
people AS (
  SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::boolean[], %s::int[])
    AS t(external_id, handle, name, receives_dm, followers)
), written AS (
  INSERT INTO conversations_author AS a (network, external_id, handle, name, receives_dm, followers, first_seen_at)
  SELECT %s, external_id, handle, name, receives_dm, followers, {now} FROM people
  ON CONFLICT (network, external_id) DO UPDATE
  SET handle = coalesce(nullif(excluded.handle, ''), a.handle),
      name = coalesce(nullif(excluded.name, ''), a.name),
      receives_dm = coalesce(excluded.receives_dm, a.receives_dm),
      followers = coalesce(excluded.followers, a.followers)
  WHERE a.handle != coalesce(nullif(excluded.handle, ''), a.handle)
     OR a.name != coalesce(nullif(excluded.name, ''), a.name)
     OR a.receives_dm IS DISTINCT FROM coalesce(excluded.receives_dm, a.receives_dm)
     OR a.followers IS DISTINCT FROM coalesce(excluded.followers, a.followers)
  RETURNING external_id, id
), authors AS (
  SELECT external_id, id FROM written
  UNION SELECT a.external_id, a.id FROM conversations_author a JOIN people USING (external_id) WHERE a.network = %s
)
"""
# What they wrote. It says of each post whether it is new; nothing of those that somebody else stores at this moment.
STORE = """
WITH given AS (
  SELECT * FROM unnest(
    %s::text[], %s::text[], %s::text[], %s::text[], %s::int[], %s::text[], %s::timestamptz[], %s::text[], %s::text[],
    %s::text[], %s::boolean[], %s::text[], %s::text[]
  ) AS t(external_id, author, kind, body, masked, language, posted_at, conversation_id, in_reply_to,
    in_reply_to_author, is_retweet, permalink, matched)
), named AS (
  SELECT * FROM unnest(%s::text[], %s::text[]) AS t(external_id, account)
), here AS (
  SELECT %s::text AS network, %s::bigint AS brand_id, ARRAY[%s]::varchar[] AS way
), {people}, known AS (
  SELECT m.id, m.external_id, m.ways @> here.way AS noted
  FROM conversations_mention m JOIN given USING (external_id) JOIN here USING (network)
), fresh AS (
  INSERT INTO conversations_mention (
    network, brand_id, ways, ingested_at, state, reason, because, author_id, external_id, kind, text, masked, language,
    posted_at, conversation_id, in_reply_to, in_reply_to_author, is_retweet, permalink, matched
  )
  SELECT here.network, here.brand_id, here.way, {now}, 'NEW', '', '[]', authors.id, given.external_id, kind, body,
    masked, language, posted_at, conversation_id, in_reply_to, in_reply_to_author, is_retweet, permalink,
    matched::varchar[]
  FROM given JOIN authors ON authors.external_id = given.author CROSS JOIN here
  WHERE given.external_id NOT IN (SELECT external_id FROM known)
  ON CONFLICT (network, external_id) DO NOTHING
  RETURNING id, external_id
), seen_again AS (
  UPDATE conversations_mention m SET ways = m.ways || here.way
  FROM here, (
    SELECT id FROM conversations_mention WHERE id IN (SELECT id FROM known WHERE NOT noted) FOR UPDATE SKIP LOCKED
  ) AS locked
  WHERE m.id = locked.id AND NOT m.ways @> here.way
), namings AS (
  INSERT INTO conversations_naming (mention_id, account_id)
  SELECT fresh.id, ours.id FROM fresh JOIN named USING (external_id) CROSS JOIN here
  JOIN conversations_brandaccount ours
    ON ours.external_id = named.account AND ours.network = here.network AND ours.brand_id = here.brand_id
  ON CONFLICT DO NOTHING
)
SELECT external_id, true FROM fresh UNION ALL SELECT external_id, false FROM known
"""
TURN = 0x696E74616B65  # the lock of whoever stores


def ingest(account: BrandAccount, posts: Sequence[Post], *, way: str, cursor: str | None = None) -> int:
    """Store what a way in delivered, and move its cursor, in one transaction. Returns how many posts were new.

    `way` is stream, activity, mentions, dm, file or search:<tag>. Posts that were stored before only get the way
    noted. All posts are of the account's network.
    """
    posts = list({post.external_id: post for post in posts}.values())
    with transaction.atomic():
        stored = _store(account, posts, way) if posts else 0
        if cursor:
            ways.move(account, way, cursor)
    return stored


def meet(people: Sequence[Author], at: datetime) -> None:
    """People as a network shows them at a moment: their rows are made or brought up to date, names masked."""
    if people:
        with connection.cursor() as sql:
            statement = f"WITH {PEOPLE} SELECT FROM authors".replace("{now}", "%s")
            *columns, network, again = _people(people)
            sql.execute(statement, [*columns, network, at, again])


def _people(people: Sequence[Author]) -> list[Any]:
    """What PEOPLE takes; in one order, so that two ways in never wait for each other in a circle."""
    known = {person.external_id: person for person in people}
    rows = [known[key] for key in sorted(known)]
    return [
        [p.external_id for p in rows],
        [p.handle[:50] for p in rows],
        [mask(p.name).text[:100] for p in rows],
        [p.receives_dm for p in rows],
        [p.followers for p in rows],
        rows[0].network,
        rows[0].network,
    ]


def _store(account: BrandAccount, posts: Sequence[Post], way: str) -> int:
    """How many were new."""
    named = [(post.external_id, name) for post in posts for name in post.names]
    with connection.cursor() as sql:
        sql.execute("SELECT pg_advisory_xact_lock(%s)", [TURN])
        sql.execute(
            _statement(settings.DEMO),
            [
                *(list(column) for column in zip(*map(_row, posts), strict=True)),
                [external_id for external_id, _ in named],
                [name for _, name in named],
                *(account.network, account.brand_id, way),
                *_people([post.author for post in posts]),
            ],
        )
        return sum(new for _, new in sql.fetchall())


@lru_cache
def _statement(demo: bool) -> str:
    """STORE in one piece and without needless spaces: psycopg keeps what it found out about statements up to 4 kB."""
    clock = f"clock_timestamp() + {OFFSET}" if demo else "clock_timestamp()"
    return " ".join(STORE.replace("{people}", PEOPLE).replace("{now}", clock).split())


def _row(post: Post) -> tuple[object, ...]:
    """The post's own columns, in the order of the arrays of STORE."""
    masked = mask(post.text)
    return (
        post.external_id,
        post.author.external_id,
        post.kind,
        masked.text,
        len(masked.found),
        (post.language or "")[:8],
        post.created_at,
        post.conversation_id or "",
        post.in_reply_to or "",
        post.in_reply_to_author or "",
        post.is_retweet,
        post.permalink[:200],
        _array(post.matched),
    )


def _array(values: Sequence[str]) -> str:
    """An array as PostgreSQL writes it: arrays of arrays would have to be of one length."""
    quoted = (value[:40].replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"
