"""Takes a handle that somebody wants to act as, leaves it in a signed cookie: anybody may be anybody here."""

from typing import TypeVar

from django.conf import settings
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponseBase

from sandbox import examples
from sandbox.models import Person
from sandbox.people import clean_handle, ensure, find

R = TypeVar("R", bound=HttpResponseBase)
SALT = "sandbox.session"
DAYS = 30


def person(request: HttpRequest) -> Person | None:
    """Who this browser acts as."""
    try:
        value = request.get_signed_cookie(settings.SESSION_COOKIE_NAME, default="", salt=SALT, max_age=DAYS * 86400)
    except BadSignature:
        return None
    return find(value) if value else None


def who(text: str) -> Person:
    """The person for a typed handle, made if new, then open to messages from anybody. Raises BadHandle."""
    handle = clean_handle(text)
    return find(handle) or ensure([handle], accepts_dm=True)[handle.lower()]


def begin(response: R, acting: Person) -> R:
    """Remember in this browser whom it acts as."""
    response.set_signed_cookie(
        settings.SESSION_COOKIE_NAME,
        acting.handle,
        salt=SALT,
        max_age=DAYS * 86400,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


def end(response: R) -> R:
    """Forget it."""
    response.delete_cookie(settings.SESSION_COOKIE_NAME, samesite="Lax")
    return response


def suggestions() -> list[tuple[str, str]]:
    """(handle, name) of people that one may want to be, for the picker."""
    return [(author.handle, author.name) for author in examples.PEOPLE]
