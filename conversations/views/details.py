"""Takes what an agent asks for and a customer answers, leaves it shown to those who may, and kept by no page.

The value comes in by one POST of the customer's, and goes out in one answer to a POST of the agent's.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from conversations import details, permissions
from conversations.errors import BadText
from conversations.forms.details import AskForm, GiveForm
from conversations.forms.workspace import checked
from conversations.models import Case, SecureRequest
from conversations.views.answers import answering, done, wants_json
from conversations.views.pages import own_case, page


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@page
@login_required
@sensitive_variables()
def detail(request: HttpRequest, case_id: UUID, detail_id: UUID) -> HttpResponse:
    """The customer's page of one detail: give it, decline, take it back. Refused, the field comes back empty."""
    case, customer = own_case(request, case_id)
    asked = details.of_case(case, detail_id)
    if request.method != "POST":
        return _page(request, case, asked)
    if "decline" in request.POST:
        details.withdraw(asked, customer)
    else:
        try:
            details.give(asked, customer, value=checked(GiveForm(request.POST))["value"])
        except BadText as refusal:
            return _page(request, case, asked, problem=str(refusal), status=refusal.http_status)
    return redirect("detail", case_id=case_id, detail_id=detail_id)


@require_POST
@answering()
def ask(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, agent = permissions.case_of_agent(request.user, case_id)
    asked = details.ask(case, agent, label=checked(AskForm(request.POST))["label"])
    return done(request, resolve_url("case", case_id=case_id), detail=str(asked.public_id))


@require_POST
@answering()
def withdraw(request: HttpRequest, case_id: UUID, detail_id: UUID) -> HttpResponse:
    case, agent = permissions.case_of_agent(request.user, case_id)
    permissions.may_work_on(case, agent)
    details.withdraw(details.of_case(case, detail_id), agent)
    return done(request, resolve_url("case", case_id=case_id))


@require_POST
@never_cache
@answering()
@sensitive_variables()
def reveal(request: HttpRequest, case_id: UUID, detail_id: UUID) -> HttpResponse:
    """The value, in this answer and no other; who looked is in the trail."""
    case, user, actor = permissions.case_of_reader(request.user, case_id)
    asked = details.of_case(case, detail_id)
    value = details.reveal(asked, user, actor=actor)
    if wants_json(request):
        return JsonResponse({"ok": True, "value": value})
    context = {"case": case, "asked": asked, "value": value, "back": _back(case, actor)}
    return render(request, "workspace/detail.html", context)


def panel(case: Case, at: datetime) -> dict[str, Any]:
    """What `workspace/_details.html` and `workspace/_ask.html` need."""
    return {"details": details.shown(case, at), "detail_names": details.names(), "detail_length": details.LABEL}


def _back(case: Case, actor: str) -> str:
    """A supervisor sees the case where they listen to it."""
    return resolve_url("case" if actor == "agent" else "listen", case_id=case.public_id)


def _page(
    request: HttpRequest, case: Case, asked: SecureRequest, *, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "case": case,
        "asked": asked,
        "over": details.is_over(asked),
        "minutes": settings.DETAIL_MINUTES,
        "length": details.VALUE,
        "problem": problem,
    }
    return render(request, "customer/detail.html", context, status=status)
