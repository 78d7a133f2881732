"""What went wrong in the chats of others, tried on ours: at the door, and under load. `advisories.py` has the table."""

import asyncio
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import Client

from accounts.models import Customer, User
from citisocial.asgi import application
from conversations import callbacks
from conversations.errors import WrongCode
from conversations.models import Message
from tests.factories.desks import another_case, text_of
from tests.factories.invited import PASSWORD, person, signed_in
from tests.factories.overheard import WORDS, browser, closed, opened, opens, said_meanwhile, say, until, ws
from tests.factories.plugged import socket, ticket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


# One way in.


async def test_rocketchat_cve_2026_28514_sockets_have_no_login_of_their_own(world):
    """The streaming service had a login of its own, which took any password."""
    stream = [
        {"msg": "connect", "version": "1", "support": ["1"]},
        {"msg": "method", "method": "login", "id": "1", "params": [{"user": {"username": "maria"}, "password": "x"}]},
        {"msg": "sub", "id": "1", "name": "stream-room-messages", "params": [str(world.case.public_id), False]},
        {"type": "login", "user": "maria", "password": PASSWORD},
        {"type": "resume", "after": 0, "session": "x"},
    ]
    await sync_to_async(say)(world, world.maria)
    basic = {"authorization": "Basic bWFyaWE6eA==", "x-user": "maria"}
    for header, value in basic.items():
        communicator = await socket(ws(world.case), None)
        communicator.scope["headers"].append((header.encode(), value.encode()))
        assert not (await communicator.connect(timeout=10))[0]
    case = await sync_to_async(another_case)(world, 2, customer=world.jorge, agent=world.maya, status="CONNECTED")
    async with opened(case, await browser(world.jorge.user)) as his:
        for frame in stream:
            await his.send_json_to(frame)
            assert (await until(his, "problem", "message"))["code"] == "bad_frame"
        assert WORDS not in await said_meanwhile(his)


async def test_rocketchat_cve_2026_30831_a_closed_login_has_no_socket_and_keeps_none(world):
    """The streaming service let in deactivated people, and those who had not used their second factor."""
    client = await browser(world.maria.user)
    offered = ["chat.v1", f"ticket.{await ticket(ws(world.case), client)}"]
    async with opened(world.case, client) as hers:
        await User.objects.filter(pk=world.maria.user_id).aupdate(is_active=False)
        assert not await opens(ws(world.case), client, offered), "a ticket from before opens nothing either"
        assert await closed(hers) == 4401


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": {"$ne": ""}}, {"text": {"$ne": ""}}, {"text": ["a"]}, {"text": 1}, {"text": None}, {"seen": "0"},
        {"seen": {"$gt": 0}}, {"seen": -1}, {"seen": 2**40}, {"template": True}, {"template": "1"}, {"type": ["post"]},
        {"client_id": 0}, {"__proto__": {"side": "agent"}}, {"side": "agent"},
    ],
)  # fmt: skip
async def test_rocketchat_cve_2026_30833_json_types_are_strict(world, wrong):
    """Operators of the database in place of a value, `{"$ne": ""}`, went through."""
    async with opened(world.case, await browser(world.maria.user)) as hers:
        await hers.send_json_to({"type": "post", "client_id": str(uuid4()), "text": "hello"} | wrong)
        assert (await until(hers, "problem", "message"))["type"] == "problem"
    assert not await Message.objects.aexists()


async def test_livehelperchat_cve_2022_1176_secrets_are_compared_as_they_are(world):
    """A hash was compared loosely: a number equalled a text that begins like it."""
    maria = await browser(world.maria.user)
    for change in (str.upper, str.swapcase, lambda one: f"0{one}", lambda one: one[:-1], lambda one: f"{one}\x00"):
        given = await ticket(ws(world.case), maria)
        assert change(given) != given
        assert not await opens(ws(world.case), maria, ["chat.v1", f"ticket.{change(given)}"])
    _call, code = await sync_to_async(callbacks.announce)(world.case, world.maria)
    for loose in (code.lstrip("0")[:5] or "0", f"{code}0", f"{code}.0", f"{int(code)}e0", code[::-1] + "0", "true", ""):
        with pytest.raises(WrongCode):
            await sync_to_async(callbacks.answer)(loose, world.maya)


async def test_chatwoot_cve_2021_3740_a_new_password_ends_every_other_socket(world):
    """Sessions opened before lived on after the password was changed."""
    phone = await browser(world.maria.user)
    async with opened(world.case, phone) as hers:
        user = await User.objects.aget(pk=world.maria.user_id)
        user.set_password("another long password")
        await user.asave()
        assert await closed(hers) == 4401
        assert not await opens(ws(world.case), phone)
        assert (await sync_to_async(phone.get)(world.chat)).status_code == 302


async def test_zulip_cve_2016_4427_a_closed_login_reads_by_no_way(world):
    """Somebody deactivated still came in by the single sign-on."""
    client = await browser(world.maria.user)
    await User.objects.filter(pk=world.maria.user_id).aupdate(is_active=False)
    fresh = Client()
    await sync_to_async(fresh.post)("/accounts/login/", {"login": "maria", "password": PASSWORD})
    for one in (client, fresh):
        for path in (world.chat, "/my/", "/handoff/", world.welcome):
            answer = await sync_to_async(one.get)(path)
            assert WORDS not in text_of(answer)
            assert answer.status_code == 302 or path in ("/handoff/", world.welcome), path
        assert await ticket(ws(world.case), one) == ""
        assert not await opens(ws(world.case), one)


def test_allauth_cve_2025_65430_a_closed_login_has_no_token_that_lives_on(world):
    """Tokens that the library had issued went on for somebody deactivated. We issue none, and sessions end."""
    assert not {"allauth.idp", "allauth.headless", "allauth.usersessions"} & set(settings.INSTALLED_APPS)
    client = signed_in(world.maria.user)
    assert client.get("/my/").status_code == 200
    User.objects.filter(pk=world.maria.user_id).update(is_active=False)
    assert client.get("/my/").status_code == 302


@pytest.mark.parametrize(
    "variants",
    [
        ["maria@example.test", "MARIA@example.test", "Maria@Example.Test", "mAria@example.test", "mariA@EXAMPLE.test"],
        ["maria", "María", "mária", "mariä", "ｍaria"],
        ["maria", " maria", "maria ", "ｍａｒｉａ", "maria\u0301"],
    ],
)
def test_allauth_cve_2026_97764_accents_do_not_multiply_the_tries(world, variants):
    """The limit on failed sign-ins was counted by a name that another accent made a new one."""
    hits = 0
    for name in variants * 4:
        answer = Client().post("/accounts/login/", {"login": name, "password": "guess"})
        hits += answer.status_code == 200 and b"Too many failed" not in answer.content
    assert hits <= 10, "never more than the tries of one address in a minute"
    right = Client()
    right.post("/accounts/login/", {"login": variants[0], "password": PASSWORD})
    assert "_auth_user_id" not in right.session


# Load.


async def test_zammad_ghsa_2wm3_m74f_6p2x_crafted_frames_end(world, settings):
    """A crafted request made the server compute without end."""
    settings.SOCKET_FRAMES = 10_000
    crafted = [
        "[" * 8000,
        '{"type":' * 1500,
        '{"a":1,' * 2000,
        '{"type":"resume","after":1e999}',
        '{"type":"resume","after":' + "9" * 8000 + "}",
        '{"type":"post","client_id":"x","text":"' + "\\u0000" * 2500 + '"}',
        '{"type":"typing","on":true}' * 100,
        "0" * 16000,
        "null",
        "\x00",
        " ",
    ]
    async with opened(world.case, await browser(world.maria.user)) as hers, asyncio.timeout(30):
        for text in crafted * 5:
            await hers.send_to(text_data=text)
            frame = await until(hers, "problem", "message")
            assert frame["type"] == "problem", text[:40]
        await hers.send_json_to({"type": "post", "client_id": str(uuid4()), "text": "and still here"})
        assert (await until(hers, "message"))["text"] == "and still here"


async def test_channels_cve_2020_35681_five_hundred_at_once_each_get_their_own(world):
    """Requests at the same time got each other's scope: a session's id went to the wrong person."""
    people = []
    for number in range(25):
        user = await sync_to_async(person)(f"customer{number}")
        await Customer.objects.acreate(user=user, name=f"Number-{number:03}-Name")
        user.first_name = f"Number-{number:03}-Name"
        await user.asave()
        people.append((await browser(user), user.first_name))

    at_once = asyncio.Semaphore(50)  # each has a thread and a connection of its own, of which there are 200

    async def ask(client, name) -> None:
        cookies = {key: morsel.value for key, morsel in client.cookies.items()}
        transport = httpx.ASGITransport(app=application, client=("127.0.0.1", 50000))
        async with (
            at_once,
            httpx.AsyncClient(transport=transport, base_url=settings.SITE_URL, cookies=cookies) as there,
        ):
            answer = await there.get("/my/")
        assert answer.status_code == 200
        assert answer.text.count("Number-") == answer.text.count(name) > 0
        session = answer.cookies.get(settings.SESSION_COOKIE_NAME)
        assert session in (None, cookies[settings.SESSION_COOKIE_NAME])

    await asyncio.gather(*(ask(client, name) for _round in range(20) for client, name in people))


async def test_channels_cve_2020_35681_sockets_at_once_speak_for_themselves(world):
    """The same over sockets: what each says is kept as its own."""
    cases = []
    for number in range(12):
        user = await sync_to_async(person)(f"customer{number}")
        customer = await Customer.objects.acreate(user=user, name=f"Customer {number}")
        case = await sync_to_async(another_case)(
            world, number + 10, customer=customer, agent=world.maya, status="CONNECTED"
        )
        cases.append((case, customer, await browser(user)))

    async def talk(case, customer, client) -> None:
        async with opened(case, client) as own:
            await own.send_json_to({"type": "post", "client_id": str(uuid4()), "text": f"I am {customer.pk}"})
            assert (await until(own, "message"))["text"] == f"I am {customer.pk}"

    await asyncio.gather(*(talk(*one) for one in cases))
    async for message in Message.objects.select_related("case"):
        assert message.customer_id == message.case.customer_id
        assert message.text == f"I am {message.customer_id}"


async def test_gitpod_ghsa_f53g_frr2_jhpf_a_foreign_page_opens_no_socket_with_our_cookie(world):
    """A page elsewhere opened the WebSocket with the visitor's cookie, and took the account over."""
    maria = await browser(world.maria.user)
    there = urlsplit(settings.SITE_URL)
    foreign = [
        "https://evil.example",
        "null",
        "",
        "file://",
        f"{settings.SITE_URL}.evil.example",
        f"{there.scheme}://{there.hostname}.evil.example",
        f"{there.scheme}://{there.hostname}:1",
        f"https://user@{there.netloc}",
    ]
    for origin in foreign:
        communicator = await socket(ws(world.case), maria, origin=origin)
        assert not (await communicator.connect(timeout=10))[0], origin
    assert settings.SESSION_COOKIE_SAMESITE == "Lax"
    assert not await opens(ws(world.case), maria, ["chat.v1"]), "our own origin, but no ticket"
    strict = Client(enforce_csrf_checks=True)
    await sync_to_async(strict.force_login)(world.maria.user)
    assert (await sync_to_async(strict.post)(f"/tickets/case/{world.case.public_id}/")).status_code == 403
