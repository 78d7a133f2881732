"""Takes the bank and its handles, leaves pages to set them up, and the switch that stops everything that would be sent.

Tokens are never shown: a page says whether an account is connected and until when.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import truncatechars
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts.models import User
from conversations import metrics, outreach
from conversations.admin.channels import Channels
from conversations.admin.listing import Changeable, column
from conversations.errors import ConversationError
from conversations.models import Brand, BrandAccount, ListeningRule, ReplyTemplate, SendingStop


class StopForm(forms.Form):
    """Why nothing shall leave; agents read it in their workspace."""

    reason = forms.CharField(label=_("Why"), max_length=SendingStop._meta.get_field("reason").max_length)


@admin.register(Brand)
class BrandAdmin(Changeable):
    """One bank: its name, who is never a customer, and the switch."""

    list_display = ("name", "slug", "address", "sending")
    search_fields = ()
    fields = ("name", "slug", "address", "ignored_handles")
    readonly_fields = ("slug",)
    ordering = ("name",)
    change_form_outer_before_template: Any = "admin/brand_switch.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Brand]:
        """With whether a stop is running."""
        stopped = Brand.objects.filter(stops__isnull=False, stops__ended_at=None).values("pk")
        rows: QuerySet[Brand] = super().get_queryset(request)
        return rows.annotate(is_stopped=ExpressionWrapper(Q(pk__in=stopped), BooleanField()))

    def get_urls(self) -> list[URLPattern]:
        """Beside the usual pages: where the switch posts to."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:brand_id>/stop/", wrap(require_POST(self.stop)), name="conversations_brand_stop"),
            path("<int:brand_id>/resume/", wrap(require_POST(self.resume)), name="conversations_brand_resume"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The brand, with its switch above."""
        brand = self.get_object(request, object_id)
        more: dict[str, Any] = {"may_supervise": self.may_supervise(request)}
        if brand and self.has_view_permission(request, brand):
            more["switches"] = metrics.sending(brand)
        return super().change_view(request, object_id, form_url, more | (extra_context or {}))

    def stop(self, request: HttpRequest, brand_id: int) -> HttpResponse:
        """Nothing of this brand leaves any more; a reason is needed."""
        brand, user = self._supervised(request, brand_id)
        form = StopForm(request.POST)
        if not form.is_valid():
            messages.error(request, say("Say why sending is stopped: agents will read it."))
            return self._back(request)
        try:
            outreach.stop(brand, by=user, reason=form.cleaned_data["reason"])
            messages.success(request, say("Sending is stopped. What waits is held and not lost; secure chat goes on."))
        except ConversationError as refusal:
            messages.error(request, str(refusal))
        return self._back(request)

    def resume(self, request: HttpRequest, brand_id: int) -> HttpResponse:
        """What was held leaves again."""
        brand, user = self._supervised(request, brand_id)
        try:
            outreach.resume(brand, by=user)
            messages.success(request, say("Sending goes on. What was held leaves now, in order."))
        except ConversationError as refusal:
            messages.error(request, str(refusal))
        return self._back(request)

    def _supervised(self, request: HttpRequest, brand_id: int) -> tuple[Brand, User]:
        if not self.may_supervise(request) or not isinstance(request.user, User):
            raise PermissionDenied
        return get_object_or_404(Brand, pk=brand_id), request.user

    def _back(self, request: HttpRequest) -> HttpResponse:
        """To the page the button was on, if it is one of ours."""
        wanted = request.POST.get("next", "")
        ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
        return redirect(wanted if ours else reverse("admin:index"))

    @column(_("sending"), label={"on": "success", "stopped": "danger"})
    def sending(self, brand: Brand) -> tuple[str, Any]:
        stopped: bool = brand.is_stopped  # type: ignore[attr-defined]
        return ("stopped", say("stopped")) if stopped else ("on", say("on"))


@admin.register(BrandAccount)
class BrandAccountAdmin(Channels):
    """The handles of a brand, each with its purpose and the team that answers."""

    list_display = ("handle", "network", "purpose", "team", "active", "is_connected", "tokens_expire_at")
    list_filter = ("brand", "network", "purpose", "active")
    related = ("brand", "team")
    ordering = ("brand", "pk")
    fieldsets = (
        (None, {"fields": ("handle", "brand", "network", "external_id", "purpose", "team", "active", "owns_app")}),
        (
            _("Connection"),
            {
                "fields": (
                    ("is_connected", "connected_at"),
                    ("tokens_expire_at", "refused_at"),
                    "scopes",
                    "sending_paused_until",
                )
            },
        ),
    )
    readonly_fields = (
        "handle",
        "brand",
        "network",
        "external_id",
        "is_connected",
        "connected_at",
        "refused_at",
        "scopes",
        "tokens_expire_at",
        "sending_paused_until",
    )
    change_form_outer_before_template: Any = "admin/account_connection.html"

    def get_urls(self) -> list[URLPattern]:
        """Beside the usual pages: connecting, and how all ways in are doing."""
        return [*self.connecting_urls(), *self.channel_urls(), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The account, with the buttons of its connection above."""
        more = {"may_connect": self.has_change_permission(request), "show_save_and_add_another": False}
        return super().change_view(request, object_id, form_url, more | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[BrandAccount]:
        """Without the sealed tokens, only whether there are any."""
        connected = ExpressionWrapper(~Q(sealed_tokens=b""), BooleanField())
        rows: QuerySet[BrandAccount] = super().get_queryset(request)
        return rows.annotate(has_tokens=connected).defer("sealed_tokens")

    @column(_("connected"), boolean=True)
    def is_connected(self, account: BrandAccount) -> bool:
        return bool(account.has_tokens)  # type: ignore[attr-defined]


@admin.register(ListeningRule)
class ListeningRuleAdmin(Changeable):
    """What is listened for, in the network's own language."""

    list_display = ("tag", "value", "names_handles", "active", "brand", "network")
    list_filter = ("brand", "network", "active")
    related = ("brand",)
    ordering = ("brand", "tag")
    fields = ("brand", "network", "tag", "value", "names_handles", "active")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # switched off instead: mentions keep the tags that found them


@admin.register(ReplyTemplate)
class ReplyTemplateAdmin(Changeable):
    """Texts that agents start from."""

    list_display = ("name", "use", "language", "said", "brand")
    list_filter = ("use", "language", "brand")
    search_fields = ("name",)
    search_help_text = _("The beginning of a name")
    related = ("brand",)
    ordering = ("use", "language", "name")
    fields = ("brand", "use", "language", "name", "text")

    def find(self, term: str) -> Q:
        """The beginning of a name."""
        return Q(name__istartswith=term)

    @column(_("text"))
    def said(self, template: ReplyTemplate) -> str:
        return truncatechars(template.text, 90)
