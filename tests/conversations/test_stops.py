"""The stop: what it holds back, who reads of it, and that nobody ends one alone, by any door."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.messages import get_messages
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from citisocial.clock import now
from conversations import events, outreach, stops
from conversations.errors import NotAllowed, SendingStopped
from conversations.models import AuditEvent, BrandAccount, Outgoing, SendingStop
from tests.factories.heard import bank, post
from tests.factories.walked import opened, release, supervisor, written_to

pytestmark = pytest.mark.django_db
SENDING = "admin:conversations_sendingstop_sending"


@pytest.fixture
def house():
    """The bank, Maya, and a case of hers that may be written to."""
    b = bank()
    maya = b.agent("Maya")
    case = opened(b)
    written_to(case, maya)
    case.refresh_from_db()
    return b, maya, case


@pytest.fixture
def grace():
    return supervisor("grace")


@pytest.fixture
def ada():
    return supervisor("ada")


def door(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def press(user, what, *args, **form):
    return door(user).post(reverse(f"admin:conversations_sendingstop_{what}", args=args), form)


def said(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


def holds(stop):
    return SendingStop.objects.get(pk=stop.pk).ended_at is None


def test_a_stop_holds_its_own_scope_and_nothing_else(house, grace):
    b, _maya, _case = house
    account = stops.start(account=b.news, by=grace, reason="odd")
    assert (stops.of_account(b.care), stops.of_account(b.news)) == (None, account)
    brand = stops.start(brand=b.brand, by=grace, reason="odder")
    assert {stops.of_account(each) for each in (b.care, b.news)} == {brand}
    everything = stops.start(by=grace, reason="oddest")
    assert stops.of_brand(b.brand) == [everything, brand, account]
    assert stops.of_account(b.care) == everything
    release(everything)
    assert stops.of_account(b.care) == brand


def test_stopping_twice_is_one_stop_with_the_first_reason(house, grace, ada):
    b, _maya, _case = house
    first = stops.start(account=b.care, by=grace, reason="first")
    assert stops.start(account=b.care, by=ada, reason="second") == first
    assert (SendingStop.objects.get().reason, AuditEvent.objects.filter(verb="stopped").count()) == ("first", 1)


def test_a_press_while_it_holds_is_refused_in_its_words(house, grace):
    b, maya, case = house
    stops.start(account=b.care, by=grace, reason="Strange messages")
    with pytest.raises(SendingStopped, match=r"@AskCiti.*grace.*“Strange messages”.*Secure chat goes on"):
        outreach.message(case, maya, text="Are you there?")


def test_supervisor_stops_and_two_release(house, grace, ada):
    b, maya, case = house
    outreach.message(case, maya, text="Are you there?")
    assert said(press(grace, "stop", scope=f"account:{b.care.pk}", reason="odd links"))[0].startswith("Sending is stop")
    stop = SendingStop.objects.get()
    assert (stop.account, stop.brand, stop.reason, stop.started_by) == (b.care, None, "odd links", grace)
    page = door(ada).get(reverse(SENDING)).content.decode()
    assert "“odd links”" in page
    assert "1 text waits." in page
    press(grace, "ask", stop.pk)
    mine, theirs = (door(user).get(reverse(SENDING) + "?part=list").content.decode() for user in (grace, ada))
    assert "Agree" not in mine
    assert "Agree" in theirs
    press(ada, "release", stop.pk)
    stop.refresh_from_db()
    assert (stop.release_asked_by, stop.ended_by) == (grace, ada)
    assert not stops.running()
    assert Outgoing.objects.filter(delivery="QUEUED").count() == 1
    trail = AuditEvent.objects.filter(verb__in=["stopped", "release_asked", "resumed"]).order_by("pk")
    assert [(line.verb, line.user) for line in trail] == [
        ("stopped", grace),
        ("release_asked", grace),
        ("resumed", ada),
    ]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"scope": "everything", "reason": " "}, "Say why"),
        ({"scope": "", "reason": "odd"}, "Choose what"),
        ({"scope": "brand:", "reason": "odd"}, "Choose what"),
        ({"scope": "brand:4711", "reason": "odd"}, "Choose what"),
        ({"scope": "reason:odd", "reason": "odd"}, "Choose what"),
    ],
)
def test_a_stop_needs_a_scope_and_a_reason(house, grace, form, words):
    assert words in said(press(grace, "stop", **form))[0]
    assert not SendingStop.objects.exists()


def test_everything_and_brands_are_stopped_from_the_page(house, grace):
    b, _maya, _case = house
    press(grace, "stop", scope="everything", reason="all")
    press(grace, "stop", scope=f"brand:{b.brand.pk}", reason="brand")
    assert {(stop.brand, stop.account) for stop in stops.running()} == {(None, None), (b.brand, None)}


def test_nobody_ends_a_stop_alone_by_any_door(house, grace, ada):
    b, _maya, _case = house
    stop = stops.start(brand=b.brand, by=grace, reason="odd")
    # Agreeing before anybody asked; asking and agreeing oneself, by the domain and by a crafted POST.
    assert said(press(grace, "release", stop.pk)) == ["Ask for the release first; then somebody else agrees to it."]
    press(grace, "ask", stop.pk)
    assert said(press(grace, "release", stop.pk)) == ["You asked for the release. Somebody else has to agree to it."]
    with pytest.raises(NotAllowed):
        stops.release(stop, by=grace)
    # Asked again by somebody else, it is theirs: neither of the two steps can be taken over.
    press(ada, "ask", stop.pk)
    assert said(press(ada, "release", stop.pk)) == ["You asked for the release. Somebody else has to agree to it."]
    # The admin's own doors: its form, its bulk action, its deletion, an agent's login.
    change = reverse("admin:conversations_sendingstop_change", args=[stop.pk])
    assert door(ada).post(change, {"ended_at_0": "2026-01-01", "ended_by": ada.pk}).status_code == 403
    delete = reverse("admin:conversations_sendingstop_delete", args=[stop.pk])
    assert door(ada).post(delete, {"post": "yes"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": [stop.pk], "post": "yes"}
    door(ada).post(reverse("admin:conversations_sendingstop_changelist"), bulk)
    press(b.agent("Eve").user, "release", stop.pk)
    # The database's own: one person in both columns, nobody in one, and no second stop of the same scope.
    for columns in (
        {"release_asked_by": ada, "ended_by": ada},
        {"release_asked_by": None, "ended_by": ada},
        {"release_asked_by": ada, "ended_by": None},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            SendingStop.objects.filter(pk=stop.pk).update(ended_at=now(), **columns)
    assert holds(stop)
    press(grace, "release", stop.pk)
    assert not holds(stop)


def test_links_and_foreign_ways_back(house, grace):
    stop = reverse("admin:conversations_sendingstop_stop")
    form = {"scope": "everything", "reason": "x"}
    assert door(grace).post(stop, form | {"next": "https://evil.example/"}).url == reverse(SENDING)
    assert door(grace).post(stop, form | {"next": "/admin/conversations/brand/"}).url == "/admin/conversations/brand/"
    assert door(grace).get(stop).status_code == 405


def test_every_page_says_what_is_stopped(house, grace):
    b, maya, case = house
    stops.start(account=b.care, by=grace, reason="<b>odd</b>")
    banner = "Sending is stopped for @AskCiti"
    for url in (reverse("inbox"), reverse("case", args=[case.public_id])):
        page = door(maya.user).get(url).content.decode()
        assert banner in page.split('id="stopped"')[1].split("</div>")[0]
        assert "<b>odd" not in page
    assert banner in door(grace).get(reverse("admin:conversations_brandaccount_alarm")).content.decode()
    assert "@AskCiti stopped" in door(grace).get(reverse("admin:index")).content.decode()


def test_a_stop_of_another_account_leaves_this_case_open(house, grace):
    b, maya, case = house
    stops.start(account=b.news, by=grace, reason="odd")
    page = door(maya.user).get(reverse("case", args=[case.public_id])).content.decode()
    assert "disabled" not in page.split('id="audience-dm"')[1].split(">")[0]
    assert outreach.message(case, maya, text="Are you there?").pk


def command(*args, **options):
    out = StringIO()
    call_command("stop", *args, stdout=out, **options)
    return out.getvalue()


def test_the_command_stops_and_says_what_waits(house):
    _b, maya, case = house
    outreach.message(case, maya, text="Are you there?")
    assert "Nothing is stopped." in command("--list")
    assert "@AskCiti: 1 text waits." in command("odd links", "--account", "@askciti")
    assert "Citi: 1 text waits." in command("odd links", "--brand", "citi")
    assert "every account: 1 text waits." in command("odd links")
    assert command("--list").count("“odd links") == 3
    assert {stop.started_by for stop in stops.running()} == {None}
    assert set(AuditEvent.objects.filter(verb="stopped").values_list("actor", flat=True)) == {"command line"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "Say why"),
        (["odd", "--account", "@nobody"], "no account"),
        (["odd", "--brand", "nobody"], "no brand"),
    ],
)
def test_the_command_refuses_in_words(house, args, words):
    with pytest.raises(CommandError, match=words):
        call_command("stop", *args)
    assert not SendingStop.objects.exists()


def test_the_command_does_not_need_redis(house, settings, unused_tcp_port):
    nowhere = f"redis://127.0.0.1:{unused_tcp_port}/0"
    settings.REDIS_URL = nowhere
    events._redis.cache_clear()
    command("odd links")
    assert stops.of_account(BrandAccount.objects.get(handle="AskCiti"))


def test_what_somebody_writes_meanwhile_is_still_heard(house, grace):
    b, _maya, case = house
    stops.start(by=grace, reason="odd")
    heard = b.hear(post("and now?", names=(b.care,), minutes=3, created_at=now() + timedelta(seconds=1)))
    assert heard[0].pk != case.pk
