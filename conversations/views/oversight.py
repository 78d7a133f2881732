"""Takes a supervisor, leaves the live chat read only before them, and what they whisper or take over done."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from citisocial.clock import now
from conversations import details, outbox, oversight, permissions, timeline
from conversations.errors import ConversationError
from conversations.forms.transfers import LIMITS, NoteForm
from conversations.forms.workspace import checked
from conversations.models import Case
from conversations.timeline import EVENT, NOTE, SECURE
from conversations.views.answers import answering, done

HEARD = (SECURE, NOTE, EVENT)  # the rest of the story stands in Supervision


@require_GET
@never_cache
@answering()
def listen(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """The chat of a case, live; each opening is a line of the trail."""
    case, user = permissions.case_of_supervisor(request.user, case_id)
    oversight.listen(case, by=user)
    return _page(request, case)


@require_GET
@never_cache
@answering()
def log(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """What changes on that page while it is open, for the script to put in place."""
    case, user = permissions.case_of_supervisor(request.user, case_id)
    oversight.listening(case, by=user)
    return render(request, "workspace/listen_parts.html", _context(case))


def _again(request: HttpRequest, refusal: ConversationError, case_id: UUID) -> HttpResponse:
    """The page once more, with why not and with what was typed."""
    case, user = permissions.case_of_supervisor(request.user, case_id)
    oversight.listen(case, by=user)  # it shows the chat, so it is another opening
    return _page(request, case, problem=str(refusal), status=refusal.http_status)


@require_POST
@answering(again=_again)
def whisper(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, user = permissions.case_of_supervisor(request.user, case_id)
    kept = oversight.whisper(case, by=user, text=checked(NoteForm(request.POST))["text"])
    return done(request, resolve_url("listen", case_id=case_id), note=kept.pk)


@require_POST
@answering(again=_again)
def take_over(request: HttpRequest, case_id: UUID) -> HttpResponse:
    case, user = permissions.case_of_supervisor(request.user, case_id)
    oversight.take_over(case, by=user)
    return done(request, resolve_url("case", case_id=case_id))


def _page(request: HttpRequest, case: Case, *, problem: str = "", status: int = 200) -> HttpResponse:
    typed = request.POST.get("text", "")
    context = {**_context(case), "problem": problem, "typed": typed, "whisper_limit": LIMITS["note"]}
    return render(request, "workspace/listen.html", context, status=status)


def _context(case: Case) -> dict[str, Any]:
    runs = timeline.of(case, reasons=outbox.REASONS)
    at = now()
    heard = [run for run in runs if run.audience in HEARD]
    return {"case": case, "at": at, "runs": heard, "details": details.shown(case, at), "supervisor": True}
