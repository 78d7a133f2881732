"""Takes what each way in asks and reports, leaves its Cursor: whose turn it is, how far it was read, how it is doing.

The only writer of Cursor. A way is stream, activity, mentions, dm or search:<rule tag>, of one account.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.conf import settings
from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, F, Q
from django.db.models.functions import Coalesce
from django.utils.timezone import localtime

from citisocial.clock import now
from conversations import metering
from conversations.models import BrandAccount, Cursor, ListeningRule
from conversations.networks.base import Post
from conversations.networks.errors import NetworkError, RateLimited

EPOCH_MS = 1_288_834_974_657  # where X's ids begin
FIRST_LOOK = timedelta(hours=1)  # how far back a new account is heard
WINDOW = timedelta(minutes=15)  # in which X counts reads
DM_READS = 15  # of direct messages in a window: read-backs, looks for foreign sends and the inbound poll share them
LIMITED = 60.0  # seconds to wait when a network says "too many" and not until when
WAIT = "Wait: "  # begins the error of a way that a network told to wait: nothing is wrong with it

# How often each way speaks when all is well, in seconds; its health is judged by it.
STREAM_SPEAKS = 20.0
DM_SECONDS = 75.0  # 12 of a window's 15 reads
DM_RECOVERY_SECONDS = 900.0  # where messages are pushed: the poll only fills gaps
ACTIVITY_SECONDS = 30.0  # a look at the subscriptions costs nothing: a push that died is seen within a minute
CREDITS = "credits"  # in the words of a network that wants to be paid first
SLOWER = 4  # keyword searches are this much rarer while the budget is short
SILENCE = {  # by way: who ought to be at work when nothing is heard and no error either
    "stream": "Nobody listens to the stream: look whether `manage.py listen` runs.",
    "mentions": "Nobody asks: look whether the worker and beat run.",
    "activity": "Nobody looks after the subscriptions: look whether the worker and beat run.",
}
SILENT = 45.0  # seconds after which a way that ought to speak all the time is dead

MOVE = """
UPDATE conversations_cursor SET since_id = greatest(since_id::numeric, %s::numeric)::text
WHERE account_id = %s AND way = %s
"""


State = Literal["ok", "late", "failing", "dead", "off"]
TITLES = {"stream": "Stream", "activity": "Pushed events", "mentions": "Mentions timeline", "dm": "Direct messages"}
OURS = ("activity", "mentions", "dm")  # ways that need the account's own tokens; the others use the app's

_seen: dict[str, tuple[float, list["Standing"]]] = {}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one way in of one account is doing. `advice` says what to do, in a sentence; empty when nothing is."""

    account: BrandAccount
    way: str
    state: State
    advice: str
    succeeded_at: datetime | None
    heard_at: datetime | None
    lag_ms: int | None
    error: str

    @property
    def title(self) -> str:
        """The way, in words."""
        return TITLES.get(self.way) or f"Search “{self.way.partition(':')[2]}”"


def id_of(at: datetime) -> int:
    """The first id that X gives at a moment; at networks whose ids carry no time a cursor starts elsewhere."""
    return (int(at.timestamp() * 1000) - EPOCH_MS) << 22


def claim(account: BrandAccount, way: str, seconds: float) -> bool:
    """Whether it is this process's turn to ask: of several, only one gets a way whose `seconds` are over."""
    cursor, at = _cursor(account, way), now()
    asked = cursor.asked_at and cursor.asked_at > at - timedelta(seconds=seconds * 0.9)
    paused = cursor.paused_until and cursor.paused_until > at
    if asked or paused:
        return False
    return Cursor.objects.filter(pk=cursor.pk, asked_at=cursor.asked_at).update(asked_at=at) == 1


def take_dm_read(account: BrandAccount, *, most: int = DM_READS) -> bool:
    """Take one read of the account's direct messages, unless `most` were taken in this window.

    Whoever can wait (the inbound poll) names a smaller `most` and so leaves the rest to whoever cannot.
    """
    cursor, at = _cursor(account, "dm"), now()
    over = Q(window_at__lte=at - WINDOW)
    rows = Cursor.objects.filter(pk=cursor.pk)
    if rows.filter(over).update(window_at=at, reads=1):
        return True
    return rows.filter(reads__lt=most).update(reads=F("reads") + 1) == 1


def dm_reads(account: BrandAccount) -> tuple[int, datetime]:
    """Reads of the account's direct messages that are left in this window, and when the next one begins."""
    cursor, at = _cursor(account, "dm"), now()
    if cursor.window_at <= at - WINDOW:
        return DM_READS, at + WINDOW
    return DM_READS - cursor.reads, cursor.window_at + WINDOW


def since(account: BrandAccount, way: str) -> int:
    """The id up to which the way has been read; what it missed is younger."""
    return int(_cursor(account, way).since_id)


def move(account: BrandAccount, way: str, newest: str) -> None:
    """Everything up to this id is stored; only forward. Call it in the transaction that stored it."""
    with connection.cursor() as sql:
        sql.execute(MOVE, [newest, account.pk, way])


def succeeded(account: BrandAccount, way: str, posts: Sequence[Post] = ()) -> None:
    """The network answered (or the stream spoke), and this is what it delivered."""
    at = now()
    columns: dict[str, object] = {"failing_since": None, "error": "", "paused_until": None}
    _cursor(account, way)
    Cursor.objects.filter(account=account, way=way).update(**columns, **_spoke(posts, at))


def heard(account: BrandAccount, way: str, posts: Sequence[Post]) -> None:
    """The network delivered these by itself; that ends no failure of asking it."""
    well, columns = Cursor.objects.filter(account=account, way=way, failing_since=None), _spoke(posts, now())
    if not well.update(**columns):  # it failed, or nobody has asked for it yet
        _cursor(account, way)
        well.update(**columns)


def _spoke(posts: Sequence[Post], at: datetime) -> dict[str, object]:
    """The columns of a way that spoke, and the lag of the newest post."""
    if not posts:
        return {"succeeded_at": at}
    newest = max(post.created_at for post in posts)
    return {"succeeded_at": at, "heard_at": at, "lag_ms": max(0, int((at - newest).total_seconds() * 1000))}


def failed(account: BrandAccount, way: str, error: NetworkError, *, seconds: float) -> float:
    """Note it, and do not ask again before the network's own time, or `seconds`. Returns the wait in seconds."""
    wait = error.retry_after or (LIMITED if isinstance(error, RateLimited) else seconds)
    at = now()
    cursor = _cursor(account, way)
    told_to_wait = isinstance(error, RateLimited) and CREDITS not in str(error)
    Cursor.objects.filter(pk=cursor.pk).update(
        error=f"{WAIT if told_to_wait else ''}{error}"[:300],
        failing_since=Coalesce("failing_since", at),
        paused_until=at + timedelta(seconds=wait),
        asked_at=None,  # its turn is when the pause is over, however seldom it is asked when all is well
    )
    return wait


def hurry(account: BrandAccount, way: str) -> None:
    """Its turn is now, whenever it was asked last or failed; what the network said about waiting still holds."""
    rows = Cursor.objects.filter(account=account, way=way)
    rows.update(asked_at=None)
    rows.exclude(error__startswith=WAIT).update(paused_until=None)


def failing_for(account: BrandAccount, way: str) -> float:
    """Seconds since the first failure after the last success; 0 when all is well or nothing was tried yet."""
    began = Cursor.objects.filter(account=account, way=way).values_list("failing_since", flat=True).first()
    return (now() - began).total_seconds() if began else 0.0


def pushed(account: BrandAccount) -> bool:
    """Whether the network pushes this account's messages to us, as far as we know: then polls only fill gaps."""
    if settings.X_PUSH == "off":
        return False
    lately = now() - timedelta(seconds=2 * ACTIVITY_SECONDS + 60)
    well = Cursor.objects.filter(account=account, way="activity", failing_since=None, succeeded_at__gt=lately)
    return well.exists()


def standing() -> list[Standing]:
    """How every way in of every account is doing; asked of the database every few seconds at most."""
    found = _seen.get("standing")
    began = time.monotonic()
    if found and began - found[0] < settings.LOOK_AGAIN_SECONDS:
        return found[1]
    at = now()
    accounts = BrandAccount.objects.select_related("brand").prefetch_related("cursors").order_by("brand_id", "pk")
    rules = list(ListeningRule.objects.filter(active=True).order_by("pk"))
    lines: list[Standing] = []
    thrifts: dict[str, metering.Thrift] = {}
    streaming: set[str] = set()  # networks whose one stream is kept by an account before
    has_tokens = ExpressionWrapper(~Q(sealed_tokens=b""), BooleanField())
    for account in accounts.annotate(has_tokens=has_tokens).defer("sealed_tokens"):
        slug = account.network
        thrifts[slug] = thrifts.get(slug) or metering.thrift(slug)
        cursors = {cursor.way: cursor for cursor in account.cursors.all()}
        expected = _expected(account, rules, streams=slug not in streaming, rests=thrifts[slug] == "handles_only")
        for way, off in expected:
            seconds = _seconds(way, thrifts[slug])
            lines.append(_judged(account, way, off, cursors.get(way), seconds=seconds, at=at))
        if expected[0][0] == "stream":
            streaming.add(slug)
    _seen["standing"] = began, lines
    return lines


def _expected(
    account: BrandAccount, rules: Sequence[ListeningRule], *, streams: bool, rests: bool
) -> list[tuple[str, str]]:
    """The account's ways in, each with why it is off; "" for one that ought to speak."""
    if not account.active:
        return [("mentions", "This account is switched off: nothing is read for it.")]
    if account.purpose != BrandAccount.Purpose.CARE:
        return [("mentions", "")]
    ours = [r for r in rules if r.brand_id == account.brand_id and r.network == account.network]
    streamed = [r for r in ours if (settings.STREAM_HANDLES if r.names_handles else not rests)]
    resting = "The day's budget is used up: keywords rest until 00:00 UTC. The handles are read as always."
    pushed = "" if settings.X_PUSH == "webhook" else "X_PUSH is off: messages come by the poll, posts by the others."
    silent = resting if rests and ours else "There is no rule to listen for: add one under Listening rules."
    found = [("stream", "" if streamed else silent)] if streams else []
    found += [("activity", pushed), ("mentions", ""), ("dm", "")]
    return found + [(f"search:{r.tag}", resting if rests else "") for r in ours if not r.names_handles]


def _judged(
    account: BrandAccount, way: str, off: str, cursor: Cursor | None, *, seconds: float, at: datetime
) -> Standing:
    """One way's state and what to do about it."""
    state: State
    if off:
        state, advice = "off", off
    elif way in OURS and account.refused_at:
        state, advice = "dead", f"The network refuses our access since {_clock(account.refused_at)}. Connect it again."
    elif way in OURS and not account.has_tokens:  # type: ignore[attr-defined]
        state, advice = "dead", "This account is not connected. Connect it."
    elif cursor is None or not (cursor.succeeded_at or cursor.failing_since):
        state, advice = _unheard(account, way, at)
    elif way in OURS and _failed_before_connecting(account, cursor, at):
        state, advice = "late", "The account was connected a moment ago. It is asked again at once."
    else:
        state, advice = _heard(way, cursor, seconds, at)
    columns = ("succeeded_at", "heard_at", "lag_ms")
    said = {name: getattr(cursor, name, None) for name in columns}
    return Standing(account, way, state, advice, error=cursor.error if cursor else "", **said)


def _failed_before_connecting(account: BrandAccount, cursor: Cursor, at: datetime) -> bool:
    """What went wrong before somebody did something about it is given a moment to be well again."""
    connected, failing = account.connected_at, cursor.failing_since
    return bool(connected and failing and failing < connected and connected > at - timedelta(seconds=SILENT))


def _unheard(account: BrandAccount, way: str, at: datetime) -> tuple[State, str]:
    """A way that never answered: a new rule or account is given a moment."""
    young = account.connected_at is not None and account.connected_at > at - timedelta(seconds=SILENT)
    if young or way not in {"stream", "mentions"}:
        return "late", "It has not been asked yet."
    return "dead", f"It has never answered. {SILENCE[way]}"


def _heard(way: str, cursor: Cursor, seconds: float, at: datetime) -> tuple[State, str]:
    """By what it said last: told to wait is not dead, and one failure is not either."""
    told_to_wait = cursor.error.startswith(WAIT)
    paused = cursor.paused_until if told_to_wait else None
    if paused and paused > at:
        return "failing", f"Wait until {_clock(paused)}: the network's limit opens again then. What it missed is read."
    failing = (at - max(filter(None, (cursor.failing_since, paused)))).total_seconds() if cursor.failing_since else 0.0
    spoke = max(filter(None, (cursor.succeeded_at, paused)), default=None)
    silent = (at - spoke).total_seconds() if spoke else failing
    if CREDITS in cursor.error or failing > max(SILENT, 1.5 * seconds):
        return "dead", _advice(cursor)
    if silent > max(SILENT, 3 * seconds):
        return "dead", _advice(cursor) if cursor.error else SILENCE.get(way, SILENCE["mentions"])
    if cursor.failing_since:
        return "failing", _advice(cursor)
    if silent > max(STREAM_SPEAKS, 1.5 * seconds) + 5:
        return "late", "It is late, and nothing is lost. Nothing to do yet."
    return "ok", ""


def _advice(cursor: Cursor) -> str:
    """What to do about an error; most of them pass by themselves."""
    said = cursor.error
    if CREDITS in said:
        return "Add credits in the network's developer console. It is asked again by itself."
    if "onnect" in said:  # the sentences about credentials and scopes
        return "Connect the account again."
    if "rule" in said.lower():
        return "Check the listening rules: the network does not take one of them."
    if "settings" in said or "console" in said:
        return "Check the settings and the app's access in the network's developer console."
    return "The network does not answer as it should. It is asked again by itself; what was missed is read then."


def _seconds(way: str, thrift: metering.Thrift) -> float:
    """How long the way is silent between two successes when all is well."""
    asked = float(settings.SWEEP_SECONDS)
    if way.startswith("search:"):
        return asked * 3 * (SLOWER if thrift == "slower" else 1)
    dm = DM_RECOVERY_SECONDS if settings.X_PUSH == "webhook" else DM_SECONDS
    return {"stream": STREAM_SPEAKS / 2, "activity": ACTIVITY_SECONDS, "dm": dm}.get(way, asked)


def _clock(at: datetime) -> str:
    return f"{localtime(at):%H:%M}"


def _cursor(account: BrandAccount, way: str) -> Cursor:
    """The row, made at its first use."""
    found = Cursor.objects.filter(account=account, way=way).first()
    if found is None:
        at = now()
        first = Cursor(account=account, way=way, since_id=str(id_of(at - FIRST_LOOK)), window_at=at)
        Cursor.objects.bulk_create([first], ignore_conflicts=True)
        found = Cursor.objects.get(account=account, way=way)
    return found
