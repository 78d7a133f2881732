"""Takes a customer who was asked to prove that it is still them, leaves them there by way of their second factor.

Nothing is taken from the address or a form: whether they proved it stands in the session, as allauth wrote it there.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.http import require_http_methods, require_POST

from accounts import factors
from citisocial.clock import now
from conversations import permissions, stepups
from conversations.models import Case
from conversations.views.answers import answering, done
from conversations.views.pages import own_case, page


@require_http_methods(["GET", "HEAD", "POST"])
@page
@login_required
def prove(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """What to do, and then that it is done. POST: to the pages where a factor is added, or write the proof down."""
    case, customer = own_case(request, case_id)
    if request.method == "POST":
        if "add" in request.POST:
            factors.lead(request, resolve_url("prove", case_id=case_id))
            return redirect("mfa_index")
        stepups.prove(case, customer, request.session)
        request.session.pop(factors.WAY_BACK, None)
        return redirect("prove", case_id=case_id)
    kinds = Authenticator.objects.filter(user_id=customer.user_id, type__in=factors.STRONG)
    context = {
        "case": case,
        "asked": stepups.newest(case, now()),
        "ready": stepups.stands(case, customer, request.session),
        "kinds": set(kinds.values_list("type", flat=True)),
        "minutes": settings.STEP_UP_MINUTES,
    }
    return render(request, "customer/stepup.html", context)


@require_POST
@answering()
def ask(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, agent = permissions.case_of_agent(request.user, case_id)
    line = stepups.ask(case, agent)
    return done(request, resolve_url("case", case_id=case_id), seq=line.seq)


def panel(case: Case, at: datetime) -> dict[str, Any]:
    """What `workspace/_stepup.html` needs."""
    return {"stepup": stepups.newest(case, at), "stepup_minutes": settings.STEP_UP_MINUTES}
