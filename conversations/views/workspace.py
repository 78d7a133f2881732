"""Takes an agent's request, leaves the three panes: the list, one conversation, and what is known about the person."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Prefetch, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render, resolve_url
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import Agent
from citisocial.clock import now
from conversations import attachments, caps, chat, eligibility, marks, outbox, permissions, spoken, stops, wording
from conversations.errors import ConversationError
from conversations.forms.workspace import SayForm, audiences, checked
from conversations.inbox import lines
from conversations.models import Case, ReplyTemplate, Survey
from conversations.realtime.frames import CaseLine
from conversations.timeline import hand_off, link_sent, of
from conversations.views import callbacks, details, stepups, transfers
from conversations.views.answers import answering, done, wants_json

TABS = ("mine", "unassigned", "team")
PAST = 5
FEW_LEFT = 3  # direct messages left, at which the allowance turns red
AUDIENCE_OF_USE = {
    ReplyTemplate.Use.INVITATION: "dm",
    ReplyTemplate.Use.REPLY: "public",
    ReplyTemplate.Use.CHAT: "secure",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list with what only a reader needs: how long it waits, initials and a tint for the face."""

    line: CaseLine
    waits: str
    initials: str
    tint: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the composer when the page opens."""

    text: str = ""
    audience: str = ""
    template: str = ""
    problem: str = ""


@require_GET
@never_cache
@answering()
def inbox(request: HttpRequest) -> HttpResponse:
    """The list, and beside it what to do next."""
    agent = permissions.agent_of(request.user)
    with _time_of(agent):
        return render(request, "workspace/inbox.html", _list(request, agent))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def case(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """The page of a case; a POST to it is a word in its secure chat, for those without a socket."""
    return (_say if request.method == "POST" else _show)(request, case_id=case_id)


@answering()
def _show(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """One conversation; `?template=7` puts that template, filled in, into the composer (or answers it as JSON)."""
    found, agent = permissions.case_of_agent(request.user, case_id)
    draft = _from_template(request, found, agent)
    if wants_json(request):
        return JsonResponse({"ok": True, "text": draft.text, "audience": draft.audience})
    return _page(request, found, agent, draft)


@require_GET
@never_cache
@answering()
def timeline(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """What changes on a conversation's page while it is open, for the script to put in place."""
    found, agent = permissions.case_of_agent(request.user, case_id)
    with _time_of(agent):
        return render(request, "workspace/parts.html", _conversation(found, agent, Draft()))


def again(request: HttpRequest, refusal: ConversationError, case_id: UUID) -> HttpResponse:
    """The conversation's page once more, with why not and with what was typed."""
    found, agent = permissions.case_of_agent(request.user, case_id)
    typed = request.POST.get
    draft = Draft(typed("text", ""), typed("audience", ""), typed("template", ""), str(refusal))
    return _page(request, found, agent, draft, status=refusal.http_status)


@answering(again=again)
def _say(request: HttpRequest, case_id: UUID) -> HttpResponse:
    found, agent = permissions.case_of_agent(request.user, case_id)
    form = checked(SayForm(request.POST, brand=found.brand))
    template = form["template"] and form["template"].pk
    message = chat.post(found, author=agent, client_id=form["client_id"], text=form["text"], template=template)
    return done(request, resolve_url("case", case_id=case_id), seq=message.seq)


@contextmanager
def _time_of(agent: Agent) -> Iterator[None]:
    """Times on the page are the agent's, whatever thread renders it."""
    with timezone.override(ZoneInfo(agent.time_zone)):
        yield


def _page(request: HttpRequest, case: Case, agent: Agent, draft: Draft, *, status: int = 200) -> HttpResponse:
    with _time_of(agent):
        context = _list(request, agent) | _conversation(case, agent, draft)
        return render(request, "workspace/case.html", context, status=status)


def _from_template(request: HttpRequest, case: Case, agent: Agent) -> Draft:
    if not request.GET.get("template", "").isdecimal():
        return Draft()
    template = get_object_or_404(ReplyTemplate, pk=request.GET["template"], brand=case.brand_id)
    audience = AUDIENCE_OF_USE[ReplyTemplate.Use(template.use)]
    return Draft(wording.fill(template, case, agent), audience, str(template.pk))


def _list(request: HttpRequest, agent: Agent) -> dict[str, Any]:
    """The list pane, in the tab that was asked for; the numbers beside the tabs."""
    at, found = now(), lines(agent)
    tab = request.GET.get("tab", request.POST.get("tab", ""))
    tab = tab if tab in TABS else "mine"
    tabs = {"mine": [x for x in found if x.mine], "unassigned": [x for x in found if x.agent is None], "team": found}
    shown = tabs[tab]
    rows = [_row(line, at) for line in shown]
    return {
        "agent": agent,
        "at": at,
        "tab": tab,
        "tabs": [(name, _TAB_WORDS()[name], len(tabs[name])) for name in TABS],
        "groups": [("ours", [r for r in rows if r.line.move == "ours"]), ("theirs", _newest_first(rows))],
        "load": len(tabs["mine"]),
        "next_mine": next((x for x in tabs["mine"] if x.move == "ours"), None),
        "waiting": sum(x.move == "ours" for x in tabs["mine"]),
        "next_free": next(iter(tabs["unassigned"]), None),
        "free": len(tabs["unassigned"]),
        "availabilities": Agent.Availability.choices,
        "idle_minutes": settings.AGENT_IDLE_MINUTES,
        "supervisor": request.user.is_staff,
        "offers": transfers.offered(agent),
        "banner": stops.banner(stops.of_brands(list(permissions.brands_of(agent)))),
    }


def _TAB_WORDS() -> dict[str, str]:
    return {"mine": _("Mine"), "unassigned": _("Unassigned"), "team": _("Team")}


def _newest_first(rows: list[Row]) -> list[Row]:
    theirs = [row for row in rows if row.line.move == "theirs"]
    return sorted(theirs, key=lambda row: row.line.changed_at, reverse=True)


def _row(line: CaseLine, at: datetime) -> Row:
    """The same initials and tint as inbox.js gives the line when it changes."""
    words = [word for word in line.name.split() if word[0].isalnum()] or [line.handle[:2] or "?"]
    initials = "".join(word[0] for word in words[:2]) if len(words) > 1 else words[0][:2]
    tint = "abcd"[sum(map(ord, line.handle)) % 4]
    return Row(line, waited(datetime.fromisoformat(line.waiting_since), at), initials.upper(), tint)


def waited(since: datetime, at: datetime) -> str:
    """As "3 min", "2 h" or "4 d": the largest unit that says enough."""
    minutes = max(0, int((at - since).total_seconds() // 60))
    if minutes < 60:
        return _("%(n)d min") % {"n": minutes}
    if minutes < 48 * 60:
        return _("%(n)d h") % {"n": minutes // 60}
    return _("%(n)d d") % {"n": minutes // 1440}


def _conversation(case: Case, agent: Agent, draft: Draft) -> dict[str, Any]:
    """The conversation and the context pane."""
    may = eligibility.of(case)
    stopped = stops.of_account(may.account) if may.account else None
    outlook = outbox.outlook(may.account) if may.account else None
    runs = of(case, reasons=outbox.REASONS, places=outlook.places if outlook else {})
    walked = hand_off(runs)
    open_to = audiences(case, may, stopped=stopped is not None, wish=draft.audience)
    at = now()
    templates = wording.offered(case.brand, language=case.language)
    return {
        "case": case,
        "agent": agent,
        "at": at,
        "waited": waited(case.waiting_since, at),
        "may": may,
        "stopped": stopped,
        "cap": caps.tightest(case, agent.user),
        **_allowance(outlook),
        "runs": runs,
        "far": marks.of(case.pk).get("customer", (0, 0)),
        "edit_minutes": settings.MESSAGE_EDIT_MINUTES,
        "length": settings.MESSAGE_LENGTH,
        "line_sentences": spoken.sentences("agent"),
        "line_links": spoken.link_words("agent"),
        "link_sent": link_sent(runs),
        "steps": walked.steps if walked else (),
        "assurance": walked.assurance if walked else "",
        "send_again": _invitation(templates) if walked and walked.over else None,
        "both_proven": case.customer_id is not None,
        "composer": _composer_state(case, agent, any(a.open for a in open_to)),
        "audiences": open_to,
        "chosen": next((a for a in open_to if a.chosen), None),
        "templates": templates,
        "draft": draft,
        "client_id": uuid4(),
        "attach": attachments.rules(),
        **callbacks.panel(case, at),
        **details.panel(case, at),
        **stepups.panel(case, at),
        **transfers.panel(case, agent),
        "past": _past(case, agent),
        "undo_seconds": settings.OUTREACH_UNDO_SECONDS,
        "link_hours": settings.INVITATION_HOURS,
        "link_host": settings.LINK_URL.split("://")[-1],
    }


def _invitation(templates: Iterable[ReplyTemplate]) -> int | None:
    """The template that a link is sent again with."""
    return next((t.pk for t in templates if t.use == ReplyTemplate.Use.INVITATION), None)


def _allowance(outlook: outbox.Outlook | None) -> dict[str, Any]:
    """How many direct messages the account has left, as numbers and as the small bars; none without an account."""
    limit = settings.OUTREACH_DM_LIMIT
    left = outlook.left if outlook else 0
    return {
        "dm_left": left,
        "dm_limit": limit,
        "dm_next": outlook.next if outlook and (outlook.free_at or outlook.next.before >= left) else None,
        "ticks": [(8 * n, n < left) for n in range(limit)],
        "ticks_width": 8 * limit,
        "few_left": left <= FEW_LEFT,
    }


def _composer_state(case: Case, agent: Agent, usable: bool) -> str:
    """Why there is no composer (free, theirs, resolved, closed, shut), or "open"."""
    if case.status == Case.Status.CLOSED:
        return "closed"
    if case.status == Case.Status.RESOLVED:
        return "resolved"
    if case.agent_id is None:
        return "free"
    if case.agent_id != agent.pk:
        return "theirs"
    return "open" if usable else "shut"


def _past(case: Case, agent: Agent) -> list[Case]:
    """Earlier cases of this author, and of the customer once known, as far as the agent may see them."""
    person = Q(author=case.author_id)
    if case.customer_id is not None:
        person |= Q(customer=case.customer_id)
    rated = Prefetch("surveys", Survey.objects.filter(state=Survey.State.ANSWERED), to_attr="answered")
    past = permissions.cases_of(agent).filter(person).exclude(pk=case.pk)
    return list(past.select_related("agent").prefetch_related(rated).order_by("-opened_at", "-pk")[:PAST])
