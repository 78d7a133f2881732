"""Takes what left or waits to leave, leaves lists of texts, of hand-offs and of stops."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from citisocial.clock import now
from conversations import metrics, outbox
from conversations.admin.listing import Shown, by_author, column
from conversations.models import Brand, Invitation, Mismatch, Outgoing

LINE = 90


@admin.register(Outgoing)
class OutgoingAdmin(Shown):
    """Texts on their way out, with `{link}` where the link goes: the link itself exists only while it is sent."""

    list_display = ("said", "to", "kind", "delivery_label", "why", "pressed_by", "created_at", "case")
    list_display_links = ("said",)
    list_filter = ("delivery", "kind", "account")
    search_fields = ("external_id",)
    search_help_text = _("A handle or its beginning, or the whole number the network gave it")
    related = ("recipient", "account", "case", "pressed_by", "answers", "template")
    fieldsets = (
        (None, {"fields": ("text", "kind", "message_button", "account", "to", "answers", "case")}),
        (_("Delivery"), {"fields": ("delivery", "why", "leaves_at", "sent_at", "external_id")}),
        (_("How it went"), {"fields": ("attempts", "claimed_at", "absent_at", "requeued")}),
        (_("Who"), {"fields": ("pressed_by", "template", "created_at")}),
    )

    def find(self, term: str) -> Q:
        """The network's whole number, or the beginning of the recipient's handle."""
        return Q(external_id=term) | by_author(term, "recipient")

    @column(_("text"))
    def said(self, outgoing: Outgoing) -> str:
        return truncatechars(outgoing.text, LINE)

    @column(_("to"))
    def to(self, outgoing: Outgoing) -> str:
        return f"@{outgoing.recipient.handle}"

    @column(
        _("delivery"),
        label={"QUEUED": "info", "SENDING": "info", "SENT": "success", "DOUBTFUL": "warning", "FAILED": "danger"},
    )
    def delivery_label(self, outgoing: Outgoing) -> tuple[str, Any]:
        return outgoing.delivery, outgoing.get_delivery_display()

    @column(_("why"))
    def why(self, outgoing: Outgoing) -> str:
        return str(outbox.REASONS.get(outgoing.reason, outgoing.reason))


class HandedOffToday(admin.SimpleListFilter):
    """The rows behind the dashboard's figures about hand-offs."""

    title = _("what happened today")
    parameter_name = "today"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("sent", _("Sent today")), ("opened", _("Sent today and opened")), ("joined", _("Joined today"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> QuerySet[Invitation]:
        if not self.value():
            return queryset
        start, brands = metrics.day_start(now()), Brand.objects.all()
        if self.value() == "joined":
            return queryset & metrics.joined_since(start, brands)
        sent = queryset & metrics.invitations_since(start, brands)
        return sent.exclude(opened_at=None) if self.value() == "opened" else sent


class MismatchInline(TabularInline):
    """Others who proved a handle of their own with this link."""

    model = Mismatch
    extra = 0
    fields = ("user", "external_id", "at")
    readonly_fields = fields
    can_delete = False
    verbose_name_plural = _("somebody else signed in with this link")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Mismatch]:
        rows: QuerySet[Mismatch] = super().get_queryset(request).select_related("user")
        return rows


@admin.register(Invitation)
class InvitationAdmin(Shown):
    """Hand-offs from a link to a chat: how far each has come."""

    list_display = ("number", "to", "handoff_label", "customer", "opened_at", "proven_at", "joined_at", "case")
    list_filter = (HandedOffToday, "handoff")
    search_fields = ("outgoing__recipient__handle",)
    search_help_text = _("A handle or its beginning")
    related = ("outgoing__recipient", "outgoing__case", "customer", "link")
    inlines = (MismatchInline,)
    fieldsets = (
        (None, {"fields": ("to", "handoff", "customer", "outgoing", "link", "case")}),
        (_("Steps"), {"fields": ("opened_at", "signed_in_at", "proven_at", "joined_at")}),
    )

    def find(self, term: str) -> Q:
        """The beginning of the handle that was written to."""
        return by_author(term, "outgoing__recipient")

    @column(_("invitation"))
    def number(self, invitation: Invitation) -> str:
        return str(invitation)

    @column(_("to"))
    def to(self, invitation: Invitation) -> str:
        return f"@{invitation.outgoing.recipient.handle}"

    @column(_("case"))
    def case(self, invitation: Invitation) -> str:
        return str(invitation.outgoing.case)

    @column(
        _("hand-off"),
        label={"OPENED": "info", "SIGNED_IN": "info", "PROVEN": "success", "JOINED": "success"},
    )
    def handoff_label(self, invitation: Invitation) -> tuple[str, Any]:
        return invitation.handoff, invitation.get_handoff_display()
