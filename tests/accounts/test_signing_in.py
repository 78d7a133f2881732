"""The doors of the account pages: who comes in, who stays in, and which doors are not there."""

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import NoReverseMatch, reverse

from accounts import permissions
from accounts.models import Customer, User

LOGIN = "/accounts/login/"


@pytest.fixture(autouse=True)
def no_history() -> None:
    """Failed sign-ins of one test must not count in the next."""
    from django.core.cache import cache

    cache.clear()


def sign_in(client: Client, name: str, password: str) -> bool:
    client.post(LOGIN, {"login": name, "password": password})
    return "_auth_user_id" in client.session


@pytest.mark.parametrize("name", ["maria", "maria@example.com", "MARIA@example.com"])
def test_maria_signs_in_by_name_or_address(name: str, client: Client, maria: Customer) -> None:
    assert sign_in(client, name, "maria has a long password")


def test_a_wrong_password_and_a_closed_login_stay_outside(client: Client, maria: Customer) -> None:
    assert not sign_in(client, "maria", "guess")
    permissions.close_login(maria.user)
    assert not sign_in(client, "maria", "maria has a long password")


def test_after_five_wrong_passwords_the_right_one_has_to_wait(client: Client, maria: Customer) -> None:
    assert not any(sign_in(client, "maria", "guess") for _ in range(5))
    assert not sign_in(client, "maria", "maria has a long password")


def test_nobody_signs_up(client: Client, db: None) -> None:
    password = "eve has a long password"
    client.post(
        "/accounts/signup/",
        {"username": "eve", "email": "eve@example.com", "password1": password, "password2": password},
    )
    assert User.objects.count() == 0


def test_the_sign_in_page_offers_no_network(client: Client, db: None) -> None:
    page = client.get(LOGIN)
    assert page.status_code == 200
    assert b"twitter" not in page.content.lower()
    with pytest.raises(NoReverseMatch):
        reverse("twitter_oauth2_login")


def test_a_foreign_next_is_not_followed(client: Client, maria: Customer) -> None:
    for there in ("https://eve.example/", "//eve.example", "/\\eve.example", "javascript:alert(1)"):
        client.logout()
        answer = client.post(LOGIN, {"login": "maria", "password": "maria has a long password", "next": there})
        assert answer.status_code == 302
        assert answer["Location"] == "/"


def is_in(client: Client) -> bool:
    return client.get("/accounts/email/").status_code == 200


@pytest.mark.parametrize("end", [permissions.end_sessions, permissions.close_login])
def test_ending_sessions_signs_maria_out_everywhere(end: object, maria: Customer) -> None:
    phone, laptop = Client(), Client()
    for browser in (phone, laptop):
        browser.force_login(maria.user)
    assert [is_in(phone), is_in(laptop)] == [True, True]
    end(maria.user)  # type: ignore[operator]
    assert [is_in(phone), is_in(laptop)] == [False, False]


def test_a_new_password_signs_other_sessions_out(maria: Customer) -> None:
    client = Client()
    client.force_login(maria.user)
    maria.user.set_password("another long password")
    maria.user.save(update_fields=["password"])
    assert not is_in(client)


def test_sessions_outlive_a_new_secret_key_while_the_old_one_is_known(maria: Customer, settings: object) -> None:
    client = Client()
    client.force_login(maria.user)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]  # type: ignore[attr-defined]
    settings.SECRET_KEY = "a new key for tests, which protects nothing"  # type: ignore[attr-defined]
    assert is_in(client)


def test_two_people_cannot_have_one_address(maria: Customer) -> None:
    with pytest.raises(IntegrityError):
        User.objects.create_user("other", "Maria@Example.com")
