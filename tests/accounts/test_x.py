"""The proof of a handle on X: one way in, and every other end is the same page with nothing written."""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from accounts.models import Customer, ProvenHandle, User
from tests.accounts.fake_x import JSON, Answer, FakeX, Request

STATES = "socialaccount_states"


def leave(client: Client, invitation: str = "1") -> dict[str, str]:
    """Press the button; the query of the address at X that the browser is sent to."""
    answer = client.post("/begin/", {"invitation": invitation})
    assert answer.status_code == 302, answer.content
    return {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}


def come_back(client: Client, **query: str) -> Any:
    return client.get("/x/callback", query)


def walk(client: Client, x: FakeX, invitation: str = "1") -> Any:
    """The whole way there and back."""
    sent = leave(client, invitation)
    return come_back(client, code=x.code_for(sent["code_challenge"]), state=sent["state"])


def plain(content: bytes) -> bytes:
    """What a page says: its head and foot differ with who is signed in, which is not what is refused."""
    main = re.search(rb"<main.*</main>", content, re.DOTALL)
    assert main
    return re.sub(rb'csrfmiddlewaretoken" value="[^"]*"', b"", main.group())


def assert_refused(answer: Any, *, users: int = 1) -> None:
    """403, the one page, no row anywhere, no token in any session."""
    assert answer.status_code == 403
    assert "accounts/refused.html" in [template.name for template in answer.templates]
    assert "no-store" in answer["Cache-Control"]
    assert plain(answer.content) == plain(answer.client.get("/x/error").content)
    assert ProvenHandle.objects.count() == SocialAccount.objects.count() == SocialToken.objects.count() == 0
    assert User.objects.count() == users
    assert not any("token-" in json.dumps(session.get_decoded()) for session in Session.objects.all())


@pytest.fixture
def browser(client: Client, maria: Customer) -> Client:
    """Maria's, signed in."""
    client.force_login(maria.user)
    return client


def test_maria_proves_her_handle_and_x_holds_no_token_afterwards(browser: Client, maria: Customer, x: FakeX) -> None:
    sent = leave(browser, "7")
    answer = come_back(browser, code=x.code_for(sent["code_challenge"]), state=sent["state"])

    assert answer.content == b"proven for 7"
    assert list(ProvenHandle.objects.values_list("customer", "network", "external_id", "handle")) == [
        (maria.pk, "x", "1900000000000000001", "maria_m")
    ]
    assert sent["code_challenge_method"] == "S256"
    assert set(sent["scope"].split()) == {"users.read", "tweet.read"}
    assert sent["redirect_uri"] == "http://localhost:8000/x/callback"
    assert sent["client_id"] == "client"
    assert x.paths() == ["/2/oauth2/token", "/2/users/me", "/2/oauth2/revoke"]
    assert x.live_tokens == set()
    revoked = x.seen[2]
    assert revoked.headers["authorization"].startswith("Basic ")
    assert revoked.form["token_type_hint"] == "access_token"
    assert SocialAccount.objects.count() == SocialToken.objects.count() == 0
    assert not any("token-" in json.dumps(session.get_decoded()) for session in Session.objects.all())


def test_the_proof_holds_when_x_does_not_confirm_the_revocation(browser: Client, x: FakeX) -> None:
    x.revocation = lambda request: Answer(500)
    assert walk(browser, x).content == b"proven for 1"


def test_two_tabs_with_two_invitations_are_not_mixed_up(browser: Client, x: FakeX) -> None:
    first, second = leave(browser, "1"), leave(browser, "2")
    after = come_back(browser, code=x.code_for(second["code_challenge"]), state=second["state"])
    before = come_back(browser, code=x.code_for(first["code_challenge"]), state=first["state"])
    assert (after.content, before.content) == (b"proven for 2", b"proven for 1")


def test_nothing_in_our_own_address_reaches_the_address_at_x(browser: Client, x: FakeX) -> None:
    answer = browser.post(
        "/begin/?scope=dm.write&auth_params=redirect_uri%3Dhttps%253A%252F%252Feve.example&process=login",
        {"invitation": "1"},
        headers={"host": "localhost"},
    )
    assert "dm.write" not in answer["Location"]
    assert "eve.example" not in answer["Location"]
    (stashed, _at, _provider) = next(iter(browser.session[STATES].values()))
    assert stashed["process"] == "connect"


def test_a_row_cannot_take_the_place_of_the_app_in_the_settings(browser: Client, x: FakeX) -> None:
    SocialApp.objects.create(provider="twitter_oauth2", name="eve's", client_id="eve", secret="eve")
    assert leave(browser)["client_id"] == "client"


def test_what_the_hook_does_not_accept_is_refused(browser: Client, x: FakeX) -> None:
    assert_refused(walk(browser, x, "to somebody else"))
    assert x.live_tokens == set()


# What X, or somebody in its place, may answer -------------------------------------------------------------------

REAL = {"token_type": "bearer", "access_token": "token-x"}


def answers(status: int = 200, body: object = b"", headers: dict[str, str] | None = None) -> Callable[..., Answer]:
    return lambda request: Answer(status, JSON if headers is None else headers, body)


HOSTILE_TOKENS = {
    "html": answers(200, b"<html>over capacity", {"Content-Type": "text/html"}),
    "html called json": answers(200, b"<html>over capacity"),
    "no content type": answers(200, REAL, {}),
    "500": answers(500, REAL),
    "list": answers(200, [REAL]),
    "a number": answers(200, 1),
    "a text": answers(200, "access_token"),
    "no bearer": answers(200, {"access_token": "token-x"}),
    "another type": answers(200, {**REAL, "token_type": "mac"}),
    "token of a wrong type": answers(200, {**REAL, "access_token": ["token-x"]}),
    "empty token": answers(200, {**REAL, "access_token": ""}),
    "line break in the token": answers(200, {**REAL, "access_token": "token-x\r\nX-Eve: 1"}),
    "deep": answers(200, b'{"a":' * 100_000),
    "not utf-8": answers(200, b'{"access_token": "\xff\xfe"}'),
    "302": answers(302, REAL, {"Location": "/elsewhere", **JSON}),
    "307": answers(307, REAL, {"Location": "/elsewhere", **JSON}),
    "empty": answers(200, b""),
}
PERSON = {"id": "1900000000000000001", "name": "Maria M", "username": "maria_m"}
HOSTILE_PROFILES = {
    "html": answers(200, b"<html>over capacity", {"Content-Type": "text/html"}),
    "no data": answers(200, {"errors": []}),
    "list": answers(200, [PERSON]),
    "data is a list": answers(200, {"data": [PERSON]}),
    "data is nothing": answers(200, {"data": None}),
    "no name": answers(200, {"data": {"id": "1", "username": "maria_m"}}),
    "name of a wrong type": answers(200, {"data": {**PERSON, "name": 7}}),
    "no handle": answers(200, {"data": {"id": "1", "name": "Maria"}}),
    "handle that is markup": answers(200, {"data": {**PERSON, "username": "<b>maria"}}),
    "integer id": answers(200, {"data": {**PERSON, "id": 1900000000000000001}}),
    "id that is no number": answers(200, {"data": {**PERSON, "id": "maria"}}),
    "id in arabic digits": answers(200, {"data": {**PERSON, "id": "١٢٣"}}),
    "id too long": answers(200, {"data": {**PERSON, "id": "1" * 21}}),
    "empty id": answers(200, {"data": {**PERSON, "id": ""}}),
    "403": answers(403, {"data": PERSON}),
    "302": answers(302, {"data": PERSON}, {"Location": "/elsewhere", **JSON}),
    "500": answers(500, {"data": PERSON}),
}


@pytest.mark.parametrize("name", HOSTILE_TOKENS)
def test_a_token_answer_that_is_none_is_refused(name: str, browser: Client, x: FakeX) -> None:
    x.token = HOSTILE_TOKENS[name]
    assert_refused(walk(browser, x))
    assert "/elsewhere" not in x.paths()
    assert "/2/users/me" not in x.paths()


@pytest.mark.parametrize("name", HOSTILE_PROFILES)
def test_a_profile_that_is_none_is_refused_and_the_token_revoked(name: str, browser: Client, x: FakeX) -> None:
    x.profile = HOSTILE_PROFILES[name]
    assert_refused(walk(browser, x))
    assert "/elsewhere" not in x.paths()
    assert x.live_tokens == set()


def test_an_x_that_does_not_answer_is_refused(browser: Client, x: FakeX, settings: Any) -> None:
    settings.SOCIALACCOUNT_REQUESTS_TIMEOUT = 0.2

    def slow(request: Request) -> Answer:
        time.sleep(1)
        return Answer()

    x.profile = slow
    assert_refused(walk(browser, x))


def test_an_x_that_is_not_there_is_refused(browser: Client, x: FakeX, settings: Any) -> None:
    settings.X_API_URL = "http://127.0.0.1:9"
    assert_refused(walk(browser, x))


# Who may come back, and with what -----------------------------------------------------------------------------


def test_a_state_serves_once(browser: Client, x: FakeX) -> None:
    sent = leave(browser, "to somebody else")
    come_back(browser, code=x.code_for(sent["code_challenge"]), state=sent["state"])
    asked = len(x.seen)
    assert_refused(come_back(browser, code=x.code_for(sent["code_challenge"]), state=sent["state"]))
    assert len(x.seen) == asked


@pytest.mark.parametrize("query", [{}, {"state": "made up"}, {"state": ""}, {"error": "access_denied"}])
def test_without_a_state_of_this_browser_x_is_not_asked(query: dict[str, str], browser: Client, x: FakeX) -> None:
    leave(browser)
    assert_refused(come_back(browser, code="code-0", **query))
    assert x.seen == []


def test_a_state_is_too_old_after_ten_minutes(browser: Client, x: FakeX) -> None:
    sent = leave(browser)
    session = browser.session
    stash, at, provider = session[STATES][sent["state"]]
    session[STATES] = {sent["state"]: (stash, at - 601, provider)}
    session.save()
    assert_refused(come_back(browser, code=x.code_for(sent["code_challenge"]), state=sent["state"]))
    assert x.seen == []


def test_eve_has_nothing_of_marias_callback(browser: Client, eve: User, x: FakeX) -> None:
    sent = leave(browser)
    code = x.code_for(sent["code_challenge"])
    stranger, other = Client(), Client()
    other.force_login(eve)
    assert_refused(come_back(stranger, code=code, state=sent["state"]), users=2)
    assert_refused(come_back(other, code=code, state=sent["state"]), users=2)
    assert x.seen == []
    assert "_auth_user_id" not in stranger.session


def test_a_state_carried_into_another_session_is_refused(browser: Client, jorge: Customer, x: FakeX) -> None:
    sent = leave(browser)
    other = Client()
    other.force_login(jorge.user)
    session = other.session
    session[STATES] = browser.session[STATES]
    session.save()
    assert_refused(come_back(other, code=x.code_for(sent["code_challenge"]), state=sent["state"]), users=2)
    assert x.live_tokens == set()


def test_another_person_signed_in_between_is_refused(browser: Client, jorge: Customer, x: FakeX) -> None:
    sent = leave(browser)
    browser.force_login(jorge.user)
    assert_refused(come_back(browser, code=x.code_for(sent["code_challenge"]), state=sent["state"]), users=2)


def test_signed_out_between_is_refused_and_nobody_is_signed_in(browser: Client, x: FakeX) -> None:
    sent = leave(browser)
    browser.logout()
    assert_refused(come_back(browser, code=x.code_for(sent["code_challenge"]), state=sent["state"]))
    assert x.seen == []


@pytest.mark.parametrize("process", ["login", "redirect", "made up", None])
def test_a_flow_of_another_kind_is_refused(process: str | None, browser: Client, x: FakeX) -> None:
    sent = leave(browser)
    session = browser.session
    stash, at, provider = session[STATES][sent["state"]]
    session[STATES] = {sent["state"]: ({**stash, "process": process}, at, provider)}
    session.save()
    assert_refused(come_back(browser, code=x.code_for(sent["code_challenge"]), state=sent["state"]))
    assert browser.session["_auth_user_id"]


@pytest.mark.parametrize("verifier", ["wrong" * 10, "", None])
def test_a_wrong_or_missing_verifier_is_refused(verifier: str | None, browser: Client, x: FakeX) -> None:
    sent = leave(browser)
    session = browser.session
    stash, at, provider = session[STATES][sent["state"]]
    session[STATES] = {sent["state"]: ({**stash, "pkce_code_verifier": verifier}, at, provider)}
    session.save()
    assert_refused(come_back(browser, code=x.code_for(sent["code_challenge"]), state=sent["state"]))
    assert x.paths() == (["/2/oauth2/token"] if verifier else [])


def test_a_code_that_is_wrong_or_of_another_browser_is_refused(browser: Client, x: FakeX) -> None:
    assert_refused(come_back(browser, code="made up", state=leave(browser)["state"]))
    other = leave(browser)
    assert_refused(come_back(browser, code=x.code_for(other["code_challenge"]), state=leave(browser)["state"]))


@pytest.mark.parametrize("error", ["access_denied", "server_error", ""])
def test_saying_no_at_x_is_refused(error: str, browser: Client, x: FakeX) -> None:
    assert_refused(come_back(browser, error=error, state=leave(browser)["state"]))
    assert x.seen == []


def test_only_get_reaches_the_callback(browser: Client, x: FakeX) -> None:
    sent = leave(browser)
    query = f"/x/callback?state={sent['state']}&code={x.code_for(sent['code_challenge'])}"
    assert [browser.post(query).status_code, browser.head(query).status_code] == [405, 405]
    assert x.seen == []


def test_nobody_begins_without_being_signed_in(client: Client, maria: Customer, x: FakeX) -> None:
    assert_refused(client.post("/begin/", {"invitation": "1"}))


@pytest.mark.parametrize("path", ["cancelled", "error", "signup", "connections"])
def test_the_addresses_that_allauth_wants_lead_nowhere(path: str, browser: Client, x: FakeX) -> None:
    assert_refused(browser.get(f"/x/{path}"))


def in_another_process(change: Callable[[], object], then: Callable[[Request], Answer]) -> Callable[..., Answer]:
    """An answer of X during which something happens in the database."""

    def answer(request: Request) -> Answer:
        try:
            change()
        finally:
            connection.close()  # the fake X's thread has a connection of its own
        return then(request)

    return answer


@pytest.mark.django_db(transaction=True)
def test_maria_deactivated_while_x_answers_stays_so(browser: Client, maria: Customer, x: FakeX) -> None:
    row = User.objects.filter(pk=maria.user_id)
    x.profile = in_another_process(lambda: row.update(is_active=False, epoch=99), x.whoami)
    assert_refused(walk(browser, x))
    assert row.values_list("is_active", "epoch").get() == (False, 99)


@pytest.mark.django_db(transaction=True)
def test_maria_signed_out_everywhere_while_x_answers_is_refused(browser: Client, maria: Customer, x: FakeX) -> None:
    row = User.objects.filter(pk=maria.user_id)
    x.profile = in_another_process(lambda: row.update(epoch=1), x.whoami)
    assert_refused(walk(browser, x))


@pytest.mark.django_db(transaction=True)
def test_maria_signed_out_elsewhere_while_x_answers_is_refused(browser: Client, maria: Customer, x: FakeX) -> None:
    x.profile = in_another_process(Session.objects.all().delete, x.whoami)
    assert_refused(walk(browser, x))
