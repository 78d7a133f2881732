"""Who may do what over HTTP: every route against every role, with what a page would send. What has no row here fails.

A row has one letter for each role of `authorising.ROLES`, for GET and for POST: y let in (whatever the answer then says
of the request), n kept out (sign in, 401, 403, 404), - for a method that nobody may use. The routes come from the
URLconf; sockets are in test_authorised_frames.py.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from tests.architecture.authorising import ROLES, scene

#            anonymous, customer, eve, agent, colleague, outsider, supervisor
EVERYBODY = "yyyyyyy"
NOBODY = "nnnnnnn"
CUSTOMER = "nynnnnn"
AGENT = "nnnynnn"  # the case's own
AGENTS = "nnnyyyn"  # any agent, for what is their own: the answer holds nothing of the case
TEAM = "nnnyynn"  # who looks after the case's bank
NONE = "-------"
ROUTES: dict[str, tuple[str, str]] = {
    "healthz": (EVERYBODY, EVERYBODY),
    "readyz": (EVERYBODY, EVERYBODY),
    "home": (EVERYBODY, NONE),
    "really_us": (EVERYBODY, EVERYBODY),
    "welcome": (EVERYBODY, "nyyyyyy"),  # whoever holds the link may open it; it proves nothing
    "handoff": (CUSTOMER, NOBODY),  # POST: only with the page's own token
    "my": ("nyynnnn", "nnnnnnn"),  # POST: names a handle of one's own
    "chat": (CUSTOMER, NONE),
    "call": (CUSTOMER, CUSTOMER),
    "call_now": (NONE, CUSTOMER),
    "call_off": (NONE, CUSTOMER),
    "stay": (NONE, CUSTOMER),
    "another": (NONE, NOBODY),  # the customer's, but not while their agent is here
    "survey": (CUSTOMER, CUSTOMER),
    "detail": (CUSTOMER, CUSTOMER),
    "prove": (CUSTOMER, CUSTOMER),
    "chat_files": (NONE, CUSTOMER),
    "file": ("nynyyny", NONE),
    "inbox": (AGENTS, NONE),
    "case": (TEAM, AGENT),
    "timeline": (TEAM, NONE),
    "take": (NONE, TEAM),
    "invite": (NONE, AGENT),
    "message": (NONE, AGENT),
    "reply": (NONE, AGENT),
    "resolve": (NONE, AGENT),
    "reopen": (NONE, AGENT),
    "detail_ask": (NONE, AGENT),
    "detail_reveal": (NONE, "nnnynny"),
    "detail_withdraw": (NONE, AGENT),
    "check_ask": (NONE, AGENT),
    "attach": (NONE, AGENT),
    "cancel": (NONE, AGENT),
    "now": (NONE, AGENT),
    "calls": (AGENTS, NONE),
    "call_code": (NONE, AGENTS),  # whose case it opens is the code's to say
    "call_take": (NONE, TEAM),
    "call_number": (NONE, TEAM),
    "call_reached": (NONE, TEAM),
    "call_missed": (NONE, TEAM),
    "availability": (NONE, AGENTS),
    "measure": (NONE, AGENTS),
    "offers": (AGENTS, NONE),
    "transfer": ("nnnynny", "nnnynny"),
    "note": (NONE, TEAM),
    "transfer_accept": (NONE, "nnnnynn"),  # who was asked
    "transfer_decline": (NONE, "nnnnynn"),
    "transfer_cancel": (NONE, "nnnynny"),
    "listen": ("nnnnnny", NONE),
    "listen_log": ("nnnnnny", NONE),
    "whisper": (NONE, "nnnnnny"),
    "take_over": (NONE, NOBODY),  # a supervisor's who is an agent as well
    "ticket_inbox": (NONE, AGENTS),
    "ticket_case": (NONE, "nynyyny"),
    "hook": (NOBODY, NOBODY),  # the network's, by its signature
}
# Of one's own login, without a case: allauth's pages, which tests/accounts look after. The admin has a row of its own.
ELSEWHERE = ("account_", "mfa_", "socialaccount_", "twitter_oauth2_")
BODIES: dict[str, dict[str, Any]] = {
    "case": {"text": "hello", "client_id": str(uuid4())},
    "invite": {"text": "Hello, please open {link}"},
    "message": {"text": "hello"},
    "reply": {"text": "hello"},
    "detail_ask": {"label": "Date of birth"},
    "transfer": {"note": "please"},
    "note": {"text": "she called before"},
    "whisper": {"text": "offer her a new card"},
    "call_code": {"code": "000000"},
    "availability": {"state": "online"},
    "measure": {"text": "hello", "kind": "dm"},
    "detail": {"value": "1 May 1980"},
}


def walk(resolver: URLResolver, space: str = "") -> Iterator[tuple[str, str]]:
    """Every route as (name, pattern)."""
    for one in resolver.url_patterns:
        if isinstance(one, URLResolver):
            yield from walk(one, f"{space}{one.namespace}:" if one.namespace else space)
        elif isinstance(one, URLPattern):
            yield f"{space}{one.name or one.pattern}", str(one.pattern)


def routes() -> dict[str, str]:
    return {name: pattern for name, pattern in walk(get_resolver()) if not name.startswith(("admin:", *ELSEWHERE))}


def address(name: str, pattern: str, values: dict[str, Any]) -> str:
    wanted = [part.split(">")[0].split(":")[-1] for part in pattern.split("<")[1:]]
    try:
        return reverse(name, kwargs={one: values[one] for one in wanted})
    except NoReverseMatch:
        return f"/{pattern}"


def letter(answer: Any) -> str:
    if answer.status_code == 405:
        return "-"
    if answer.status_code in (401, 403, 404):
        return "n"
    if answer.status_code in (301, 302) and "/login/" in answer["Location"]:
        return "n"
    assert answer.status_code < 500, answer.status_code
    return "y"


def asked(browser: Client, method: str, where: str, body: dict[str, Any]) -> str:
    """What one request is answered; whatever it does is undone."""
    with transaction.atomic():
        found = letter(getattr(browser, method)(where, body))
        transaction.set_rollback(True)
    return found


def body(name: str, values: dict[str, Any]) -> dict[str, Any]:
    if name in ("attach", "chat_files"):
        picture = SimpleUploadedFile("a.pdf", b"%PDF-1.4 x", content_type="application/pdf")
        return {"client_id": str(uuid4()), "file": picture}
    return BODIES.get(name, {}) | ({"to": f"agent-{values['colleague']}"} if name == "transfer" else {})


def test_every_route_has_a_row():
    assert set(routes()) == set(ROUTES)


@pytest.mark.django_db
def test_every_role_gets_what_its_row_says_and_nothing_more(settings, tmp_path):
    settings.ATTACHMENTS, settings.OUTREACH_STEP_UP_SECONDS = str(tmp_path), 0
    s = scene()
    browsers = [s.browser(role) for role in ROLES]
    browsers[-1].get(reverse("listen", kwargs={"case_id": s.case.public_id}))
    found = {}
    for name, pattern in routes().items():
        where = address(name, pattern, s.values)
        get = "".join(asked(browser, "get", where, {}) for browser in browsers)
        post = "".join(asked(browser, "post", where, body(name, s.values)) for browser in browsers)
        found[name] = (get, post)
    assert found == ROUTES


@pytest.mark.django_db
def test_the_admin_is_for_supervisors():
    s = scene()
    names = [(name, pattern) for name, pattern in walk(get_resolver()) if name.startswith("admin:")]
    assert len(names) > 50
    browsers = {role: s.browser(role) for role in ROLES if role != "supervisor"}
    dummies = {"object_id": 1, "content_type_id": 1, "app_label": "conversations", "pk": 1}
    for name, pattern in names:
        if name in ("admin:login", "admin:logout", "admin:jsi18n"):
            continue
        wanted = [part.split(">")[0].split(":")[-1] for part in pattern.split("<")[1:]]
        try:
            where = reverse(name, kwargs={one: dummies.get(one, 1) for one in wanted if not one.startswith("?")})
        except NoReverseMatch:
            where = "/admin/" + pattern.split("(")[0].split("<")[0]
        for role, browser in browsers.items():
            assert asked(browser, "get", where, {}) == "n", (name, role, where)
