"""Takes cases, leaves a list, each one's whole story, and what a supervisor may do: give away, resolve, reopen.

The status is never a form field. Every button posts to `act`, which calls the function that agents' pages call.
"""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import Agent, User
from citisocial.clock import now
from conversations import assignment, cases, eligibility, metrics, outbox, timeline
from conversations.admin.listing import Shown, by_author, column
from conversations.audit import VERBS
from conversations.errors import ConversationError
from conversations.models import Case

AT_ONCE = 100  # cases that one press of a button may touch


class Standing(admin.SimpleListFilter):
    """By status, and the one question that spans several of them: what is still open."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("All open")), ("waiting", _("Waiting for us")), *Case.Status.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Case]) -> QuerySet[Case]:
        if self.value() == "open":
            return queryset.filter(metrics.OPEN)
        if self.value() == "waiting":
            return queryset.filter(metrics.OPEN, move=Case.Move.OURS)
        return queryset.filter(status=self.value()) if self.value() else queryset


class HappenedToday(admin.SimpleListFilter):
    """The rows behind the dashboard's figures about cases."""

    title = _("what happened today")
    parameter_name = "today"
    columns = {"opened": "opened_at", "contacted": "first_contact_at", "resolved": "resolved_at"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("opened", _("Opened")), ("contacted", _("First contact")), ("resolved", _("Resolved"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Case]) -> QuerySet[Case]:
        column = self.columns.get(self.value() or "")
        if not column:
            return queryset
        start = metrics.day_start(now())
        return queryset.filter(changed_at__gte=start, **{f"{column}__gte": start})


class GiveTo(ActionForm):
    """What to do with the chosen cases, and whom to give them to."""

    agent = forms.ModelChoiceField(
        Agent.objects.filter(user__is_active=True),
        required=False,
        label="",
        empty_label=_("To which agent"),
        widget=UnfoldAdminSelectWidget(
            {
                "class": ActionForm.base_fields["action"].widget.attrs["class"],
                "aria-label": _("Agent to give the cases to"),
                "x-show": "action === 'give_chosen'",
            }
        ),
    )


class Act(forms.Form):
    """One button of a case's page."""

    what = forms.ChoiceField(choices=[("reassign", ""), ("resolve", ""), ("reopen", "")])
    agent = forms.ModelChoiceField(
        Agent.objects.filter(user__is_active=True), required=False, label=_("Agent"), empty_label=_("Choose an agent")
    )

    def clean(self) -> dict[str, Any]:
        """Giving a case away needs somebody to give it to."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        if said.get("what") == "reassign" and not said.get("agent"):
            raise forms.ValidationError(_("Choose the agent who shall have this case."))
        return said


@admin.register(Case)
class CaseAdmin(Shown):
    """One person and one matter, from the first post to the survey."""

    list_display = ("number", "by", "status_label", "move", "agent", "language", "topic", "waiting_since", "opened_at")
    list_filter = (Standing, HappenedToday, "move", "agent", "brand")
    search_fields = ("author__handle",)
    search_help_text = _("A case's number, or a handle or its beginning")
    related = ("author", "agent", "brand", "customer", "previous")
    actions = ("give_chosen", "resolve_chosen", "reopen_chosen")
    action_form = GiveTo
    change_form_outer_before_template: Any = "admin/case_acts.html"
    change_form_outer_after_template: Any = "admin/case_story.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("by", "customer"),
                    ("status", "move"),
                    ("agent", "language"),
                    ("topic", "brand"),
                    "may_be_sent",
                )
            },
        ),
        (
            _("Times"),
            {
                "fields": (
                    ("opened_at", "waiting_since"),
                    ("first_contact_at", "resolved_at"),
                    ("changed_at", "previous"),
                )
            },
        ),
    )

    def find(self, term: str) -> Q:
        """A case's number (with or without #), or the beginning of its author's handle."""
        number = term.removeprefix("#")
        by_number = Q(pk=int(number)) if number.isdecimal() and len(number) < 19 else Q()
        return by_number | by_author(term) if by_number else by_author(term)

    def get_urls(self) -> list[URLPattern]:
        """Beside the usual pages: where the buttons post to."""
        act = self.admin_site.admin_view(require_POST(self.act))
        urls: list[URLPattern] = super().get_urls()
        return [path("<int:case_id>/act/", act, name="conversations_case_act"), *urls]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The case's facts, its story as agents see it, and every line of its trail."""
        case = self.get_object(request, object_id)
        more: dict[str, Any] = {"title": str(case)} if case else {}
        if case and self.has_view_permission(request, case):
            more |= {
                "case": case,
                "act": Act() if self.may_supervise(request) else None,
                "may_resolve": Case.Status.RESOLVED in cases.TRANSITIONS[case.status],
                "may_reopen": case.status == Case.Status.RESOLVED,
                "may_reassign": case.status == Case.Status.OPEN or case.status in cases.WORKED_ON,
                "story": timeline.of(case, reasons=outbox.REASONS, as_written=True),
                "survey": case.surveys.order_by("-pk").first(),
                "trail": [
                    (event, VERBS.get(event.verb, event.verb))
                    for event in case.trail.select_related("user").order_by("pk")
                ],
            }
        return super().change_view(request, object_id, form_url, more | (extra_context or {}))

    def act(self, request: HttpRequest, case_id: int) -> HttpResponse:
        """One button of a case's page: parse, permission, one domain call, back to the page."""
        if not self.may_supervise(request):
            raise PermissionDenied
        case = get_object_or_404(self.get_queryset(request), pk=case_id)
        form = Act(request.POST)
        if form.is_valid():
            what, agent = form.cleaned_data["what"], form.cleaned_data["agent"]
            self._do(request, [case], ACTS[what], agent)
        else:
            for problem in [error for errors in form.errors.values() for error in errors]:
                messages.error(request, str(problem))
        return redirect(reverse("admin:conversations_case_change", args=[case_id]))

    @admin.action(description=_("Give to an agent"), permissions=["supervise"])
    def give_chosen(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        """Move the chosen cases to the agent chosen beside."""
        form = GiveTo(request.POST)
        form.fields["action"].required = False
        agent = form.fields["agent"].clean(request.POST.get("agent"))
        if agent is None:
            messages.error(request, say("Choose the agent who shall have these cases."))
            return
        self._do(request, queryset[:AT_ONCE], give, agent)

    @admin.action(description=_("Resolve"), permissions=["supervise"])
    def resolve_chosen(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        """Resolve the chosen cases."""
        self._do(request, queryset[:AT_ONCE], resolve)

    @admin.action(description=_("Reopen"), permissions=["supervise"])
    def reopen_chosen(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        """Reopen the chosen cases."""
        self._do(request, queryset[:AT_ONCE], reopen)

    def _do(self, request: HttpRequest, chosen: Any, what: "Deed", agent: Agent | None = None) -> None:
        """Each case on its own: one that cannot be moved says why and keeps nobody else from moving."""
        done = 0
        assert isinstance(request.user, User)  # admin_view lets nobody else in
        for case in chosen:
            try:
                what(case, request.user, agent)
                done += 1
            except ConversationError as refusal:
                messages.error(request, f"{case} (@{case.author.handle}): {refusal}")
        if done:
            messages.success(request, ngettext("Done: %d case.", "Done: %d cases.", done) % done)

    @column(_("case"))
    def number(self, case: Case) -> str:
        return str(case)

    @column(_("by"))
    def by(self, case: Case) -> str:
        return f"@{case.author.handle}"

    @column(_("what may be sent"))
    def may_be_sent(self, case: Case) -> str:
        """As the agent reads it beside the composer; a request to stop before everything else."""
        may = eligibility.of(case)
        if may.opted_out or may.dm.why == may.reply.why:
            return may.opted_out or may.dm.why
        return f"{say('Direct message')}: {may.dm.why} {say('Public reply')}: {may.reply.why}"

    @column(
        _("status"),
        label={
            "OPEN": "warning",
            "ASSIGNED": "info",
            "CONTACTED": "info",
            "CONNECTED": "success",
            "RESOLVED": "success",
        },
    )
    def status_label(self, case: Case) -> tuple[str, Any]:
        return case.status, case.get_status_display()


Deed = Callable[[Case, User, Agent | None], object]


def give(case: Case, by: User, agent: Agent | None) -> object:
    """To another agent."""
    assert agent is not None
    return assignment.reassign(case, agent, by=by)


def resolve(case: Case, by: User, agent: Agent | None) -> object:
    """Solved, as far as the supervisor is concerned; the customer is asked."""
    return cases.resolve(case, by=by, actor="supervisor")


def reopen(case: Case, by: User, agent: Agent | None) -> object:
    """Back to work."""
    return cases.reopen(case, by=by, actor="supervisor")


ACTS: dict[str, Deed] = {"reassign": give, "resolve": resolve, "reopen": reopen}
