"""Takes what was raised for supervisors, leaves the list of alarms, and a page on which somebody closes one."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts.models import User
from conversations import alarms
from conversations.admin.listing import Shown, column
from conversations.models import Alarm


class OpenAlarms(admin.SimpleListFilter):
    """Those that nobody has closed."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Open")), ("closed", _("Closed"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(closed_at__isnull=self.value() == "open") if self.value() else queryset


@admin.register(Alarm)
class AlarmAdmin(Shown):
    """What somebody must look at: what happened, as which account, and what was found when it was looked into."""

    list_display = ("what", "state_label", "account", "user", "raised_at", "closed_by")
    list_display_links = ("what",)
    list_filter = (OpenAlarms, "kind")
    related = ("account", "user", "closed_by")
    fields = ("what", "advice", ("account", "user"), "facts", "raised_at", ("closed_at", "closed_by"), "note")
    change_form_outer_before_template: Any = "admin/alarm_close.html"

    def get_urls(self) -> list[URLPattern]:
        """Beside the usual pages: where closing is posted to."""
        close = self.admin_site.admin_view(require_POST(self.close))
        return [path("<int:alarm_id>/close/", close, name="conversations_alarm_close"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The alarm, with the form that closes it above."""
        more: dict[str, Any] = {"may_supervise": self.may_supervise(request)}
        return super().change_view(request, object_id, form_url, more | (extra_context or {}))

    def close(self, request: HttpRequest, alarm_id: int) -> HttpResponse:
        """Somebody has looked at it and says what it was."""
        if not self.may_supervise(request) or not isinstance(request.user, User):
            raise PermissionDenied
        alarm, note = get_object_or_404(Alarm, pk=alarm_id), request.POST.get("note", "").strip()
        if not note:
            messages.error(request, say("Say what it was and what was done about it."))
        elif alarms.close(alarm, by=request.user, note=note):
            messages.success(request, say("The alarm is closed. A stop that it armed goes on until two people end it."))
        else:
            messages.error(request, say("Somebody closed it before you."))
        return redirect(reverse("admin:conversations_alarm_change", args=[alarm_id]))

    @column(_("what"))
    def what(self, alarm: Alarm) -> str:
        return str(alarm)

    @column(_("state"), label={"open": "danger", "closed": "success"})
    def state_label(self, alarm: Alarm) -> tuple[str, Any]:
        return ("closed", say("closed")) if alarm.closed_at else ("open", say("open"))

    @column(_("what to do"))
    def advice(self, alarm: Alarm) -> str:
        return alarms.advice(alarm)

    @column(_("known about it"))
    def facts(self, alarm: Alarm) -> str:
        return "; ".join(f"{name}: {value}" for name, value in alarm.data.items())
