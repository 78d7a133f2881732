"""Messages that their writers change or take back: by whom, for how long, and what anybody reads afterwards."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.urls import reverse

from accounts.models import User
from conversations import assignment, audit, cases, changes, chat, inbox, ledger, reading
from conversations.errors import BadText, CaseClosed, ChatNotOpen, NotAllowed, NotFound, TooLate
from conversations.models import Case, Message
from tests.factories.invited import World, invited, person, proven, signed_in
from tests.factories.plugged import socket

pytestmark = pytest.mark.django_db

SECRET = "my brother pays for it"


@pytest.fixture
def world() -> World:
    w = invited()
    w.case = proven(w)
    chat.join(w.case, w.maria)
    w.case.refresh_from_db()
    return w


def say(world: World, author: Any, text: str = "hello") -> Message:
    return chat.post(world.case, author=author, client_id=uuid.uuid4(), text=text)


def edit(world: World, author: Any, seq: int, text: str = "better", key: uuid.UUID | None = None) -> Message:
    return changes.edit(world.case, author=author, seq=seq, text=text, client_id=key or uuid.uuid4())


def remove(world: World, author: Any, seq: int, key: uuid.UUID | None = None) -> Message:
    return changes.remove(world.case, author=author, seq=seq, client_id=key or uuid.uuid4())


def read(world: World) -> list[tuple[int, str, str, str]]:
    """What everybody's sockets and pages get: number, kind, words and what became of it."""
    return [(line.seq, line.kind, line.text, line.changed) for line in reading.lines(world.case.pk)]


def everything_of(world: World) -> str:
    """Every page of the customer's and the agent's that shows this chat, and the inbox's line."""
    maria, maya = signed_in(world.maria.user), signed_in(world.maya.user)
    pages = [
        maria.get(world.chat),
        maria.get(f"{world.chat}?all"),
        maria.get("/my/"),
        maya.get("/workspace/"),
        maya.get(f"/workspace/cases/{world.case.public_id}/"),
        maya.get(f"/workspace/cases/{world.case.public_id}/timeline/"),
    ]
    assert [page.status_code for page in pages] == [200] * len(pages)
    return " ".join([*(page.content.decode() for page in pages), *(x.preview for x in inbox.lines(world.maya))])


def test_an_edit_is_a_line_of_its_own_and_the_first_stays_as_it_was(world: World) -> None:
    said = say(world, world.maria, "my card ends 4471")
    changed = edit(world, world.maria, said.seq, "my card ends 4477")
    assert (changed.kind, changed.about, changed.seq) == ("edited", 1, 2)
    assert Message.objects.get(seq=1).text == "my card ends 4471"
    assert read(world) == [(1, "said", "my card ends 4477", "edited"), (2, "edited", "my card ends 4477", "")]
    edit(world, world.maria, said.seq, "my card ends 4478")
    assert {text for _seq, _kind, text, _changed in read(world)} == {"my card ends 4478"}


def test_pages_show_the_newest_words_and_say_that_they_were_changed(world: World) -> None:
    say(world, world.maya, "It takes two days")
    edit(world, world.maya, 1, "It takes three days")
    assert "edited</span>" in everything_of(world)
    assert "two days" not in everything_of(world)
    assert "three days" in everything_of(world)
    assert [line.preview for line in inbox.lines(world.maya)] == ["It takes three days"]


def test_nobody_but_a_supervisor_reads_again_what_was_taken_back(world: World) -> None:
    """CVE-2022-31017 of Zulip: what is changed or moved away reaches nobody any more who may not read it."""
    say(world, world.maria, SECRET)
    assert SECRET in everything_of(world)
    edit(world, world.maria, 1, f"{SECRET}, mostly")
    remove(world, world.maria, 1)
    shown = everything_of(world)
    assert SECRET not in shown
    assert "Message taken back" in shown
    assert read(world) == [(1, "said", "", "removed"), (2, "edited", "", ""), (3, "removed", "", "")]
    assert "Message taken back" in [line.preview for line in inbox.lines(world.maya)]


def test_supervisors_read_what_was_written_and_what_became_of_it(world: World) -> None:
    say(world, world.maria, SECRET)
    edit(world, world.maria, 1, "never mind")
    remove(world, world.maria, 1)
    story = story_of(world)
    for words in (SECRET, "never mind", "changed #1 to", "took #1 back", "taken back later"):
        assert words in story


def story_of(world: World) -> str:
    grace = User.objects.create_superuser("grace", "grace@example.test", "walk-the-talk")
    page = signed_in(grace).get(reverse("admin:conversations_case_change", args=[world.case.pk]))
    return page.content.decode()


def test_the_trail_says_who_and_which_and_no_words(world: World) -> None:
    say(world, world.maria, SECRET)
    edit(world, world.maria, 1, "never mind")
    remove(world, world.maria, 1)
    lines = world.case.trail.filter(verb__startswith="message_").order_by("pk")
    assert [(line.verb, line.actor, line.user, line.data) for line in lines] == [
        ("message_edited", "customer", world.maria.user, {"seq": 2, "about": 1}),
        ("message_removed", "customer", world.maria.user, {"seq": 3, "about": 1}),
    ]
    assert all(line.verb in audit.VERBS for line in lines)


def test_a_repeat_is_the_same_change_and_one_line_in_the_trail(world: World) -> None:
    say(world, world.maria)
    key = uuid.uuid4()
    first, again = edit(world, world.maria, 1, "new", key), edit(world, world.maria, 1, "new", key)
    assert first.pk == again.pk
    assert world.case.trail.filter(verb="message_edited").count() == 1
    key = uuid.uuid4()
    assert remove(world, world.maria, 1, key).pk == remove(world, world.maria, 1, key).pk
    with pytest.raises(NotFound):
        remove(world, world.maya, 1, key)


def test_only_ones_own_messages_and_only_messages(world: World) -> None:
    say(world, world.maria)
    say(world, world.maya)
    ledger.append(world.case, kind=Message.Kind.ASKED, author=world.maya, text="Date of birth")
    ledger.append(world.case, kind=Message.Kind.EVENT, author=None, text="away", agent=world.maya)
    for author, seq in ((world.maria, 2), (world.maya, 1), (world.maya, 3), (world.maya, 4), (world.maria, 99)):
        for change in (edit, remove):
            with pytest.raises(NotAllowed, match="Only your own messages"):
                change(world, author, seq)
    edit(world, world.maria, 1)
    with pytest.raises(NotAllowed):
        remove(world, world.maria, 5)  # a change itself
    assert Message.objects.count() == 5


def test_a_line_of_another_case_is_not_reached_by_its_number(world: World) -> None:
    say(world, world.maria)
    other = Case.objects.get(pk=world.case.pk)
    Case.objects.filter(pk=world.case.pk).update(status=Case.Status.CLOSED)
    other.pk, other.public_id, other.last_seq = 90211, uuid.uuid4(), 0
    other.save(force_insert=True)
    with pytest.raises(NotAllowed):
        changes.remove(other, author=world.maria, seq=1, client_id=uuid.uuid4())


def test_who_may_not_write_changes_nothing(world: World) -> None:
    say(world, world.maya)
    say(world, world.maria)
    omar = type(world.maya).objects.create(user=person("omar"), name="Omar")
    omar.teams.set(world.maya.teams.all())
    with pytest.raises(ChatNotOpen):
        edit(world, world.jorge, 2)
    assignment.reassign(world.case, omar, by=world.maya.user)
    with pytest.raises(NotAllowed, match="Omar works on this case"):
        edit(world, world.maya, 1)
    with pytest.raises(NotAllowed, match="Only your own"):
        edit(world, omar, 1)
    cases.resolve(Case.objects.get(pk=world.case.pk), by=omar.user)
    with pytest.raises(CaseClosed):
        remove(world, omar, 1)
    edit(world, world.maria, 2, "thank you")  # a customer may write in a resolved case, and this does not open it
    assert Case.objects.get(pk=world.case.pk).status == "RESOLVED"
    Case.objects.filter(pk=world.case.pk).update(status=Case.Status.CLOSED)
    with pytest.raises(CaseClosed):
        remove(world, world.maria, 2)


def test_a_quarter_of_an_hour_and_no_longer(world: World, settings: Any) -> None:
    say(world, world.maria)
    said = Message.objects.get(seq=1)
    Message.objects.filter(pk=said.pk).update(sent_at=said.sent_at - timedelta(minutes=14))
    edit(world, world.maria, 1)
    Message.objects.filter(pk=said.pk).update(sent_at=said.sent_at - timedelta(minutes=16))
    for change in (edit, remove):
        with pytest.raises(TooLate, match="15 minutes"):
            change(world, world.maria, 1)
    settings.MESSAGE_EDIT_MINUTES = 20
    remove(world, world.maria, 1)


def test_what_was_taken_back_stays_taken_back(world: World) -> None:
    say(world, world.maria)
    remove(world, world.maria, 1)
    for change in (edit, remove):
        with pytest.raises(TooLate, match="taken back"):
            change(world, world.maria, 1)


@pytest.mark.parametrize(("text", "why"), [("  ", "Write something"), ("x" * 4001, "two messages")])
def test_a_new_text_is_held_to_the_same_as_a_first_one(world: World, text: str, why: str) -> None:
    say(world, world.maria)
    with pytest.raises(BadText, match=why):
        edit(world, world.maria, 1, text)


def test_an_agents_new_text_goes_through_the_gate_and_everybodys_is_masked(world: World) -> None:
    say(world, world.maya)
    say(world, world.maria)
    with pytest.raises(BadText, match="Only our own links"):
        edit(world, world.maya, 1, "Look at www.evil.example")
    edit(world, world.maya, 1, "card 4111 1111 1111 1111?")
    edit(world, world.maria, 2, "it is 4111 1111 1111 1111, cvv 123")
    assert not Message.objects.filter(text__contains="4111").exists()
    assert [line.masked for line in reading.lines(world.case.pk)][:2] == [1, 2]


def test_numbers_go_on_without_a_gap_and_the_move_stays(world: World) -> None:
    say(world, world.maria)
    say(world, world.maya)
    edit(world, world.maria, 1)
    remove(world, world.maya, 2)
    assert list(Message.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2, 3, 4]
    case = Case.objects.get(pk=world.case.pk)
    assert (case.last_seq, case.move) == (4, "theirs")


def test_lines_that_are_no_messages_are_sentences_for_each_side(world: World) -> None:
    ledger.append(world.case, kind=Message.Kind.CHECK, author=world.maya)
    ledger.append(world.case, kind=Message.Kind.EVENT, author=None, text="away", agent=world.maya)
    ledger.append(world.case, kind=Message.Kind.EVENT, author=None, text="unheard_of", agent=world.maya)
    customers = signed_in(world.maria.user).get(world.chat).content.decode()
    agents = signed_in(world.maya.user).get(f"/workspace/cases/{world.case.public_id}/").content.decode()
    assert "Maya asks you to confirm once more that it is you." in customers
    assert f'href="{reverse("prove", kwargs={"case_id": world.case.public_id})}"' in customers
    assert "Maya asked the customer to prove once more who they are." in agents
    for page in (customers, agents):
        assert "Maya is away at the moment." in page
        assert "unheard_of" not in page


def test_what_stands_in_a_name_is_no_place_to_fill_in(world: World) -> None:
    world.maya.name = "{text}"
    world.maya.save()
    ledger.append(world.case, kind=Message.Kind.ASKED, author=world.maya, text="<b>Date of birth</b>")
    page = signed_in(world.maria.user).get(world.chat).content.decode()
    assert "{text} asks for: &lt;b&gt;Date of birth&lt;/b&gt;" in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
async def test_sockets_carry_the_change_and_whoever_comes_later_never_hears_the_words(world: World) -> None:
    path = f"/ws/case/{world.case.public_id}/"
    customer = await socket(path, await sync_to_async(signed_in)(world.maria.user))
    agent = await socket(path, await sync_to_async(signed_in)(world.maya.user))
    for one in (customer, agent):
        assert (await one.connect())[0]
        await resumed(one)
    await customer.send_json_to({"type": "post", "client_id": str(uuid.uuid4()), "text": SECRET})
    await customer.send_json_to({"type": "edit", "client_id": str(uuid.uuid4()), "seq": 1, "text": "never mind"})
    for one in (customer, agent):
        assert (await heard(one, "message"))["text"] == SECRET
        changed = await heard(one, "message")
        assert (changed["kind"], changed["about"], changed["text"]) == ("edited", 1, "never mind")
    key = str(uuid.uuid4())
    await agent.send_json_to({"type": "remove", "client_id": key, "seq": 1})
    problem = await heard(agent, "problem")
    assert (problem["code"], problem["client_id"]) == ("not_allowed", key)
    await customer.send_json_to({"type": "remove", "client_id": str(uuid.uuid4()), "seq": 1})
    gone = await heard(agent, "message")
    assert (gone["kind"], gone["about"], gone["text"]) == ("removed", 1, "")
    later = await socket(path, await sync_to_async(signed_in)(world.maya.user))
    await later.connect()
    lines = await resumed(later)
    assert [(line["seq"], line["text"], line["changed"]) for line in lines] == [
        (1, "", "removed"),
        (2, "", ""),
        (3, "", ""),
    ]
    for one in (customer, agent, later):
        await one.disconnect()


async def heard(communicator: Any, *kinds: str) -> dict[str, Any]:
    """The next frame of one of these kinds."""
    while (frame := await communicator.receive_json_from(timeout=5))["type"] not in kinds:
        pass
    return dict(frame)


async def resumed(communicator: Any) -> list[dict[str, Any]]:
    """Every line from the beginning."""
    await communicator.send_json_to({"type": "resume", "after": 0})
    lines = []
    while (frame := await heard(communicator, "message", "caught_up"))["type"] == "message":
        lines.append(frame)
    return lines


def test_pages_carry_what_their_scripts_need(world: World) -> None:
    """The ticket's address, for how long a message may be changed, and how far the other side got."""
    say(world, world.maria)
    for client, page in (
        (signed_in(world.maria.user), world.chat),
        (signed_in(world.maya.user), f"/workspace/cases/{world.case.public_id}/"),
    ):
        html = client.get(page).content.decode()
        assert f'data-ticket="/tickets/case/{world.case.public_id}/"' in html
        assert 'data-edit-minutes="15"' in html
        assert 'data-delivered="0" data-read="0"' in html
