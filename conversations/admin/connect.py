"""Takes a supervisor's wish to connect a brand's account, leaves it connected, or a sentence that says why not.

The question to the network (PKCE, S256) is kept in the supervisor's own session: it counts once, for them alone, and
for ten minutes. Every answer that does not belong to it changes nothing.
"""

import secrets
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import Team, User
from citisocial.clock import now
from conversations import credentials, ways
from conversations.admin.listing import Changeable
from conversations.errors import ConversationError
from conversations.models import Brand, BrandAccount
from conversations.networks.errors import NetworkError

PENDING = "connecting"  # in the session
LIFE = timedelta(minutes=10)
NAME = "conversations_brandaccount"
NOT_YOURS = _(
    "This answer belongs to no question of yours, or the question is older than ten minutes. Nothing was changed. "
    "Start again with “Connect”."
)


class NewAccount(forms.Form):
    """What the network cannot know about a new account: whose it is, and who answers for it."""

    brand = forms.ModelChoiceField(Brand.objects.order_by("name"), label=_("Brand"), widget=UnfoldAdminSelectWidget)
    purpose = forms.ChoiceField(
        choices=BrandAccount.Purpose.choices,
        label=_("Purpose"),
        widget=UnfoldAdminSelectWidget,
        help_text=_("Care accounts are answered as, and listen for keywords and direct messages; others for mentions."),
    )
    team = forms.ModelChoiceField(
        Team.objects.order_by("name"), label=_("Team that answers"), widget=UnfoldAdminSelectWidget
    )


class Connecting(Changeable):
    """The pages of a brand account on which it is connected, checked and disconnected."""

    def connecting_urls(self) -> list[URLPattern]:
        """Where the buttons post to, and where the network sends a supervisor back to."""
        wrap = self.admin_site.admin_view
        one = "<int:account_id>"
        return [
            path("connected/", wrap(require_GET(self.connected)), name=f"{NAME}_connected"),
            path(f"{one}/connect/", wrap(require_POST(self.connect)), name=f"{NAME}_connect"),
            path(f"{one}/disconnect/", wrap(require_POST(self.disconnect)), name=f"{NAME}_disconnect"),
            path(f"{one}/check/", wrap(require_POST(self.check_now)), name=f"{NAME}_check"),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Who may change accounts may add one: by connecting it, since it comes with its tokens."""
        return self.has_change_permission(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new account: whose it is, then the network says who it is."""
        self._supervisor(request)
        form = NewAccount(request.POST or None)
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            new = {"brand": said["brand"].pk, "purpose": said["purpose"], "team": said["team"].pk}
            return self._ask(request, "x", {"new": new})
        context = self.admin_site.each_context(request) | {"title": say("Connect an account"), "form": form}
        return TemplateResponse(request, "admin/connect_account.html", context)

    def connect(self, request: HttpRequest, account_id: int) -> HttpResponse:
        """To the network's page that asks whether we may act as this account."""
        self._supervisor(request)
        account = get_object_or_404(BrandAccount, pk=account_id)
        return self._ask(request, account.network, {"account": account.pk})

    def connected(self, request: HttpRequest) -> HttpResponse:
        """Back from the network, with a code or without: whatever is not the answer to our question is refused."""
        user = self._supervisor(request)
        pending = self._take(request, user)
        if pending is None:
            messages.error(request, NOT_YOURS)
        elif request.GET.get("error"):
            messages.error(request, say("The network says that access was not allowed. Nothing was changed."))
        elif not request.GET.get("code"):
            messages.error(request, NOT_YOURS)
        else:
            try:
                account = credentials.connect(
                    self._meant(pending), code=request.GET["code"][:500], verifier=pending["verifier"], by=user
                )
            except (ConversationError, NetworkError) as refusal:
                messages.error(request, _why(refusal))
            else:
                messages.success(request, say("%(account)s is connected.") % {"account": account})
                self._checked(request, account)
                return redirect(f"admin:{NAME}_change", account.pk)
        return redirect(f"admin:{NAME}_channels")

    def disconnect(self, request: HttpRequest, account_id: int) -> HttpResponse:
        """Give the tokens back and forget them."""
        user = self._supervisor(request)
        account = get_object_or_404(BrandAccount, pk=account_id)
        if credentials.disconnect(account, by=user):
            messages.success(request, say("%(account)s is disconnected.") % {"account": account})
        else:
            words = say(
                "%(account)s is forgotten here, but the network did not confirm it. Take our app's access away in the "
                "account's own settings there."
            )
            messages.warning(request, words % {"account": account})
        return self._back(request)

    def check_now(self, request: HttpRequest, account_id: int) -> HttpResponse:
        """Ask the network now whether everything is right."""
        self._supervisor(request)
        self._checked(request, get_object_or_404(BrandAccount, pk=account_id))
        return self._back(request)

    def _checked(self, request: HttpRequest, account: BrandAccount) -> None:
        for finding in credentials.check(account):
            words = f"@{account.handle}: {finding.words}"
            (messages.success if finding.ok else messages.error)(request, words)
        for way in ("activity", "mentions", "dm"):
            ways.hurry(account, way)

    def _ask(self, request: HttpRequest, network: str, what: dict[str, Any]) -> HttpResponse:
        """One question at a time in a session: a newer one takes the older one's place."""
        consent = credentials.ask_consent(network)
        kept = {"state": consent.state, "verifier": consent.verifier, "user": request.user.pk}
        request.session[PENDING] = kept | {"until": (now() + LIFE).timestamp(), "network": network} | what
        answer = HttpResponseRedirect(consent.url)
        answer["Referrer-Policy"] = "no-referrer"
        return answer

    def _take(self, request: HttpRequest, user: User) -> dict[str, Any] | None:
        """The question that this answers, used up; None when it answers none of this session's and person's."""
        pending: dict[str, Any] | None = request.session.get(PENDING)
        said = request.GET.get("state", "")
        if not pending or not secrets.compare_digest(pending["state"].encode(), said.encode()):
            return None
        del request.session[PENDING]
        request.session.save()  # before the network is asked: a second answer must not find it
        fresh = pending["until"] > now().timestamp()
        return pending if fresh and pending["user"] == user.pk else None

    def _meant(self, pending: dict[str, Any]) -> BrandAccount:
        """The account that was to be connected; a new one is made when the network has said who it is."""
        if "account" in pending:
            return get_object_or_404(BrandAccount, pk=pending["account"])
        new = pending["new"]
        brand, team = get_object_or_404(Brand, pk=new["brand"]), get_object_or_404(Team, pk=new["team"])
        return BrandAccount(brand=brand, team=team, purpose=new["purpose"], network=pending["network"])

    def _supervisor(self, request: HttpRequest) -> User:
        if not self.has_change_permission(request) or not isinstance(request.user, User):
            raise PermissionDenied
        return request.user

    def _back(self, request: HttpRequest) -> HttpResponse:
        """To the page the button was on, if it is one of ours."""
        wanted = request.POST.get("next", "")
        ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
        return redirect(wanted if ours else reverse(f"admin:{NAME}_channels"))


def _why(refusal: ConversationError | NetworkError) -> str:
    """In words for somebody who was just asked to allow something."""
    if isinstance(refusal, NetworkError):
        return say("The network did not confirm it: %(why)s Nothing was changed. Start again with “Connect”.") % {
            "why": refusal
        }
    return str(refusal)
