"""Takes an app's wish to act for a person, leaves codes and tokens after the person's consent: OAuth 2.0 with PKCE."""

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST

from sandbox import grants, refusals, session
from sandbox.api.calls import json_answer
from sandbox.people import BadHandle

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True)
class Wish:
    """A valid authorization request."""

    redirect_uri: str
    state: str
    scopes: list[str]
    challenge: str

    def answer(self, **parameters: str) -> HttpResponseRedirect:
        """Back to the app."""
        joint = "&" if urlsplit(self.redirect_uri).query else "?"
        location = self.redirect_uri + joint + urlencode({"state": self.state} | parameters)
        response = HttpResponseRedirect(location)
        response.headers["Referrer-Policy"] = "no-referrer"
        return response


class BadRequest(Exception):
    """An authorization request that X answers with an error page, never with a redirect."""


class Denied(Exception):
    """A refusal of the token endpoint, in OAuth's shape."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        self.error, self.description, self.status = error, description, status
        super().__init__(description)


@never_cache
@csrf_protect
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponseBase:
    """The consent page; without a signed-in person it asks who one is first."""
    try:
        wish = _wish(request)
    except BadRequest as error:
        refusals.record(400, request, str(error))
        return render(request, "sandbox/refused.html", {"reason": str(error)}, status=400)
    person = session.person(request)
    problem = ""
    if request.method == "POST":
        if "deny" in request.POST:
            return wish.answer(error="access_denied")
        if handle := request.POST.get("handle", "").strip():
            try:
                person = session.who(handle)
            except BadHandle as error:
                person, problem = None, str(error)
        if person is not None and "approve" in request.POST:
            code = grants.consent(person, redirect_uri=wish.redirect_uri, scopes=wish.scopes, challenge=wish.challenge)
            return session.begin(wish.answer(code=code), person)
    page = {
        "app": settings.SANDBOX_APP_NAME,
        "person": person,
        "problem": problem,
        "permissions": [(scope, grants.SCOPES[scope]) for scope in wish.scopes],
        "people": session.suggestions(),
        "host": urlsplit(wish.redirect_uri).netloc,
    }
    response = render(request, "sandbox/authorize.html", page, status=400 if problem else 200)
    if person is not None:
        session.begin(response, person)
    parts = urlsplit(wish.redirect_uri)
    response.form_targets = (f"{parts.scheme}://{parts.netloc}",)  # type: ignore[attr-defined]
    return response


@csrf_exempt
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """Tokens for a code or a refresh token."""
    try:
        _client(request)
        kind = request.POST.get("grant_type", "")
        if kind == "authorization_code":
            pair = _redeem(request)
        elif kind == "refresh_token":
            pair = grants.rotate(_required(request, "refresh_token"))
        else:
            raise Denied("unsupported_grant_type", "Value passed for the grant type was invalid.")
    except grants.Refused as error:
        return _denial(request, Denied("invalid_request", str(error)))
    except Denied as error:
        return _denial(request, error)
    body: dict[str, object] = {
        "token_type": "bearer",
        "expires_in": pair.expires_in,
        "access_token": pair.access_token,
        "scope": " ".join(pair.scopes),
    }
    if pair.refresh_token:
        body["refresh_token"] = pair.refresh_token
    return _answer(body)


@csrf_exempt
@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    """End a token; one that is unknown is as good as ended."""
    try:
        _client(request)
        grants.revoke(_required(request, "token"))
    except Denied as error:
        return _denial(request, error)
    return _answer({"revoked": True})


def _wish(request: HttpRequest) -> Wish:
    """The request's parameters, checked; raises BadRequest with a sentence for the developer."""
    given = request.GET
    if any(len(values) > 1 for _, values in given.lists()):
        raise BadRequest("A parameter is given twice.")
    if not grants.same(given.get("client_id", ""), settings.SANDBOX_CLIENT_ID):
        raise BadRequest("The client_id is not that of an app here: set X_CLIENT_ID and SANDBOX_CLIENT_ID alike.")
    if given.get("redirect_uri") not in settings.SANDBOX_REDIRECT_URIS:
        raise BadRequest("The redirect_uri is not one of the app's: add exactly this address to SANDBOX_REDIRECT_URIS.")
    if given.get("response_type") != "code":
        raise BadRequest("The response_type must be code.")
    if not 1 <= len(given.get("state", "")) <= 500:
        raise BadRequest("A state of 1 to 500 characters is required.")
    if given.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(given.get("code_challenge", "")):
        raise BadRequest("PKCE is required: a code_challenge of 43 characters with code_challenge_method=S256.")
    scopes = list(dict.fromkeys(given.get("scope", "").split()))
    if unknown := [scope for scope in scopes if scope not in grants.SCOPES]:
        raise BadRequest(f"There is no such scope: {' '.join(unknown)[:100]}")
    if not scopes:
        raise BadRequest("At least one scope is required.")
    return Wish(given["redirect_uri"], given["state"], scopes, given["code_challenge"])


def _client(request: HttpRequest) -> None:
    """The app's own credentials, by HTTP Basic: it is a confidential client, a client_id in the body is not enough."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise Denied("unauthorized_client", "Missing valid authorization header", status=401)
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        client = secret = ""
    right = grants.same(unquote_plus(client), settings.SANDBOX_CLIENT_ID)
    right = grants.same(unquote_plus(secret), settings.SANDBOX_CLIENT_SECRET) and right
    named = request.POST.get("client_id")
    if not right or (named is not None and named != settings.SANDBOX_CLIENT_ID):
        raise Denied("invalid_client", "Value passed for the client credentials was invalid.", status=401)


def _redeem(request: HttpRequest) -> grants.Pair:
    code = _required(request, "code")
    redirect_uri = _required(request, "redirect_uri")
    verifier = _required(request, "code_verifier")
    if not VERIFIER.fullmatch(verifier):
        raise Denied("invalid_request", "Value passed for the code verifier was invalid.")
    return grants.redeem(code, redirect_uri=redirect_uri, verifier=verifier)


def _required(request: HttpRequest, name: str) -> str:
    value = request.POST.get(name, "")
    if not value:
        raise Denied("invalid_request", f"Missing required parameter [{name}].")
    return value


def _denial(request: HttpRequest, denied: Denied) -> HttpResponse:
    refusals.record(denied.status, request, f"{denied.error} {denied.description}")
    response = _answer({"error": denied.error, "error_description": denied.description}, status=denied.status)
    if denied.status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="api"'
    return response


def _answer(body: dict[str, object], *, status: int = 200) -> HttpResponse:
    return json_answer(body, status=status, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})
