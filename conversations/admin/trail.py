"""Takes the one trail, leaves it to read, to verify and to export: no line is changed or taken out, whoever signs in.

Who reads it or takes a copy is itself written into it.
"""

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.timezone import localtime as local
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts.models import User
from citisocial.clock import now
from conversations import audit, metrics, tasks
from conversations.admin import trail_export
from conversations.admin.listing import Shown, column
from conversations.audit import VERBS
from conversations.models import AuditEvent, AuditSeal

NAME = "conversations_auditevent"
READ_AGAIN = timedelta(minutes=10)  # who reads on writes one line, not one per click
AT_ONCE = 100_000  # lines that are verified while somebody waits: two or three seconds


class Verb(admin.SimpleListFilter):
    """What was done; the verbs are known, so no row is read to list them."""

    title = _("what")
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(VERBS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset.filter(verb=self.value()) if self.value() else queryset


class Day(admin.SimpleListFilter):
    """When it was done."""

    title = _("time")
    parameter_name = "at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("today", _("Today")), ("week", _("The last 7 days"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        if self.value() not in {"today", "week"}:
            return queryset
        return queryset.filter(at__gte=metrics.day_start(now()) - timedelta(days=6 if self.value() == "week" else 0))


@admin.register(AuditEvent)
class AuditEventAdmin(Shown):
    """Who did what, when, newest first."""

    list_before_template: Any = "admin/trail_standing.html"
    list_display = ("what", "actor", "user", "case", "details", "at")
    list_filter = (Verb, Day)
    search_fields = ("case__pk",)
    search_help_text = _("The number of a case, or a whole user name")
    related = ("user", "case")
    fields = ("what", "actor", "user", "case", "details", "at")

    def find(self, term: str) -> Q:
        """A case's number, or whoever signs in by that name."""
        return Q(case=int(term)) if term.isdecimal() and len(term) < 19 else Q(user__username=term)

    @column(_("what"))
    def what(self, event: AuditEvent) -> str:
        return VERBS.get(event.verb, event.verb)

    @column(_("details"))
    def details(self, event: AuditEvent) -> str:
        return ", ".join(f"{key}: {value}" for key, value in event.data.items())

    def get_urls(self) -> list[URLPattern]:
        """Beside the list: verifying and exporting."""
        wrap = self.admin_site.admin_view
        return [
            path("verify/", wrap(require_POST(self.verify)), name=f"{NAME}_verify"),
            path("export/", wrap(self.export), name=f"{NAME}_export"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        self._reads(request)
        shown: TemplateResponse = super().changelist_view(request, (extra_context or {}) | standing())
        return shown

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self._reads(request)
        shown: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
        return shown

    def verify(self, request: HttpRequest) -> HttpResponse:
        """Look at every line now; a long trail is looked at in the background."""
        user = self._supervisor(request)
        newest = AuditSeal.objects.order_by("-number").values_list("total", flat=True).first()
        if (newest or 0) > AT_ONCE:
            tasks.nudge(tasks.verify_trail)
            messages.info(request, say("The trail is long: it is verified now, and the result is shown here."))
            return redirect(f"admin:{NAME}_changelist")
        context = {"title": say("The trail was verified"), "report": tasks.verified(by=user)}
        return TemplateResponse(request, "admin/trail_report.html", self.admin_site.each_context(request) | context)

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Ask what is wanted and why; then a file."""
        user = self._supervisor(request)
        form = trail_export.ExportForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return trail_export.export(form, by=user)
        context = {"title": say("Export the trail"), "form": form, "most": trail_export.MOST}
        return TemplateResponse(request, "admin/trail_export.html", self.admin_site.each_context(request) | context)

    def _reads(self, request: HttpRequest) -> None:
        """Write down who reads, before anything is shown."""
        if not isinstance(request.user, User) or not self.has_view_permission(request):
            raise PermissionDenied
        lately = AuditEvent.objects.filter(verb="trail_read", user=request.user).order_by("-pk")
        last = lately.values_list("at", flat=True).first()
        if last is None or last < now() - READ_AGAIN:
            audit.record("trail_read", user=request.user, actor="supervisor")

    def _supervisor(self, request: HttpRequest) -> User:
        if not isinstance(request.user, User) or not self.may_supervise(request):
            raise PermissionDenied
        return request.user


def standing() -> dict[str, Any]:
    """The newest seal and the last verification, each in a sentence; `state` is ok, failing or dead."""
    seal = AuditSeal.objects.order_by("-number").first()
    last = AuditEvent.objects.filter(verb="trail_verified").order_by("-pk").first()
    if seal is None:
        sealed = say("No line is sealed yet.")
    else:
        values = {"number": f"{seal.number:,}", "lines": f"{seal.total:,}", "at": _time(seal.sealed_at)}
        sealed = say("%(lines)s lines are sealed; the newest seal, number %(number)s, is of %(at)s.") % values
    if last is None:
        return {"state": "failing", "sealed": sealed, "verified": say("The trail was never verified.")}
    values = {"at": _time(last.at), "findings": last.data["findings"]}
    if last.data["findings"]:
        said = say("The last verification, of %(at)s, found %(findings)s things wrong: verify it now to read them.")
        return {"state": "dead", "sealed": sealed, "verified": said % values}
    said = say("The last verification, of %(at)s, was clean.")
    return {"state": "ok", "sealed": sealed, "verified": said % values}


def _time(at: Any) -> str:
    return date_format(local(at), "j F, H:i:s")
