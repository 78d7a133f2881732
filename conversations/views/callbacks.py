"""Takes what customers and agents press about a phone call, leaves it done; number and code are on one answer."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from citisocial.clock import now
from conversations import callbacks, permissions
from conversations.errors import ConversationError, NotFound
from conversations.forms.callbacks import CallCodeForm, CallMeForm
from conversations.forms.workspace import checked
from conversations.models import Callback, Case
from conversations.views.answers import answering, done, wants_json
from conversations.views.pages import page

# The customer's side: pages without scripts, so that the code shows whatever becomes of the chat behind them.


@sensitive_post_parameters("number")
@require_http_methods(["GET", "HEAD", "POST"])
@page
@login_required
@sensitive_variables()
def call(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """How to talk on the phone; POST: call me."""
    case, customer = permissions.case_of_customer(request.user, case_id)
    form = _form(request, case)
    if request.method != "POST":
        return _page(request, case, form=form)
    if not form.is_valid():
        return _page(request, case, form=form, status=422)
    try:
        callbacks.ask(case, customer, number=form.cleaned_data["number"], at=form.cleaned_data["at"])
    except ConversationError as refusal:
        return _refused(request, case, refusal, form=form)
    return redirect("chat", case_id=case_id)


@require_POST
@page
@login_required
@sensitive_variables()
def call_now(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """I call you: the number of the bank and the code, in this answer and no other."""
    case, customer = permissions.case_of_customer(request.user, case_id)
    try:
        asked, code = callbacks.announce(case, customer)
    except ConversationError as refusal:
        return _refused(request, case, refusal)
    return render(request, "customer/call_code.html", {"case": case, "call": asked, "code": code})


@require_POST
@page
@login_required
def call_off(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """Not any more."""
    case, customer = permissions.case_of_customer(request.user, case_id)
    try:
        callbacks.cancel(case, customer)
    except ConversationError as refusal:
        return _refused(request, case, refusal)
    return redirect("chat", case_id=case_id)


def panel(case: Case, at: datetime) -> dict[str, Any]:
    """What `_call.html` needs, the customer's and the workspace's."""
    newest = callbacks.newest(case)
    return {"call": newest if callbacks.is_fresh(newest, at) else None}


def _form(request: HttpRequest, case: Case) -> CallMeForm:
    return CallMeForm(request.POST or None, brand=case.brand, slots=callbacks.slots(case.brand, now()))


def _page(
    request: HttpRequest, case: Case, *, form: CallMeForm | None = None, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "case": case,
        "form": form or CallMeForm(brand=case.brand, slots=callbacks.slots(case.brand, now())),
        "problem": problem,
        "minutes": settings.CALL_CODE_MINUTES,
    }
    return render(request, "customer/call.html", context | panel(case, now()), status=status)


def _refused(
    request: HttpRequest, case: Case, refusal: ConversationError, *, form: CallMeForm | None = None
) -> HttpResponse:
    """The page once more, with why not and what was typed; who may not see it gets no page."""
    if isinstance(refusal, NotFound):
        raise refusal
    return _page(request, case, form=form, problem=str(refusal), status=refusal.http_status)


# The agents' side.


def again(request: HttpRequest, refusal: ConversationError, **_: Any) -> HttpResponse:
    """The list once more, with why not."""
    return _list(request, problem=str(refusal), status=refusal.http_status)


@require_GET
@never_cache
@answering()
def calls(request: HttpRequest) -> HttpResponse:
    """Who wants to be called, and who will call, due first; `?after=` goes on where the page before ended."""
    return _list(request)


@require_POST
@never_cache
@answering(again=again)
def code(request: HttpRequest) -> HttpResponse:
    """Somebody is on the phone with a code: to their case."""
    agent = permissions.agent_of(request.user)
    case = callbacks.answer(checked(CallCodeForm(request.POST))["code"], agent)
    return done(request, resolve_url("case", case_id=case.public_id), case=str(case.public_id))


@require_POST
@never_cache
@answering(again=again)
@sensitive_variables()
def take(request: HttpRequest, call_id: UUID) -> HttpResponse:
    found, agent = permissions.call_of_agent(request.user, call_id)
    return _shown(request, found, callbacks.take(found, agent))


@require_POST
@never_cache
@answering(again=again)
@sensitive_variables()
def number(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """The number once more."""
    found, agent = permissions.call_of_agent(request.user, call_id)
    return _shown(request, found, callbacks.number(found, agent))


@require_POST
@never_cache
@answering(again=again)
def reached(request: HttpRequest, call_id: UUID) -> HttpResponse:
    found, agent = permissions.call_of_agent(request.user, call_id)
    callbacks.finish(found, agent, reached=True)
    return done(request, resolve_url("calls"))


@require_POST
@never_cache
@answering(again=again)
def missed(request: HttpRequest, call_id: UUID) -> HttpResponse:
    found, agent = permissions.call_of_agent(request.user, call_id)
    callbacks.finish(found, agent, reached=False)
    return done(request, resolve_url("calls"))


@sensitive_variables()
def _shown(request: HttpRequest, found: Callback, dialled: str) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"ok": True, "number": dialled})
    return _list(request, shown=found, number=dialled)


def _list(request: HttpRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    agent = permissions.agent_of(request.user)
    rows = callbacks.waiting_for(agent, after=_after(request.GET.get("after", "")))
    last = rows[callbacks.PAGE - 1] if len(rows) > callbacks.PAGE else None
    context = {
        "agent": agent,
        "at": now(),
        "calls": rows[: callbacks.PAGE],
        "next": f"{last.wanted_at.isoformat()},{last.pk}" if last else "",
        **more,
    }
    with timezone.override(ZoneInfo(agent.time_zone)):
        return render(request, "workspace/calls.html", context, status=status)


def _after(said: str) -> tuple[datetime, int] | None:
    """Where the page before ended; anything else is the first page."""
    at, _comma, pk = said.partition(",")
    try:
        found = datetime.fromisoformat(at)
        return (found, int(pk)) if found.tzinfo else None
    except ValueError:
        return None
