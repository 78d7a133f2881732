"""Takes the day's figures, leaves the admin's first page: every figure a link to its rows, the plot drawn as SVG."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime as local
from django.utils.translation import gettext as say

from conversations import metrics
from conversations.admin.mentions import in_words

admin.site.index_template = "admin/dashboard.html"

# The plot's frame, in the units of its viewBox.
LEFT, RIGHT, TOP, BOTTOM = 40, 584, 16, 180
LINES = 4  # above the zero line


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the day and the list it opens."""

    label: str
    value: str
    note: str
    url: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across the plot with its number, or an hour below it."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One series: its points as SVG wants them, where it ends, and how it is called there."""

    name: str
    kind: str
    points: str
    end_x: int
    end_y: int
    label_y: int
    last: int


@dataclass(frozen=True, slots=True)
class Plot:
    """All that the template draws; `summary` says the same in one sentence."""

    rows: tuple[metrics.Hour, ...]
    marks: tuple[Mark, ...]
    hours: tuple[Mark, ...]
    curves: tuple[Curve, ...]
    area: str
    summary: str


def site_context(request: HttpRequest) -> dict[str, Any]:
    """For every admin page: no colours from settings, since they would be written into the page as a style element.

    They stand in a style sheet of ours (admin.css), which the strict content policy lets through.
    """
    return {"colors": None}


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows; only to those who may see cases."""
    if not request.user.has_perm("conversations.view_case"):
        raise PermissionDenied
    today = metrics.today()
    return context | {
        "title": say("Today"),
        "date": date_format(local(today.at), "l j F, H:i"),
        "today": today,
        "figures": figures(today),
        "ignored": [
            (
                in_words(reason.name),
                reason.count,
                _rows("mention", f"posted=today&state__exact=IGNORED&reason={reason.name}"),
            )
            for reason in today.ignored
        ],
        "steps": steps(today),
        "plot": plot(metrics.by_hour()),
        "desks": metrics.desks(),
        "switches": metrics.sending(),
        "may_supervise": request.user.has_perm("conversations.change_case"),
    }


def figures(today: metrics.Today) -> list[Figure]:
    """The strip on top."""
    longest = today.longest
    return [
        Figure(
            say("Posts heard"),
            f"{today.posts:,}",
            say("%(count)s ignored") % {"count": f"{today.ignored_count:,}"},
            _rows("mention", "posted=today"),
        ),
        Figure(
            say("Cases opened"),
            f"{today.opened:,}",
            say("%(count)s posts in cases") % {"count": f"{today.cased:,}"},
            _rows("case", "today=opened"),
        ),
        Figure(
            say("Open now"),
            f"{today.open_cases:,}",
            say("%(count)s with nobody yet") % {"count": f"{today.unassigned:,}"},
            _rows("case", "status=open"),
        ),
        Figure(say("Waiting for us"), f"{today.waiting:,}", "", _rows("case", "status=waiting")),
        Figure(
            say("Waiting longest"),
            how_long(today) if longest else say("nobody"),
            f"@{longest.handle}" if longest else "",
            reverse("admin:conversations_case_change", args=[longest.case_id])
            if longest
            else _rows("case", "status=waiting"),
        ),
        Figure(
            say("Rated"),
            f"{today.csat:.1f}" if today.csat is not None else say("not yet"),
            say("of 5, by %(count)s people") % {"count": f"{today.rated:,}"} if today.rated else "",
            _rows("survey", "today=answered"),
        ),
    ]


def steps(today: metrics.Today) -> list[Figure]:
    """From case to solved. These are counts of the day and not of the same people, so no shares are drawn."""
    percent = today.opened_percent
    return [
        Figure(say("Contacted"), f"{today.contacted:,}", say("first contact"), _rows("case", "today=contacted")),
        Figure(say("Invitations sent"), f"{today.invited:,}", "", _rows("invitation", "today=sent")),
        Figure(
            say("Of these opened"),
            f"{percent} %" if percent is not None else say("none sent"),
            f"{today.invitations_opened:,}" if percent is not None else "",
            _rows("invitation", "today=opened"),
        ),
        Figure(
            say("Connected"), f"{today.connected:,}", say("joined the secure chat"), _rows("invitation", "today=joined")
        ),
        Figure(say("Resolved"), f"{today.resolved:,}", "", _rows("case", "today=resolved")),
    ]


def how_long(today: metrics.Today) -> str:
    """How long the longest has been waiting: 19 min, 3 h 5 min, 2 days."""
    assert today.longest is not None
    minutes = max(0, int((today.at - today.longest.since).total_seconds() // 60))
    hours, rest = divmod(minutes, 60)
    if hours >= 48:
        return say("%(days)s days") % {"days": hours // 24}
    if hours:
        return say("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": rest}
    return say("%(minutes)s min") % {"minutes": minutes}


def plot(rows: tuple[metrics.Hour, ...]) -> Plot:
    """The last 24 hours as lines: positions are attributes, colours are classes."""
    posts, cases = [row.posts for row in rows], [row.cases for row in rows]
    top = _round_up(max([*posts, *cases, LINES]))
    xs = [round(LEFT + (RIGHT - LEFT) * index / (len(rows) - 1)) for index in range(len(rows))]

    def y(value: int) -> int:
        return round(BOTTOM - (BOTTOM - TOP) * value / top)

    def curve(name: str, kind: str, values: list[int], label_y: int) -> Curve:
        points = " ".join(f"{x},{y(value)}" for x, value in zip(xs, values, strict=True))
        return Curve(name, kind, points, xs[-1], y(values[-1]), label_y, values[-1])

    upper, lower = y(posts[-1]), y(cases[-1])
    if abs(upper - lower) < 16:  # two labels on one line cannot be read
        lower = upper + 16 if posts[-1] >= cases[-1] else upper - 16
    lines = (curve(say("Posts"), "1", posts, upper + 4), curve(say("Cases"), "2", cases, lower + 4))
    spread = list(zip(xs, rows, strict=True))[:-1][:: len(rows) // 6]
    busiest = max(rows, key=lambda row: row.posts)
    values = {"posts": sum(posts), "cases": sum(cases), "most": busiest.posts, "hour": f"{local(busiest.until):%H:%M}"}
    return Plot(
        rows=rows,
        marks=tuple(Mark(y(top * step // LINES), f"{top * step // LINES:,}") for step in range(LINES + 1)),
        hours=(*(Mark(x, f"{local(row.until):%H:%M}") for x, row in spread), Mark(xs[-1], say("now"))),
        curves=lines,
        area=f"{LEFT},{BOTTOM} {lines[0].points} {xs[-1]},{BOTTOM}",
        summary=say("%(posts)s posts and %(cases)s cases; the most posts, %(most)s, in the hour until %(hour)s.")
        % values,
    )


def _round_up(value: int) -> int:
    """The next number that four lines divide evenly: 4, 8, 20, 40, 80, 200, …"""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if LINES * factor * step >= value:
                return LINES * factor * step
        step *= 10


def _rows(model: str, query: str) -> str:
    return f"{reverse(f'admin:conversations_{model}_changelist')}?{query}"
