"""Connecting a brand's account from the admin: one question, one answer, one account."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from citisocial.clock import now
from conversations import credentials
from conversations.models import AuditEvent, Brand, BrandAccount
from tests.accounts.fake_x import Answer
from tests.conversations.granting_x import GrantingX
from tests.factories.heard import Bank, bank
from tests.factories.walked import supervisor

pytestmark = pytest.mark.django_db
ADMIN = "/admin/conversations/brandaccount/"
CONNECTED = f"{ADMIN}connected/"


def ask(client, account):
    """Press the button; the address that the browser is sent to."""
    answer = client.post(f"{ADMIN}{account.pk}/connect/")
    assert answer.status_code == 302
    return answer["location"]


def words(answer):
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def connect(client, x, account):
    return client.get(CONNECTED, x.consent(ask(client, account)))


# --- the one good way -------------------------------------------------------------------------------------------


def test_a_supervisor_connects_an_account(grace, care, x: GrantingX, settings):
    BrandAccount.objects.update(refused_at=now())
    location = ask(grace, care)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert location.startswith(settings.X_AUTHORIZE_URL)
    assert asked["code_challenge_method"] == "S256"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", asked["code_challenge"])
    assert asked["redirect_uri"] == f"{settings.SITE_URL}{CONNECTED}"
    assert asked["scope"].split() == list(credentials.SCOPES)

    answer = grace.get(CONNECTED, x.consent(location))

    care.refresh_from_db()
    assert answer["location"] == reverse("admin:conversations_brandaccount_change", args=[care.pk])
    assert "@AskCiti is connected" in words(answer)
    assert "The network knows us as @AskCiti." in words(answer)
    assert credentials.ready(care).access_token == "access-0"
    assert b"access-0" not in bytes(care.sealed_tokens)
    assert (care.refused_at, care.scopes) == (None, " ".join(credentials.SCOPES))
    assert care.connected_at is not None
    line = AuditEvent.objects.get(verb="account_connected")
    assert (line.user.username, line.actor, line.data) == ("grace", "supervisor", {"account": "@AskCiti", "id": "1001"})
    assert credentials.ready(care).external_id == "1001"


def test_a_new_account_is_who_the_network_says(grace, x: GrantingX):
    b = bank()
    x.person = {"id": "1009", "name": "Citi UK", "username": "CitiUK"}
    form = {"brand": b.brand.pk, "purpose": "news", "team": b.team.pk}
    assert grace.get(f"{ADMIN}add/").status_code == 200
    answer = grace.post(f"{ADMIN}add/", form)
    assert not BrandAccount.objects.filter(external_id="1009").exists()
    answer = grace.get(CONNECTED, x.consent(answer["location"]))
    made = BrandAccount.objects.get(external_id="1009")
    assert (made.handle, made.purpose, made.brand, made.team) == ("CitiUK", "news", b.brand, b.team)
    assert credentials.ready(made).access_token == "access-0"
    assert "@CitiUK is connected" in words(answer)


def test_adding_an_account_that_is_here_connects_that_one(grace, x: GrantingX):
    b = bank()
    form = {"brand": b.brand.pk, "purpose": "offers", "team": b.team.pk}
    answer = grace.post(f"{ADMIN}add/", form)
    grace.get(CONNECTED, x.consent(answer["location"]))
    b.care.refresh_from_db()
    assert BrandAccount.objects.count() == 2
    assert (b.care.purpose, credentials.ready(b.care).access_token) == ("care", "access-0")


# --- hostile and unlucky answers ---------------------------------------------------------------------------------


def nothing_happened(care):
    care.refresh_from_db()
    return (bytes(care.sealed_tokens), care.connected_at, AuditEvent.objects.count()) == (b"", None, 0)


def test_a_wrong_state_changes_nothing_and_leaves_the_question_open(grace, care, x: GrantingX):
    said = x.consent(ask(grace, care))
    for state in ("", "x" * 43, "é"):
        assert "belongs to no question of yours" in words(grace.get(CONNECTED, said | {"state": state}))
    assert nothing_happened(care)
    assert x.seen == []
    grace.get(CONNECTED, said)
    assert not nothing_happened(care)


def test_an_answer_to_somebody_elses_question_is_refused(grace, care, x: GrantingX):
    said = x.consent(ask(grace, care))
    eve = Client()
    eve.force_login(supervisor("eve"))
    ask(eve, care)
    assert "belongs to no question of yours" in words(eve.get(CONNECTED, said))
    assert nothing_happened(care)


def test_the_same_session_of_another_person_is_refused(grace, care, x: GrantingX):
    said = x.consent(ask(grace, care))
    session = grace.session
    session["connecting"] |= {"user": 0}
    session.save()
    assert "belongs to no question of yours" in words(grace.get(CONNECTED, said))
    assert nothing_happened(care)


def test_a_question_ends_after_ten_minutes(grace, care, x: GrantingX):
    said = x.consent(ask(grace, care))
    session = grace.session
    assert 590 < session["connecting"]["until"] - now().timestamp() <= 600
    session["connecting"] |= {"until": now().timestamp() - 1}
    session.save()
    assert "older than ten minutes" in words(grace.get(CONNECTED, said))
    assert nothing_happened(care)


def test_somebody_who_says_no_is_believed(grace, care, x: GrantingX):
    said = x.consent(ask(grace, care))
    answer = grace.get(CONNECTED, {"state": said["state"], "error": "access_denied"})
    assert "access was not allowed" in words(answer)
    assert "belongs to no question" in words(grace.get(CONNECTED, said))
    assert nothing_happened(care)


def test_a_code_counts_once(grace, care, x: GrantingX):
    said = x.consent(ask(grace, care))
    grace.get(CONNECTED, said)
    assert "belongs to no question" in words(grace.get(CONNECTED, said))
    assert AuditEvent.objects.filter(verb="account_connected").count() == 1
    ask(grace, care)
    session = grace.session
    again = grace.get(CONNECTED, said | {"state": session["connecting"]["state"]})
    assert "The network did not confirm it" in words(again)
    assert AuditEvent.objects.filter(verb="account_connected").count() == 1


def test_another_account_than_this_one_is_refused_and_its_tokens_are_given_back(grace, care, x: GrantingX):
    x.person = {"id": "666", "name": "Eve", "username": "eve"}
    answer = connect(grace, x, care)
    assert "signed in on the network as @eve, and this is @AskCiti" in words(answer)
    assert nothing_happened(care)
    assert x.live_tokens & {"access-0", "refresh-0"} == set()


def test_an_account_of_another_brand_is_refused(grace, care, x: GrantingX):
    other = Brand.objects.create(name="Other", slug="other", address="other.example")
    answer = grace.post(f"{ADMIN}add/", {"brand": other.pk, "purpose": "care", "team": care.team_id})
    assert "belongs to another brand" in words(grace.get(CONNECTED, x.consent(answer["location"])))
    assert nothing_happened(care)
    assert x.live_tokens & {"access-0", "refresh-0"} == set()


def test_a_network_that_fails_leaves_everything_as_it_was(grace, care, x: GrantingX):
    x.token = lambda request: Answer(503)
    assert "The network did not confirm it" in words(connect(grace, x, care))
    assert nothing_happened(care)


def test_only_supervisors_connect_and_only_by_a_button(client, care, x: GrantingX):
    agent = Bank(care.brand, care, care, care.team).agent("Maya")
    client.force_login(agent.user)
    for what in ("connect", "disconnect", "check"):
        assert client.post(f"{ADMIN}{care.pk}/{what}/", follow=True).status_code == 403
    for page in ("connected/", "channels/", "alarm/", "add/"):
        assert client.get(ADMIN + page, follow=True).status_code == 403
    client.force_login(supervisor())
    for what in ("connect", "disconnect", "check"):
        assert client.get(f"{ADMIN}{care.pk}/{what}/").status_code == 405
    forger = Client(enforce_csrf_checks=True)
    forger.force_login(supervisor("henry"))
    assert forger.post(f"{ADMIN}{care.pk}/disconnect/").status_code == 403


# --- disconnecting and checking ---------------------------------------------------------------------------------


def test_disconnecting_gives_the_tokens_back_and_forgets_them(grace, care, x: GrantingX):
    connect(grace, x, care)
    answer = grace.post(f"{ADMIN}{care.pk}/disconnect/")
    care.refresh_from_db()
    assert (bytes(care.sealed_tokens), care.scopes, care.connected_at, care.tokens_expire_at) == (b"", "", None, None)
    assert x.live_tokens & {"access-0", "refresh-0"} == set()
    assert AuditEvent.objects.get(verb="account_disconnected").data == {"account": "@AskCiti", "void": True}
    assert "is disconnected" in words(answer)


def test_disconnecting_forgets_also_when_the_network_does_not_answer(grace, care, x: GrantingX):
    connect(grace, x, care)
    x.revocation = lambda request: Answer(503)
    answer = grace.post(f"{ADMIN}{care.pk}/disconnect/")
    care.refresh_from_db()
    assert bytes(care.sealed_tokens) == b""
    assert "the network did not confirm it" in words(answer)


def test_check_now_says_each_thing_that_is_wrong(grace, care, x: GrantingX, settings):
    x.allowed = "tweet.read users.read dm.read offline.access"
    connect(grace, x, care)
    x.app_works, settings.X_PUSH, settings.X_CONSUMER_SECRET = False, "webhook", ""
    said = words(grace.post(f"{ADMIN}{care.pk}/check/"))
    assert "The network knows us as @AskCiti." in said
    assert "did not allow tweet.write, dm.write" in said
    assert "refuses the app's bearer token" in said
    assert "X_CONSUMER_SECRET is missing" in said
    x.live_tokens.clear()
    assert "does not accept our credentials" in words(grace.post(f"{ADMIN}{care.pk}/check/"))
    care.refresh_from_db()
    assert care.refused_at is not None


def test_check_now_takes_back_a_refusal_that_is_over(grace, care, x: GrantingX):
    connect(grace, x, care)
    BrandAccount.objects.update(refused_at=now())
    grace.post(f"{ADMIN}{care.pk}/check/")
    care.refresh_from_db()
    assert care.refused_at is None
