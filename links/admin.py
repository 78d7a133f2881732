"""Takes supervisors' requests about links, leaves a revocation at most; no row has a slug to show."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from links import shortener
from links.models import Click, ShortLink


class ReadOnly(ModelAdmin):
    """To be looked at, newest first, by the primary key and without counting: these tables only grow."""

    ordering = ("-pk",)
    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 100

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ShortLink)
class ShortLinkAdmin(ReadOnly):
    """Links without their slugs."""

    list_display = ("pk", "target", "created_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    fields = ("target", "created_at", "expires_at", "revoked_at")
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("links.change_shortlink"))

    @admin.action(description=_("Revoke: the link opens nothing any more"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ShortLink]) -> None:
        done = sum(shortener.revoke(link) for link in queryset)
        messages.success(request, ngettext("%d link revoked.", "%d links revoked.", done) % done)


@admin.register(Click)
class ClickAdmin(ReadOnly):
    """Who opened what, as far as a user agent says."""

    list_display = ("at", "link", "method", "user_agent")
    list_select_related = ("link",)
    fields = ("at", "link", "method", "user_agent")
    actions = None
