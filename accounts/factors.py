"""Takes a session, leaves whether a second factor stands behind it, and how fresh that proof is.

The proof is allauth's own record of this session: an `mfa` record of type totp or webauthn. Enrolling leaves none,
and a recovery code leaves one of another type, which leads to enrolment and no further.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY as RECORDS
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.http import urlencode

from accounts.errors import SecondFactorMissing, StepUp

STRONG = ("totp", "webauthn")
OWNER = f"{RECORDS}_user"  # allauth's key for whose records these are
WAY_BACK = "accounts_way_back"  # in a session: the page of ours that a customer came from to add a factor
View = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class Used:
    """One use of a second factor: its type, its number (an Authenticator's), and when, by the process that took it."""

    type: str
    factor: int | None
    at: float

    def age(self) -> timedelta:
        """How long ago; whoever compares it with the database's times counts back from the database's now."""
        return timedelta(seconds=time.time() - self.at)

    def since(self, moment: datetime) -> timedelta:
        """How long before this use that was, by the same clock."""
        return timedelta(seconds=self.at - moment.timestamp())


def wanted(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether this login needs a second factor: staff, superusers and agents do, customers do not.

    A login that came by a request or a socket brings its agent along (accounts.backends): no query then.
    """
    privileged = getattr(user, "is_staff", False) or getattr(user, "is_superuser", False)
    return bool(user.is_authenticated and (privileged or hasattr(user, "agent")))


def strong(place: HttpRequest | SessionBase) -> bool:
    """Whether the person signed in here has used a passkey or an authenticator in THIS session."""
    return proven_at(place) is not None


def proven_at(place: HttpRequest | SessionBase) -> float | None:
    """When they last did (seconds since 1970, by the clock of the process that took it), or None."""
    used = newest(place)
    return used.at if used else None


def newest(place: HttpRequest | SessionBase) -> Used | None:
    """The last use of a passkey or an authenticator in this session by the person signed in here."""
    session: Any = place.session if isinstance(place, HttpRequest) else place
    if session.get(OWNER) is None or session.get(OWNER) != session.get(SESSION_KEY):
        return None
    records = session.get(RECORDS) or []
    strong_ones = [r for r in records if r["method"] == "mfa" and r.get("type") in STRONG]
    last = max(strong_ones, key=lambda r: r["at"], default=None)
    return Used(last["type"], last.get("id"), last["at"]) if last else None


def lacking(user: AbstractBaseUser | AnonymousUser, place: HttpRequest | SessionBase) -> bool:
    """Whether this person may go no further here before using their second factor."""
    return not strong(place) and wanted(user)


def lead(request: HttpRequest, back: str) -> None:
    """Open the pages of second factors to this customer, with a link back to `back`, which is a path of ours."""
    request.session[WAY_BACK] = back


def led(request: HttpRequest) -> bool:
    """Whether a customer has business on those pages: somebody asked for a factor, or there is one to use or remove."""
    if not request.user.is_authenticated:
        return False
    return WAY_BACK in request.session or bool(Authenticator.objects.filter(user_id=request.user.pk).exists())


def stepped_up(view: View) -> View:
    """For views that send in the bank's name: raises StepUp unless the proof is fresh, once a shift.

    A check of the view and not of the middleware. Nothing is put aside to be done later: the edge answers with the
    sentence, what was typed stays with the person, and they press again.
    """

    @wraps(view)
    def confirmed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        step_up(request)
        return view(request, *args, **kwargs)

    return confirmed


def step_up(request: HttpRequest) -> None:
    """StepUp unless the proof is fresh: for whoever has a text sent in the bank's name, by pressing or approving."""
    limit: int = settings.OUTREACH_STEP_UP_SECONDS
    at = proven_at(request)
    if limit and (at is None or time.time() - at > limit):
        raise StepUp


def refusal(request: HttpRequest) -> HttpResponse:
    """What somebody gets who lacks the second factor: JSON for a script, for a person the page where to use it."""
    if "application/json" in request.headers.get("Accept", ""):
        error = SecondFactorMissing()
        body = {"error": {"code": error.code, "message": str(error)}}
        return JsonResponse(body, status=error.http_status)
    to = reverse(_way(request))
    if request.method == "GET":
        to += "?" + urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(to)


def _way(request: HttpRequest) -> str:
    """The name of that page: where to use a factor, or where to add one for those who cannot use any."""
    if any(record["method"] == "mfa" for record in request.session.get(RECORDS) or []):
        return "mfa_index"  # a recovery code: what they had is lost
    types = set(Authenticator.objects.filter(user_id=request.user.pk).values_list("type", flat=True))
    if "totp" in types:
        return "mfa_reauthenticate"
    return "mfa_reauthenticate_webauthn" if "webauthn" in types else "mfa_index"
