"""The customer asks to be called: at which number, when, how often, and who else can see it."""

import logging
import re
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from cryptography.exceptions import InvalidTag
from django.db import connection, transaction
from django.test import Client

from citisocial.clock import now
from conversations import callbacks, cases
from conversations.errors import CallOver, NobodyAnswers
from conversations.models import Callback, Case, OpeningHours
from tests.factories.called import DIALLED, NUMBER, asked, asking, moved, verbs
from tests.factories.desks import another_case, text_of
from tests.factories.invited import signed_in

pytestmark = pytest.mark.django_db


def test_customer_asks_to_be_called_and_the_chat_says_so_with_two_digits(world, maria):
    assert "Talk on the phone" in text_of(maria.get(world.chat))
    answer = maria.post(asking(world), {"number": NUMBER, "at": ""})
    assert answer["Location"] == world.chat
    call = Callback.objects.get()
    assert (call.kind, call.state, call.number_end) == ("me", "WAITING", "47")
    assert call.wanted_at == call.asked_at
    chat = text_of(maria.get(world.chat))
    assert "We call your number that ends in 47 as soon as somebody is free." in chat
    assert "9018" not in chat
    assert "call_asked" in verbs(world.case)
    assert Case.objects.get(pk=world.case.pk).move == "ours"


def test_number_lies_sealed_in_its_own_row_and_nowhere_else(world, maria, caplog):
    caplog.set_level(logging.DEBUG)
    maria.post(asking(world), {"number": NUMBER, "at": ""})
    call = Callback.objects.get()
    assert DIALLED.encode() not in bytes(call.sealed_number)
    callbacks.take(call, world.maya)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', ["%9018%"])
            assert cursor.fetchone()[0] == 0, table
    assert "9018" not in caplog.text
    other = another_case(world, 1, customer=world.maria)
    copied = callbacks.ask(other, world.maria, number="+1 212 555 0199")
    Callback.objects.filter(pk=copied.pk).update(sealed_number=call.sealed_number)
    copied.refresh_from_db()
    with pytest.raises(InvalidTag), transaction.atomic():
        callbacks.take(copied, world.maya)


@pytest.mark.parametrize(
    "typed", ["+493090182047", "0049 30 90182047", "+49 (30) 9018-2047", "+٤٩ ٣٠ ٩٠١٨٢٠٤٧", " +49\u00a030.901/82047 "]
)
def test_numbers_are_taken_as_people_write_them(world, typed):
    assert callbacks.take(asked(world, typed), world.maya) == DIALLED


@pytest.mark.parametrize(
    "typed",
    ["", "030 90182047", "+0 30 901 820", "+49", "+49301234567890123", "call me", "+49 30 ABC 8204", "++493090182047",
     "tel:+493090182047", "+493090182047;ext=1", "+4930\n90182047", "+49²3090182047"],
)  # fmt: skip
def test_what_is_no_number_is_refused_with_a_sentence_and_stays_typed(world, maria, typed):
    answer = maria.post(asking(world), {"number": typed, "at": ""})
    assert answer.status_code == 422
    assert "the number" in text_of(answer) or "too long" in text_of(answer)
    assert not Callback.objects.exists()


def test_time_is_chosen_within_opening_hours_and_shown_in_the_banks_zone(world, maria):
    brand = world.case.brand
    brand.time_zone = "America/New_York"
    brand.save()
    for weekday in range(7):
        OpeningHours.objects.create(brand=brand, weekday=weekday, opens=time(9), closes=time(17))
    world.case.refresh_from_db()
    page = text_of(maria.get(asking(world)))
    offered = re.findall(r'<option value="(\d[^"]+)">([^<]+)</option>', page)
    zone = ZoneInfo("America/New_York")
    assert offered
    assert {datetime.fromisoformat(at).astimezone(zone).hour for at, _words in offered} <= set(range(9, 17))
    assert all(re.search(r"\d{2}:00 E[SD]T$", words) for _at, words in offered)
    chosen = offered[-1][0]
    maria.post(asking(world), {"number": NUMBER, "at": chosen})
    assert Callback.objects.get().wanted_at == datetime.fromisoformat(chosen)
    closed = datetime.fromisoformat(chosen).astimezone(zone).replace(hour=3)
    for wrong in (closed, now() - timedelta(hours=1), datetime.fromisoformat(chosen) + timedelta(days=30)):
        with pytest.raises(NobodyAnswers):
            asked(world, at=wrong)
        assert maria.post(asking(world), {"number": NUMBER, "at": wrong.isoformat()}).status_code == 422
    assert Callback.objects.filter(state="WAITING").count() == 1


def test_as_soon_as_possible_is_when_they_open(world):
    opens = now() + timedelta(days=2)
    OpeningHours.objects.create(brand=world.case.brand, weekday=opens.weekday(), opens=time(0), closes=time(0))
    world.case.brand.refresh_from_db()
    call = asked(world)
    assert call.wanted_at.weekday() == opens.weekday()
    assert call.wanted_at > call.asked_at
    with pytest.raises(CallOver, match="later"):
        callbacks.take(call, world.maya)
    with pytest.raises(NobodyAnswers):
        callbacks.announce(world.case, world.maria)


def test_a_second_wish_takes_the_place_of_the_first_and_a_fourth_is_too_many(world, maria):
    first = asked(world)
    second = asked(world, "+1 212 555 0199")
    first.refresh_from_db()
    assert (first.state, bytes(first.sealed_number), second.state) == ("CANCELLED", b"", "WAITING")
    asked(world)
    answer = maria.post(asking(world), {"number": NUMBER, "at": ""})
    assert (answer.status_code, "several calls" in text_of(answer)) == (429, True)
    assert Callback.objects.count() == 3
    for call in Callback.objects.all():
        moved(call, asked_at=callbacks.WINDOW)
    asked(world)


def test_nothing_is_asked_while_somebody_calls_and_what_waits_is_taken_back(world, maria):
    call = asked(world)
    assert maria.post(f"{asking(world)}off/")["Location"] == world.chat
    call.refresh_from_db()
    assert (call.state, bytes(call.sealed_number)) == ("CANCELLED", b"")
    assert "was taken back" in text_of(maria.get(world.chat))
    callbacks.take(asked(world), world.maya)
    for further in ("", "off/", "code/"):
        answer = maria.post(asking(world) + further, {"number": NUMBER})
        assert (answer.status_code, "Maya has taken this call." in text_of(answer)) == (409, True)
    assert "Maya is calling you." in text_of(maria.get(world.chat))


def test_a_resolved_case_opens_again_and_a_closed_one_has_no_calls(world, maria):
    cases.connect(world.case, user=world.maria.user)
    cases.resolve(world.case, by=world.maya.user)
    asked(world)
    assert Case.objects.get(pk=world.case.pk).status == "CONNECTED"
    Case.objects.filter(pk=world.case.pk).update(status="CLOSED")
    assert maria.post(asking(world), {"number": NUMBER}).status_code == 409
    assert "Talk on the phone" not in text_of(maria.get(world.chat))


def test_other_customers_and_agents_ask_for_nothing(world):
    asked(world)
    for user in (world.jorge.user, world.maya.user):
        client = signed_in(user)
        for url in (asking(world), f"{asking(world)}code/", f"{asking(world)}off/"):
            answer = client.post(url, {"number": NUMBER})
            assert answer.status_code in (403, 404)
            assert "47" not in text_of(answer)
        assert client.get(asking(world)).status_code in (403, 404)
    assert Client().post(asking(world), {"number": NUMBER}).status_code == 302
    assert Callback.objects.get().state == "WAITING"
