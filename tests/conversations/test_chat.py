"""What either side writes: in order, without gaps, once, and only by those whose case it is."""

import threading
from uuid import uuid4

import pytest
from django.db import connection

from conversations import cases, chat, outreach, reading, surveys
from conversations.errors import BadText, CaseClosed, ChatNotOpen, NotAllowed, NotFound, SurveyOver
from conversations.models import Case, Message, Survey
from tests.factories.invited import invited, proven

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    w = invited()
    w.case = proven(w)
    chat.join(w.case, w.maria)
    w.case.refresh_from_db()
    return w


def say(world, author, text="hello", client_id=None):
    return chat.post(world.case, author=author, client_id=client_id or uuid4(), text=text)


def test_joining_connects_the_case_once(world):
    assert world.case.status == "CONNECTED"
    world.invitation.refresh_from_db()
    assert world.invitation.handoff == "JOINED"
    chat.join(world.case, world.maria)
    assert world.case.trail.filter(verb="connected").count() == 1


def test_messages_are_numbered_and_a_repeat_is_the_same_message(world):
    key = uuid4()
    first = say(world, world.maria, "my card", client_id=key)
    again = say(world, world.maria, "my card", client_id=key)
    second = say(world, world.maya, "I see it")
    assert (first.pk, first.seq, second.seq) == (again.pk, 1, 2)
    assert [m.seq for m in reading.lines(world.case.pk, after=1)] == [2]


def test_whose_move_follows_who_spoke(world):
    say(world, world.maya)
    assert Case.objects.get(pk=world.case.pk).move == "theirs"
    say(world, world.maria)
    assert Case.objects.get(pk=world.case.pk).move == "ours"


def test_private_details_are_masked_before_they_are_stored(world):
    message = say(world, world.maria, "it is 4111 1111 1111 1111, cvv 123")
    assert "4111" not in Message.objects.get(pk=message.pk).text
    assert message.masked == 2


@pytest.mark.parametrize(("text", "why"), [("  ", "Write something"), ("x" * 4001, "two messages"), ("\x00", "Write")])
def test_text_that_cannot_be_kept_is_refused_with_a_sentence(world, text, why):
    with pytest.raises(BadText, match=why):
        say(world, world.maria, text)


def test_strangers_and_other_agents_do_not_write(world):
    with pytest.raises(ChatNotOpen):
        say(world, world.jorge)
    omar = type(world.maya).objects.create(user=world.jorge.user, name="Omar")
    with pytest.raises(NotAllowed, match="Maya works on this case"):
        say(world, omar)
    assert not Message.objects.exists()


def test_nobody_writes_before_both_proofs():
    w = invited()
    for author in (w.maya, w.maria):
        with pytest.raises(ChatNotOpen):
            say(w, author)


def test_customers_word_reopens_a_resolved_case_and_an_agents_does_not(world):
    cases.resolve(world.case, by=world.maya.user)
    with pytest.raises(CaseClosed):
        say(world, world.maya)
    say(world, world.maria, "it failed again")
    case = Case.objects.get(pk=world.case.pk)
    assert (case.status, case.agent, case.move) == ("CONNECTED", world.maya, "ours")


@pytest.mark.django_db(transaction=True)
def test_numbers_have_no_gaps_when_both_sides_write_at_once():
    w = invited()
    w.case = proven(w)
    errors = []

    def talk(author):
        try:
            for _ in range(10):
                say(w, author)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=talk, args=(author,)) for author in (w.maya, w.maria) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(Message.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 41))


def test_survey_is_offered_once_and_answered_once(world):
    survey = cases.resolve(world.case, by=world.maya.user)
    with pytest.raises(NotFound):
        surveys.offered(survey.public_id, world.jorge)
    asked = surveys.offered(survey.public_id, world.maria)
    surveys.answer(asked, world.maria, csat=5, solved=True, comment="card 4111 1111 1111 1111")
    kept = Survey.objects.get()
    assert (kept.state, kept.csat, kept.solved, kept.comment) == ("ANSWERED", 5, True, "card [card number removed]")
    with pytest.raises(SurveyOver):
        surveys.offered(survey.public_id, world.maria)
    with pytest.raises(SurveyOver):
        surveys.answer(asked, world.maria, csat=1, solved=False)


def test_resolving_again_offers_one_survey(world):
    first = cases.resolve(world.case, by=world.maya.user)
    cases.reopen(world.case, by=world.maya.user)
    assert cases.resolve(world.case, by=world.maya.user) == first


def test_reach_knows_a_resolved_case(world):
    cases.resolve(world.case, by=world.maya.user)
    with pytest.raises(CaseClosed):
        outreach.invite(world.case, world.maya, text="Hi:")
