"""Takes supervisors' requests about people, leaves what the domain functions write; states are read-only."""

from collections.abc import Callable
from typing import Any

import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin  # noqa: F401
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as StockGroupAdmin
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import Form, ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts import agents, customers, mfa, permissions, signals
from accounts.models import Agent, Customer, ProvenHandle, Shift, Team, User

# No pages for allauth's rows: those about networks are never written; an address and a factor are ways to sign in.
# Their modules are imported, so that they have registered themselves whatever the order of the apps.
for unused in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(unused)
admin.site.unregister(Group)


def say(request: HttpRequest, changed: int, asked: int) -> None:
    """How many rows an action changed, aloud when some were left alone."""
    text = ngettext("%(changed)d of %(asked)d changed.", "%(changed)d of %(asked)d changed.", changed)
    level = messages.SUCCESS if changed == asked else messages.WARNING
    messages.add_message(request, level, text % {"changed": changed, "asked": asked})


@admin.register(User)
class UserAdmin(StockUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    """Logins. A supervisor looks, closes and opens them; names, passwords and rights are the superuser's."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "last_login")
    readonly_fields = ("is_active", "last_login", "date_joined", "epoch")
    actions = ("close_logins", "open_logins", "take_factors_away")
    supervisor_fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email")}),
        (_("State"), {"fields": ("is_active", "is_staff", "groups", "last_login", "date_joined")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if request.user.is_superuser:
            return super().get_fieldsets(request, obj)
        return self.supervisor_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if request.user.is_superuser:
            return self.readonly_fields
        return tuple(name for _title, options in self.supervisor_fieldsets for name in options["fields"])

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        # Stock asks for the right to change the login, which supervisors have for the two actions.
        if not request.user.is_superuser:
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def save_model(self, request: HttpRequest, obj: Model, form: Form, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            return
        # Only what was changed on the page: the rest of the row may have moved since it was loaded.
        columns = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=[name for name in form.changed_data if name in columns])

    def save_related(self, request: HttpRequest, form: "ModelForm[User]", formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if change and {"is_staff", "is_superuser", "groups", "user_permissions"} & set(form.changed_data):
            permissions.end_sessions(form.instance)

    def within_reach(self, request: HttpRequest, chosen: QuerySet[User]) -> list[User]:
        """Nobody closes their own login, and superusers are for superusers only."""
        others = chosen.exclude(username=request.user.get_username())
        return list(others if request.user.is_superuser else others.filter(is_superuser=False))

    def supervise(self, request: HttpRequest, chosen: QuerySet[User], act: Callable[[User], bool], verb: str) -> None:
        """Do it to each within reach, each with its line in the trail or not at all, and say how many it was."""
        done = 0
        for user in self.within_reach(request, chosen):
            with transaction.atomic():
                if act(user):
                    signals.supervised.send(User, user=user, by=request.user, verb=verb)
                    done += 1
        say(request, done, chosen.count())

    @admin.action(description=_("Close the login and sign the person out everywhere"), permissions=["change"])
    def close_logins(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self.supervise(request, queryset, permissions.close_login, "login_closed")

    @admin.action(description=_("Open the login again"), permissions=["change"])
    def open_logins(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self.supervise(request, queryset, permissions.open_login, "login_opened")

    @admin.action(
        description=_("All second factors are lost: add new ones at the next sign-in"), permissions=["change"]
    )
    def take_factors_away(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self.supervise(request, queryset, mfa.take_away, "factors_taken_away")


@admin.register(Group)
class GroupAdmin(StockGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Roles; the supervisors' group is made by migrate."""


@admin.register(Team)
class TeamAdmin(ModelAdmin):
    """Teams."""

    list_display = ("name",)
    search_fields = ("name",)


class ShiftInline(TabularInline):
    """The agent's week."""

    model = Shift
    extra = 0


@admin.register(Agent)
class AgentAdmin(ModelAdmin):
    """Agents. A supervisor changes availability by an action: away and offline then last until it is lifted.

    The agent too can end them, by choosing a state in the workspace.
    """

    list_display = ("name", "user", "availability", "set_by", "seen_at", "languages", "capacity", "time_zone")
    list_filter = ("availability", "teams")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    autocomplete_fields = ("user",)
    filter_horizontal = ("teams",)
    readonly_fields = ("availability", "set_by", "away_since", "seen_at")
    inlines = (ShiftInline,)
    actions = ("put_online", "put_away", "put_offline")

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> tuple[str, ...]:
        # An agent who became another login would take their cases and words along.
        return self.readonly_fields if obj is None else (*self.readonly_fields, "user")

    @admin.action(description=_("Put online"), permissions=["change"])
    def put_online(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self.put(request, queryset, Agent.Availability.ONLINE)

    @admin.action(description=_("Put away"), permissions=["change"])
    def put_away(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self.put(request, queryset, Agent.Availability.AWAY)

    @admin.action(description=_("Put offline"), permissions=["change"])
    def put_offline(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self.put(request, queryset, Agent.Availability.OFFLINE)

    def put(self, request: HttpRequest, queryset: QuerySet[Agent], state: str) -> None:
        """One domain call for each."""
        assert isinstance(request.user, User)  # the admin lets nobody else in
        by = request.user
        chosen = list(queryset)  # before they move: the list may be filtered by what they are
        say(request, sum(agents.supervise(agent, state, by=by) for agent in chosen), len(chosen))


class ReadOnly:
    """Rows that the walk writes: to be looked at."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class HandleInline(ReadOnly, TabularInline):  # type: ignore[misc]
    """What the customer has proven."""

    model = ProvenHandle
    extra = 0
    fields = readonly_fields = ("network", "handle", "external_id", "proven_at", "revoked_at")


@admin.register(Customer)
class CustomerAdmin(ModelAdmin):
    """Customers of the bank and the handles that are theirs."""

    list_display = ("name", "user")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    autocomplete_fields = ("user",)
    inlines = (HandleInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Customer | None = None) -> tuple[str, ...]:
        return () if obj is None else ("user",)


@admin.register(ProvenHandle)
class ProvenHandleAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Proofs: written by the hand-off, withdrawn by the action, edited by nobody."""

    list_display = ("handle", "network", "external_id", "customer", "proven_at", "revoked_at")
    list_filter = ("network", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("customer",)
    search_fields = ("handle", "=external_id", "customer__name")
    fields = readonly_fields = ("customer", "network", "external_id", "handle", "proven_at", "revoked_at")
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.change_provenhandle"))

    @admin.action(description=_("Withdraw the proof"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ProvenHandle]) -> None:
        assert isinstance(request.user, User)  # the admin lets nobody else in
        by = request.user
        say(request, sum(customers.revoke_handle(proof, by=by) for proof in queryset), queryset.count())
