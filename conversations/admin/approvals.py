"""Takes texts that wait for another person, leaves them approved, changed or refused; the page "Approvals", its rules.

Page, list and JSON post to one domain function each; nobody decides about what they wrote, by whichever door.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import truncatechars
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from accounts import factors
from accounts.errors import AccountError
from accounts.models import User
from citisocial.clock import now
from conversations import approvals, audit, scrutiny, tasks
from conversations.admin.channels import ago
from conversations.admin.listing import Changeable, Shown, column
from conversations.errors import BadText, ConversationError
from conversations.models import Approval, ApprovalRule, Outgoing
from conversations.networks.base import LINK
from conversations.placeholders import as_read

NAME = "conversations_approval"
MOST = 50  # on the page: nobody reads more in one go
LINE = 90

# What the threshold of each rule counts.
THRESHOLDS = {
    ApprovalRule.Kind.NEW_AGENT: _("messages of theirs that were sent before they may write alone"),
    ApprovalRule.Kind.NEW_TEMPLATE: _("messages from it that were sent before it may be used alone"),
    ApprovalRule.Kind.MANY_RECIPIENTS: _("people who get one text within 30 days without asking; the next one waits"),
    ApprovalRule.Kind.MANY_FOLLOWERS: _("followers, from which on our first message to them waits"),
}


class Decision(forms.Form):
    """One button of the queue: let it leave as it is or with other words, or refuse it with a note."""

    verdict = forms.ChoiceField(choices=[("approve", ""), ("refuse", "")])
    text = forms.CharField(required=False)
    note = forms.CharField(required=False, max_length=Approval._meta.get_field("note").max_length)


@dataclass(frozen=True, slots=True)
class Card:
    """One text of the queue as this reader sees it; after a refusal with what they typed and why not."""

    approval: Approval
    reasons: str
    waits: str
    own: bool
    text: str
    note: str = ""
    problem: str = ""

    @property
    def pieces(self) -> list[str]:
        """The text around its link: between two pieces stands a link."""
        return as_read(self.approval.outgoing.text, self.approval.outgoing.case.brand.address).split(LINK)

    @property
    def author(self) -> str:
        """Who pressed send, as colleagues know them."""
        return scrutiny.name_of(self.approval.asked_by)


@admin.register(Approval)
class ApprovalAdmin(Shown):
    """Every text that waited: why, who wrote it, who decided. Words are changed, or refused, on the page alone."""

    list_display = ("said", "to", "verdict_label", "why", "asked_by", "asked_at", "decided_by", "note", "case")
    list_display_links = ("said",)
    list_filter = ("verdict", "asked_by", "decided_by")
    related = ("outgoing__recipient", "case", "asked_by", "decided_by")
    actions = ("approve_chosen",)
    fieldsets = (
        (None, {"fields": ("to", "text", "text_asked", "why", "case", "outgoing")}),
        (_("Decision"), {"fields": ("verdict", ("asked_by", "asked_at"), ("decided_by", "decided_at"), "note")}),
    )

    def get_urls(self) -> list[URLPattern]:
        """Beside the list of all: the queue, and where its buttons post to."""
        wrap = self.admin_site.admin_view
        return [
            path("queue/", wrap(require_GET(self.queue)), name=f"{NAME}_queue"),
            path("<int:approval_id>/decide/", wrap(require_POST(self.decide)), name=f"{NAME}_decide"),
            *super().get_urls(),
        ]

    def queue(self, request: HttpRequest) -> HttpResponse:
        """What waits, oldest first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._page(request)

    def decide(self, request: HttpRequest, approval_id: int) -> HttpResponse:
        """One decision; refused, the page comes again with the sentence and what was typed. A script gets JSON."""
        approval = get_object_or_404(self.get_queryset(request), pk=approval_id)
        form = Decision(request.POST)
        try:
            outgoing = _decided(request, approval, form)
        except (ConversationError, AccountError) as refusal:
            if _wants_json(request):
                body = {"error": {"code": refusal.code, "message": str(refusal)}}
                return JsonResponse(body, status=refusal.http_status)
            typed = {"text": request.POST.get("text", ""), "note": request.POST.get("note", "")}
            return self._page(request, approval, str(refusal), typed, status=refusal.http_status)
        if _wants_json(request):
            return JsonResponse({"ok": True, "outgoing": {"id": outgoing.pk, "delivery": outgoing.delivery}})
        left = outgoing.delivery == Outgoing.Delivery.QUEUED
        done = say("Approved: it leaves now.") if left else say("Not approved. Whoever wrote it reads your note.")
        messages.success(request, done)
        return redirect(f"admin:{NAME}_queue")

    def _page(
        self,
        request: HttpRequest,
        about: Approval | None = None,
        problem: str = "",
        typed: dict[str, str] | None = None,
        status: int = 200,
    ) -> HttpResponse:
        """The queue. `problem` stands at the text it is about, or above all when that does not wait any more."""
        found = list(cards(request.user, about, problem, typed))
        context = self.admin_site.each_context(request) | {
            "title": say("Approvals"),
            "cards": found[:MOST],
            "more": len(found) > MOST,
            "may_decide": isinstance(request.user, User) and approvals.may_decide(request.user),
            "problem": "" if any(card.problem for card in found) else problem,
        }
        return TemplateResponse(request, "admin/approvals.html", context, status=status)

    @admin.action(description=_("Approve"), permissions=["supervise"])
    def approve_chosen(self, request: HttpRequest, queryset: QuerySet[Approval]) -> None:
        """The chosen texts as they are, each on its own: one that may not leave says why and holds up no other."""
        assert isinstance(request.user, User)  # admin_view lets nobody else in
        try:
            factors.step_up(request)
        except AccountError as refusal:
            messages.error(request, str(refusal))
            return
        done = 0
        for approval in queryset:
            try:
                approvals.approve(approval, by=request.user)
                done += 1
            except ConversationError as refusal:
                messages.error(request, f"{approval.case} (@{approval.outgoing.recipient.handle}): {refusal}")
        if done:
            tasks.nudge(tasks.deliver)
            messages.success(request, ngettext("Approved: %d text.", "Approved: %d texts.", done) % done)

    @column(_("text"))
    def said(self, approval: Approval) -> str:
        return truncatechars(approval.outgoing.text, LINE)

    @column(_("text now"))
    def text(self, approval: Approval) -> str:
        return approval.outgoing.text

    @column(_("to"))
    def to(self, approval: Approval) -> str:
        return f"@{approval.outgoing.recipient.handle}"

    @column(_("because"))
    def why(self, approval: Approval) -> str:
        return scrutiny.in_words(approval)

    @column(
        _("decision"), label={"waiting": "warning", "approved": "success", "refused": "danger", "withdrawn": "info"}
    )
    def verdict_label(self, approval: Approval) -> tuple[str, Any]:
        return approval.verdict, approval.get_verdict_display()


@admin.register(ApprovalRule)
class ApprovalRuleAdmin(Changeable):
    """When somebody else reads a text before it leaves. A brand without active rules holds nothing back."""

    list_display = ("kind_words", "threshold", "counts", "active", "brand")
    list_display_links = ("kind_words",)
    list_filter = ("brand", "active")
    related = ("brand",)
    ordering = ("brand", "pk")
    fields = ("brand", "kind", "threshold", "counts", "active")
    readonly_fields = ("counts",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A change of the rules is a line of the trail."""
        super().save_model(request, obj, form, change)
        assert isinstance(request.user, User)
        data = {"brand": obj.brand.slug, "rule": obj.kind, "threshold": obj.threshold, "active": obj.active}
        audit.record("approval_rule", user=request.user, actor="supervisor", data=data)

    @column(_("rule"))
    def kind_words(self, rule: ApprovalRule) -> str:
        return rule.get_kind_display().partition(" (")[0]  # what its threshold counts has a column of its own

    @column(_("the threshold counts"))
    def counts(self, rule: ApprovalRule) -> str:
        if not rule.kind:
            return "; ".join(str(words) for words in THRESHOLDS.values())
        return str(THRESHOLDS[ApprovalRule.Kind(rule.kind)])


def cards(
    user: Any, about: Approval | None = None, problem: str = "", typed: dict[str, str] | None = None
) -> Iterator[Card]:
    """The queue for this reader, up to one more than is shown."""
    at = now()
    for approval in approvals.queue()[: MOST + 1]:
        given = typed or {} if about is not None and approval.pk == about.pk else {}
        yield Card(
            approval,
            reasons=scrutiny.in_words(approval),
            waits=ago(approval.asked_at, at),
            own=approval.asked_by_id == user.pk,
            text=given.get("text") or approval.outgoing.text,
            note=given.get("note", ""),
            problem=problem if given else "",
        )


def _decided(request: HttpRequest, approval: Approval, form: Decision) -> Outgoing:
    """The text after the decision that was posted; ConversationError when it may not be made."""
    assert isinstance(request.user, User)  # admin_view lets nobody else in
    if not form.is_valid():
        raise BadText(say("Approve it, or refuse it with a note of at most 500 characters."))
    said = form.cleaned_data
    if said["verdict"] == "refuse":
        return approvals.refuse(approval, by=request.user, note=said["note"])
    factors.step_up(request)
    outgoing = approvals.approve(approval, by=request.user, text=said["text"] if "text" in request.POST else None)
    tasks.nudge(tasks.deliver)
    return outgoing


def _wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")
