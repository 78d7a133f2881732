"""Takes the wording that agents start from, leaves a list with its uses, and pages that save only what can be sent.

A template is tried before it is saved: filled with an example, through the gate that every text goes through.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import ForeignKey, Q
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from conversations import wording
from conversations.admin.listing import Changeable, column
from conversations.errors import BadText
from conversations.models import ReplyTemplate

COPIED = ("brand", "use", "name", "text")


class TemplateForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Saves what can be sent, once for each name and language."""

    def clean(self) -> dict[str, Any]:
        """What the gate would refuse stands at the text, before an agent meets it."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if not {"brand", "use", "language", "name", "text"} <= data.keys():
            return data  # what is missing has its own sentence
        same = {name: data[name] for name in ("brand", "use", "language", "name")}
        if ReplyTemplate.objects.filter(**same).exclude(pk=self.instance.pk).exists():
            self.add_error("name", say("There is one with this name in this language. Name it differently."))
        try:
            wording.check(data["text"], use=data["use"], address=data["brand"].address)
        except BadText as refusal:
            self.add_error("text", str(refusal))
        return data


@admin.register(ReplyTemplate)
class ReplyTemplateAdmin(Changeable):
    """Texts that agents start from; one that is not active is offered to nobody and kept for what was sent with it."""

    form = TemplateForm
    list_display = ("name", "use", "language", "said", "owner", "active", "uses", "used_at", "brand")
    list_filter = ("use", "language", "active", "brand")
    search_fields = ("name",)
    search_help_text = _("The beginning of a name")
    related = ("brand", "owner")
    ordering = ("use", "language", "-uses", "name")
    fieldsets = (
        (None, {"fields": ("brand", "use", "language", "name", "text", "owner", "active")}),
        (_("As a customer reads it"), {"fields": ("filled",)}),
        (_("How it is used"), {"fields": ("uses", "used_at", "copy")}),
    )
    readonly_fields = ("filled", "uses", "used_at", "copy")

    def find(self, term: str) -> Q:
        """The beginning of a name."""
        return Q(name__istartswith=term)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new one belongs to who writes it; `?copy=7` begins with the words of that one, in no language yet."""
        initial: dict[str, Any] = {"owner": request.user.pk}
        wanted = request.GET.get("copy", "")
        if wanted.isdecimal() and (copied := ReplyTemplate.objects.filter(pk=wanted).values(*COPIED).first()):
            initial |= copied | {"language": ""}
        return initial

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> "forms.ModelChoiceField[Any] | None":
        """Owners are people who may change it."""
        if db_field.name == "owner":
            kwargs["queryset"] = User.objects.filter(is_staff=True, is_active=True).order_by("username")
        found: forms.ModelChoiceField[Any] | None = super().formfield_for_foreignkey(db_field, request, **kwargs)
        return found

    @column(_("text"))
    def said(self, template: ReplyTemplate) -> str:
        return truncatechars(template.text, 90)

    @column(_("with an example filled in"))
    def filled(self, template: ReplyTemplate) -> str:
        return wording.example(template.text) if template.pk else "–"

    @column(_("another language"))
    def copy(self, template: ReplyTemplate) -> str:
        if not template.pk:
            return "–"
        url = f"{reverse('admin:conversations_replytemplate_add')}?copy={template.pk}"
        return format_html('<a href="{}">{}</a>', url, say("Copy it into another language"))
