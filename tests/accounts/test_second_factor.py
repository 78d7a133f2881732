"""Staff and their second factor: how they get one, use one, lose one, and what each is worth."""

import base64
import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from accounts import factors, mfa
from accounts.models import Agent, Customer, User
from tests.accounts.soft_key import SoftKey

LOGIN, INDEX, CODE = "/accounts/login/", "/accounts/2fa/", "/accounts/2fa/authenticate/"
APP, CONFIRM = "/accounts/2fa/totp/activate/", "/accounts/2fa/reauthenticate/"
PASSKEY, BY_PASSKEY = "/accounts/2fa/webauthn/add/", "/accounts/2fa/webauthn/login/"
SECRET = base64.b32encode(b"a secret for tests!!").decode()


NOON = 1_800_000_000  # the first second of a period


@pytest.fixture(autouse=True)
def no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed sign-ins of one test must not count in the next, and no period of 30 s ends while a code is typed."""
    cache.clear()
    monkeypatch.setattr(totp, "time", SimpleNamespace(time=lambda: NOON))


def by_password(client: Client, name: str) -> Any:
    return client.post(LOGIN, {"login": name, "password": f"{name} has a long password"})


def digits(secret: str = SECRET, later: int = 0) -> str:
    """What the app shows now, or so many periods later."""
    return format_hotp_value(hotp_value(secret, NOON // 30 + later))


def has_app(user: User) -> Authenticator:
    row: Authenticator = TOTP.activate(user, SECRET).instance
    return row


def in_fully(client: Client, page: str = "/workspace/") -> bool:
    return client.get(page).status_code == 200


def question(page: Any, name: str) -> Any:
    """The WebAuthn options that stand in the page for its script."""
    block = re.search(r'<script id="passkey_data" type="application/json">(.*?)</script>', page.content.decode())
    assert block is not None
    return json.loads(block[1])[name]


def test_with_password_and_code_maya_is_in_and_the_session_says_so(client: Client, maya: Agent) -> None:
    has_app(maya.user)
    assert by_password(client, "maya")["Location"].startswith(CODE)
    assert "_auth_user_id" not in client.session  # nobody yet
    client.post(CODE, {"code": digits()})
    assert factors.strong(client.session)
    assert in_fully(client)


def test_a_code_serves_once_however_long_the_cache_remembers(maya: Agent) -> None:
    has_app(maya.user)
    now = digits()
    for code, taken in ((now, True), (now, False), (digits(later=-1), False), (digits(later=1), True)):
        cache.clear()  # as a wiped Valkey, and as half a minute later
        browser = Client()
        by_password(browser, "maya")
        browser.post(CODE, {"code": code})
        assert ("_auth_user_id" in browser.session) is taken


def test_enrolling_is_not_using_and_the_secret_is_never_in_the_clear(client: Client, maya: Agent) -> None:
    assert by_password(client, "maya").status_code == 302
    assert client.get("/workspace/")["Location"].startswith(INDEX)
    assert client.get(APP)["Location"].startswith("/accounts/reauthenticate/")
    client.post("/accounts/reauthenticate/", {"password": "maya has a long password", "next": APP})
    shown = re.search(r'class="mono secret">([A-Z2-7]+)<', client.get(APP).content.decode())
    assert shown is not None
    assert shown[1] not in str(dict(client.session))
    assert client.post(APP, {"code": digits(shown[1])})["Location"] == "/accounts/2fa/recovery-codes/"
    row = Authenticator.objects.get(user=maya.user, type="totp")
    assert shown[1] not in str(row.data)
    assert mfa.FactorAdapter().decrypt(row.data["secret"]) == shown[1]
    assert not factors.strong(client.session)
    assert client.get("/workspace/")["Location"] == f"{CONFIRM}?next=%2Fworkspace%2F"
    assert client.post(CONFIRM, {"code": digits(shown[1]), "next": "/workspace/"})["Location"] == "/workspace/"
    assert in_fully(client)


def enrolled(client: Client, key: SoftKey) -> Any:
    """A signed-in member of staff adds the key; the answer to its registration."""
    client.post("/accounts/reauthenticate/", {"password": "maya has a long password", "next": PASSKEY})
    credential = key.create(question(client.get(PASSKEY), "creation_options"))
    return client.post(PASSKEY, {"name": "laptop", "credential": json.dumps(credential), "passwordless": "on"})


def signed_in_by(client: Client, key: SoftKey) -> bool:
    asked = client.get(BY_PASSKEY, headers={"Accept": "application/json"}).json()["request_options"]
    client.post(BY_PASSKEY, {"credential": json.dumps(key.get(asked)), "next": "/workspace/"})
    return "_auth_user_id" in client.session


def test_a_passkey_is_added_and_signs_in_without_a_password(client: Client, maya: Agent) -> None:
    by_password(client, "maya")
    key = SoftKey()
    assert enrolled(client, key).status_code == 302
    other = Client()
    assert signed_in_by(other, key)
    assert factors.strong(other.session)
    assert in_fully(other)


@pytest.mark.parametrize(
    "wrong", [{"origin": "http://eve.example"}, {"origin": "https://localhost.eve.example"}, {"verifies": False}]
)
def test_a_passkey_of_elsewhere_or_without_a_person_is_refused(wrong: Any, client: Client, maya: Agent) -> None:
    by_password(client, "maya")
    enrolled(client, SoftKey(**wrong))
    assert not Authenticator.objects.exists()
    key = SoftKey()
    enrolled(client, key)
    fake = SoftKey(**wrong)
    key.origin, key.flags = fake.origin, fake.flags
    assert not signed_in_by(Client(), key)


def test_the_passkeys_host_is_the_sites_whatever_host_was_asked(client: Client, settings: Any, db: None) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    asked = client.get(BY_PASSKEY, headers={"Accept": "application/json", "Host": "eve.example"}).json()
    assert asked["request_options"]["publicKey"]["rpId"] == "localhost"
    assert asked["request_options"]["publicKey"]["userVerification"] == "required"


def test_a_recovery_code_leads_to_a_new_factor_and_no_further(client: Client, maya: Agent) -> None:
    has_app(maya.user)
    codes = RecoveryCodes.activate(maya.user).get_unused_codes()
    by_password(client, "maya")
    client.post(CODE, {"code": codes[0]})
    assert "_auth_user_id" in client.session
    for closed in ("/workspace/", "/accounts/2fa/totp/deactivate/", "/accounts/password/change/"):
        assert client.get(closed)["Location"].startswith(INDEX)
    assert client.get(INDEX).status_code == 200
    client.post(CONFIRM, {"code": codes[1], "next": PASSKEY})
    assert client.get(PASSKEY).status_code == 200
    assert not factors.strong(client.session)


def test_the_last_factor_stays(client: Client, maya: Agent) -> None:
    has_app(maya.user)
    by_password(client, "maya")
    client.post(CODE, {"code": digits(later=-1)})
    client.post(CONFIRM, {"code": digits(), "next": INDEX})
    client.post("/accounts/2fa/totp/deactivate/")
    assert Authenticator.objects.filter(type="totp").exists()
    key = SoftKey()
    client.post(PASSKEY, {"credential": json.dumps(key.create(question(client.get(PASSKEY), "creation_options")))})
    client.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.filter(type="totp").exists()
    row = Authenticator.objects.get(type="webauthn")
    client.post(f"/accounts/2fa/webauthn/keys/{row.pk}/remove/")
    assert Authenticator.objects.filter(pk=row.pk).exists()


def test_another_set_of_factors_ends_every_other_session(client: Client, maya: Agent) -> None:
    other = Client()
    other.force_login(maya.user)
    assert in_fully(other)
    by_password(client, "maya")
    enrolled(client, SoftKey())
    assert not in_fully(other)
    assert client.get(INDEX).status_code == 200


def test_who_has_a_factor_is_not_asked_for_the_password_instead(client: Client, maya: Agent) -> None:
    has_app(maya.user)
    client.force_login(maya.user)
    assert client.get("/accounts/reauthenticate/?next=/workspace/")["Location"].startswith(CONFIRM)
    client.post("/accounts/reauthenticate/", {"password": "maya has a long password", "next": PASSKEY})
    assert client.get(PASSKEY).status_code == 302


def test_a_record_of_somebody_else_is_worth_nothing(client: Client, maya: Agent, grace: User) -> None:
    client.force_login(maya.user)
    session = client.session
    session[factors.OWNER] = str(grace.pk)
    session.save()
    assert client.get("/workspace/").status_code == 302


def test_customers_sign_in_as_before_and_have_none_of_these_pages(client: Client, maria: Customer) -> None:
    assert by_password(client, "maria")["Location"] == "/"
    assert client.get("/my/").status_code == 200
    for page in (INDEX, APP, PASSKEY, CONFIRM):
        assert client.get(page).status_code == 404


def test_asking_who_needs_a_factor_costs_no_query(maya: Agent, maria: Customer, django_assert_num_queries: Any) -> None:
    for user in (maya.user, maria.user):
        browser = Client()
        browser.force_login(user)
        # The session, the login, and the page's own: nothing for an agent that is not there.
        with django_assert_num_queries(2):
            browser.get("/accounts/2fa/authenticate/")


def test_a_factor_sealed_with_another_key_is_an_error_and_never_an_empty_secret(maya: Agent, settings: Any) -> None:
    row = has_app(maya.user)
    settings.SEALING_KEY = "another key of the same length, at least"
    for kept in (row.data["secret"], SECRET, ""):
        with pytest.raises(ImproperlyConfigured, match="restore SEALING_KEY"):
            mfa.FactorAdapter().decrypt(kept)


def test_a_supervisor_helps_somebody_who_lost_everything(client: Client, maya: Agent, grace: User) -> None:
    has_app(maya.user)
    client.force_login(grace)
    for user in (maya.user, grace):
        has_app(user) if user == grace else None
        chosen = {"action": "take_factors_away", "_selected_action": [user.pk], "index": 0}
        client.post("/admin/accounts/user/", chosen)
    assert list(Authenticator.objects.values_list("user", flat=True)) == [grace.pk]  # nobody does it to themselves
    assert User.objects.get(pk=maya.user_id).epoch == 1
