"""Takes supervisors' requests about links, leaves a revocation at most; no row has a slug to show."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Func, IntegerField, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from links import shortener
from links.models import Click, ShortLink

MOST = 1000  # clicks of a link that are counted


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


def clicks(*, is_bot: bool) -> Func:
    """How many clicks of that kind the link has, in the same query; counted by the index, to one beyond MOST."""
    found = Click.objects.filter(link=OuterRef("pk"), is_bot=is_bot).order_by().values("pk")[: MOST + 1]
    return Func(ArraySubquery(found), function="cardinality", output_field=IntegerField())


def shown(count: int) -> str:
    """The count, or that there are more than it pays to count."""
    return f"{MOST}+" if count > MOST else str(count)


@admin.register(ShortLink)
class ShortLinkAdmin(ReadOnly):
    """Links without their slugs."""

    list_display = ("pk", "target", "created_at", "expires_at", "revoked_at", "people", "programs")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    fields = ("target", "created_at", "expires_at", "revoked_at")
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ShortLink]:
        rows: QuerySet[ShortLink] = super().get_queryset(request)
        return rows.annotate(people=clicks(is_bot=False), programs=clicks(is_bot=True))

    @admin.display(description=_("opened by people"))
    def people(self, link: Any) -> str:
        return shown(link.people)

    @admin.display(description=_("by scanners and previews"))
    def programs(self, link: Any) -> str:
        return shown(link.programs)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("links.change_shortlink"))

    @admin.action(description=_("Revoke: the link opens nothing any more"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ShortLink]) -> None:
        done = sum(shortener.revoke(link) for link in queryset)
        messages.success(request, ngettext("%d link revoked.", "%d links revoked.", done) % done)


@admin.register(Click)
class ClickAdmin(ReadOnly):
    """Who opened what, as far as a user agent says."""

    list_display = ("at", "link", "method", "is_bot", "user_agent")
    list_filter = ("is_bot",)
    list_select_related = ("link",)
    fields = ("at", "link", "method", "is_bot", "user_agent")
    actions = None
