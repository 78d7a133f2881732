"""Takes a view of the customers' side, leaves it uncached and with every refusal as one plain page."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.errors import AccountError
from conversations.errors import ConversationError

View = Callable[..., HttpResponse]


def page(view: View) -> View:
    """Signed-in and tokened pages are kept by nobody (`no-store`), and a refusal of the domain becomes its sentence.

    An error may have a page of its own, `customer/refused_<code>.html`. The page tells what the sentence tells and
    nothing else, so that two refusals with one sentence cannot be told apart.
    """

    @never_cache
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (ConversationError, AccountError) as error:
            pages = [f"customer/refused_{error.code}.html", "customer/refused.html"]
            return render(request, pages, {"error": str(error)}, status=error.http_status)

    return answer
