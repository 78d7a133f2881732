"""Takes "stop" and "let it leave again", leaves it to `stops`; the page "Sending", and the list of every stop.

One person stops; two end it: one asks, another agrees.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from conversations import stops, tasks
from conversations.admin.listing import Shown, column
from conversations.errors import ConversationError
from conversations.models import Brand, BrandAccount, SendingStop

NAME = "conversations_sendingstop"


class StopForm(forms.Form):
    """What shall not leave, and why; everybody who works here reads the reason."""

    brand = forms.ModelChoiceField(Brand.objects.all(), required=False)
    account = forms.ModelChoiceField(BrandAccount.objects.defer("sealed_tokens"), required=False)
    reason = forms.CharField(max_length=SendingStop._meta.get_field("reason").max_length)

    def __init__(self, posted: Any) -> None:
        """`scope` is one field of the page: "everything", "brand:1" or "account:2"."""
        kind, _colon, pk = str(posted.get("scope", "")).partition(":")
        super().__init__({"reason": posted.get("reason", ""), kind: pk})
        self.named = kind in {"everything", "brand", "account"} and bool(pk) == (kind != "everything")


@dataclass(frozen=True, slots=True)
class Held:
    """One stop as the page shows it to somebody."""

    stop: SendingStop
    scope: str
    waiting: int
    asked_by_me: bool


@admin.register(SendingStop)
class SendingStopAdmin(Shown):
    """Every stop of sending, running or over: what, who, when, why. Stopping and ending is on the page "Sending"."""

    list_display = ("scope", "reason", "started_at", "who", "ended_at", "ended_by")
    list_display_links = ("scope",)
    list_filter = ("brand", "account", ("ended_at", admin.EmptyFieldListFilter))
    related = ("brand", "account", "started_by", "release_asked_by", "ended_by")
    fields = (
        "scope",
        "reason",
        ("started_at", "who"),
        ("release_asked_at", "release_asked_by"),
        ("ended_at", "ended_by"),
    )

    def get_urls(self) -> list[URLPattern]:
        """Beside the list: the page of what is stopped now, and where its buttons post to."""
        wrap = self.admin_site.admin_view
        return [
            path("sending/", wrap(require_GET(self.sending)), name=f"{NAME}_sending"),
            path("stop/", wrap(require_POST(self.stop)), name=f"{NAME}_stop"),
            path("<int:stop_id>/ask/", wrap(require_POST(self.ask)), name=f"{NAME}_ask"),
            path("<int:stop_id>/release/", wrap(require_POST(self.release)), name=f"{NAME}_release"),
            *super().get_urls(),
        ]

    def sending(self, request: HttpRequest) -> HttpResponse:
        """What is stopped now; `?part=list` is only what changes, for the page that renews itself."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {"held": held(request.user), "may_supervise": self.may_supervise(request)}
        if request.GET.get("part") == "list":
            return render(request, "admin/sending_list.html", context)
        accounts = BrandAccount.objects.filter(active=True).select_related("brand").defer("sealed_tokens")
        context |= {"brands": Brand.objects.order_by("name"), "accounts": accounts.order_by("brand__name", "pk")}
        context |= self.admin_site.each_context(request) | {"title": say("Sending")}
        return TemplateResponse(request, "admin/sending.html", context)

    def stop(self, request: HttpRequest) -> HttpResponse:
        """Nothing of the chosen scope leaves any more; a reason is needed."""
        user, form = self._supervisor(request), StopForm(request.POST)
        if not form.named or form.errors.keys() & {"brand", "account"}:
            messages.error(request, say("Choose what shall be stopped."))
        elif not form.is_valid():
            messages.error(request, say("Say why sending is stopped: everybody who works here will read it."))
        else:
            done = say("Sending is stopped. What waits is held and not lost; secure chat goes on.")
            _do(request, lambda: stops.start(by=user, **form.cleaned_data), done)
        return _back(request)

    def ask(self, request: HttpRequest, stop_id: int) -> HttpResponse:
        """The first of two people says that it may end."""
        user, stop = self._supervisor(request), get_object_or_404(SendingStop, pk=stop_id)
        done = say("You asked for the release. Somebody else has to agree to it; until then nothing leaves.")
        _do(request, lambda: stops.ask_release(stop, by=user), done)
        return _back(request)

    def release(self, request: HttpRequest, stop_id: int) -> HttpResponse:
        """The second agrees, and what was held leaves again."""
        user, stop = self._supervisor(request), get_object_or_404(SendingStop, pk=stop_id)
        done = say("This stop is over. What it held leaves now, in order.")
        if _do(request, lambda: stops.release(stop, by=user), done):
            tasks.nudge(tasks.deliver)
        return _back(request)

    def _supervisor(self, request: HttpRequest) -> User:
        if not self.may_supervise(request) or not isinstance(request.user, User):
            raise PermissionDenied
        return request.user

    @column(_("what"))
    def scope(self, stop: SendingStop) -> str:
        return stops.scope(stop)

    @column(_("stopped by"))
    def who(self, stop: SendingStop) -> str:
        return str(stop.started_by) if stop.started_by else say("no login: an alarm, or the command line")


def held(user: Any) -> list[Held]:
    """Every stop that holds now, the widest first."""
    return [
        Held(stop, stops.scope(stop), stops.waiting(stop), stop.release_asked_by_id == user.pk)
        for stop in stops.running()
    ]


def _do(request: HttpRequest, what: Callable[[], object], done: str) -> bool:
    try:
        what()
    except ConversationError as refusal:
        messages.error(request, str(refusal))
        return False
    messages.success(request, done)
    return True


def _back(request: HttpRequest) -> HttpResponse:
    """To the page the button was on, if it is one of ours."""
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return redirect(wanted if ours else reverse(f"admin:{NAME}_sending"))
