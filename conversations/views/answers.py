"""Takes a view that may refuse, leaves an answer its caller reads: JSON for scripts, a page or redirect for people."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from accounts import factors
from accounts.errors import AccountError
from conversations.errors import BadText, ConversationError

View = Callable[..., HttpResponse]


def wants_json(request: HttpRequest) -> bool:
    """Whether the caller asked for JSON by name; a browser's `*/*` is a person."""
    return "application/json" in request.headers.get("Accept", "")


def answering(*, again: View | None = None) -> Callable[[View], View]:
    """For signed-in people only, staff with their second factor; every refusal becomes an answer here, nowhere else.

    JSON: {"error": {"code", "message"}}, of a BadText with its `at`. A page: `again(request, refusal, **kwargs)`, the
    same page with the sentence and what was typed, or without `again` a page that says the sentence and nothing more.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return _signed_out(request)
            if factors.lacking(request.user, request):
                return factors.refusal(request)
            try:
                return view(request, **kwargs)
            except (ConversationError, AccountError) as refusal:
                return _refused(request, refusal, again, kwargs)

        return answer

    return decorate


def done(request: HttpRequest, to: str, **data: Any) -> HttpResponse:
    """It was done: {"ok": true, ...} for a script, and for a person the way to where it shows."""
    if wants_json(request):
        return JsonResponse({"ok": True, **data})
    return HttpResponseRedirect(to)


def _refused(
    request: HttpRequest, refusal: ConversationError | AccountError, again: View | None, kwargs: dict[str, Any]
) -> HttpResponse:
    if wants_json(request):
        error: dict[str, Any] = {"code": refusal.code, "message": str(refusal)}
        if isinstance(refusal, BadText):
            error["at"] = refusal.at
        return JsonResponse({"error": error}, status=refusal.http_status)
    # Who may not see the page gets no page again, only the sentence.
    if again is not None and refusal.code not in {"not_found", "not_allowed"}:
        try:
            return again(request, refusal, **kwargs)
        except (ConversationError, AccountError) as why:  # the page itself is not theirs: what was refused came first
            refusal = why
    return render(request, "workspace/refused.html", {"sentence": str(refusal)}, status=refusal.http_status)


def _signed_out(request: HttpRequest) -> HttpResponse:
    if wants_json(request):
        message = _("You are signed out. Sign in again in another tab: what you wrote is kept here.")
        return JsonResponse({"error": {"code": "signed_out", "message": message}}, status=401)
    return redirect_to_login(request.get_full_path() if request.method == "GET" else "/workspace/")
