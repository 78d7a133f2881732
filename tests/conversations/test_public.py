"""Takes anybody's browser, leaves proof of what the public pages say and that they change nothing."""

import pytest
from django.template.loader import render_to_string
from django.test import Client
from pytest_django.fixtures import Settings

from citisocial.clock import now
from conversations.models import BrandAccount, Survey
from links import shortener
from tests.factories.invited import World, every_table, invited, proven, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return invited()


def test_first_page_leads_everybody_to_their_own(client: Client, world: World) -> None:
    assert "/accounts/login/?next=/my/" in client.get("/").content.decode()
    customer = signed_in(world.maria.user).get("/").content.decode()
    assert 'href="/my/"' in customer
    assert 'href="/workspace/"' not in customer
    agent = signed_in(world.maya.user).get("/").content.decode()
    assert 'href="/workspace/"' in agent
    assert 'href="/my/"' not in agent


def test_first_page_of_an_empty_house(client: Client) -> None:
    assert client.get("/").status_code == 200


def test_verification_page_names_our_handles_and_addresses(client: Client, world: World) -> None:
    team = BrandAccount.objects.get().team
    BrandAccount.objects.create(brand=world.case.brand, external_id="1002", handle="Citi", purpose="news", team=team)
    BrandAccount.objects.create(brand=world.case.brand, external_id="1003", handle="OldCiti", active=False, team=team)
    page = client.get("/social/").content.decode()
    assert "@AskCiti" in page
    assert "@Citi<" in page
    assert "OldCiti" not in page
    assert "http://localhost:8001" in page
    assert "http://localhost:8000" in page


def test_typed_code_leads_where_its_link_leads(client: Client, world: World) -> None:
    typed = shortener.code(world.invitation.link).lower().replace("-", " ")
    answer = client.post("/social/", {"code": f" {typed} "})
    assert (answer.status_code, answer["Location"]) == (302, world.welcome)


@pytest.mark.parametrize("code", ["", "short", "//evil.example/", "0000000000001", "\u202e" * 13, "x" * 500])
def test_code_that_does_not_fit_goes_nowhere(client: Client, code: str) -> None:
    answer = client.post("/social/", {"code": code})
    assert answer.status_code == 422
    assert "Location" not in answer
    assert 'role="alert"' in answer.content.decode()


def test_get_and_head_change_nothing(client: Client, world: World) -> None:
    before = every_table()
    for path in ["/", "/social/"]:
        assert client.get(path).status_code == client.head(path).status_code == 200
    assert every_table() == before


def test_other_methods_are_refused(client: Client) -> None:
    assert client.post("/").status_code == 405
    assert client.put("/social/").status_code == 405


@pytest.mark.parametrize("path", ["/", "/social/", "/nothing-here/", "/accounts/login/"])
def test_pages_carry_no_inline_code(client: Client, path: str) -> None:
    answer = client.get(path)
    page = answer.content.decode()
    assert "<script>" not in page
    assert "style=" not in page
    assert " on" + "click=" not in page
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert answer["Referrer-Policy"] == "same-origin"


def test_what_is_never_asked_stands_on_every_page_of_customers(client: Client, world: World) -> None:
    never = "We never ask for your password, PIN, a one-time code in a message or your full card number"
    for path in ["/", "/social/", "/accounts/login/", world.welcome, "/welcome/0000000000000/", "/nothing-here/"]:
        assert never in client.get(path).content.decode(), path
    browser = signed_in(world.maria.user)
    browser.post(world.welcome)
    assert never in browser.get("/handoff/").content.decode()
    proven(world)
    survey = Survey.objects.create(case=world.case, offered_at=now())
    for path in ["/my/", world.chat, f"/survey/{survey.public_id}/"]:
        assert never in browser.get(path).content.decode(), path


def test_addresses_are_shown_in_plain_letters(client: Client, world: World, settings: Settings) -> None:
    settings.SITE_URL, settings.LINK_URL = "https://bänk.example", "https://gо.example"  # the second o is Cyrillic
    page = client.get("/social/").content.decode()
    assert "xn--bnk-qla.example" in page
    assert "https://xn--g-1tb.example" in page
    assert "bänk" not in page


def test_missing_page_says_a_sentence(client: Client, world: World) -> None:
    answer = client.get("/nothing-here/")
    assert answer.status_code == 404
    assert "This address does not open anything." in answer.content.decode()


def test_forged_form_says_a_sentence(world: World) -> None:
    answer = Client(enforce_csrf_checks=True).post(world.welcome)
    assert answer.status_code == 403
    assert "Go back, reload the page and send it again." in answer.content.decode()


@pytest.mark.parametrize(
    "path", ["login/", "logout/", "password/reset/", "signup/", "inactive/", "password/reset/done/", "confirm-email/"]
)
def test_account_pages_wear_the_same_skin(client: Client, world: World, path: str) -> None:
    answer = client.get(f"/accounts/{path}", follow=True)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "citisocial/customer.css" in page
    assert '<main class="main' in page


@pytest.mark.parametrize("path", ["email/", "password/change/", "reauthenticate/"])
def test_account_pages_of_the_signed_in_wear_the_same_skin(world: World, path: str) -> None:
    browser = Client()
    browser.post("/accounts/login/", {"login": "maria", "password": "walk-the-talk"})
    answer = browser.get(f"/accounts/{path}", follow=True)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "citisocial/customer.css" in page
    assert "<script>" not in page
    assert "style=" not in page


@pytest.mark.parametrize("name", ["400.html", "500.html", "403_csrf.html"])
def test_pages_for_errors_need_no_request(name: str) -> None:
    # Django draws these without context processors: whatever broke must not break the page that says so.
    page = render_to_string(name)
    assert '<main class="main' in page
    assert page.count("<h1>") == 1
