"""Takes a view of the customers' side, leaves it uncached and with every refusal as one plain page."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.errors import AccountError
from accounts.models import Customer, User
from conversations import permissions, refusals
from conversations.errors import ConversationError, NotFound
from conversations.models import Case

View = Callable[..., HttpResponseBase]


def page(view: View) -> View:
    """Signed-in and tokened pages are kept by nobody (`no-store`), and a refusal of the domain becomes its sentence.

    An error may have a page of its own, `customer/refused_<code>.html`. The page tells what the sentence tells and
    nothing else, so that two refusals with one sentence cannot be told apart.
    """

    @never_cache
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except (ConversationError, AccountError) as error:
            return refused(request, error)

    return answer


def refused(request: HttpRequest, error: ConversationError | AccountError, **_: Any) -> HttpResponse:
    """The page of one refusal; also the `again` of `answering` for what customers' scripts send."""
    pages = [f"customer/refused_{error.code}.html", "customer/refused.html"]
    return render(request, pages, {"error": str(error)}, status=error.http_status)


def own_case(request: HttpRequest, case_id: UUID) -> tuple[Case, Customer]:
    """The customer's own case; NotFound otherwise.

    A customer at an address that is not theirs got it from somewhere: the trail keeps that.
    """
    try:
        return permissions.case_of_customer(request.user, case_id)
    except NotFound:
        user = request.user if isinstance(request.user, User) else None
        refusals.note("changed_id", refusals.visitor(request), user=user)
        raise
