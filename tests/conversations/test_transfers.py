"""A case that changes hands: offered and answered by the pages, in time or not, and each time exactly once."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from accounts import agents
from accounts.models import Team
from accounts.permissions import close_login
from conversations import cases, tasks, transfers
from conversations.errors import ConversationError
from conversations.models import AuditEvent, Case, Note, Transfer
from tests.factories.desks import another_case, queries, stranger, text_of
from tests.factories.invited import World, signed_in
from tests.factories.passing import NOTE, answer, chatting, colleague, offer, offered, page, supervisor, too_late

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return chatting()


@pytest.fixture
def maya(world: World) -> Client:
    return signed_in(world.maya.user)


def holder(world: World) -> str:
    agent = Case.objects.select_related("agent").get(pk=world.case.pk).agent
    return agent.name if agent else ""


def state(transfer: Transfer) -> str:
    return Transfer.objects.get(pk=transfer.pk).state


def lines(world: World) -> list[str]:
    """What happened in the chat that is no message."""
    found = world.case.messages.filter(kind="event", text="transferred").select_related("agent").order_by("seq")
    return [line.agent.name for line in found if line.agent]


# Offering.


def test_it_stays_until_the_one_asked_accepts_and_the_customer_reads_who_goes_on(maya: Client, world: World) -> None:
    omar = colleague(world, "omar")
    theirs = signed_in(omar.user)
    transfer = offered(world, omar)
    assert holder(world) == "Maya"
    assert "Maya offers you case 90210" in text_of(theirs.get("/workspace/"))
    assert "Knows the Lisbon branch" in text_of(theirs.get("/workspace/offers/"))
    assert "Maya offers you this case" in text_of(theirs.get(page(world.case)))
    assert "Offered to Omar until" in text_of(maya.get(page(world.case)))
    accepted = answer(theirs, transfer, "accept")
    assert (accepted.status_code, accepted["Location"]) == (302, page(world.case))
    assert (holder(world), state(transfer), lines(world)) == ("Omar", "ACCEPTED", ["Omar"])
    assert "Omar looks after you from now on." in text_of(signed_in(world.maria.user).get(world.chat))
    assert "Knows the Lisbon branch" in text_of(theirs.get(page(world.case)))
    assert "offers you" not in text_of(theirs.get("/workspace/"))


def test_the_note_is_masked_and_the_trail_has_its_number_alone(world: World) -> None:
    transfer = offered(world, colleague(world, "omar"))
    note = Note.objects.get()
    assert note.text == transfer.note == NOTE.replace("4111 1111 1111 1111", "[card number removed]")
    line = AuditEvent.objects.get(verb="offered")
    assert (line.actor, line.user, line.data) == (
        "agent",
        world.maya.user,
        {"transfer": transfer.pk, "to": "Omar", "note": note.pk},
    )
    assert not [event for event in AuditEvent.objects.all() if "Lisbon" in str(event.data)]


def test_a_team_is_asked_and_who_is_first_has_it(world: World, maya: Client) -> None:
    omar, ina = colleague(world, "omar"), colleague(world, "ina", "busy")
    care = Team.objects.get(name="Care")
    assert offer(maya, world.case, f"team-{care.pk}").status_code == 302
    transfer = Transfer.objects.get()
    refused = answer(signed_in(ina.user), transfer, "decline")
    assert (refused.status_code, state(transfer)) == (403, "WAITING")
    assert "Your whole team was asked" in text_of(refused)
    assert answer(maya, transfer, "accept").status_code == 403
    assert answer(signed_in(ina.user), transfer, "accept").status_code == 302
    late = answer(signed_in(omar.user), transfer, "accept")
    assert (late.status_code, holder(world)) == (409, "Ina")
    assert "Ina has accepted this case already." in text_of(late)


def test_whom_one_may_offer_it_to_those_who_can_take_work_first(world: World, maya: Client) -> None:
    colleague(world, "anna", "away")
    colleague(world, "omar")
    colleague(world, "gone", "offline")
    close_login(colleague(world, "ended").user)
    stranger()
    assert [one.agent.name for one in transfers.colleagues(world.case)] == ["Omar", "Anna"]
    html = text_of(maya.get(page(world.case) + "transfer/"))
    assert html.index("Omar: here, 0 of 8 cases") < html.index("Anna: away")
    assert not [name for name in ("Gone", "Ended", "Eve", "Elsewhere") if f">{name}" in html]


@pytest.mark.parametrize(
    ("who", "status", "sentence"),
    [
        ("maya", 403, "Maya has this case already."),
        ("gone", 409, "Gone is not here now."),
        ("ended", 409, "Ended is not here now."),
        ("eve", 403, "They are in no team of Citi."),
        ("elsewhere", 403, "This team does not look after Citi."),
        ("alone", 409, "Nobody else of Care is here now."),
        ("nobody", 422, "Choose whom you offer the case to."),
        ("agent-0", 422, "Choose whom you offer the case to."),
    ],
)
def test_to_whom_it_is_not_offered(world: World, maya: Client, who: str, status: int, sentence: str) -> None:
    close_login(colleague(world, "ended").user)
    to = {
        "maya": f"agent-{world.maya.pk}",
        "gone": f"agent-{colleague(world, 'gone', 'offline').pk}",
        "ended": f"agent-{world.maya.teams.get().agents.get(name='Ended').pk}",
        "eve": f"agent-{stranger().agent.pk}",
        "elsewhere": f"team-{Team.objects.get(name='Elsewhere').pk}",
        "alone": f"team-{Team.objects.get(name='Care').pk}",
        "nobody": "",
    }.get(who, who)
    refused = offer(maya, world.case, to)
    assert (refused.status_code, Transfer.objects.count(), Note.objects.count()) == (status, 0, 0)
    assert sentence in text_of(refused)


@pytest.mark.parametrize(("note", "status"), [("", 422), (" \n", 422), ("x" * 1001, 422), ("x" * 1000, 302)])
def test_a_note_goes_along_and_is_not_too_long(world: World, maya: Client, note: str, status: int) -> None:
    answered = offer(maya, world.case, colleague(world, "omar"), note)
    assert (answered.status_code, Transfer.objects.count()) == (status, int(status == 302))
    if note.strip() and status == 422:
        assert note in text_of(answered), "what was typed is kept"


def test_only_who_has_the_case_or_supervises_offers_it(world: World, maya: Client) -> None:
    omar, ina = colleague(world, "omar"), colleague(world, "ina")
    refused = offer(signed_in(omar.user), world.case, ina)
    assert (refused.status_code, "Maya works on this case." in text_of(refused)) == (403, True)
    assert offer(signed_in(stranger()), world.case, ina).status_code == 404
    assert offer(signed_in(world.maria.user), world.case, ina).status_code == 403
    grace = signed_in(supervisor())
    made = offer(grace, world.case, ina)
    assert (made.status_code, made["Location"]) == (302, f"/workspace/listen/{world.case.public_id}/")
    assert AuditEvent.objects.get(verb="offered").actor == "supervisor"
    again = offer(maya, world.case, omar)
    assert (again.status_code, "already offered to Ina" in text_of(again)) == (409, True)
    assert answer(grace, Transfer.objects.get(), "cancel").status_code == 302
    assert offer(maya, world.case, omar).status_code == 302


def test_what_nobody_works_on_is_not_offered(world: World, maya: Client) -> None:
    cases.resolve(world.case, by=world.maya.user)
    refused = offer(maya, world.case, colleague(world, "omar"))
    assert (refused.status_code, Transfer.objects.count()) == (409, 0)


# Answering.


def test_declined_and_taken_back_it_stays(world: World, maya: Client) -> None:
    omar = colleague(world, "omar")
    theirs = signed_in(omar.user)
    first = offered(world, omar)
    assert answer(theirs, first, "decline").status_code == 302
    second = offered(world, omar)
    assert answer(maya, second, "cancel").status_code == 302
    assert (state(first), state(second), holder(world), lines(world)) == ("DECLINED", "CANCELLED", "Maya", [])
    html = text_of(maya.get(page(world.case)))
    assert "Omar declined. The case stays where it is." in html
    assert "The offer was taken back" in html


@pytest.mark.parametrize("what", ["accept", "decline", "cancel"])
def test_nobody_else_answers(world: World, what: str) -> None:
    transfer = offered(world, colleague(world, "omar"))
    assert answer(signed_in(colleague(world, "ina").user), transfer, what).status_code == 403
    assert answer(signed_in(stranger()), transfer, what).status_code == 404
    assert answer(signed_in(world.maria.user), transfer, what).status_code == 403
    assert signed_in(world.maya.user).get(f"/workspace/transfers/{transfer.pk}/{what}/").status_code == 405
    assert (state(transfer), holder(world)) == ("WAITING", "Maya")


def test_every_act_needs_the_token_of_its_page(world: World) -> None:
    transfer = offered(world, colleague(world, "omar"))
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(world.maya.user)
    for path in (
        f"/workspace/transfers/{transfer.pk}/cancel/",
        page(world.case) + "transfer/",
        page(world.case) + "note/",
    ):
        assert careful.post(path, {"text": "x"}).status_code == 403
    assert state(transfer) == "WAITING"


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ("declined", "Omar has declined."),
        ("cancelled", "This offer was taken back."),
        ("fell back", "The time to answer is over. The case is with Maya."),
        ("resolved", "This case went another way meanwhile."),
        ("given", "This case went another way meanwhile."),
    ],
)
def test_who_accepts_too_late_reads_why(world: World, before: str, sentence: str) -> None:
    omar, ina = colleague(world, "omar"), colleague(world, "ina")
    transfer = offered(world, omar)
    if before == "declined":
        transfers.decline(transfer, omar)
    elif before == "cancelled":
        transfers.cancel(transfer, world.maya.user)
    elif before == "fell back":
        too_late(transfer)
        tasks.fall_back()
    elif before == "resolved":
        cases.resolve(Case.objects.get(pk=world.case.pk), by=world.maya.user)
    else:
        cases.hand_to(Case.objects.get(pk=world.case.pk), ina, verb="reassigned", actor="supervisor")
    had = holder(world)
    late = answer(signed_in(omar.user), transfer, "accept")
    assert (late.status_code, sentence in text_of(late)) == (409, True), text_of(late)
    assert (holder(world), lines(world)) == (had, [])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rival", ["accept", "cancel", "fall back", "decline"])
def test_of_two_at_once_exactly_one_wins(world: World, rival: str) -> None:
    omar, ina = colleague(world, "omar"), colleague(world, "ina")
    transfer = transfers.offer(world.case, by=world.maya.user, to_team=world.maya.teams.get(), note="Please")
    if rival in ("fall back", "decline"):
        Transfer.objects.filter(pk=transfer.pk).update(to_agent=omar, to_team=None)
        transfer.refresh_from_db()
    if rival == "fall back":
        too_late(transfer)
    others: dict[str, Callable[[], object]] = {
        "accept": lambda: transfers.accept(Transfer.objects.get(pk=transfer.pk), ina),
        "cancel": lambda: transfers.cancel(Transfer.objects.get(pk=transfer.pk), world.maya.user),
        "fall back": transfers.fall_back,
        "decline": lambda: transfers.decline(Transfer.objects.get(pk=transfer.pk), omar),
    }
    start, won, refused = threading.Barrier(2), [], []

    def press(act: Callable[[], object]) -> None:
        try:
            start.wait()
            won.append(act())
        except ConversationError as refusal:
            refused.append(str(refusal))
        finally:
            connection.close()

    accepting = lambda: transfers.accept(Transfer.objects.get(pk=transfer.pk), omar)  # noqa: E731
    threads = [threading.Thread(target=press, args=(act,)) for act in (accepting, others[rival])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = AuditEvent.objects.filter(verb__in=["transferred", "declined", "offer_ended", "fell_back"]).count()
    assert (done, state(transfer) != "WAITING") == (1, True)
    assert len(refused) == 1 or rival == "fall back"  # the clock is not told that somebody was faster
    assert len(lines(world)) == int(holder(world) != "Maya")


# In time.


def test_nobody_answers_and_it_stays_with_who_is_here(world: World, maya: Client) -> None:
    transfer = offered(world, colleague(world, "omar"))
    tasks.fall_back()
    assert state(transfer) == "WAITING"
    too_late(transfer)
    tasks.fall_back()
    assert (state(transfer), holder(world), lines(world)) == ("FELL_BACK", "Maya", [])
    assert "Nobody accepted in time: the case stays with Maya" in text_of(maya.get(page(world.case)))


def test_nobody_answers_and_the_best_colleague_gets_it_when_the_first_is_away(world: World) -> None:
    omar = colleague(world, "omar")
    colleague(world, "full", languages=["en", "pt"], capacity=0)
    ines = colleague(world, "ines", languages=["pt"])
    Case.objects.filter(pk=world.case.pk).update(language="pt")
    transfer = offered(world, omar)
    agents.set_availability(world.maya, "away")
    too_late(transfer)
    tasks.fall_back()
    assert (state(transfer), holder(world), lines(world)) == ("FELL_BACK", "Ines", ["Ines"])
    story = text_of(signed_in(ines.user).get(page(world.case)))
    assert "Nobody accepted in time, and Ines goes on with the case" in story
    assert "Knows the Lisbon branch" in story


def test_nobody_answers_and_nobody_is_here(world: World, maya: Client) -> None:
    omar = colleague(world, "omar")
    transfer = offered(world, omar)
    for agent in (world.maya, omar):
        agents.set_availability(agent, "offline")
    too_late(transfer)
    tasks.fall_back()
    assert (state(transfer), holder(world)) == ("FELL_BACK", "Maya")
    assert "nobody is here: the case waits for Maya" in text_of(maya.get(page(world.case)))


def test_who_is_busy_is_here_for_their_own_customers(world: World) -> None:
    transfer = offered(world, colleague(world, "omar"))
    agents.set_availability(world.maya, "busy")
    too_late(transfer)
    tasks.fall_back()
    assert holder(world) == "Maya"


def test_what_the_case_has_overtaken_is_ended_and_stands_in_nobodys_way(world: World) -> None:
    omar, ina = colleague(world, "omar"), colleague(world, "ina")
    first = offered(world, omar)
    cases.hand_to(Case.objects.get(pk=world.case.pk), ina, verb="reassigned", actor="supervisor")
    assert "offers you" not in text_of(signed_in(omar.user).get("/workspace/"))
    assert offer(signed_in(ina.user), world.case, omar).status_code == 302
    assert state(first) == "CANCELLED"
    second = Transfer.objects.get(state="WAITING")
    cases.resolve(Case.objects.get(pk=world.case.pk), by=ina.user)
    tasks.fall_back()
    assert state(second) == "CANCELLED"


# The customer asks for somebody else.


def another(world: World, client: Client | None = None) -> HttpResponse:
    return (client or signed_in(world.maria.user)).post(f"{world.chat}another/")


def test_the_customer_of_an_agent_who_is_away_goes_on_with_somebody_else_at_once(world: World) -> None:
    colleague(world, "omar")
    agents.set_availability(world.maya, "away")
    done = another(world)
    assert (done.status_code, done["Location"]) == (302, world.chat)
    assert (holder(world), lines(world)) == ("Omar", ["Omar"])
    line = AuditEvent.objects.get(verb="transferred")
    assert (line.actor, line.user, line.data["from"]) == ("customer", world.maria.user, "Maya")
    assert Transfer.objects.get().state == "ACCEPTED"


def test_while_the_agent_is_here_or_nobody_else_is_it_stays(world: World) -> None:
    omar = colleague(world, "omar")
    here = another(world)
    assert (here.status_code, "Maya is here: write to them." in text_of(here)) == (403, True)
    agents.set_availability(world.maya, "away")
    agents.set_availability(omar, "busy")
    alone = another(world)
    assert (alone.status_code, "Nobody else is here now." in text_of(alone)) == (409, True)
    assert f'href="{world.chat}"' in text_of(alone)
    assert (holder(world), Transfer.objects.count()) == ("Maya", 0)


def test_nobody_asks_for_another_in_a_case_that_is_not_theirs(world: World) -> None:
    colleague(world, "omar")
    agents.set_availability(world.maya, "away")
    for who in (world.jorge.user, world.maya.user):
        assert another(world, signed_in(who)).status_code in (403, 404)
    assert signed_in(world.maria.user).get(f"{world.chat}another/").status_code == 405
    assert holder(world) == "Maya"


# What it costs.


def test_three_offers_and_colleagues_cost_as_many_queries_as_one(world: World, maya: Client) -> None:
    omar = colleague(world, "omar")
    theirs = signed_in(omar.user)
    offered(world, omar)

    def cost() -> list[int]:
        pages = ["/workspace/offers/", "/workspace/", page(world.case)]
        return [queries(theirs, path) for path in pages] + [queries(maya, page(world.case))]

    once = cost()
    for number, name in enumerate(("ina", "ines")):
        colleague(world, name)
        case = another_case(world, number, agent=world.maya, status="ASSIGNED")
        transfers.offer(case, by=world.maya.user, to_agent=omar, note="Please")
    assert len(transfers.offered_to(omar)) == 3
    assert cost() == once
    few = queries(maya, page(world.case) + "transfer/")
    for name in ("una", "otto"):
        colleague(world, name)
    assert queries(maya, page(world.case) + "transfer/") == few
