"""Takes a link's slug and two proofs, leaves the customer in the chat, or one page that refuses."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts import customers, x
from conversations import handoff as stage
from conversations.errors import DeadInvitation
from conversations.models import Case
from conversations.permissions import customer_of
from conversations.views.pages import page


@require_http_methods(["GET", "HEAD", "POST"])
@page
def welcome(request: HttpRequest, slug: str) -> HttpResponse:
    """GET shows what a stranger may see and changes nothing; POST opens the hand-off and leads to the sign-in."""
    if request.method != "POST":
        return render(request, "customer/welcome.html", {"facts": stage.facts(stage.find(slug)), "slug": slug})
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
def handoff(request: HttpRequest) -> HttpResponse:
    """GET tells what X will ask; POST goes there, or straight to the chat when the handle is remembered."""
    customer = customer_of(request.user)
    invitation = stage.from_token(request.COOKIES.get(settings.HANDOFF_COOKIE_NAME, ""))
    if request.method != "POST":
        to = invitation.outgoing.recipient
        remembered = customers.proven(customer, to.network, to.external_id)
        return render(request, "customer/consent.html", {"facts": stage.facts(invitation), "remembered": remembered})
    if stage.begin_proof(invitation, customer):
        return _to_chat(invitation.outgoing.case)
    return x.begin(request, {"invitation": str(invitation.pk)})


@page
def on_proof(
    request: HttpRequest, *, network: str, external_id: str, handle: str, data: dict[str, Any]
) -> HttpResponse:
    """X has said who came back. `data` is what `handoff` sent along: it, not the cookie, names the invitation."""
    try:
        invitation_id = int(data["invitation"])
    except (KeyError, TypeError, ValueError):
        raise DeadInvitation from None
    case = stage.prove(invitation_id, customer_of(request.user), external_id=external_id, handle=handle)
    return _to_chat(case)


def _to_chat(case: Case) -> HttpResponse:
    answer = redirect("chat", case_id=case.public_id)
    # The path and samesite it was set with, or browsers keep it.
    answer.delete_cookie(settings.HANDOFF_COOKIE_NAME, path="/", samesite="Lax")
    return answer
