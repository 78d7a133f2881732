"""One agent takes the call and says how it ended; what nobody makes or ends is over in time."""

import json
import re
import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from accounts.models import Agent
from citisocial.clock import now
from conversations import callbacks, events
from conversations.errors import CallOver, CallTaken
from conversations.models import Callback
from tests.factories.called import CALLS, DIALLED, NUMBER, asked, asking, moved, path, verbs
from tests.factories.desks import another_case, colleague, page_of, press, queries, stranger, text_of
from tests.factories.invited import invited, proven, signed_in

pytestmark = pytest.mark.django_db


def test_agent_takes_the_call_sees_the_number_once_by_post_and_says_how_it_ended(world, maria, maya):
    call = asked(world)
    listed = text_of(maya.get(CALLS))
    assert "Their number ends in 47." in listed
    assert "9018" not in listed
    taken = maya.post(path(call, "take"))
    assert taken.status_code == 200
    assert DIALLED in text_of(taken)
    assert taken["Cache-Control"].count("no-store") == 1
    assert DIALLED not in text_of(maya.get(CALLS))
    assert maya.get(path(call, "take")).status_code == maya.get(path(call, "number")).status_code == 405
    assert DIALLED in text_of(maya.post(path(call, "number")))
    assert maya.post(path(call, "reached"))["Location"] == CALLS
    call.refresh_from_db()
    assert (call.state, bytes(call.sealed_number), call.number_end) == ("DONE", b"", "47")
    assert verbs(world.case)[-5:] == ["call_asked", "call_taken", "number_viewed", "number_viewed", "call_done"]
    assert "You talked to Maya on the phone." in text_of(maria.get(world.chat))
    assert "9018" not in json.dumps(list(world.case.trail.values_list("data", flat=True)))
    assert maya.post(path(call, "number")).status_code == 409
    assert "Maya talked to them on the phone" in text_of(maya.get(page_of(world.case)))


def test_who_comes_second_reads_who_has_it_and_sees_no_number(world, maya):
    omar = colleague(world, "omar")
    call = asked(world)
    maya.post(path(call, "take"))
    theirs = signed_in(omar.user)
    for what in ("take", "number", "reached", "missed"):
        answer = theirs.post(path(call, what))
        assert (answer.status_code, "Maya has taken this call." in text_of(answer)) == (409, True)
        assert "9018" not in text_of(answer)
        data = press(theirs, path(call, what)).json()
        assert data["error"] == {"code": "call_taken", "message": "Maya has taken this call."}
    call.refresh_from_db()
    assert (call.state, call.agent) == ("TAKEN", world.maya)
    assert "Maya is on the phone with them since" in text_of(theirs.get(CALLS))


@pytest.mark.django_db(transaction=True)
def test_of_many_who_take_it_at_once_one_wins():
    w = invited()
    w.case = proven(w)
    call = callbacks.ask(w.case, w.maria, number=NUMBER)
    crowd = [colleague(w, f"agent{n}") for n in range(6)]
    start, got = threading.Barrier(len(crowd)), []

    def take(agent):
        start.wait()
        try:
            got.append(callbacks.take(Callback.objects.get(pk=call.pk), agent))
        except CallTaken as refusal:
            got.append(str(refusal))
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=(agent,)) for agent in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = Callback.objects.get().agent
    assert sorted(got) == sorted([DIALLED, *[f"{winner.name} has taken this call."] * 5])
    assert w.case.trail.filter(verb="number_viewed").count() == 1


def test_not_reached_can_be_asked_again(world, maria, maya):
    call = asked(world)
    maya.post(path(call, "take"))
    maya.post(path(call, "missed"))
    call.refresh_from_db()
    assert (call.state, bytes(call.sealed_number)) == ("MISSED", b"")
    assert "did not reach you" in text_of(maria.get(world.chat))
    assert maria.post(asking(world), {"number": NUMBER, "at": ""}).status_code == 302


def test_agents_of_other_banks_and_customers_see_no_calls(world, maria):
    call = asked(world)
    eve = signed_in(stranger())
    assert "Nobody waits for a call." in text_of(eve.get(CALLS))
    for what in ("take", "number", "reached", "missed"):
        assert press(eve, path(call, what)).status_code == 404
        assert press(maria, path(call, what)).status_code == 403
        assert press(Client(), path(call, what)).status_code == 401
    assert maria.get(CALLS).status_code == 403
    call.refresh_from_db()
    assert call.state == "WAITING"


def test_list_is_due_first_paged_by_keys_and_asks_the_same_for_one_and_three(world, maya, monkeypatch):
    others = [another_case(world, n, customer=world.maria) for n in range(1, 4)]
    soon = callbacks.ask(others[0], world.maria, number=NUMBER)
    few = queries(maya, CALLS)
    at = callbacks.slots(world.case.brand, now())[3]
    late = callbacks.ask(others[1], world.maria, number=NUMBER, at=at)
    callbacks.take(callbacks.ask(others[2], world.maria, number=NUMBER), world.maya)
    assert queries(maya, CALLS) == few
    assert [call.wanted_at for call in callbacks.waiting_for(world.maya)][-1] == late.wanted_at
    monkeypatch.setattr(callbacks, "PAGE", 2)
    page = text_of(maya.get(CALLS))
    assert f"call-{soon.public_id}" in page
    assert f"call-{late.public_id}" not in page
    further = re.search(r'href="\?after=([^"]+)"', page)
    rest = text_of(maya.get(f"{CALLS}?after={further[1]}"))
    assert f"call-{late.public_id}" in rest
    assert f"call-{soon.public_id}" not in rest
    for nonsense in ("x", "2026-11-22,3", "2026-11-22T10:00:00+00:00,x", ",", f"{now().isoformat()},{'9' * 5000}"):
        assert maya.get(CALLS, {"after": nonsense}).status_code == 200


# Time, and open pages.


def test_what_nobody_made_is_over_and_its_number_gone(world, maria):
    call = moved(asked(world), expires_at=timedelta(hours=25))
    assert press(signed_in(world.maya.user), path(call, "take")).status_code == 409
    assert callbacks.tend() == 1
    call.refresh_from_db()
    assert (call.state, bytes(call.sealed_number)) == ("EXPIRED", b"")
    assert "did not manage to call you" in text_of(maria.get(world.chat))
    assert "call_expired" in verbs(world.case)
    assert callbacks.tend() == 0


def test_a_vanished_agents_call_waits_again_and_one_who_is_there_keeps_it(world):
    call = asked(world)
    callbacks.take(call, world.maya)
    assert callbacks.tend() == 0
    Agent.objects.filter(pk=world.maya.pk).update(seen_at=now())
    moved(call, taken_at=timedelta(minutes=31))
    assert callbacks.tend() == 0
    Agent.objects.filter(pk=world.maya.pk).update(seen_at=now() - timedelta(minutes=31))
    assert callbacks.tend() == 1
    call.refresh_from_db()
    assert (call.state, call.agent) == ("WAITING", None)
    with pytest.raises(CallOver, match="Take it first"):
        callbacks.number(call, world.maya)
    assert callbacks.take(call, colleague(world, "omar")) == DIALLED
    moved(call, taken_at=timedelta(hours=5))
    Agent.objects.filter(pk=call.agent_id).update(seen_at=now())
    assert callbacks.tend() == 1


def test_a_call_by_code_that_nobody_ended_is_over(world):
    call, code = callbacks.announce(world.case, world.maria)
    callbacks.answer(code, world.maya)
    call.refresh_from_db()
    moved(call, taken_at=timedelta(minutes=31))
    assert callbacks.tend() == 1
    call.refresh_from_db()
    assert call.state == "EXPIRED"


def test_the_database_keeps_no_number_of_a_call_that_is_over(world):
    call = asked(world)
    with pytest.raises(IntegrityError, match="callback_secrets_only_while_open"), transaction.atomic():
        Callback.objects.filter(pk=call.pk).update(state="DONE")
    with pytest.raises(IntegrityError, match="callback_taken_by_somebody"), transaction.atomic():
        Callback.objects.filter(pk=call.pk).update(state="TAKEN")


def test_open_pages_are_poked_with_ids_alone(world, monkeypatch, django_capture_on_commit_callbacks):
    told = []
    monkeypatch.setattr(events, "_publish", lambda *said: told.append(said))
    with django_capture_on_commit_callbacks(execute=True):
        call = asked(world)
        callbacks.take(call, world.maya)
        callbacks.finish(call, world.maya, reached=True)
    case = events.case_room(world.case.pk)
    pokes = [data for room, _kind, data in told if room == case and str(data).startswith("call_")]
    assert pokes == ["call_asked", "call_taken", "call_done"]
    inbox = events.inbox_room(world.case.brand_id)
    assert (inbox, events.INBOX, {str(world.case.pk): []}) in told
    assert "9018" not in repr(told)
