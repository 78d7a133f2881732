"""Takes what the polled ways answer, leaves it in `intake.ingest`: they fill whatever stream and push missed.

A cursor moves only when everything up to it is stored, so a gap of any length is read when the way is back.
"""

import logging
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db.models import Max, Q

from citisocial.clock import now
from conversations import credentials, metering, rogues, ways
from conversations.cases import WORKED_ON
from conversations.intake import ingest
from conversations.masking import mask
from conversations.models import Author, BrandAccount, Case, ListeningRule, Outgoing
from conversations.networks.base import Page, Post
from conversations.networks.errors import NetworkError, RateLimited
from conversations.ways import DM_RECOVERY_SECONDS, DM_SECONDS

log = logging.getLogger(__name__)

# Posts become visible out of order, some only a while after they were written: each poll asks again for what is younger
# than OVERLAP at the cursor, and reads on until a whole page is older than NEAR. So a quiet account is looked at two
# minutes back in its one page, and a busy one never pays pages for it. Ids of X carry their milliseconds above 22 bits.
OVERLAP = timedelta(minutes=2)
NEAR = timedelta(seconds=10)
SEARCHABLE = timedelta(days=6, hours=20)  # X's search refuses to begin more than a week back
MENTIONS_KEPT = 700  # X's mentions timeline ends after about 800 posts: what is older only a search finds
DM_READS = 12  # of the 15 direct-message reads that X gives in a window; the others are kept for reading back sends
DM_SECONDS_AWAITED = 4.0  # when somebody was just asked to write
SEARCH_SLOWER = {"normal": 3.0, "slower": 12.0}  # times SWEEP_SECONDS; no search at all when only handles are left

INTRODUCED = 100  # people in one call
ASKED_AGAIN = timedelta(days=1)
UNANSWERED = timedelta(minutes=5)  # after this, people about whom no answer came are asked about again


def sweep() -> int:
    """Ask every account's polled ways whose time has come. Returns how many posts were new.

    One way's failure is logged and leaves the others alone; its cursor stands where it was.
    """
    stored = 0
    for account in BrandAccount.objects.filter(active=True).select_related("brand").order_by("pk"):
        for way, seconds, query in _ways(account):
            if not ways.claim(account, way, seconds):
                continue
            if way == "dm" and not ways.take_dm_read(account, most=DM_READS):
                continue
            try:
                for new in _poll(account, way, query):
                    stored += new
            except NetworkError as error:
                wait = ways.failed(account, way, error, seconds=min(seconds, DM_SECONDS))
                log.warning("sweep of @%s by %s: %s (again in %.0f s)", account.handle, way, error, wait)
    return stored


def introduce() -> int:
    """Ask the network whether those whom agents will answer next take our messages. Returns how many were asked about.

    About each at most once a day; not at all when the budget is left for what names our handles.
    """
    asked = 0
    care = BrandAccount.objects.filter(active=True, purpose=BrandAccount.Purpose.CARE)
    for account in care.order_by("brand_id", "network", "pk").distinct("brand_id", "network"):
        if metering.thrift(account.network) != "handles_only":
            asked += _introduce(account)
    return asked


def _introduce(account: BrandAccount) -> int:
    at = now()
    waiting = Case.objects.filter(brand=account.brand_id, status__in=[Case.Status.OPEN, *WORKED_ON])
    due = Q(asked_at=None) | Q(asked_at__lt=at - ASKED_AGAIN)
    unknown = Author.objects.filter(due, receives_dm=None, network=account.network, cases__in=waiting)
    newest = unknown.order_by("-cases__changed_at").values_list("pk", flat=True)
    # Noted before the call as if they were due again in some minutes, and as asked when the answer is there: neither
    # a second worker nor a failing network makes this ask, and pay, over and over.
    pks = list(newest[:INTRODUCED])
    rows = Author.objects.filter(due, pk__in=pks)
    people = list(rows.values_list("external_id", flat=True))
    if not people or not rows.update(asked_at=at - ASKED_AGAIN + UNANSWERED):
        return 0
    try:
        found = credentials.network(account.network).introduce(credentials.ready(account), people)
    except NetworkError as error:
        log.warning("@%s could not ask who takes its messages: %s", account.handle, error)
        return 0
    asked = {author.external_id: author for author in Author.objects.filter(pk__in=pks)}
    for author in asked.values():
        author.asked_at = at
    for answer in found:
        if known := asked.get(answer.external_id):
            known.receives_dm = known.receives_dm if answer.receives_dm is None else answer.receives_dm
            # Of somebody who only ever wrote encrypted messages not even the handle is known before.
            known.handle = answer.handle[:50] or known.handle
            known.name = mask(answer.name).text[:100] or known.name
    Author.objects.bulk_update(asked.values(), ["asked_at", "receives_dm", "handle", "name"])
    return len(people)


def _ways(account: BrandAccount) -> list[tuple[str, float, str]]:
    """The account's polled ways: name, seconds between two asks, and the query of a search.

    A budget that runs out slows the searches down and then stops them; what names our handles is always read.
    """
    polled = [("mentions", float(settings.SWEEP_SECONDS), "")]
    if account.purpose == BrandAccount.Purpose.CARE:
        polled.append(("dm", _dm_seconds(account), ""))
        times = SEARCH_SLOWER.get(metering.thrift(account.network))
        rules = ListeningRule.objects.filter(brand=account.brand_id, network=account.network, active=True)
        if times:
            for rule in rules.filter(names_handles=False).order_by("pk"):
                polled.append((f"search:{rule.tag}", times * settings.SWEEP_SECONDS, rule.value))
    return polled


def _dm_seconds(account: BrandAccount) -> float:
    """Rarely while messages are pushed. Otherwise X's allowance is one read in 75 s, and the poll is what they come by:

    quicker only while somebody who was asked to write has not yet, every 4 s at first, and slower the longer it
    takes: eight reads in the first five minutes.
    """
    if ways.pushed(account):
        return DM_RECOVERY_SECONDS
    at = now()
    asked = Outgoing.objects.filter(account=account, kind="reply", message_button=True, case__move="theirs")
    newest = asked.aggregate(at=Max("sent_at", filter=Q(sent_at__gt=at - timedelta(hours=1))))["at"]
    age: float = (at - newest).total_seconds() if newest else DM_SECONDS * 3
    return min(max(age / 3, DM_SECONDS_AWAITED), DM_SECONDS)


def _poll(account: BrandAccount, way: str, query: str) -> Iterator[int]:
    """Read and store all pages since the cursor, and tell how many posts of each were new.

    Only the last page's transaction moves the cursor: what broke off half-way is read again from where it stood.
    """
    newest = ""
    delivered: list[Post] = []
    for page, last in _pages(account, way, query):
        newest = newest or page.newest_id or ""
        rogues.look(account, page.sent)
        yield ingest(account, page.posts, way=way, cursor=newest if last else None)
        delivered += page.posts
    ways.succeeded(account, way, delivered)


def _pages(account: BrandAccount, way: str, query: str) -> Iterator[tuple[Page, bool]]:
    """Every page since the cursor, newest first, and whether it is the last."""
    since = ways.since(account, way)
    floor, near = (max(since - _ids(time), 0) for time in (OVERLAP, NEAR))
    searched = max(floor, ways.id_of(now() - SEARCHABLE))
    token, read = None, 0
    while True:
        page = _page(account, way, query, str(searched if query else floor), token)
        read += len(page.posts)
        token = page.next_token if _goes_on(way, page, near) else None
        # A gap longer than the mentions timeline: the search goes on where that ends.
        beyond = way == "mentions" and not token and not query and read >= MENTIONS_KEPT
        yield page, not token and not beyond
        if beyond:
            query = f"@{account.handle}"
        elif not token:
            return
        elif way == "dm" and not ways.take_dm_read(account, most=DM_READS):
            raise RateLimited("The reads of direct messages are used up for now; the rest is read later.")


def _goes_on(way: str, page: Page, near: int) -> bool:
    """Whether the next page may hold something new."""
    ids = [int(post.external_id) for post in page.posts] + [int(sent.external_id) for sent in page.sent]
    if way == "dm":  # no since_id: newest first, until one that is known; and each page is one of few reads
        return not any(known <= near for known in ids)
    return not ids or max(ids) > near  # pages may come shuffled, so one old post is no end


def _page(account: BrandAccount, way: str, query: str, since: str, token: str | None) -> Page:
    network = credentials.network(account.network)
    if query:
        return network.search(query, since_id=since, page_token=token)
    if way == "mentions":
        return network.mentions(credentials.ready(account), since_id=since, page_token=token)
    return network.direct_messages(credentials.ready(account), page_token=token)


def _ids(time: timedelta) -> int:
    """How far apart ids are that were given at this distance."""
    return int(time.total_seconds() * 1000) << 22
