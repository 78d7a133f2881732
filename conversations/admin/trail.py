"""Takes the one trail, leaves it to read: no line is added, changed or taken out here, whoever signs in."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from conversations.admin.listing import Shown, column
from conversations.audit import VERBS
from conversations.models import AuditEvent


class Verb(admin.SimpleListFilter):
    """What was done; the verbs are known, so no row is read to list them."""

    title = _("what")
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(VERBS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset.filter(verb=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(Shown):
    """Who did what, when, newest first."""

    list_display = ("what", "actor", "user", "case", "details", "at")
    list_filter = (Verb,)
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
