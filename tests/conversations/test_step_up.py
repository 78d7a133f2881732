"""Sending in the bank's name asks for a second factor that is fresh; the text stays with whoever wrote it."""

import base64
import time

import pytest
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY as RECORDS
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from conversations import outreach
from conversations.models import ApprovalRule, Outgoing
from tests.factories.invited import World, invited, signed_in
from tests.factories.walked import supervisor

SECRET = base64.b32encode(b"a secret for tests!!").decode()
TEXT = {"text": "Hello, it is about your post."}
DAY = 24 * 3600


@pytest.fixture
def world(db: None) -> World:
    cache.clear()
    return invited()


@pytest.fixture
def tired(world: World) -> Client:
    """Maya's browser, her second factor used a day ago."""
    return old(signed_in(world.maya.user))


@pytest.mark.parametrize("door", ["invite", "message", "reply"])
def test_an_old_proof_sends_nothing_and_keeps_the_text(door: str, tired: Client, world: World) -> None:
    before = Outgoing.objects.count()
    url = f"/workspace/cases/{world.case.public_id}/{door}/"
    script = tired.post(url, TEXT, headers={"Accept": "application/json"})
    assert (script.status_code, script.json()["error"]["code"]) == (403, "step_up")
    page = tired.post(url, TEXT)
    assert page.status_code == 403
    for said in (TEXT["text"], "second factor once a shift", "/accounts/2fa/reauthenticate/?next=/workspace/"):
        assert said in page.content.decode()
    assert Outgoing.objects.count() == before


def test_reading_and_the_secure_chat_go_on(tired: Client, world: World) -> None:
    assert tired.get(f"/workspace/cases/{world.case.public_id}/").status_code == 200


def test_confirming_makes_it_fresh(tired: Client, world: World) -> None:
    TOTP.activate(world.maya.user, SECRET)
    code = format_hotp_value(hotp_value(SECRET, int(time.time()) // 30))
    there = tired.post("/accounts/2fa/reauthenticate/", {"code": code, "next": "/workspace/"})
    assert there["Location"] == "/workspace/"
    assert not refused(tired, world)


@pytest.mark.parametrize(("seconds", "stopped"), [(0, False), (DAY - 60, True), (DAY + 60, False)])
def test_how_old_is_a_setting(seconds: int, stopped: bool, tired: Client, world: World, settings: object) -> None:
    settings.OUTREACH_STEP_UP_SECONDS = seconds  # type: ignore[attr-defined]
    assert refused(tired, world) is stopped


@pytest.mark.parametrize("door", ["page", "list"])
def test_approving_is_sending_and_refusing_is_not(door: str, world: World) -> None:
    """Whoever approves has the text sent; with an old proof they may read the queue, and say no."""
    ApprovalRule.objects.create(brand=world.case.brand, kind="new_agent", threshold=100)
    waits = outreach.invite(world.case, world.maya, text="Here is the way: {link}").approval
    grace = old(signed_in(supervisor("grace")))
    decide = reverse("admin:conversations_approval_decide", args=[waits.pk])
    if door == "page":
        page = grace.post(decide, {"verdict": "approve", "text": "Here is your way: {link}"})
        assert page.status_code == 403
        assert "Here is your way" in page.content.decode()
    else:
        chosen = {"action": "approve_chosen", "_selected_action": [waits.pk], "index": "0"}
        page = grace.post(reverse("admin:conversations_approval_changelist"), chosen, follow=True)
    for said in ("second factor once a shift", "/accounts/2fa/reauthenticate/"):
        assert said in page.content.decode()
    assert Outgoing.objects.get(approval=waits).delivery == "AWAITING_APPROVAL"
    assert grace.post(decide, {"verdict": "refuse", "note": "Not like this."}).status_code == 302


def old(browser: Client) -> Client:
    """The same browser a day after its second factor was used."""
    session = browser.session
    session[RECORDS] = [session[RECORDS][0] | {"at": time.time() - DAY}]
    session.save()
    return browser


def refused(browser: Client, world: World) -> bool:
    """Whether it is the step-up that stands in the way of a message."""
    url = f"/workspace/cases/{world.case.public_id}/message/"
    return b"step_up" in browser.post(url, TEXT, headers={"Accept": "application/json"}).content
