"""Takes what colleagues press about a case that changes hands, leaves it offered, answered or noted; a customer's wish
for somebody else as well."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import Agent, User
from accounts.permissions import is_supervisor
from conversations import cases, notes, permissions, tasks, transfers
from conversations.errors import CaseClosed, CaseMoved, ConversationError, NobodyHere, NotAllowed, NotFound
from conversations.forms.transfers import LIMITS, NoteForm, OfferForm
from conversations.forms.workspace import checked
from conversations.models import Case, Transfer
from conversations.views.answers import answering, done
from conversations.views.pages import page


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def transfer(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """The page that offers a case to a colleague or a team, and where it posts to."""
    return (_offer if request.method == "POST" else _ask)(request, case_id=case_id)


@answering()
def _ask(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, user = _case_of_staff(request, case_id)
    if not is_supervisor(user):
        permissions.may_work_on(case, permissions.agent_of(user))
    return _page(request, case)


def _again(request: HttpRequest, refusal: ConversationError, case_id: UUID) -> HttpResponse:
    """The page once more, with why not and with what was typed."""
    case, _user = _case_of_staff(request, case_id)
    return _page(request, case, problem=str(refusal), status=refusal.http_status)


@answering(again=_again)
def _offer(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, user = _case_of_staff(request, case_id)
    form = checked(OfferForm(request.POST))
    made = transfers.offer(case, by=user, note=form["note"], **form["to"])
    return done(request, _to(case, user), transfer=made.pk, whom=transfers.name(made))


@require_POST
@answering()
def accept(request: HttpRequest, transfer_id: int) -> HttpResponse:
    found, agent = _transfer_of_agent(request, transfer_id)
    case = transfers.accept(found, agent)
    tasks.nudge(tasks.assign)  # there is room on the other desk now
    return done(request, resolve_url("case", case_id=case.public_id))


@require_POST
@answering()
def decline(request: HttpRequest, transfer_id: int) -> HttpResponse:
    found, agent = _transfer_of_agent(request, transfer_id)
    transfers.decline(found, agent)
    return done(request, resolve_url("inbox"))


@require_POST
@answering()
def cancel(request: HttpRequest, transfer_id: int) -> HttpResponse:
    found = Transfer.objects.select_related("case").filter(pk=transfer_id).first()
    if found is None:
        raise NotFound
    case, user = _case_of_staff(request, found.case.public_id)
    transfers.cancel(found, user)
    return done(request, _to(case, user))


@require_GET
@never_cache
@answering()
def offers(request: HttpRequest) -> HttpResponse:
    """What the agent may accept now, for the script to put on top of the list."""
    agent = permissions.agent_of(request.user)
    return render(request, "workspace/_offers.html", {"offers": offered(agent)})


def _note_again(request: HttpRequest, refusal: ConversationError, case_id: UUID) -> HttpResponse:
    """Never into the composer, whose button sends to the customer: a page of its own, with what was typed."""
    case, _agent = permissions.case_of_agent(request.user, case_id)
    context = {"case": case, "problem": str(refusal), "typed": request.POST.get("text", ""), **_limits()}
    return render(request, "workspace/note.html", context, status=refusal.http_status)


@require_POST
@answering(again=_note_again)
def note(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, agent = permissions.case_of_agent(request.user, case_id)
    kept = notes.add(case, by=agent, text=checked(NoteForm(request.POST))["text"])
    return done(request, resolve_url("case", case_id=case_id), note=kept.pk)


@require_POST
@page
@login_required
def another(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """The customer does not want to wait for an agent who is away."""
    case, customer = permissions.case_of_customer(request.user, case_id)
    try:
        transfers.ask_another(case, customer=customer)
    except (NobodyHere, NotAllowed, CaseClosed, CaseMoved) as refusal:
        context = {"case": case, "sentence": str(refusal)}
        return render(request, "customer/another.html", context, status=refusal.http_status)
    tasks.nudge(tasks.assign)  # there may be room on the other desk now
    return redirect("chat", case_id=case_id)


def panel(case: Case, agent: Agent) -> dict[str, Any]:
    """What the conversation's page shows of it: an offer that waits, and whether this agent may make or answer one."""
    waiting = transfers.waiting(case)
    return {
        "offer": waiting,
        "offer_is_mine": waiting is not None and transfers.may_answer(waiting, agent),
        "may_offer": case.agent_id == agent.pk and case.status in cases.WORKED_ON and waiting is None,
        **_limits(),
    }


def offered(agent: Agent) -> list[Transfer]:
    """What stands on top of the agent's list."""
    return transfers.offered_to(agent)


def _limits() -> dict[str, int]:
    return {f"{name}_limit": limit for name, limit in LIMITS.items()}


def _case_of_staff(request: HttpRequest, case_id: UUID) -> tuple[Case, User]:
    """For an agent of the case's brand, and for supervisors."""
    if isinstance(request.user, User) and is_supervisor(request.user):
        return permissions.case_of_supervisor(request.user, case_id)
    case, agent = permissions.case_of_agent(request.user, case_id)
    return case, agent.user


def _transfer_of_agent(request: HttpRequest, transfer_id: int) -> tuple[Transfer, Agent]:
    """NotFound where the agent may not see the case; who was asked, the domain knows."""
    agent = permissions.agent_of(request.user)
    theirs = Transfer.objects.filter(case__in=permissions.cases_of(agent)).select_related("case")
    found = theirs.filter(pk=transfer_id).first()
    if found is None:
        raise NotFound(_("There is no such offer, or it is not yours to see."))
    return found, agent


def _page(request: HttpRequest, case: Case, *, problem: str = "", status: int = 200) -> HttpResponse:
    context = {
        "case": case,
        "colleagues": transfers.colleagues(case),
        "teams": [(f"team-{team.pk}", team) for team in transfers.teams(case)],
        "waiting": transfers.waiting(case),
        "back": _to(case, request.user),
        "problem": problem,
        "to": request.POST.get("to", ""),
        "typed": request.POST.get("note", ""),
        **_limits(),
    }
    return render(request, "workspace/transfer.html", context, status=status)


def _to(case: Case, user: Any) -> str:
    """Where this person sees the case: an agent of its brand on its page, a supervisor where they listen."""
    agent = getattr(user, "agent", None)
    works = agent is not None and permissions.cases_of(agent).filter(pk=case.pk).exists()
    return resolve_url("case" if works else "listen", case_id=case.public_id)
