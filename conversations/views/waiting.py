"""Takes a customer whose agent is away, leaves their choice to wait; and what their page says of who answers when."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from conversations import hours, permissions
from conversations.models import Case
from conversations.views.pages import page


@require_POST
@page
@login_required
def stay(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, customer = permissions.case_of_customer(request.user, case_id)
    hours.stay(case, customer=customer)
    return redirect("chat", case_id=case_id)


def panel(case: Case) -> dict[str, Any]:
    """What `customer/_waiting.html` needs: nothing while nobody waits for anything."""
    over = case.status in (Case.Status.RESOLVED, Case.Status.CLOSED)
    return {"wait": None if over else hours.expected(case)}
