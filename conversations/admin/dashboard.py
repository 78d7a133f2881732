"""Takes the day's figures, leaves the admin's first page: every figure a link to its rows."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime as local
from django.utils.translation import gettext as say

from conversations import approvals, metrics
from conversations.admin import budget, channels, plots
from conversations.admin.mentions import in_words

admin.site.index_template = "admin/dashboard.html"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the day and the list it opens."""

    label: str
    value: str
    note: str
    url: str


def site_context(request: HttpRequest) -> dict[str, Any]:
    """For every admin page: no colours from settings, since they would be written into the page as a style element.

    They stand in a style sheet of ours (admin.css), which the strict content policy lets through.
    """
    return {"colors": None}


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows; only to those who may see cases."""
    if not request.user.has_perm("conversations.view_case"):
        raise PermissionDenied
    today, hours = metrics.today(), metrics.by_hour()
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
        "hours": hours,
        "plot": plot(hours),
        "channels": channels.summary(),
        "spending": budget.summary(),
        "approvals": approvals.queue().count(),
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


def plot(rows: tuple[metrics.Hour, ...]) -> plots.Plot:
    """The last 24 hours as lines."""
    posts, cases = [row.posts for row in rows], [row.cases for row in rows]
    spread = list(enumerate(rows))[:-1][:: len(rows) // 6]
    busiest = max(rows, key=lambda row: row.posts)
    values = {"posts": sum(posts), "cases": sum(cases), "most": busiest.posts, "hour": f"{local(busiest.until):%H:%M}"}
    return plots.draw(
        [plots.Series(say("Posts"), posts, f"{posts[-1]}"), plots.Series(say("Cases"), cases, f"{cases[-1]}")],
        [*((index, f"{local(row.until):%H:%M}") for index, row in spread), (len(rows) - 1, say("now"))],
        title=say("Posts and cases per hour, the last 24 hours"),
        summary=say("%(posts)s posts and %(cases)s cases; the most posts, %(most)s, in the hour until %(hour)s.")
        % values,
    )


def _rows(model: str, query: str) -> str:
    return f"{reverse(f'admin:conversations_{model}_changelist')}?{query}"
