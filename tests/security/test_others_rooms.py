"""What went wrong in the chats of others, tried on ours: who may read and write. `advisories.py` has the table."""

from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.urls import URLPattern, get_resolver

from accounts.models import Customer, User
from conversations import changes, notes
from conversations.models import Callback, Case, Mark, Message
from tests.factories.desks import another_case, colleague, page_of, press, stranger, text_of
from tests.factories.invited import every_table, person, signed_in
from tests.factories.overheard import WORDS, browser, closed, opened, opens, said_meanwhile, say, until, ws
from tests.factories.plugged import ticket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture
def theirs(world) -> Case:
    """Jorge's conversation, with Maya as well."""
    return another_case(world, 1, customer=world.jorge, agent=world.maya, status="CONNECTED")


# Who may read.


async def test_zammad_cve_2022_40816_sockets_refuse_whom_pages_refuse(world, theirs):
    """Customers saw no other users' data over HTTP, but all of it over the WebSocket."""
    await sync_to_async(say)(world, world.maria)
    gone = await sync_to_async(person)("gone")
    await Customer.objects.acreate(user=gone, name="Gone")
    eve = await sync_to_async(stranger)()
    strangers = [None, world.jorge.user, eve, gone]
    for user in strangers:
        client = await browser(user) if user else Client()
        if user == gone:
            await User.objects.filter(pk=gone.pk).aupdate(is_active=False)
        for page in (world.chat, page_of(world.case), f"{page_of(world.case)}timeline/"):
            answer = await sync_to_async(client.get)(page)
            assert answer.status_code in (302, 403, 404), (user, page)
            assert WORDS not in text_of(answer)
        assert await ticket(ws(world.case), client) == ""
        assert not await opens(ws(world.case), client), user
    assert await opens(ws(world.case), await browser(world.maria.user)), "whom the page lets in the socket does"


async def test_zulip_cve_2026_100404_live_events_go_to_readers_only(world, theirs):
    """Guests were sent live events of channels that they could not read."""
    eve = await sync_to_async(stranger)()
    jorge, other_bank = await browser(world.jorge.user), await browser(eve)
    async with opened(theirs, jorge) as his, opened("/ws/inbox/", other_bank) as inbox:
        async with opened(world.case, await browser(world.maya.user)) as maya:
            await maya.send_json_to({"type": "typing", "on": True})
            await maya.send_json_to({"type": "seen", "delivered": 1, "read": 1})
            await maya.send_json_to({"type": "post", "client_id": str(uuid4()), "text": WORDS})
            await until(maya, "message")
            await sync_to_async(notes.add)(world.case, by=world.maya, text="a note of mine")
            for listener in (his, inbox):
                assert await said_meanwhile(listener) == ""


async def test_zulip_ghsa_478x_a_colleagues_note_never_reaches_the_customer(world):
    """Events about what one may not read were sent to those who sat in the same room."""
    async with opened(world.case, await browser(world.maria.user)) as maria:
        async with opened(world.case, await browser(world.maya.user)) as maya:
            await sync_to_async(notes.add)(world.case, by=world.maya, text="a note of mine")
            assert (await until(maya, "note"))["type"] == "note"
            assert "note" not in await said_meanwhile(maria)


async def test_zulip_cve_2022_31017_an_edit_is_not_told_to_who_may_read_no_more(world):
    """Edits were sent, with the old text, to people who had lost access to the channel since."""
    omar = await sync_to_async(colleague)(world, "omar")
    message = await sync_to_async(say)(world, world.maya)
    async with opened(world.case, await browser(omar.user)) as socket_of_omar:
        await sync_to_async(omar.teams.clear)()
        await sync_to_async(changes.edit)(
            world.case, author=world.maya, seq=message.seq, text="newer words", client_id=uuid4()
        )
        heard = await said_meanwhile(socket_of_omar)
        assert "newer words" not in heard
        assert "4403" in heard or await closed(socket_of_omar) == 4403


async def test_rocketchat_livechat_2021_ones_own_ticket_opens_no_other_room(world, theirs):
    """A visitor's own token together with any room's id gave that room's whole history."""
    await sync_to_async(say)(world, world.maria)
    jorge = await browser(world.jorge.user)
    for where, offered in (
        (ws(world.case), ws(theirs)),
        (ws(theirs), ws(world.case)),
    ):
        protocols = ["chat.v1", f"ticket.{await ticket(offered, jorge)}"]
        assert not await opens(where, jorge, protocols)
    async with opened(theirs, jorge) as his:
        for seq in (0, 1):
            await his.send_json_to({"type": "resume", "after": seq})
        assert WORDS not in await said_meanwhile(his)


async def test_openstack_zaqar_cve_2026_107363_a_socket_stays_in_its_case(world, theirs):
    """The project was bound when the WebSocket was authenticated, and each later request could name another."""
    await sync_to_async(say)(world, world.maria)
    foreign = {"case": str(world.case.public_id), "case_id": world.case.pk, "path": ws(world.case)}
    async with opened(theirs, await browser(world.jorge.user)) as his:
        for name, value in foreign.items():
            await his.send_json_to({"type": "resume", "after": 0, name: value})
            assert (await until(his, "problem", "message"))["code"] == "bad_frame"
            post = {"type": "post", "client_id": str(uuid4()), "text": "I am in", name: value}
            await his.send_json_to(post)
            assert (await until(his, "problem", "message"))["code"] == "bad_frame"
        assert WORDS not in await said_meanwhile(his)
    assert await Message.objects.acount() == 1


async def test_openstack_zaqar_cve_2026_107363_a_session_that_became_anothers_ends_the_socket(world):
    """The same bug from the other side: who the socket belongs to is asked again, not remembered."""
    client = await browser(world.maria.user)
    async with opened(world.case, client) as hers:
        await sync_to_async(client.force_login)(world.jorge.user)  # the browser's next person
        await hers.send_json_to({"type": "post", "client_id": str(uuid4()), "text": "still Maria?"})
        assert await closed(hers) in (4401, 4403)
    assert not await Message.objects.aexists()


async def test_whaticket_cve_2026_111709_numbers_of_cases_open_nothing(world, theirs):
    """Tickets were found by a number that could be counted up, without asking whose they are."""
    maria = await browser(world.maria.user)
    for pattern in ("/chat/{}/", "/chat/{}/call/", "/tickets/case/{}/", "/workspace/cases/{}/"):
        for name in (theirs.pk, world.case.pk, theirs.public_id):
            ask = maria.post if "tickets" in pattern else maria.get
            answer = await sync_to_async(ask)(pattern.format(name), headers={"accept": "application/json"})
            assert answer.status_code in (403, 404), (pattern, name)


async def test_discourse_ghsa_r979_a_message_is_found_within_its_case_alone(world, theirs):
    """A chat message was looked up by its number without its channel."""
    await sync_to_async(say)(world, world.maria)
    async with opened(theirs, await browser(world.jorge.user)) as his:
        for kind, more in (("edit", {"text": "mine now"}), ("remove", {})):
            await his.send_json_to({"type": kind, "client_id": str(uuid4()), "seq": 1, **more})
            assert (await until(his, "problem", "message"))["type"] == "problem"
    assert [m.text async for m in Message.objects.all()] == [WORDS]


async def test_drupal_cve_2015_8601_a_socket_without_a_session_hears_nothing(world):
    """The chat's WebSocket server sent every room's messages to whoever connected to it."""
    for path in (ws(world.case), "/ws/inbox/"):
        for protocols in (["chat.v1"], ["chat.v1", "ticket."], [f"ticket.{'a' * 32}"], None):
            assert not await opens(path, None, protocols)
            assert not await opens(path, Client(), protocols or ["chat.v1"])


# Who may write.


async def test_zammad_cve_2022_40817_who_only_reads_writes_nothing(world):
    """Agents with read access alone could still change a ticket."""
    message = await sync_to_async(say)(world, world.maya)
    omar = await sync_to_async(colleague)(world, "omar")
    theirs = await browser(omar.user)
    before = await sync_to_async(every_table)()
    async with opened(world.case, theirs) as reader:
        opening = await sync_to_async(every_table)()
        verbs = [("post", {"text": "let me help"}), ("edit", {"seq": 1, "text": "x"}), ("remove", {"seq": 1})]
        for kind, more in verbs:
            await reader.send_json_to({"type": kind, "client_id": str(uuid4()), **more})
            assert (await until(reader, "problem", "message"))["code"] == "not_allowed", kind
        await reader.send_json_to({"type": "seen", "delivered": message.seq, "read": message.seq})
        await reader.send_json_to({"type": "typing", "on": True})
        await said_meanwhile(reader)
        assert not await Mark.objects.aexists()
        assert changed(opening, await sync_to_async(every_table)()) <= SEEN
    assert changed(before, opening) <= SEEN | {"django_session", "conversations_socketticket"}
    done = []
    for route in await sync_to_async(posts_about_a_case)():
        answer = await sync_to_async(press)(theirs, filled(route, world.case), text="x", label="Date of birth")
        done += [route.name] if answer.status_code < 400 else []
    assert set(done) <= READERS


# What a colleague may do to a case that is somebody else's: have a socket that listens, and leave a note.
READERS = {"ticket_case", "note", "notes"}
SEEN = {"accounts_agent"}  # that an agent is here, and since when


def changed(before, after) -> set[str]:
    return {table for table in after if after[table] != before[table]}


def posts_about_a_case() -> list[URLPattern]:
    """Every route of ours with a case in its address."""
    found = [route for part in get_resolver().url_patterns for route in getattr(part, "url_patterns", [part])]
    ours = [route for route in found if isinstance(route, URLPattern) and "<uuid:case_id>" in str(route.pattern)]
    assert len(ours) > 15
    return ours


def filled(route, case) -> str:
    """Its address for this case; further ids are somebody's who is not there."""
    path = "/" + str(route.pattern).replace("<uuid:case_id>", str(case.public_id))
    for piece in ("detail_id", "file_id", "call_id", "transfer_id"):
        path = path.replace(f"<uuid:{piece}>", str(uuid4())).replace(f"<int:{piece}>", "1")
    assert "<" not in path, path
    return path


def test_livehelperchat_cve_2026_27954_no_verb_works_on_another_banks_case(world):
    """Holding, blocking and transferring a chat did not ask for the department that it belongs to."""
    say(world, world.maria)
    eve, jorge = signed_in(stranger()), signed_in(world.jorge.user)
    routes = posts_about_a_case()
    for name, client in (("eve", eve), ("jorge", jorge)):
        before = every_table()
        for route in routes:
            for answer in (press(client, filled(route, world.case), text="x"), client.get(filled(route, world.case))):
                assert answer.status_code in (302, 403, 404, 405), (name, route, answer.status_code)
                assert WORDS not in text_of(answer)
        # The trail keeps that somebody was at an address that is not theirs.
        assert changed(before, every_table()) <= {"conversations_auditevent", "django_session"} | SEEN, name


async def test_chatwoot_cve_2026_115725_ids_in_the_body_widen_nothing(world, theirs):
    """A foreign id in a request's body reached a conversation of another account."""
    names = ("case", "case_id", "id", "public_id", "pk", "customer", "author", "side", "agent", "source_id")
    foreign = {name: str(world.case.public_id) for name in names}
    numbers = {name: str(world.case.pk) for name in names}
    jorge, maya = await browser(world.jorge.user), await browser(world.maya.user)
    for more in (foreign, numbers):
        body = {"number": "+12125550123", "text": "hello", "client_id": str(uuid4()), **more}
        await sync_to_async(jorge.post)(f"/chat/{theirs.public_id}/call/", body)
        await sync_to_async(maya.post)(page_of(theirs), body)
        await sync_to_async(jorge.post)(f"/tickets/case/{theirs.public_id}/?case={world.case.public_id}", body)
        async with opened(theirs, jorge) as his:
            await his.send_json_to({"type": "post", "client_id": str(uuid4()), "text": "hello", **more})
            assert (await until(his, "problem", "message"))["code"] == "bad_frame"
    assert {m.case_id async for m in Message.objects.all()} == {theirs.pk}
    assert {c.case_id async for c in Callback.objects.all()} == {theirs.pk}
