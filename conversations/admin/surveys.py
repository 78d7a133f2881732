"""Takes what customers said afterwards, leaves a list of it."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django.utils.translation import gettext_lazy as _

from citisocial.clock import now
from conversations import metrics
from conversations.admin.listing import Shown, by_author, column
from conversations.models import Brand, Survey


class AnsweredToday(admin.SimpleListFilter):
    """The rows behind the dashboard's rating."""

    title = _("what happened today")
    parameter_name = "today"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("answered", _("Answered today"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Survey]) -> QuerySet[Survey]:
        if self.value() != "answered":
            return queryset
        return queryset & metrics.answered_since(metrics.day_start(now()), Brand.objects.all())


@admin.register(Survey)
class SurveyAdmin(Shown):
    """Ratings, with who had the case; a comment is the customer's own words."""

    list_display = ("case", "by", "state_label", "csat", "solved", "effort", "said", "agent", "offered_at")
    list_filter = (AnsweredToday, "state", "csat", "solved", "agent")
    search_fields = ("case__author__handle",)
    search_help_text = _("A handle or its beginning")
    ordering = ("-offered_at", "-pk")
    related = ("case__author", "agent")
    fields = ("case", "by", "agent", "state", "csat", "solved", "effort", "comment", "offered_at", "answered_at")

    def find(self, term: str) -> Q:
        """The beginning of the author's handle."""
        return by_author(term, "case__author")

    @column(_("by"))
    def by(self, survey: Survey) -> str:
        return f"@{survey.case.author.handle}"

    @column(_("state"), label={"OFFERED": "info", "ANSWERED": "success"})
    def state_label(self, survey: Survey) -> tuple[str, Any]:
        return survey.state, survey.get_state_display()

    @column(_("comment"))
    def said(self, survey: Survey) -> str:
        return truncatechars(survey.comment, 60)
