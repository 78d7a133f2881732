"""What somebody of the bank reaches with a password alone: nothing, by any address, any method and any socket."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from accounts.models import Agent, User
from conversations.realtime import direct
from tests.factories.plugged import socket

EXAMPLES = {"int": "1", "uuid": str(UUID(int=7)), "str": "x", "slug": "x", "path": "x", "": "x"}

# In, out, and to a second factor. Written down here again, so that a name more in accounts.middleware is seen.
OPEN = {
    *("account_login", "account_logout", "account_reauthenticate"),
    *("mfa_authenticate", "mfa_login_webauthn", "mfa_reauthenticate", "mfa_reauthenticate_webauthn"),
    *("mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "mfa_view_recovery_codes", "mfa_download_recovery_codes"),
}


@pytest.fixture(autouse=True)
def no_history() -> None:
    cache.clear()


def addresses(patterns: Any, before: str = "/") -> Iterator[str]:
    """One address for every pattern of the URLconf."""
    for entry in patterns:
        path = before + example(str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from addresses(entry.url_patterns, path)
        elif isinstance(entry, URLPattern):
            yield path


def example(pattern: str) -> str:
    """A path that fits a pattern, of either kind."""
    filled = re.sub(r"\(\?P<[^>]+>(?:[^()]|\([^()]*\))*\)", "x", pattern)
    filled = re.sub(r"<(?:(\w+):)?\w+>", lambda found: EXAMPLES[found[1] or ""], filled)
    return filled.lstrip("^").removesuffix("\\Z").rstrip("$")


@pytest.fixture
def all_of_them() -> list[tuple[str, str]]:
    """(address, view name) of the whole site."""
    found = [(path, resolve(path).view_name) for path in addresses(get_resolver().url_patterns)]
    assert len(found) > 150
    assert {"inbox", "invite", "admin:index", "mfa_index", "account_change_password"} <= {name for _, name in found}
    return found


def by_password(user: User) -> Client:
    browser = Client()
    name = user.username
    browser.post("/accounts/login/", {"login": name, "password": f"{name} has a long password"})
    assert browser.session["_auth_user_id"] == str(user.pk)
    return browser


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("who", ["maya", "grace"])
def test_every_page_leads_to_the_second_factor(
    who: str, method: str, all_of_them: list[tuple[str, str]], request: pytest.FixtureRequest
) -> None:
    person = request.getfixturevalue(who)
    browser = by_password(getattr(person, "user", person))
    reached = []
    for path, name in all_of_them:
        if name in OPEN:
            continue
        answer = getattr(browser, method)(path)
        if answer.status_code != 302 or not answer["Location"].startswith("/accounts/2fa/"):
            reached.append((path, answer.status_code))
    assert reached == []


def test_a_script_is_told_so_in_words(maya: Agent, all_of_them: list[tuple[str, str]]) -> None:
    browser = by_password(maya.user)
    for path, name in all_of_them:
        if name.startswith("admin:") or name in OPEN:
            continue
        answer = browser.post(path, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "second_factor")


def test_what_is_open_shows_nothing_but_factors(maya: Agent, all_of_them: list[tuple[str, str]]) -> None:
    browser = by_password(maya.user)
    for path, name in all_of_them:
        if name in OPEN - {"account_logout"}:
            answer = browser.get(path)
            assert answer.status_code in {200, 302, 404}, path
            assert b"workspace" not in answer.content, path


def test_a_view_asks_again_for_what_no_middleware_saw(maya: Agent, rf: Any) -> None:
    from conversations.views import workspace

    request = rf.get("/workspace/", headers={"Accept": "application/json"})
    request.user, request.session = maya.user, by_password(maya.user).session
    assert workspace.inbox(request).status_code == 403


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/ws/inbox/", f"/ws/case/{EXAMPLES['uuid']}/"])
def test_no_socket_opens(path: str, maya: Agent, valkey: Any) -> None:
    assert opens("/ws/inbox/", strong_browser(maya.user))
    assert not opens(path, by_password(maya.user))


def strong_browser(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


@async_to_sync
async def opens(path: str, browser: Client) -> bool:
    communicator = await socket(path, browser)
    connected, _ = await communicator.connect()
    await communicator.disconnect()
    await direct.close()
    return bool(connected)
