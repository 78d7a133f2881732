"""Takes what people wrote, leaves lists of posts and of their authors: what was heard, what became of it, and why."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from conversations import triage
from conversations.admin.listing import Posted, Shown, by_author, column
from conversations.mentions import instead
from conversations.models import Author, Mention

LINE = 110  # characters of a text in a list
REASONS = [rule.__name__ for rule in (*triage.ALWAYS, *triage.STRANGERS)]


def in_words(name: str) -> str:
    """A rule's name as a person would say it."""
    return name.replace("_", " ").capitalize()


class Reason(admin.SimpleListFilter):
    """Why it was ignored. The names come from the rules, not from reading every row."""

    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, in_words(name)) for name in REASONS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Mention]) -> QuerySet[Mention]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(Mention)
class MentionAdmin(Shown):
    """Posts and direct messages as they were stored: private details already taken out."""

    list_display = ("said", "by", "state_label", "why", "language", "posted_at", "case")
    list_display_links = ("said",)
    list_filter = (Posted, "state", Reason, "kind", "brand")
    search_fields = ("external_id",)
    search_help_text = _("A handle or its beginning, or the whole number of a post")
    ordering = ("-posted_at", "-pk")
    related = ("author", "case", "brand")
    fieldsets = (
        (None, {"fields": ("text", "by", "kind", "language", "masked", "posted_at", "page")}),
        (_("What became of it"), {"fields": ("state", "why", "spoke", "triaged_at", "deleted_at", "case")}),
        (_("How it came"), {"fields": ("brand", "named", "network", "external_id", "ways", "matched", "ingested_at")}),
        (_("Where it stands"), {"fields": ("conversation_id", "in_reply_to", "in_reply_to_author", "is_retweet")}),
    )

    def find(self, term: str) -> Q:
        """A whole post number, or the beginning of its author's handle."""
        return Q(external_id=term) | by_author(term)

    @column(_("text"))
    def said(self, mention: Mention) -> str:
        return instead(mention.kind, mention.state, mention.network) or truncatechars(mention.text, LINE)

    @column(_("by"))
    def by(self, mention: Mention) -> str:
        return f"@{mention.author.handle}"

    @column(_("state"), label={"NEW": "warning", "CASED": "info"})
    def state_label(self, mention: Mention) -> tuple[str, Any]:
        return mention.state, mention.get_state_display()

    @column(_("reason"))
    def why(self, mention: Mention) -> str:
        return in_words(mention.reason) if mention.reason else ""

    @column(_("rules that spoke"))
    def spoke(self, mention: Mention) -> str:
        return ", ".join(f"{key}: {in_words(said)}" for line in mention.because for key, said in line.items())

    @column(_("on the network"))
    def page(self, mention: Mention) -> str:
        """A link only where it leads to the web: what a network sends may be any address."""
        if mention.permalink.startswith(("https://", "http://")):
            return format_html('<a href="{0}" rel="noreferrer noopener" target="_blank">{0}</a>', mention.permalink)
        return mention.permalink

    @column(_("names"))
    def named(self, mention: Mention) -> str:
        return ", ".join(str(account) for account in mention.accounts.all())


class AskedToStop(admin.SimpleListFilter):
    """Who wrote STOP. Nothing is sent to them until they write START; nobody here can change that."""

    title = _("asked us to stop")
    parameter_name = "stopped"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Asked us to stop"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Author]) -> QuerySet[Author]:
        return queryset.exclude(opted_out_at=None) if self.value() == "yes" else queryset


@admin.register(Author)
class AuthorAdmin(Shown):
    """People on a network, known by the network's number; what they are called may change."""

    list_display = ("handle", "name", "network", "followers", "receives_dm", "opted_out_at", "first_seen_at")
    list_filter = ("receives_dm", AskedToStop)
    search_fields = ("handle",)
    search_help_text = _("A handle or its beginning, or the whole number of an account")
    fields = (
        ("handle", "name"),
        ("network", "external_id"),
        ("followers", "receives_dm"),
        ("asked_at", "opted_out_at"),
        "first_seen_at",
    )

    def find(self, term: str) -> Q:
        """A whole account number, or the beginning of a handle."""
        return Q(external_id=term) | Q(handle__istartswith=term)
