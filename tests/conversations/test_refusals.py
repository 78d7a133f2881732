"""Takes people who guess codes and knock at doors, leaves proof of what is counted, what is kept, and what they see."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from citisocial.clock import now
from conversations import handoff, invitations, refusals
from conversations.models import AuditEvent, Case
from links import shortener
from links.models import ShortLink
from tests.factories.invited import World, agree, every_table, invited, proven, signed_in

pytestmark = pytest.mark.django_db

WRONG = "That is not a code of ours, or it is over."


@pytest.fixture
def world() -> World:
    return invited()


def code(world: World) -> str:
    return shortener.code(world.invitation.link)


def kept() -> list[dict[str, Any]]:
    return [event.data for event in AuditEvent.objects.filter(verb="refused_entry").order_by("pk")]


def typed(text: str, *, browser: Client | None = None, address: str = "203.0.113.9") -> Any:
    return (browser or Client()).post("/social/", {"code": text}, REMOTE_ADDR=address)


def seen(answer: Any, text: str) -> tuple[int, str, dict[str, str], list[str]]:
    """All that a visitor gets, without what is drawn anew each time: form tokens, cookies' values, the time."""
    body = re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", answer.content.decode()).replace(text, "")
    headers = {name: value for name, value in answer.headers.items() if name not in ("Expires", "Content-Length")}
    return answer.status_code, body, headers, sorted(answer.cookies)


# The way in without the link.


@pytest.mark.parametrize("written", ["{}", " {} ", "lower", "spaced"])
def test_typed_code_leads_to_the_same_welcome_page(world: World, written: str) -> None:
    shapes = {"lower": code(world).lower(), "spaced": code(world).replace("-", " ")}
    answer = typed(shapes.get(written) or written.format(code(world)))
    assert (answer.status_code, answer["Location"]) == (302, world.welcome)
    assert kept() == []


def test_wrong_expired_revoked_and_finished_codes_look_alike_and_cost_alike(world: World) -> None:
    def measured(text: str) -> tuple[Any, list[str]]:
        with CaptureQueriesContext(connection) as queries:
            answer = typed(text, address=f"203.0.113.{len(kept()) + 20}")
        return seen(answer, text), [re.sub(r"'[^']*'|\d+|%s", "?", q["sql"])[:60] for q in queries]

    text = code(world)
    typed("0000-0000", address="203.0.113.1")  # what a process learns once (its own brand, content types) is learnt
    unknown = measured("AAAA-AAAA")
    ShortLink.objects.update(expires_at=now() - timedelta(seconds=1))
    expired = measured(text)
    ShortLink.objects.update(expires_at=now() + timedelta(hours=1), revoked_at=now())
    revoked = measured(text)
    ShortLink.objects.update(revoked_at=None)
    Case.objects.update(status=Case.Status.CLOSED)
    closed = measured(text)
    assert WRONG in unknown[0][1]
    assert unknown[0][0] == 422
    assert unknown[0] == expired[0] == revoked[0] == closed[0]
    assert len(unknown[1]) == len(expired[1]) == len(revoked[1]) == len(closed[1])


def test_dead_links_and_those_of_others_cost_alike(world: World) -> None:
    """Pressed with a pointer: one that names nothing, an expired, a revoked one, and one of another customer."""
    browser = signed_in(world.jorge.user)
    pointers = {"unknown": handoff._signer.sign("999999"), "ours": handoff.token(world.invitation)}

    def pressed(pointer: str) -> tuple[Any, int]:
        with CaptureQueriesContext(connection) as queries:
            answer = browser.post("/handoff/", {"handoff": pointers[pointer], "consent": "link"})
        return seen(answer, ""), len(queries)

    pressed("unknown")
    unknown = pressed("unknown")
    ShortLink.objects.update(expires_at=now() - timedelta(seconds=1))
    expired = pressed("ours")
    ShortLink.objects.update(expires_at=now() + timedelta(hours=1))
    proven(world)
    mismatched = pressed("ours")
    invitations.step(world.invitation, "REVOKED", actor="handoff")
    revoked = pressed("ours")
    assert unknown == expired == mismatched == revoked
    assert unknown[0][0] == 404
    assert [data["reason"] for data in kept()] == ["dead_link"] * 2 + ["expired", "wrong_customer", "revoked"]


def test_five_wrong_codes_and_then_a_sentence_with_how_long(world: World) -> None:
    for _ in range(refusals.TRIES):
        assert typed("AAAA-AAAA").status_code == 422
    answer = typed(code(world))  # even the right one: the count must not tell which it is
    assert answer.status_code == 429
    assert "Wait 10 minutes" in answer.content.decode()
    assert 0 < int(answer["Retry-After"]) <= 600
    assert typed(code(world), address="203.0.113.77").status_code == 302  # nobody else is locked out
    assert Client().get(world.welcome, REMOTE_ADDR="203.0.113.9").status_code == 200  # nor is the link
    assert [data["reason"] for data in kept()] == ["wrong_code"] * 5 + ["too_many_tries"]


def test_a_session_that_changes_its_address_is_counted_too(world: World) -> None:
    browser = Client()
    for number in range(refusals.TRIES):
        assert typed("AAAA-AAAA", browser=browser, address=f"203.0.113.{number}").status_code == 422
    assert typed(code(world), browser=browser, address="203.0.113.200").status_code == 429


def test_tries_come_back_after_ten_minutes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(refusals.TRIES):
        typed("AAAA-AAAA")
    assert typed(code(world)).status_code == 429
    later = now() + refusals.WINDOW
    monkeypatch.setattr(refusals, "now", lambda: later)
    assert typed(code(world)).status_code == 302


def test_addresses_of_one_household_are_one(world: World) -> None:
    for number in range(refusals.TRIES):
        typed("AAAA-AAAA", address=f"2001:db8:7:7::{number + 1:x}")
    assert typed(code(world), address="2001:db8:7:7:ffff::1").status_code == 429
    assert typed(code(world), address="2001:db8:7:8::1").status_code == 302


def test_nothing_of_it_needs_redis(world: World, settings: Any) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}}
    for _ in range(refusals.TRIES):
        assert typed("AAAA-AAAA").status_code == 422
    assert typed(code(world)).status_code == 429


# What is kept of an attempt.


def test_a_line_names_no_stranger(world: World) -> None:
    browser = Client()
    typed("AAAA-AAAA", browser=browser)
    [data] = kept()
    assert set(data) == {"reason", "from", "session"}
    for secret in ("203.0.113", "AAAA", browser.cookies[settings.SESSION_COOKIE_NAME].value):
        assert secret not in str(data)


def test_prints_fade() -> None:
    at = now()
    later = at + 2 * refusals.WINDOW
    assert not set(refusals.prints("203.0.113.9", at)) & set(refusals.prints("203.0.113.9", later))
    assert refusals.prints("203.0.113.9", at)[0] == refusals.prints("203.0.113.9", at + refusals.WINDOW)[1]


def test_a_scanner_does_not_fill_the_trail(world: World) -> None:
    for _ in range(refusals.LINES + 5):
        assert Client().post("/welcome/0000000000000/", REMOTE_ADDR="203.0.113.9").status_code == 404
    assert len(kept()) == refusals.LINES
    Client().post("/welcome/0000000000000/", REMOTE_ADDR="203.0.113.10")
    assert len(kept()) == refusals.LINES + 1


def anonymous_callback(world: World) -> None:
    Client().get("/x/callback", {"code": "a", "state": "b"})


def callback_without_start(world: World) -> None:
    signed_in(world.jorge.user).get("/x/callback", {"code": "a", "state": "b"})


def declined(world: World) -> None:
    browser = signed_in(world.jorge.user)
    browser.post(world.welcome)
    away = agree(browser)["Location"]
    browser.get("/x/callback", {"error": "access_denied", "state": re.findall(r"[?&]state=([^&]+)", away)[0]})


def no_consent(world: World) -> None:
    browser = signed_in(world.jorge.user)
    browser.post(world.welcome)
    browser.post("/handoff/", {"handoff": handoff.token(world.invitation)})


def changed_pointer(world: World) -> None:
    signed_in(world.jorge.user).post("/handoff/", {"handoff": "1:forged:forged", "consent": "link"})


def changed_address(world: World) -> None:
    signed_in(world.jorge.user).get(world.chat)


def not_a_customer(world: World) -> None:
    signed_in(world.maya.user).post("/handoff/", {"handoff": handoff.token(world.invitation), "consent": "link"})


def other_customer(world: World) -> None:
    proven(world)
    signed_in(world.jorge.user).post("/handoff/", {"handoff": handoff.token(world.invitation), "consent": "link"})


@pytest.mark.parametrize(
    ("attempt", "reason", "case_known"),
    [
        (anonymous_callback, "no_login", False),
        (callback_without_start, "unknown_state", False),
        (declined, "declined_at_x", True),
        (no_consent, "no_consent", True),
        (changed_pointer, "changed_id", False),
        (changed_address, "changed_id", False),
        (not_a_customer, "not_allowed", False),
        (other_customer, "wrong_customer", True),
    ],
)
def test_every_refused_attempt_leaves_its_line(
    world: World, attempt: Callable[[World], None], reason: str, case_known: bool
) -> None:
    attempt(world)
    event = AuditEvent.objects.get(verb="refused_entry")
    assert event.data["reason"] == reason
    assert event.case == (world.case if case_known else None)


def test_who_only_looks_leaves_no_line(world: World) -> None:
    browser = signed_in(world.jorge.user)
    before = every_table()
    for path in ("/welcome/0000000000000/", "/handoff/", "/social/"):
        browser.get(path)
        browser.head(path)
    assert every_table() == before
