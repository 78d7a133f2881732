"""The whole OAuth 2.0 flow as an app and a person go through it, and everything that is refused on the way."""

import base64
from collections.abc import Callable

import httpx
import pytest

from tests.sandbox.conftest import CLIENT, REDIRECT, Browser, Consent, Process, Sandbox, code_of

OFFLINE = "tweet.read users.read offline.access"


def allowed(browser: Browser, consent: Consent, handle: str = "maya_r") -> str:
    """The code after the person said yes."""
    browser.become(handle).get(consent.query())
    return code_of(browser.press("/i/oauth2/authorize", approve="1", follow=False))["code"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_id": "other"}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"redirect_uri": REDIRECT + "/"}, "redirect_uri"),
        ({"redirect_uri": REDIRECT + "?x=1"}, "redirect_uri"),
        ({"redirect_uri": None}, "redirect_uri"),
        ({"response_type": "token"}, "response_type"),
        ({"state": None}, "state"),
        ({"state": "s" * 501}, "state"),
        ({"code_challenge": None}, "PKCE"),
        ({"code_challenge": "short"}, "PKCE"),
        ({"code_challenge_method": "plain"}, "PKCE"),
        ({"code_challenge_method": None}, "PKCE"),
        ({"scope": "tweet.read everything"}, "scope"),
        ({"scope": None}, "scope"),
    ],
)
def test_a_bad_request_is_shown_and_never_redirected(
    browser: Browser, changes: dict[str, str | None], reason: str
) -> None:
    browser.become("maya_r").get(Consent().query(**changes))

    assert browser.page.status_code == 400
    assert reason in browser.page.text
    assert "approve" not in browser.page.text
    assert not browser.page.history


def test_the_consent_page_says_what_is_allowed_and_to_whom(browser: Browser) -> None:
    browser.get(Consent().query())
    assert "approve" not in browser.page.text  # first: who are you?
    browser.press("/i/oauth2/authorize", handle="maya_r")

    page = browser.page
    assert "@maya_r" in page.text
    assert "See your account" in page.text
    assert "Send direct messages" not in page.text
    assert "form-action 'self' http://localhost:9" in page.headers["content-security-policy"]
    assert "script-src 'self'" in page.headers["content-security-policy"]


def test_a_no_goes_back_to_the_app(browser: Browser) -> None:
    browser.become("maya_r").get(Consent().query())

    assert code_of(browser.press("/i/oauth2/authorize", deny="1", follow=False)) == {
        "state": "a-state",
        "error": "access_denied",
    }


def test_consent_needs_the_csrf_token(sandbox: Sandbox) -> None:
    answer = sandbox.anonymous.post(Consent().query(), data={"approve": "1", "handle": "maya_r"})

    assert answer.status_code == 403


def test_a_code_works_once(sandbox: Sandbox, browser: Browser) -> None:
    consent = Consent()
    code = allowed(browser, consent)

    assert consent.exchange(sandbox, code).status_code == 200
    again = consent.exchange(sandbox, code)
    assert again.status_code == 400
    assert again.json() == {
        "error": "invalid_request",
        "error_description": "Value passed for the authorization code was invalid.",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "x" * 43},
        {"code_verifier": "too short"},
        {"redirect_uri": "http://elsewhere.test/callback"},
        {"code": "made-up"},
        {"code": ""},
        {"grant_type": "password"},
    ],
)
def test_an_exchange_with_something_wrong_is_refused(
    sandbox: Sandbox, browser: Browser, changes: dict[str, str]
) -> None:
    consent = Consent()
    code = allowed(browser, consent)

    answer = consent.exchange(sandbox, **({"code": code} | changes))

    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "error_description"}


def test_a_code_is_too_old_after_30_seconds(
    sandbox: Sandbox, browser: Browser, make_old: Callable[[str], None]
) -> None:
    consent = Consent()
    code = allowed(browser, consent)
    make_old("UPDATE sandbox_code SET expires_at = expires_at - interval '30 seconds'")

    assert consent.exchange(sandbox, code).status_code == 400


def test_the_app_must_show_its_secret(sandbox: Sandbox, browser: Browser) -> None:
    consent = Consent()
    code = allowed(browser, consent)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": consent.verifier,
    }

    public = sandbox.anonymous.post("/2/oauth2/token", data=form | {"client_id": CLIENT[0]})
    wrong = sandbox.anonymous.post("/2/oauth2/token", data=form, auth=(CLIENT[0], "guess"))
    garbage = sandbox.anonymous.post("/2/oauth2/token", data=form, headers={"Authorization": "Basic %%%"})

    assert (public.status_code, public.json()["error"]) == (401, "unauthorized_client")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert garbage.status_code == 401
    assert consent.exchange(sandbox, code).status_code == 200  # no attempt so far had used the code up


def test_a_refresh_token_works_once_and_only_with_offline_access(sandbox: Sandbox, browser: Browser) -> None:
    consent = Consent(scope=OFFLINE)
    first = consent.exchange(sandbox, allowed(browser, consent)).json()

    second = refresh(sandbox, first["refresh_token"])
    assert second.status_code == 200
    assert second.json()["scope"] == OFFLINE
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert me(sandbox, second.json()["access_token"]) == 200
    assert refresh(sandbox, first["refresh_token"]).status_code == 400
    assert refresh(sandbox, first["access_token"]).status_code == 400


def test_revoked_tokens_are_dead(sandbox: Sandbox, browser: Browser) -> None:
    consent = Consent(scope=OFFLINE)
    pair = consent.exchange(sandbox, allowed(browser, consent)).json()
    assert me(sandbox, pair["access_token"]) == 200

    assert sandbox.anonymous.post("/2/oauth2/revoke", data={"token": pair["access_token"]}).status_code == 401
    answer = sandbox.anonymous.post("/2/oauth2/revoke", data={"token": pair["access_token"]}, auth=CLIENT)

    assert answer.json() == {"revoked": True}
    assert me(sandbox, pair["access_token"]) == 401
    renewed = refresh(sandbox, pair["refresh_token"]).json()
    sandbox.anonymous.post("/2/oauth2/revoke", data={"token": renewed["refresh_token"]}, auth=CLIENT)
    assert me(sandbox, renewed["access_token"]) == 401
    assert refresh(sandbox, renewed["refresh_token"]).status_code == 400


def test_an_access_token_ends_after_two_hours(
    sandbox: Sandbox, browser: Browser, make_old: Callable[[str], None]
) -> None:
    consent = Consent()
    token = consent.exchange(sandbox, allowed(browser, consent)).json()["access_token"]
    make_old("UPDATE sandbox_token SET expires_at = expires_at - interval '2 hours'")

    assert me(sandbox, token) == 401


def test_secrets_are_kept_as_hashes_and_stay_out_of_the_log(
    sandbox: Sandbox, browser: Browser, process: Process, make_old: Callable[[str], None]
) -> None:
    consent = Consent(scope=OFFLINE)
    pair = consent.exchange(sandbox, allowed(browser, consent)).json()
    refresh(sandbox, "not-" + pair["refresh_token"])

    log = process.log.read_text()
    assert "400 POST /2/oauth2/token by nobody: invalid_request" in log
    for secret in (
        pair["access_token"],
        pair["refresh_token"],
        CLIENT[1],
        base64.b64encode(b":".join(c.encode() for c in CLIENT)).decode(),
    ):
        assert secret not in log


def refresh(sandbox: Sandbox, token: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": CLIENT[0]}
    return sandbox.anonymous.post("/2/oauth2/token", data=form, auth=CLIENT)


def me(sandbox: Sandbox, token: str) -> int:
    return sandbox.client({"Authorization": f"Bearer {token}"}).get("/2/users/me").status_code
