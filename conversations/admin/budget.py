"""Takes what the network charged, leaves the page "Budget": today against its limit, thirty days, line by line."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.timezone import localtime as local
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts.models import User
from conversations import metering
from conversations.admin import plots
from conversations.admin.listing import Shown
from conversations.models import Budget, Usage

NETWORK = "x"
DAYS = 30
CENT = 10_000  # micros
RESOURCES = {
    "post": _("Post read"),
    "owned_post": _("Own mention read"),
    "user": _("Person read"),
    "dm_event": _("Direct message read"),
    "dm_create": _("Direct message sent"),
    "post_create": _("Post written"),
    "post_create_url": _("Post with a link written"),
    "reply_summoned": _("Reply to somebody who named us"),
}
CALLS = {
    "mentions": _("mentions timeline"),
    "search": _("keyword search"),
    "stream": _("stream"),
    "activity": _("pushed events"),
    "dm": _("direct messages"),
    "read_back": _("looking up what was sent"),
    "users": _("people"),
    "send": _("sending"),
}


class LimitForm(forms.Form):
    """The day's limit; nothing means none."""

    limit = forms.DecimalField(
        label=_("Limit in US dollars for a UTC day; empty: only count"),
        min_value=0,
        max_digits=9,
        decimal_places=2,
        required=False,
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One resource, read or written for one purpose."""

    resource: Any
    call: Any
    units: str
    price: str
    cost: str


@admin.register(Budget)
class BudgetAdmin(Shown):
    """One page instead of a list: there is one budget for each network."""

    def get_urls(self) -> list[URLPattern]:
        """Beside the page: where the limit is posted to."""
        limit = self.admin_site.admin_view(require_POST(self.limit))
        return [path("limit/", limit, name="conversations_budget_limit"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Today's spending and what follows from it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {"title": say("Budget")}
        context |= page() | {"may_limit": request.user.has_perm("conversations.change_budget")}
        return TemplateResponse(request, "admin/budget.html", context | (extra_context or {}))

    def limit(self, request: HttpRequest) -> HttpResponse:
        """Set the day's limit, or none."""
        if not isinstance(request.user, User) or not request.user.has_perm("conversations.change_budget"):
            raise PermissionDenied
        form = LimitForm(request.POST)
        if form.is_valid():
            metering.set_limit(NETWORK, form.cleaned_data["limit"], by=request.user)
            messages.success(request, say("The limit is changed. It counts from now on."))
        else:
            messages.error(request, say("Give an amount in US dollars, like 12.50, or nothing."))
        return redirect("admin:conversations_budget_changelist")


def page() -> dict[str, Any]:
    """What the page shows: six queries, one is the clock's."""
    spending = metering.spending(NETWORK)
    day = spending.at.date()
    days = metering.by_day(NETWORK, date.fromordinal(day.toordinal() - DAYS + 1), day)
    return {
        "spending": spending,
        "figures": figures(spending, metering.posts_in_month(NETWORK, day)),
        "standing": standing(spending),
        "lines": [line(usage) for usage in metering.of_day(NETWORK, day)],
        "total": dollars(spending.spent),
        "days": [(each, dollars(micros)) for each, micros in reversed(days)],
        "plot": plot(days, spending),
        "limit_value": "" if spending.limit is None else f"{spending.limit / metering.DOLLAR:.2f}",
    }


def figures(spending: metering.Spending, posts: int) -> list[tuple[str, str, str]]:
    """The strip on top: label, value, note."""
    limit = say("no limit") if spending.limit is None else dollars(spending.limit)
    share = f"{100 * spending.spent // spending.limit} %" if spending.limit else ""
    usual = dollars(spending.usual) if spending.usual else say("not known yet")
    return [
        (say("Spent today"), dollars(spending.spent), say("UTC day until %(time)s") % {"time": ends(spending)}),
        (say("Limit"), limit, say("%(share)s of it spent") % {"share": share} if share else ""),
        (say("Forecast for the day"), dollars(spending.forecast), say("if it goes on like this")),
        (say("A usual day"), usual, say("mean of the last 7 that cost anything")),
        (
            say("Posts read this month"),
            f"{posts:,}",
            say("%(share)s of X's cap of 3 million") % {"share": f"{100 * posts / metering.MONTHLY_POSTS:.2f} %"},
        ),
    ]


def standing(spending: metering.Spending) -> tuple[str, str, str]:
    """What is degraded now: state, its symbol, and the sentence."""
    values = {"time": ends(spending)}
    if spending.limit is None:
        return "off", "info", say("There is no limit: spending is counted and nothing is held back.")
    if spending.thrift == "handles_only":
        return (
            "dead",
            "error",
            say("Keywords rest until %(time)s: their rules left stream and search. Our handles are read as always.")
            % values,
        )
    if spending.thrift == "slower":
        words = say("Keyword searches are asked four times less often until %(time)s. Our handles are read as always.")
        return "failing", "warning", words % values
    return "ok", "check_circle", say("Everything is read: spending is below 80 % of the limit.")


def line(usage: Usage) -> Line:
    """One row of the table; the price is what a unit cost."""
    return Line(
        resource=RESOURCES.get(usage.resource, usage.resource),
        call=CALLS.get(usage.call, usage.call),
        units=f"{usage.units:,}",
        price=f"${usage.micros / max(usage.units, 1) / metering.DOLLAR:.3f}",
        cost=dollars(usage.micros),
    )


def plot(days: list[tuple[date, int]], spending: metering.Spending) -> plots.Plot:
    """Thirty days, with the limit as a second line where there is one."""
    micros = [each for _, each in days]
    series = [plots.Series(say("Today"), micros, dollars(micros[-1]))]
    if spending.limit is not None:
        series.append(plots.Series(say("Limit"), [spending.limit] * len(days), dollars(spending.limit)))
    dearest = max(days, key=lambda each: each[1])
    values = {"total": dollars(sum(micros)), "most": dollars(dearest[1]), "day": date_format(dearest[0], "j F")}
    return plots.draw(
        series,
        [(index, date_format(day, "j M")) for index, (day, _) in list(enumerate(days))[1::7]],
        title=say("Cost per UTC day, the last 30 days"),
        summary=say("%(total)s in 30 days; the dearest was %(day)s with %(most)s.") % values,
        left=56,
        least=plots.LINES * CENT,
        write=dollars,
    )


def summary() -> dict[str, str]:
    """For the dashboard's line."""
    spending = metering.spending(NETWORK)
    limit = "" if spending.limit is None else dollars(spending.limit)
    return {"spent": dollars(spending.spent), "limit": limit, "forecast": dollars(spending.forecast)}


def dollars(micros: int) -> str:
    """$12.34"""
    return f"${micros / metering.DOLLAR:,.2f}"


def ends(spending: metering.Spending) -> str:
    """When the UTC day ends, by the site's clock."""
    return f"{local(spending.day_end):%H:%M}"
