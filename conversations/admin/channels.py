"""Takes how every way in stands, leaves the page "Channels", the dashboard's line and the alarm on every page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from citisocial.clock import now
from conversations import alarms, credentials, stops, ways
from conversations.admin.connect import NAME, Connecting
from conversations.models import BrandAccount

# state -> what it is called, and the symbol beside it: never the colour alone.
STATES: dict[ways.State, tuple[Any, str]] = {
    "ok": (_("well"), "check_circle"),
    "late": (_("late"), "schedule"),
    "failing": (_("failing"), "warning"),
    "dead": (_("dead"), "error"),
    "off": (_("off"), "do_not_disturb_on"),
}

MOST_ALARMS = 3  # in the banner; all of them are on their own page


@dataclass(frozen=True, slots=True)
class Row:
    """One way in, as the page says it."""

    standing: ways.Standing
    words: Any
    icon: str
    succeeded: str
    heard: str
    lag: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One account with its ways in."""

    account: BrandAccount
    rows: tuple[Row, ...]
    missing: tuple[str, ...]  # scopes that it did not allow

    @property
    def is_dead(self) -> bool:
        return any(row.standing.state == "dead" for row in self.rows)


class Channels(Connecting):
    """Brand accounts, with the page that shows how all their ways in are doing."""

    def channel_urls(self) -> list[URLPattern]:
        """The page, and the piece of every admin page that says what is dead."""
        wrap = self.admin_site.admin_view
        return [
            path("channels/", wrap(require_GET(self.channels)), name=f"{NAME}_channels"),
            path("alarm/", wrap(require_GET(self.alarm)), name=f"{NAME}_alarm"),
        ]

    def channels(self, request: HttpRequest) -> HttpResponse:
        """Every account and way in; `?part=list` is only what changes, for the page that renews itself."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {"tiles": list(tiles()), "may_connect": self.has_change_permission(request)}
        if request.GET.get("part") == "list":
            return render(request, "admin/channel_list.html", context)
        context |= self.admin_site.each_context(request) | {"title": say("Channels")}
        return TemplateResponse(request, "admin/channels.html", context)

    def alarm(self, request: HttpRequest) -> HttpResponse:
        """What is stopped, alarming or dead, for the top of every page; an empty piece while nothing is."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        open_alarms = list(alarms.unclosed()[: MOST_ALARMS + 1])
        context = {
            "dead": dead(),
            "stops": [stops.sentence(stop) for stop in stops.running()],
            "alarms": [(alarm, alarms.advice(alarm)) for alarm in open_alarms[:MOST_ALARMS]],
            "more_alarms": len(open_alarms) > MOST_ALARMS,
        }
        return render(request, "admin/alarm.html", context)


def tiles() -> Iterator[Tile]:
    """All accounts, each with its ways in."""
    at = now()
    for account, lines in groupby(ways.standing(), key=lambda line: line.account):
        allowed = account.scopes.split()
        missing = [scope for scope in credentials.SCOPES if scope not in allowed] if allowed else []
        yield Tile(account, tuple(_row(line, at) for line in lines), tuple(missing))


def _row(line: ways.Standing, at: datetime) -> Row:
    words, icon = STATES[line.state]
    lag = "" if line.lag_ms is None else _seconds(line.lag_ms / 1000)
    return Row(line, words, icon, ago(line.succeeded_at, at), ago(line.heard_at, at), lag)


def dead() -> list[ways.Standing]:
    """The ways in that somebody must do something about."""
    return [line for line in ways.standing() if line.state == "dead"]


def summary() -> dict[str, int]:
    """How many ways in are in which state, for the dashboard's line."""
    found = dict.fromkeys(STATES, 0)
    for line in ways.standing():
        found[line.state] += 1
    return {str(state): count for state, count in found.items()}


def ago(then: datetime | None, at: datetime) -> str:
    """How long ago: 4 s, 3 min, 2 h, 5 days."""
    if then is None:
        return say("never")
    return say("%(time)s ago") % {"time": _seconds(max(0.0, (at - then).total_seconds()))}


def _seconds(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    for size, name in ((172_800, "d"), (7_200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds // {'d': 86_400, 'h': 3_600, 'min': 60}[name]:.0f} {name}"
    return f"{seconds:.0f} s"
