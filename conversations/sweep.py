"""Takes posts from any way in, leaves Mentions NEW: each stored once, masked, with the cursor in the same transaction.

Stream, mentions timeline, search and direct messages all end in `ingest`. The stream is for speed; the polled
ways fill whatever it missed, because a cursor moves only together with the rows that it stands for.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Q

from citisocial.clock import now
from conversations import credentials
from conversations.masking import mask
from conversations.models import BrandAccount, Cursor, ListeningRule, Mention, Naming, Outgoing
from conversations.networks.base import Page, Post
from conversations.networks.errors import NetworkError, RateLimited

log = logging.getLogger(__name__)

# Posts become visible out of order: each poll reads again what is younger than this at the cursor. Ids of X carry
# their time in milliseconds above 22 bits, so the overlap is a subtraction.
OVERLAP_MS = 10_000
EPOCH_MS = 1_288_834_974_657  # where X's ids begin
WINDOW = timedelta(minutes=15)  # in which X counts reads
DM_READS = 12  # of the 15 direct-message reads that X gives in a window; the others are kept for reading back sends
DM_SECONDS = 75.0  # 12 in a window
DM_SECONDS_AWAITED = 4.0  # when somebody was just asked to write
SEARCHABLE = timedelta(days=6, hours=20)  # X's search refuses to begin more than a week back
FIRST_LOOK = timedelta(hours=1)  # how far back a new account is heard

AUTHORS = """
INSERT INTO conversations_author (network, external_id, handle, name, receives_dm, first_seen_at)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::boolean[], %s::timestamptz[])
ON CONFLICT (network, external_id) DO UPDATE
SET handle = coalesce(nullif(excluded.handle, ''), conversations_author.handle),
    name = coalesce(nullif(excluded.name, ''), conversations_author.name),
    receives_dm = coalesce(excluded.receives_dm, conversations_author.receives_dm)
RETURNING external_id, id
"""
SEEN_AGAIN = """
UPDATE conversations_mention SET ways = array_append(ways, %s)
WHERE network = %s AND external_id = ANY(%s) AND NOT ways @> ARRAY[%s]::varchar[]
"""
CURSOR = """
UPDATE conversations_cursor SET since_id = greatest(since_id::numeric, %s::numeric)::text
WHERE account_id = %s AND way = %s
"""


def ingest(account: BrandAccount, posts: Sequence[Post], *, way: str, cursor: str | None = None) -> int:
    """Store what a way in delivered, and move its cursor, in one transaction. Returns how many posts were new.

    `way` is stream, mentions, dm or search:<tag>. Posts that were stored before only get the way noted.
    """
    posts = list({post.external_id: post for post in posts}.values())
    with transaction.atomic():
        stored = _store(account, posts, way) if posts else 0
        if cursor:
            with connection.cursor() as sql:
                sql.execute(CURSOR, [cursor, account.pk, way])
    return stored


def _store(account: BrandAccount, posts: list[Post], way: str) -> int:
    at = now()
    authors = _authors(posts, at)
    ids = [post.external_id for post in posts]
    known = set(
        Mention.objects.filter(network=account.network, external_id__in=ids).values_list("external_id", flat=True)
    )
    unknown = [post for post in posts if post.external_id not in known]
    fresh = [_mention(account, post, authors[post.author.external_id], way, at) for post in unknown]
    # Two ways in may store the same post at the same moment: whoever comes second stores nothing and notes its way.
    Mention.objects.bulk_create(fresh, ignore_conflicts=True)
    with connection.cursor() as sql:
        sql.execute(SEEN_AGAIN, [way, account.network, ids, way])
    _note_names(account, unknown)
    return len(fresh)


def _authors(posts: list[Post], at: datetime) -> dict[str, int]:
    """The authors' rows by external id, made or brought up to date; in one order, so two ways never deadlock."""
    people = {post.author.external_id: post.author for post in posts}
    rows = [people[key] for key in sorted(people)]
    columns: list[list[str] | list[bool | None] | list[datetime]] = [
        [p.network for p in rows],
        [p.external_id for p in rows],
        [p.handle[:50] for p in rows],
        [p.name[:100] for p in rows],
        [p.receives_dm for p in rows],
        [at] * len(rows),
    ]
    with connection.cursor() as sql:
        sql.execute(AUTHORS, columns)
        return dict(sql.fetchall())


def _mention(account: BrandAccount, post: Post, author_id: int, way: str, at: datetime) -> Mention:
    masked = mask(post.text)
    return Mention(
        brand_id=account.brand_id,
        author_id=author_id,
        network=post.network,
        external_id=post.external_id,
        kind=post.kind,
        text=masked.text,
        masked=len(masked.found),
        language=(post.language or "")[:8],
        posted_at=post.created_at,
        ingested_at=at,
        conversation_id=post.conversation_id or "",
        in_reply_to=post.in_reply_to or "",
        in_reply_to_author=post.in_reply_to_author or "",
        is_retweet=post.is_retweet,
        permalink=post.permalink,
        matched=list(post.matched),
        ways=[way],
    )


def _note_names(account: BrandAccount, posts: list[Post]) -> None:
    ours = {
        a.external_id: a.pk for a in BrandAccount.objects.filter(brand_id=account.brand_id, network=account.network)
    }
    named = {post.external_id: [ours[name] for name in post.names if name in ours] for post in posts}
    if not any(named.values()):
        return
    pks = Mention.objects.filter(network=account.network, external_id__in=named).values_list("external_id", "pk")
    rows = [Naming(mention_id=pk, account_id=ours_pk) for external_id, pk in pks for ours_pk in named[external_id]]
    Naming.objects.bulk_create(rows, ignore_conflicts=True)


def sweep() -> int:
    """Ask every account's polled ways whose time has come. Returns how many posts were new.

    One way's failure is logged and leaves the others alone; its cursor stands where it was.
    """
    stored = 0
    for account in BrandAccount.objects.filter(active=True).select_related("brand").order_by("pk"):
        for way, seconds, query in _ways(account):
            if not _claim(account, way, seconds):
                continue
            try:
                stored += _poll(account, way, query)
            except NetworkError as error:
                wait = error.retry_after or (60.0 if isinstance(error, RateLimited) else seconds)
                Cursor.objects.filter(account=account, way=way).update(paused_until=now() + timedelta(seconds=wait))
                log.warning("sweep of @%s by %s: %s (again in %.0f s)", account.handle, way, error, wait)
    return stored


def _ways(account: BrandAccount) -> list[tuple[str, float, str]]:
    """The account's polled ways: name, seconds between two asks, and the query of a search."""
    ways = [("mentions", float(settings.SWEEP_SECONDS), "")]
    if account.purpose == BrandAccount.Purpose.CARE:
        ways.append(("dm", _dm_seconds(account), ""))
        for rule in ListeningRule.objects.filter(brand=account.brand, active=True, names_handles=False).order_by("pk"):
            ways.append((f"search:{rule.tag}", 3.0 * settings.SWEEP_SECONDS, rule.value))
    return ways


def _dm_seconds(account: BrandAccount) -> float:
    """X's allowance is one read in 75 s; quicker only while somebody who was asked to write has not yet.

    Then every 4 s at first, and slower the longer it takes: eight reads in the first five minutes.
    """
    at = now()
    asked = Outgoing.objects.filter(account=account, kind="reply", message_button=True, case__move="theirs")
    newest = asked.aggregate(at=Max("sent_at", filter=Q(sent_at__gt=at - timedelta(hours=1))))["at"]
    age: float = (at - newest).total_seconds() if newest else DM_SECONDS * 3
    return min(max(age / 3, DM_SECONDS_AWAITED), DM_SECONDS)


def _claim(account: BrandAccount, way: str, seconds: float) -> bool:
    """Whether it is this process's turn to ask: of several, only one gets a cursor that is due."""
    at = now()
    first = Cursor(account=account, way=way, since_id=str(id_of(at - FIRST_LOOK)), window_at=at)
    Cursor.objects.bulk_create([first], ignore_conflicts=True)
    cursor = Cursor.objects.get(account=account, way=way)
    asked = cursor.asked_at and cursor.asked_at > at - timedelta(seconds=seconds * 0.9)
    paused = cursor.paused_until and cursor.paused_until > at
    window = (cursor.window_at, cursor.reads) if cursor.window_at > at - WINDOW else (at, 0)
    if asked or paused or (way == "dm" and window[1] >= DM_READS):
        return False
    due = Cursor.objects.filter(pk=cursor.pk, asked_at=cursor.asked_at)
    return due.update(asked_at=at, window_at=window[0], reads=window[1] + 1) == 1


def id_of(at: datetime) -> int:
    """The first id that X gives at a moment; at networks whose ids carry no time a cursor starts elsewhere."""
    return (int(at.timestamp() * 1000) - EPOCH_MS) << 22


def _poll(account: BrandAccount, way: str, query: str) -> int:
    """Read all pages since the cursor; only the last one's transaction moves it: a crash half-way reads again."""
    since = int(Cursor.objects.get(account=account, way=way).since_id)
    floor = max(since - (OVERLAP_MS << 22), 0)
    if query:
        floor = max(floor, id_of(now() - SEARCHABLE))
    newest, token, stored = "", None, 0
    while True:
        page = _page(account, way, query, str(floor), token)
        newest = newest or page.newest_id or ""
        # Direct messages have no since_id: they come newest first, until one that is known.
        known = way == "dm" and any(int(post.external_id) <= floor for post in page.posts)
        token = None if known else page.next_token
        stored += ingest(account, page.posts, way=way, cursor=newest if not token else None)
        if not token:
            return stored


def _page(account: BrandAccount, way: str, query: str, since: str | None, token: str | None) -> Page:
    network = credentials.network(account.network)
    if way == "mentions":
        return network.mentions(credentials.ready(account), since_id=since, page_token=token)
    if way == "dm":
        return network.direct_messages(credentials.ready(account), page_token=token)
    return network.search(query, since_id=since, page_token=token)
