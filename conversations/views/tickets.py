"""Takes a page that wants a socket, leaves the ticket that opens it: whoever gets one may see what they ask for."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from accounts import agents
from accounts.models import Customer, User
from conversations import chat, oversight, permissions, refusals, tickets
from conversations.errors import NotFound
from conversations.views.answers import answering


@require_POST
@answering()
def case(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """A customer joins their chat by it; a supervisor has opened the page that leaves a line in the trail."""
    try:
        found, person = permissions.case_of(request.user, case_id)
    except NotFound:
        # A login at the address of a case that is not theirs got it from somewhere: the trail keeps that.
        user = request.user if isinstance(request.user, User) else None
        refusals.note("changed_id", refusals.visitor(request), user=user)
        raise
    if isinstance(person, User):
        oversight.listening(found, by=person)
    elif isinstance(person, Customer):
        chat.join(found, person)
    return JsonResponse({"ticket": tickets.issue(person, request.session.session_key or "", found)})


@require_POST
@answering()
def inbox(request: HttpRequest) -> HttpResponse:
    """An agent who opens the workspace is there."""
    agent = permissions.agent_of(request.user)
    agents.arrive(agent)
    return JsonResponse({"ticket": tickets.issue(agent, request.session.session_key or "", None)})
