"""Takes strangers and customers with a link, leaves proof of who gets through and what everybody sees."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.core.signing import TimestampSigner
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import ProvenHandle
from citisocial.clock import now
from conversations import handoff
from conversations.errors import DeadInvitation
from conversations.models import AuditEvent, Binding, Case, Invitation
from links import shortener
from links.models import ShortLink
from tests.accounts.fake_x import FakeX
from tests.factories.crossing import begun, through_x
from tests.factories.invited import PASSWORD, POST_TEXT, World, agree, every_table, proven, signed_in

pytestmark = pytest.mark.django_db

DEAD = str(DeadInvitation())


def page_of(answer: Any) -> str:
    """The page without what differs in each answer by design: the form tokens."""
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", str(answer.content.decode()))


def state(world: World) -> str:
    return Invitation.objects.get(pk=world.invitation.pk).handoff


# What a stranger sees.


def test_stranger_sees_the_facts_and_nothing_of_the_case(client: Client, world: World) -> None:
    page = client.get(world.welcome).content.decode()
    for shown in ["Citi", "AskCiti", "Maya", "@m…", f"{world.invitation.outgoing.sent_at:%Y}", "citi.example/social"]:
        assert shown in page, shown
    for hidden in ["maria", POST_TEXT, "Lisbon", str(world.case.pk), str(world.case.public_id), "5005", "7007"]:
        assert hidden not in page.replace(world.slug, ""), hidden
    assert world.recipient_id not in page


def test_signed_in_stranger_sees_no_more(world: World) -> None:
    browser = begun(world, world.jorge.user)
    page = browser.get("/handoff/").content.decode()
    assert "@m…" in page
    for hidden in ["maria_m", POST_TEXT, str(world.case.pk), str(world.case.public_id), world.recipient_id]:
        assert hidden not in page, hidden


def test_welcome_says_what_is_never_asked_and_the_way_without_the_link(client: Client, world: World) -> None:
    page = client.get(world.welcome).content.decode()
    assert "Your password, PIN or a one-time code in a message" in page
    assert f"http://<b>localhost:8000</b>{world.welcome}" in page
    assert shortener.code(world.invitation.link) in page
    assert world.slug not in page.replace(world.welcome, "")
    assert "Type this address" in page
    assert "My conversations" in page


def test_looking_changes_nothing(client: Client, world: World) -> None:
    begun_by_maria = begun(world, world.maria.user)
    before = every_table()
    for browser in [client, begun_by_maria]:
        for path in [world.welcome, "/welcome/0000000000000/", "/handoff/", "/my/"]:
            for method in (browser.get, browser.head, browser.options):
                method(path)
    assert every_table() == before


def test_tokened_pages_are_kept_by_nobody(client: Client, world: World) -> None:
    for path in [world.welcome, "/welcome/0000000000000/", "/handoff/", "/my/", world.chat]:
        answer = client.get(path)
        assert "no-store" in answer["Cache-Control"], path
        assert answer["Referrer-Policy"] == "same-origin"


# Links that open nothing.


def test_guessed_expired_and_revoked_are_one_page(client: Client, world: World) -> None:
    def seen() -> list[tuple[int, str, dict[str, str]]]:
        answers = [client.get(path), client.post(path)]
        return [
            (a.status_code, page_of(a).replace(path, ""), {k: v for k, v in a.headers.items() if k not in ("Expires",)})
            for a in answers
        ]

    path = "/welcome/0000000000000/"
    guessed = seen()
    assert guessed[0][0] == guessed[1][0] == 404
    assert DEAD in guessed[0][1]
    path = world.welcome
    assert client.get(path).status_code == 200
    ShortLink.objects.update(expires_at=now() - timedelta(seconds=1))
    expired = seen()
    ShortLink.objects.update(expires_at=now() + timedelta(hours=1))
    assert client.get(path).status_code == 200
    shortener.revoke(ShortLink.objects.get())
    revoked = seen()
    assert guessed == expired == revoked
    assert state(world) == "UNOPENED"


def test_handoff_without_a_good_cookie_is_the_same_dead_page(world: World) -> None:
    browser = signed_in(world.maria.user)
    old = TimestampSigner(salt="conversations.handoff").sign("999999")
    for cookie in ["", "1", "forged:abc:def", old]:
        browser.cookies[settings.HANDOFF_COOKIE_NAME] = cookie
        posted = browser.post("/handoff/", {"handoff": cookie, "consent": "link"})
        for answer in [browser.get("/handoff/"), posted]:
            assert answer.status_code == 404, cookie
            assert DEAD in answer.content.decode(), cookie


def test_link_that_expires_on_the_way_opens_nothing(world: World, x: FakeX) -> None:
    browser = begun(world, world.maria.user)
    shown = browser.get("/handoff/")
    ShortLink.objects.update(expires_at=now() - timedelta(seconds=1))
    answer = agree(browser, shown=shown)
    assert answer.status_code == 404
    assert DEAD in answer.content.decode()


# The two proofs.


def test_right_customer_comes_through_and_keeps_the_handle(world: World, x: FakeX) -> None:
    browser = Client()
    opened = browser.post(world.welcome)
    assert opened["Location"] == "/accounts/login/?next=/handoff/"
    cookie = opened.cookies[settings.HANDOFF_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert cookie["max-age"] == 3600
    assert world.slug not in cookie.value
    assert state(world) == "OPENED"
    entered = browser.post("/accounts/login/?next=/handoff/", {"login": "maria", "password": PASSWORD})
    assert entered["Location"] == "/handoff/"
    assert "Agree and confirm at X" in browser.get("/handoff/").content.decode()
    back = through_x(browser, x)
    assert (back.status_code, back["Location"]) == (302, world.chat)
    assert back.cookies[settings.HANDOFF_COOKIE_NAME].value == ""
    assert state(world) == "PROVEN"
    assert Case.objects.get().customer == world.maria
    assert ProvenHandle.objects.get().external_id == world.recipient_id
    assert not x.live_tokens
    assert browser.get(world.chat).status_code == 200


def test_cookie_is_secure_where_cookies_are(client: Client, world: World, settings: Settings) -> None:
    settings.SECURE_COOKIES = True
    assert client.post(world.welcome).cookies[settings.HANDOFF_COOKIE_NAME]["secure"]


def test_remembered_handle_needs_no_second_round_trip(world: World, x: FakeX) -> None:
    ProvenHandle.objects.create(
        customer=world.maria, network="x", external_id=world.recipient_id, handle="maria_m", proven_at=now()
    )
    browser = begun(world, world.maria.user)
    assert "You confirmed it before" in browser.get("/handoff/").content.decode()
    answer = agree(browser)
    assert (answer.status_code, answer["Location"]) == (302, world.chat)
    assert x.seen == []
    assert not AuditEvent.objects.filter(verb="consented").exists()  # nothing new is linked
    assert Binding.objects.get().assurance == "remembered"


def test_other_handle_is_refused_with_its_own_sentence(world: World, x: FakeX) -> None:
    x.person = {"id": "666", "name": "Eve", "username": "eve"}
    answer = through_x(begun(world, world.maria.user), x)
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "You signed in to X as another account. Use the one we wrote to." in page
    for hidden in ["maria_m", POST_TEXT, str(world.case.pk), str(world.case.public_id)]:
        assert hidden not in page
    assert state(world) == "SIGNED_IN"
    assert Case.objects.get().customer is None
    assert not ProvenHandle.objects.exists()
    assert AuditEvent.objects.filter(verb="mismatch", case=world.case).count() == 1


def test_second_customer_with_the_same_link_is_refused(world: World, x: FakeX) -> None:
    assert through_x(begun(world, world.maria.user), x)["Location"] == world.chat
    thief = begun(world, world.jorge.user)
    answer = agree(thief)
    assert answer.status_code == 404
    assert DEAD in answer.content.decode()
    assert thief.get(world.chat).status_code == 404
    assert Case.objects.get().customer == world.maria


def test_thief_who_signs_in_first_does_not_lock_the_customer_out(world: World, x: FakeX) -> None:
    thief = begun(world, world.jorge.user)
    x.person = {"id": "666", "name": "Jorge", "username": "jorge_p"}
    assert through_x(thief, x).status_code == 403
    x.person = {"id": world.recipient_id, "name": "Maria", "username": "maria_m"}
    assert through_x(begun(world, world.maria.user), x)["Location"] == world.chat


def test_customer_comes_back_by_the_same_link(world: World) -> None:
    proven(world)
    browser = begun(world, world.maria.user)
    assert agree(browser)["Location"] == world.chat


def test_answer_for_another_person_is_refused(world: World, x: FakeX) -> None:
    browser = begun(world, world.maria.user)
    asked = parse_qs(urlsplit(agree(browser)["Location"]).query)
    code = x.code_for(asked["code_challenge"][0])
    browser.force_login(world.jorge.user)
    answer = browser.get("/x/callback", {"code": code, "state": asked["state"][0]})
    assert answer.status_code == 403
    assert "Nothing was linked." in answer.content.decode()
    assert state(world) == "SIGNED_IN"


def test_no_at_x_is_a_plain_page_with_a_way_to_try_again(world: World, x: FakeX) -> None:
    browser = begun(world, world.maria.user)
    asked = parse_qs(urlsplit(agree(browser)["Location"]).query)
    answer = browser.get("/x/callback", {"error": "access_denied", "state": asked["state"][0]})
    assert answer.status_code == 403
    assert 'href="/handoff/"' in answer.content.decode()


def test_agent_is_told_that_this_is_for_customers(world: World) -> None:
    answer = begun(world, world.maya.user).post("/handoff/")
    assert answer.status_code == 403
    assert "This page is for customers." in answer.content.decode()


def test_hand_off_survives_signing_out(world: World, x: FakeX) -> None:
    browser = begun(world, world.jorge.user)
    browser.post("/accounts/logout/", {"next": "/handoff/"})
    browser.post("/accounts/login/", {"login": "maria", "password": PASSWORD, "next": "/handoff/"})
    assert through_x(browser, x)["Location"] == world.chat


@pytest.mark.parametrize("data", [{}, {"invitation": None}, {"invitation": "x"}, {"invitation": "999999"}])
def test_hook_takes_no_invented_invitation(world: World, data: dict[str, object], rf: object) -> None:
    from conversations.views.handoff import on_proof

    request = rf.get("/x/callback")  # type: ignore[attr-defined]
    request.user = world.maria.user
    answer = on_proof(request, network="x", external_id=world.recipient_id, handle="maria_m", data=data)
    assert answer.status_code == 404
    assert Case.objects.get().customer is None


def test_first_letter_is_all_there_is_of_the_handle(world: World) -> None:
    assert handoff.facts(world.invitation).first_letter == "m"
