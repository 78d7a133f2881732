"""Takes a link's slug and two proofs, leaves the customer in the chat, or one page that refuses."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts import customers, x
from accounts.models import User
from conversations import handoff as stage
from conversations import refusals
from conversations.errors import DeadInvitation, NoConsent, NotAllowed
from conversations.models import Case
from conversations.permissions import customer_of
from conversations.views.pages import page

View = Callable[..., HttpResponse]


def told(view: View) -> View:
    """Every attempt that is refused leaves a line in the trail; who only looks (GET, HEAD) changes nothing."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except DeadInvitation as refusal:
            _tell(request, refusal.reason, refusal.case)
            raise
        except (NoConsent, NotAllowed) as refusal:
            _tell(request, refusal.code, _case_of_cookie(request))
            raise

    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@page
@told
def welcome(request: HttpRequest, slug: str) -> HttpResponse:
    """GET shows what a stranger may see and changes nothing; POST opens the hand-off and leads to the sign-in."""
    if request.method != "POST":
        return render(request, "customer/welcome.html", {"facts": stage.facts(stage.find(slug))})
    invitation = stage.open(slug)
    consent = reverse("handoff")
    answer = HttpResponseRedirect(consent) if request.user.is_authenticated else redirect_to_login(consent)
    answer.set_cookie(
        settings.HANDOFF_COOKIE_NAME,
        stage.token(invitation),
        max_age=stage.COOKIE_SECONDS,
        secure=settings.SECURE_COOKIES,
        httponly=True,
        samesite="Lax",
    )
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@page
@login_required
@told
def handoff(request: HttpRequest) -> HttpResponse:
    """GET says what will be linked; POST agrees and goes to X, or straight to the chat when the handle is remembered.

    The cookie says what is shown. The form says what is agreed to: in another tab another link may have been opened.
    """
    customer = customer_of(request.user)
    if request.method != "POST":
        invitation = stage.from_token(request.COOKIES.get(settings.HANDOFF_COOKIE_NAME, ""), customer)
        to = invitation.outgoing.recipient
        shown = {
            "facts": stage.facts(invitation),
            "pointer": stage.token(invitation),
            "remembered": customers.proven(customer, to.network, to.external_id),
            "bound": invitation.customer_id is not None,
            "customer": customer,
        }
        return render(request, "customer/consent.html", shown)
    invitation = stage.from_token(request.POST.get("handoff", ""), customer)
    if stage.begin_proof(invitation, customer, consents=request.POST.get("consent") == "link"):
        return _to_chat(request, invitation.outgoing.case, invitation.pk)
    return x.begin(request, {"invitation": str(invitation.pk)})


@page
@told
def on_proof(
    request: HttpRequest, *, network: str, external_id: str, handle: str, data: dict[str, Any]
) -> HttpResponse:
    """X has said who came back. `data` is what `handoff` sent along: it, not the cookie, names the invitation."""
    try:
        invitation_id = int(data["invitation"])
    except (KeyError, TypeError, ValueError):
        raise DeadInvitation("changed_id") from None
    case = stage.prove(invitation_id, customer_of(request.user), external_id=external_id, handle=handle)
    return _to_chat(request, case, invitation_id)


def on_refusal(request: HttpRequest, reason: str) -> None:
    """The round trip to X ended before it came to a proof: the trail is told why, the page does not say."""
    _tell(request, reason, _case_of_cookie(request))


def _tell(request: HttpRequest, reason: str, case: Case | None) -> None:
    # X sends people back with a GET, and that one acts.
    if request.method not in ("GET", "HEAD") or request.path == reverse(f"{x.PROVIDER}_callback"):
        user = request.user if isinstance(request.user, User) else None
        refusals.note(reason, refusals.visitor(request), case=case, user=user)


def _case_of_cookie(request: HttpRequest) -> Case | None:
    try:
        return stage.from_token(request.COOKIES.get(settings.HANDOFF_COOKIE_NAME, "")).outgoing.case
    except DeadInvitation as refusal:
        case: Case | None = refusal.case
        return case


def _to_chat(request: HttpRequest, case: Case, invitation_id: int) -> HttpResponse:
    """Into the chat. The cookie has done its work, unless another tab has opened another link meanwhile."""
    answer = redirect("chat", case_id=case.public_id)
    if stage.points_to(request.COOKIES.get(settings.HANDOFF_COOKIE_NAME, ""), invitation_id):
        # The path and samesite it was set with, or browsers keep it.
        answer.delete_cookie(settings.HANDOFF_COOKIE_NAME, path="/", samesite="Lax")
    return answer
