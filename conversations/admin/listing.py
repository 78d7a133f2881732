"""Takes a model of the walk, leaves a list that stays fast however long the table is, and pages that only show."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Field, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from citisocial.clock import now
from conversations import metrics
from conversations.masking import mask
from conversations.models import Author

MOST = 1000  # rows that can be paged to; what lies behind them is found by a filter or a search


Shows = TypeVar("Shows", bound=Callable[..., Any])


def column(
    description: Any, *, label: Mapping[str, str] | None = None, boolean: bool | None = None
) -> Callable[[Shows], Shows]:
    """unfold's `display`, which takes translated words as well; `label` says which value has which colour."""
    decorated: Callable[[Shows], Shows] = display(
        description=description, label=dict(label) if label else None, boolean=boolean
    )
    return decorated


class FirstPages(Paginator):  # type: ignore[type-arg]  # not subscriptable at run time
    """Pages over the first rows only: counting and skipping stop at MOST, so no page reads a whole table."""

    template_name = "admin/first_pages.html"

    @cached_property
    def count(self) -> int:
        """Rows that can be paged to; MOST means that there may be more."""
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST].count())

    @property
    def is_capped(self) -> bool:
        """Whether there may be more rows than can be paged to."""
        return self.count >= MOST


class Listed(ModelAdmin):
    """A list of long tables: newest first, no sorting by columns without an index, no count of everything."""

    change_list_template = "admin/listed.html"
    paginator = FirstPages
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # a count beside each filter reads the table once per filter
    list_disable_select_all = True
    sortable_by = ()
    ordering: ClassVar[Any] = ("-pk",)
    related: ClassVar[tuple[str, ...]] = ()  # what a row or a page shows of other tables, read with it
    actions: Any = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows with what their line shows of other tables: one query for any number of lines."""
        return super().get_queryset(request).select_related(*self.related)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Only the actions named by the list itself; deleting selected rows is none of them."""
        found: dict[str, Any] = super().get_actions(request)
        found.pop("delete_selected", None)
        return found

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """unfold's title says "44 results (Show all)" wherever the whole table was not counted; it never is here."""
        changes = super().get_changelist_instance(request)
        changes.full_result_count = changes.result_count
        return changes

    def find(self, term: str) -> Q | None:
        """The condition for what was typed into the search field; None where the list has no search."""
        return None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Exact numbers and beginnings of handles, instead of words anywhere in every row."""
        condition = self.find(search_term.strip().removeprefix("@")) if search_term.strip() else None
        return (queryset.filter(condition) if condition is not None else queryset), False

    def may_supervise(self, request: HttpRequest) -> bool:
        """Whether this login may act on cases and on sending."""
        return bool(request.user.has_perm("conversations.change_case"))

    has_supervise_permission = may_supervise


class Shown(Listed):
    """Rows that the admin shows and never writes, whoever signs in: a posted form is refused with 403."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Changeable(Listed):
    """Rows that supervisors edit where their group may, and that nobody deletes from a list."""

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Nothing that is typed here may hold a card's number or the like: it would be kept, and shown to many.

        Any: unfold's annotation names the wrong kind of field.
        """
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field, forms.CharField):
            field.validators.append(nothing_private)
        return field

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Posted(admin.SimpleListFilter):
    """When it was written, along the index by time of posting."""

    title = _("time")
    parameter_name = "posted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("today", _("Today"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "today":
            return queryset.filter(posted_at__gte=metrics.day_start(now()))
        return queryset


def nothing_private(typed: Any) -> None:
    """ValidationError for a text, or a list of them, with a private detail in it."""
    texts = typed if isinstance(typed, list) else [typed]
    if any(mask(str(text)).found for text in texts):
        raise ValidationError(_("This looks like a card or account number. Take it out: what is typed here is kept."))


def by_author(term: str, path: str = "author") -> Q:
    """People whose handle begins with the term."""
    return Q(**{f"{path}__in": Author.objects.filter(handle__istartswith=term)})
