"""Takes what an agent pressed, leaves it done: parse, permit, one domain call, and back to where it shows."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts import agents as roster
from accounts.factors import stepped_up
from conversations import assignment, cases, gate, outreach, permissions, tasks
from conversations.forms.workspace import (
    AvailabilityForm,
    MeasureForm,
    MessageForm,
    ReplyForm,
    checked,
)
from conversations.models import Case, Outgoing
from conversations.views.answers import answering, done
from conversations.views.workspace import TABS, again


@require_POST
@answering(again=again)
def take(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, agent = permissions.case_of_agent(request.user, case_id)
    assignment.take(case, agent)
    return done(request, _to(request, case))


@require_POST
@answering(again=again)
@stepped_up
def invite(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, agent = permissions.case_of_agent(request.user, case_id)
    form = checked(MessageForm(request.POST, brand=case.brand))
    return _queued(request, case, outreach.invite(case, agent, text=form["text"], template=form["template"]))


@require_POST
@answering(again=again)
@stepped_up
def message(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, agent = permissions.case_of_agent(request.user, case_id)
    form = checked(MessageForm(request.POST, brand=case.brand))
    return _queued(request, case, outreach.message(case, agent, text=form["text"], template=form["template"]))


@require_POST
@answering(again=again)
@stepped_up
def reply(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, agent = permissions.case_of_agent(request.user, case_id)
    form = checked(ReplyForm(request.POST, brand=case.brand))
    return _queued(request, case, outreach.reply(case, agent, **form))


@require_POST
@answering(again=again)
def resolve(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, agent = permissions.case_of_agent(request.user, case_id)
    permissions.may_work_on(case, agent)
    cases.resolve(case, by=agent.user)
    tasks.nudge(tasks.assign)  # there is room on this desk now
    return done(request, _to(request, case))


@require_POST
@answering(again=again)
def reopen(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, agent = permissions.case_of_agent(request.user, case_id)
    permissions.may_work_on(case, agent)
    cases.reopen(case, by=agent.user)
    return done(request, _to(request, case))


@require_POST
@answering()
def cancel(request: HttpRequest, outgoing_id: int) -> HttpResponse:
    agent = permissions.agent_of(request.user)
    outgoing = outreach.cancel(outgoing_id, agent)
    # The text goes back to whoever took it back: they will want to mend it.
    return _queued(request, outgoing.case, outgoing, text=outgoing.text)


@require_POST
@answering()
def now(request: HttpRequest, outgoing_id: int) -> HttpResponse:
    agent = permissions.agent_of(request.user)
    outgoing = outreach.send_now(outgoing_id, agent)
    tasks.nudge(tasks.deliver)
    return _queued(request, outgoing.case, outgoing)


@require_POST
@answering()
def availability(request: HttpRequest) -> HttpResponse:
    agent = permissions.agent_of(request.user)
    roster.set_availability(agent, checked(AvailabilityForm(request.POST))["state"])
    return done(request, _back(request), state=agent.availability, label=agent.get_availability_display())


@require_POST
@answering()
def measure(request: HttpRequest) -> HttpResponse:
    """How long the network would find the text, with what is filled in when it leaves."""
    permissions.agent_of(request.user)
    form = checked(MeasureForm(request.POST))
    found = gate.measured(form["text"], kind=form["kind"])
    return JsonResponse({"used": found.used, "limit": found.limit, "valid": found.valid})


def _queued(request: HttpRequest, case: Case, outgoing: Outgoing, **more: str) -> HttpResponse:
    data = {"id": outgoing.pk, "delivery": outgoing.delivery, "leaves_at": outgoing.leaves_at.isoformat(), **more}
    return done(request, _to(request, case), outgoing=data)


def _to(request: HttpRequest, case: Case) -> str:
    """The case's page, with the list in the tab it was in."""
    tab = request.POST.get("tab", "")
    return resolve_url("case", case_id=case.public_id) + (f"?tab={tab}" if tab in TABS else "")


def _back(request: HttpRequest) -> str:
    """Where the person came from, if that is a page of ours."""
    came = request.headers.get("Referer", "")
    ours = url_has_allowed_host_and_scheme(came, {request.get_host()}, require_https=request.is_secure())
    return came if ours else resolve_url("inbox")
