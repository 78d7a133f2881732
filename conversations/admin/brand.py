"""Takes the bank and its handles, leaves pages to set them up.

Tokens are never shown: a page says whether an account is connected and until when.
"""

from typing import Any

from django.contrib import admin
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from accounts.models import User
from conversations import audit, metrics
from conversations.admin.channels import Channels
from conversations.admin.listing import Changeable, column
from conversations.forms.hours import OpeningForm, WeekFormSet
from conversations.models import Brand, BrandAccount, ListeningRule, OpeningHours, SendingStop


class OpeningHoursInline(TabularInline):
    """The week in which somebody answers."""

    model = OpeningHours
    form = OpeningForm
    formset = WeekFormSet
    extra = 0
    verbose_name_plural = _("Opening hours in the brand’s time zone; none at all means always")


@admin.register(Brand)
class BrandAdmin(Changeable):
    """One bank: its name, when it answers, who is never a customer, and what holds its texts back."""

    list_display = ("name", "slug", "address", "sending")
    search_fields = ()
    fields = ("name", "slug", "address", "phone", "time_zone", "ignored_handles")
    readonly_fields = ("slug",)
    ordering = ("name",)
    inlines = (OpeningHoursInline,)
    change_form_outer_before_template: Any = "admin/brand_switch.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Brand]:
        """With whether a stop holds anything of it."""
        running = SendingStop.objects.filter(ended_at=None)
        held = running.filter(Q(brand=OuterRef("pk")) | Q(account__brand=OuterRef("pk")) | Q(brand=None, account=None))
        rows: QuerySet[Brand] = super().get_queryset(request)
        return rows.annotate(is_stopped=Exists(held))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The brand, with its switch above."""
        brand = self.get_object(request, object_id)
        more: dict[str, Any] = {"may_supervise": self.may_supervise(request)}
        if brand and self.has_view_permission(request, brand):
            more["switches"] = metrics.sending(brand)
        return super().change_view(request, object_id, form_url, more | (extra_context or {}))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Another week is a line of the trail."""
        super().save_related(request, form, formsets, change)
        if "time_zone" in form.changed_data or any(formset.has_changed() for formset in formsets):
            assert isinstance(request.user, User)
            brand = Brand.objects.get(pk=form.instance.pk)
            data = {"brand": brand.slug, "zone": brand.time_zone, "week": [str(row) for row in brand.hours.all()]}
            audit.record("hours_changed", user=request.user, actor="supervisor", data=data)

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
