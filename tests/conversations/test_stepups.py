"""Step-up inside a chat: the agent asks, the customer uses a second factor; only this session's own record counts."""

import base64
import json
import re
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY as RECORDS
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.db.models import F
from django.http import HttpResponse
from django.test import Client

from accounts import factors, mfa
from accounts.models import Customer, User
from conversations import cases, chat
from conversations.models import AuditEvent, Case, Message
from tests.accounts.soft_key import SoftKey
from tests.factories.desks import colleague, press, stranger, text_of
from tests.factories.invited import PASSWORD, World, every_table, invited, proven, signed_in

pytestmark = pytest.mark.django_db
LOGIN, CODE, CONFIRM = "/accounts/login/", "/accounts/2fa/authenticate/", "/accounts/2fa/reauthenticate/"
INDEX, APP, CODES = "/accounts/2fa/", "/accounts/2fa/totp/activate/", "/accounts/2fa/recovery-codes/"
PASSKEY, BY_PASSKEY = "/accounts/2fa/webauthn/add/", "/accounts/2fa/webauthn/reauthenticate/"
SECRET = base64.b32encode(b"a secret for tests!!").decode()
NOON = 1_800_000_000  # the first second of a period


@pytest.fixture(autouse=True)
def no_period_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a code is typed; what allauth writes into the session is by the real clock."""
    monkeypatch.setattr(totp, "time", SimpleNamespace(time=lambda: NOON))


@pytest.fixture
def world() -> World:
    world = invited()
    world.case = proven(world)
    chat.join(world.case, world.maria)
    return world


@pytest.fixture
def maya(world: World) -> Client:
    return signed_in(world.maya.user)


@pytest.fixture
def maria(world: World) -> Client:
    """With a password alone, and an app that she has had for a month."""
    factor = TOTP.activate(world.maria.user, SECRET).instance
    Authenticator.objects.filter(pk=factor.pk).update(created_at=F("created_at") - timedelta(days=30))
    return signed_in(world.maria.user)


def digits(later: int = 0, secret: str = SECRET) -> str:
    return format_hotp_value(hotp_value(secret, NOON // 30 + later))


def prove_page(world: World) -> str:
    return f"/chat/{world.case.public_id}/prove/"


def case_page(world: World) -> str:
    return f"/workspace/cases/{world.case.public_id}/"


def ask(client: Client, world: World) -> HttpResponse:
    return press(client, case_page(world) + "check/")


def confirm(client: Client, world: World, code: str) -> Any:
    return client.post(CONFIRM, {"code": code, "next": prove_page(world)})


def tell(client: Client, world: World, **fields: str) -> int:
    return client.post(prove_page(world), fields).status_code


def lines(world: World) -> list[tuple[str, str, str, int | None]]:
    return list(world.case.messages.order_by("seq").values_list("kind", "side", "text", "about"))


def proved(world: World) -> bool:
    return bool(world.case.messages.filter(kind="checked").exists() or passed(world))


def passed(world: World) -> list[dict[str, Any]]:
    return [event.data for event in AuditEvent.objects.filter(case=world.case, verb="check_passed").order_by("pk")]


def records(client: Client, **changes: Any) -> None:
    """Change the last record of this browser's session."""
    session = client.session
    session[RECORDS] = [*session[RECORDS][:-1], session[RECORDS][-1] | changes]
    session.save()


# Asking.


def test_asking_leaves_a_line_the_trail_and_a_way_for_the_customer(world: World, maya: Client, maria: Client) -> None:
    assert ask(maya, world).status_code == 200
    assert lines(world) == [("check", "agent", "", None)]
    assert AuditEvent.objects.get(verb="check_asked").user == world.maya.user
    assert Case.objects.get(pk=world.case.pk).move == "theirs"
    shown = text_of(maria.get(world.chat))
    # A window of its own: the page with the unsent text stays where it is.
    assert re.search(rf'href="{prove_page(world)}" target="_blank" rel="noopener"', shown)
    assert "Asked at" in text_of(maya.get(case_page(world)))


def test_only_the_cases_own_agent_asks(world: World, maya: Client, maria: Client) -> None:
    tom, eve = signed_in(colleague(world, "tom").user), signed_in(stranger())
    assert [ask(client, world).status_code for client in (tom, eve, maria, Client())] == [403, 404, 403, 401]
    assert maya.get(case_page(world) + "check/").status_code == 405
    cases.resolve(Case.objects.get(pk=world.case.pk), by=world.maya.user)
    assert ask(maya, world).status_code == 409
    assert lines(world) == []


def test_pressing_twice_asks_once_and_later_it_is_asked_again(world: World, maya: Client) -> None:
    assert [ask(maya, world).status_code for _ in range(2)] == [200, 409]
    Message.objects.update(sent_at=F("sent_at") - timedelta(minutes=10))
    assert ask(maya, world).status_code == 200
    assert len(lines(world)) == 2


# Proving.


def test_a_code_proves_it_and_the_agent_reads_so(world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    key = maria.session.session_key
    shown = text_of(maria.get(prove_page(world)))
    assert f'href="{CONFIRM}?next={prove_page(world)}"' in shown
    assert "data-prove" not in shown
    assert confirm(maria, world, digits())["Location"] == prove_page(world)
    assert lines(world) == [("check", "agent", "", None)]  # coming back is not yet telling
    back = text_of(maria.get(prove_page(world)))
    assert "data-prove" in back
    assert "prove.js" in back
    assert tell(maria, world) == 302
    assert lines(world)[1:] == [("checked", "customer", "totp", 1)]
    assert passed(world) == [{"seq": 1, "method": "totp", "new_factor": False}]
    assert "You have proved it" in text_of(maria.get(prove_page(world)))
    at = Message.objects.get(kind="checked").sent_at
    shown = text_of(maya.get(case_page(world)))
    assert f"Proved who they are at {at:%H:%M}" in shown
    assert "Counts for 10 minutes" in shown
    # The chat has lost nothing of it: the same session, the same page, nothing more to prove.
    assert maria.session.session_key == key
    assert "to-prove" not in text_of(maria.get(world.chat))


def test_telling_twice_says_it_once(world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    confirm(maria, world, digits())
    assert [tell(maria, world), tell(maria, world)] == [302, 302]
    assert len(lines(world)) == 2
    assert len(passed(world)) == 1


def test_signing_in_anew_with_the_factor_proves_it_too(world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    phone = Client()
    phone.post(LOGIN, {"login": "maria", "password": PASSWORD})
    phone.post(CODE, {"code": digits()})
    assert tell(phone, world) == 302
    assert proved(world)
    assert tell(maria, world) == 302  # the other browser is told that it is done; it has proved nothing itself
    assert len(lines(world)) == 2


def test_a_passkey_proves_it(world: World, maya: Client) -> None:
    maria = signed_in(world.maria.user)
    ask(maya, world)
    key = SoftKey()
    maria.post(prove_page(world), {"add": "yes"})
    maria.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": PASSKEY})
    credential = key.create(question(maria.get(PASSKEY), "creation_options"))
    maria.post(PASSKEY, {"name": "phone", "credential": json.dumps(credential), "passwordless": "on"})
    assert tell(maria, world) == 409
    asked = maria.get(f"{BY_PASSKEY}?next={prove_page(world)}")
    signed = {"credential": json.dumps(key.get(question(asked, "request_options"))), "next": prove_page(world)}
    assert maria.post(BY_PASSKEY, signed)["Location"] == prove_page(world)
    assert tell(maria, world) == 302
    assert passed(world) == [{"seq": 1, "method": "webauthn", "new_factor": True}]


def question(page: Any, name: str) -> Any:
    """The WebAuthn options that stand in the page for its script."""
    block = re.search(r'<script id="passkey_data" type="application/json">(.*?)</script>', page.content.decode())
    assert block is not None
    return json.loads(block[1])[name]


@pytest.mark.django_db(transaction=True)  # allauth ends the other sessions once the new factor is committed
def test_who_has_no_factor_adds_one_comes_back_and_must_still_use_it(world: World, maya: Client) -> None:
    maria, elsewhere = signed_in(world.maria.user), signed_in(world.maria.user)
    for page in (INDEX, APP):
        assert maria.get(page).status_code == 404  # nobody asked yet
    ask(maya, world)
    assert "no second factor yet" in text_of(maria.get(prove_page(world)))
    assert maria.post(prove_page(world), {"add": "yes"})["Location"] == INDEX
    assert "A second factor shows that it is you" in text_of(maria.get(INDEX))
    maria.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": APP})
    secret = re.search(r'class="mono secret">([A-Z2-7]+)<', text_of(maria.get(APP)))
    assert secret is not None
    assert maria.post(APP, {"code": digits(-1, secret[1])})["Location"] == CODES
    assert f'href="{prove_page(world)}"' in text_of(maria.get(CODES))
    # Having one is not using it; neither was the password. The chat is still hers here, and over elsewhere.
    assert tell(maria, world) == 409
    assert not proved(world)
    assert maria.get(world.chat).status_code == 200
    assert elsewhere.get(world.chat).status_code == 302
    confirm(maria, world, digits(0, secret[1]))
    assert tell(maria, world) == 302
    assert lines(world)[1:] == [("checked", "customer", "new-totp", 1)]
    assert passed(world) == [{"seq": 1, "method": "totp", "new_factor": True}]
    assert "added less than a day ago" in text_of(maya.get(case_page(world)))
    assert factors.WAY_BACK not in maria.session
    assert maria.get(INDEX).status_code == 200  # whoever has one may look at it and remove it


# What proves nothing.


def test_a_wrong_code_or_none_proves_nothing(world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    assert confirm(maria, world, "000000").status_code == 200
    answer = maria.post(prove_page(world) + "?proved=1&method=totp", {"proved": "1", "about": "1"})
    assert (answer.status_code, "Use it once more" in text_of(answer)) == (409, True)
    maria.get(prove_page(world) + "?proved=1")
    assert not proved(world)


def test_a_proof_of_before_the_question_proves_nothing(world: World, maya: Client, maria: Client) -> None:
    confirm(maria, world, digits())
    ask(maya, world)
    assert tell(maria, world) == 409
    assert not proved(world)
    confirm(maria, world, digits(1))
    assert tell(maria, world) == 302


def test_each_question_wants_a_proof_of_its_own(world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    confirm(maria, world, digits())
    tell(maria, world)
    ask(maya, world)
    assert tell(maria, world) == 409
    confirm(maria, world, digits(1))
    assert tell(maria, world) == 302
    assert [line[3] for line in lines(world) if line[0] == "checked"] == [1, 3]


@pytest.mark.parametrize(("seconds", "status"), [(590, 302), (610, 409)])
def test_an_old_proof_proves_nothing(seconds: int, status: int, world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    Message.objects.update(sent_at=F("sent_at") - timedelta(hours=1))
    confirm(maria, world, digits())
    records(maria, at=time.time() - seconds)
    assert tell(maria, world) == status
    assert proved(world) is (status == 302)


def test_nobody_elses_record_proves_anything(world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    TOTP.activate(world.jorge.user, SECRET)
    jorge = signed_in(world.jorge.user)
    confirm(jorge, world, digits())
    assert tell(jorge, world) == 404
    assert tell(maya, world) == 403
    # A record that stands in her session but is another login's, or is of another login's factor.
    confirm(maria, world, digits())
    factor = Authenticator.objects.get(user=world.jorge.user, type="totp").pk
    hers = maria.session[RECORDS][-1]["id"]
    records(maria, id=factor)
    assert tell(maria, world) == 409
    records(maria, id=hers)
    session = maria.session
    session[factors.OWNER] = str(world.jorge.user_id)
    session.save()
    assert tell(maria, world) == 409
    assert not proved(world)


def test_another_sessions_record_proves_nothing(world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    thief = signed_in(world.maria.user)
    confirm(maria, world, digits())
    assert tell(thief, world) == 409
    assert not proved(world)


def test_the_password_once_more_or_a_recovery_code_prove_nothing(world: World, maya: Client, maria: Client) -> None:
    codes = RecoveryCodes.activate(world.maria.user).get_unused_codes()
    ask(maya, world)
    maria.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": prove_page(world)})
    assert tell(maria, world) == 409
    assert confirm(maria, world, codes[0]).status_code == 302
    assert maria.session[RECORDS][-1]["type"] == "recovery_codes"
    assert tell(maria, world) == 409
    assert not proved(world)


def test_a_factor_that_was_taken_away_since_proves_nothing(world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    confirm(maria, world, digits())
    Authenticator.objects.filter(user=world.maria.user).delete()
    assert tell(maria, world) == 409


def test_after_a_supervisor_took_the_factors_away_the_session_is_over(
    world: World, maya: Client, maria: Client
) -> None:
    ask(maya, world)
    confirm(maria, world, digits())
    mfa.take_away(User.objects.get(pk=world.maria.user_id))
    assert maria.post(prove_page(world))["Location"].startswith(LOGIN)
    assert not proved(world)


def test_unasked_there_is_nothing_to_prove(world: World, maria: Client) -> None:
    confirm(maria, world, digits())
    answer = maria.post(prove_page(world))
    assert (answer.status_code, "Nobody asks you" in text_of(answer)) == (409, True)
    assert "Nobody asks for this now" in text_of(maria.get(prove_page(world)))


def test_a_closed_case_is_not_proved_in(world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    confirm(maria, world, digits())
    Case.objects.filter(pk=world.case.pk).update(status="CLOSED")
    assert tell(maria, world) == 409


def test_looking_at_the_page_changes_nothing(world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    confirm(maria, world, digits())
    before = every_table()
    for method in (maria.get, maria.head, maria.options):
        method(prove_page(world))
    assert every_table() == before


def test_a_proof_counts_for_ten_minutes(world: World, maya: Client, maria: Client) -> None:
    ask(maya, world)
    confirm(maria, world, digits())
    tell(maria, world)
    Message.objects.update(sent_at=F("sent_at") - timedelta(minutes=10))
    shown = text_of(maya.get(case_page(world)))
    assert "Over: a proof counts for 10 minutes" in shown
    assert "Counts for" not in shown


def test_a_customer_nobody_asked_has_none_of_the_pages(world: World) -> None:
    eve = Customer.objects.create(user=User.objects.create_user("eve", password=PASSWORD), name="Eve")
    assert [signed_in(eve.user).get(page).status_code for page in (INDEX, APP, CONFIRM, PASSKEY)] == [404] * 4
