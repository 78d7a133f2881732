"""The customer calls: a code shown once, good for one case, one bank and a quarter of an hour."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Agent
from citisocial.clock import now
from conversations import callbacks
from conversations.errors import TooManyCodes, WrongCode
from conversations.models import AuditEvent, Callback, Case
from tests.factories.called import CALLS, asking, code_on, moved, path
from tests.factories.desks import another_case, colleague, page_of, press, stranger, text_of
from tests.factories.invited import signed_in

pytestmark = pytest.mark.django_db


def test_code_is_shown_once_and_opens_the_case_for_whoever_answers(world, maria):
    shown = maria.post(f"{asking(world)}code/")
    code = code_on(shown)
    assert "+1 212 555 0100" in text_of(shown)
    assert "no-store" in shown["Cache-Control"]
    for page in (world.chat, asking(world)):
        assert code not in text_of(maria.get(page))
    call = Callback.objects.get()
    assert code.encode() not in bytes(call.code_mac)
    assert call.expires_at - call.asked_at == timedelta(minutes=15)
    omar = colleague(world, "omar")
    theirs = signed_in(omar.user)
    assert "They may call with a code until" in text_of(theirs.get(CALLS))
    answer = theirs.post(f"{CALLS}code/", {"code": f"{code[:3]} {code[3:]}"})
    assert answer["Location"] == page_of(world.case)
    assert "You are on the phone with them" in text_of(theirs.get(page_of(world.case)))
    call.refresh_from_db()
    case = Case.objects.get(pk=world.case.pk)
    assert (call.state, call.agent, call.code_mac, case.agent) == ("TAKEN", omar, None, world.maya)
    used = world.case.trail.get(verb="call_code_used")
    assert (used.user, used.data) == (omar.user, {"call": call.pk, "kind": "now"})
    assert theirs.post(f"{CALLS}code/", {"code": code}).status_code == 422
    assert theirs.post(path(call, "reached")).status_code == 302
    assert press(theirs, path(call, "take")).status_code == 409


def test_without_a_phone_nobody_is_offered_a_code(world, maria):
    world.case.brand.phone = ""
    world.case.brand.save()
    assert "You call us" not in text_of(maria.get(asking(world)))
    answer = maria.post(f"{asking(world)}code/")
    assert (answer.status_code, "Nobody answers calls here" in text_of(answer)) == (409, True)


def test_a_code_opens_nothing_when_it_is_over_taken_back_or_another_banks(world, maria):
    eve = Agent.objects.get(user=stranger())
    code = code_on(maria.post(f"{asking(world)}code/"))
    with pytest.raises(WrongCode):
        callbacks.answer(code, eve)
    moved(Callback.objects.get(), expires_at=timedelta(minutes=15))
    with pytest.raises(WrongCode):
        callbacks.answer(code, world.maya)
    newer = code_on(maria.post(f"{asking(world)}code/"))
    callbacks.cancel(world.case, world.maria)
    with pytest.raises(WrongCode):
        callbacks.answer(newer, world.maya)
    assert AuditEvent.objects.filter(verb="call_code_wrong").count() == 3


def test_ten_wrong_codes_end_the_guessing_for_a_quarter_of_an_hour(world, maria, maya):
    code = code_on(maria.post(f"{asking(world)}code/"))
    wrong = [f"{(int(code) + n) % 1_000_000:06}" for n in range(1, 11)]
    for guess in wrong:
        assert maya.post(f"{CALLS}code/", {"code": guess}).status_code == 422
    answer = maya.post(f"{CALLS}code/", {"code": code})
    assert (answer.status_code, "Wait 15 minutes" in text_of(answer)) == (429, True)
    assert Callback.objects.get().state == "WAITING"
    assert callbacks.answer(code, colleague(world, "omar")) == world.case


def test_guessing_is_allowed_again_after_the_wait(world, monkeypatch):
    for _guess in range(10):
        with pytest.raises(WrongCode):
            callbacks.answer("000000", world.maya)
    with pytest.raises(TooManyCodes):
        callbacks.answer("000000", world.maya)
    at = now() + timedelta(minutes=15)
    monkeypatch.setattr(callbacks, "now", lambda: at)
    with pytest.raises(WrongCode):
        callbacks.answer("000000", world.maya)


def test_a_wrong_code_asks_what_a_wrong_one_of_another_kind_asks(world, maria):
    """The same statements for unknown, another bank's and over: nothing to be told by the time it takes."""
    code = code_on(maria.post(f"{asking(world)}code/"))
    eve = Agent.objects.select_related("user").get(user=stranger())
    counted = []
    for text, agent in (("x", world.maya), (f"{int(code) ^ 1:06}", world.maya), (code, eve), ("1" * 20, world.maya)):
        with CaptureQueriesContext(connection) as found, pytest.raises(WrongCode):
            callbacks.answer(text, agent)
        counted.append(len(found))
    assert len(set(counted)) == 1


def test_two_cases_never_wait_with_one_code(world, maria, monkeypatch):
    drawn = iter([7, 7, 7, 8])
    monkeypatch.setattr(callbacks.secrets, "randbelow", lambda _below: next(drawn))
    _call, first = callbacks.announce(world.case, world.maria)
    other = another_case(world, 1, customer=world.maria)
    _call, second = callbacks.announce(other, world.maria)
    assert (first, second) == ("000007", "000008")
    with pytest.raises(IntegrityError), transaction.atomic():
        Callback.objects.filter(case=other).update(code_mac=Callback.objects.get(case=world.case).code_mac)


def test_codes_are_three_an_hour(world, maria):
    codes = {code_on(maria.post(f"{asking(world)}code/")) for _try in range(3)}
    assert maria.post(f"{asking(world)}code/").status_code == 429
    assert Callback.objects.filter(state="WAITING").count() == 1
    assert len(codes) == 3
