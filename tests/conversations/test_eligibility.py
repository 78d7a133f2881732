"""What may be sent to whom, case by case, and the words that close it and open it again."""

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations import chat, eligibility, mentions, outreach
from conversations.errors import OptedOut
from conversations.models import AuditEvent, Author, BrandAccount, Case, Mention
from tests.factories.heard import bank, person, post
from tests.factories.invited import invited, proven

pytestmark = pytest.mark.django_db

BOB = person("bob")


@pytest.fixture
def b():
    return bank()


def answer(case):
    """(direct message, public reply) as codes."""
    found = eligibility.of(Case.objects.select_related("author").get(pk=case.pk))
    return found.dm.code, found.reply.code


# Direct messages.


@pytest.mark.parametrize(
    ("receives_dm", "wrote", "expected"),
    [
        (True, None, (True, "accepts")),
        (False, None, (False, "not_reachable")),
        (None, None, (True, "unknown")),
        (False, "dm", (True, "wrote")),
        (None, "dm", (True, "wrote")),
        (None, "opaque", (True, "encrypted")),
        (True, "opaque", (True, "accepts")),
        (False, "opaque", (False, "not_reachable")),
    ],
)
def test_direct_message(b, receives_dm, wrote, expected):
    somebody = person("maria_m", receives_dm=receives_dm)
    case = b.hear(post("my citi card", somebody))[0].case
    if wrote:
        b.hear(post("" if wrote == "opaque" else "hello", somebody, kind=wrote, minutes=1))
    dm = eligibility.of(Case.objects.get(pk=case.pk)).dm
    assert (dm.ok, dm.code) == expected
    assert dm.why.endswith(".")


def test_earlier_contact_counts_though_that_case_is_closed(b):
    somebody = person("maria_m", receives_dm=False)
    old = b.hear(post("hello", somebody, kind="dm"))[0].case
    Case.objects.filter(pk=old.pk).update(status="CLOSED")
    case = b.hear(post("my citi card", somebody, minutes=60))[0].case
    assert case != old
    assert answer(case)[0] == "wrote"


# Public replies.


@pytest.mark.parametrize(
    ("text", "changes", "tier", "expected"),
    [
        ("@AskCiti my card was declined", {}, "self_serve", "named"),
        ("my card was declined @AskCiti", {}, "self_serve", "named"),
        ("citibank took my money", {"names": ()}, "self_serve", "not_summoned"),
        ("citibank took my money", {"names": ()}, "enterprise", "any_post"),
        ("@Citi took my money", {"names": "news"}, "self_serve", "not_summoned"),
        ("@Citi took my money", {"names": "news"}, "enterprise", "any_post"),
        # A reply to bob in which X carried our name along; and ones in which the author named us.
        ("@bob @AskCiti they took my card", {"answers": BOB}, "self_serve", "not_summoned"),
        ("@bob @AskCiti they took my card", {"answers": BOB}, "enterprise", "any_post"),
        ("@bob ask @AskCiti about my card", {"answers": BOB}, "self_serve", "named"),
        ("@bob @AskCiti hey @AskCiti, my card", {"answers": BOB}, "self_serve", "named"),
        ("@AskCiti @bob my card", {"answers": BOB}, "self_serve", "named"),
        # A reply to ourselves: X puts our name in front, and the author turned to us.
        ("@AskCiti it is still blocked, my card", {"answers": "care"}, "self_serve", "named"),
        ("@Citi @AskCiti my card", {"answers": "news"}, "self_serve", "named"),
        ("my citi card", {"is_retweet": True}, "enterprise", "retweet"),
    ],
)
def test_public_reply(b, settings, text, changes, tier, expected):
    settings.X_ACCESS_TIER = tier
    ours = {"care": b.care, "news": b.news}
    changes = {"names": (b.care,), **changes}
    if changes["names"] == "news":
        changes["names"] = (b.news,)
    if changes.get("answers") in ours:
        changes["answers"] = replace(person(), external_id=ours[changes["answers"]].external_id)
    somebody = person("maria_m")
    case = b.hear(post("my citi card", somebody, kind="dm"))[0].case
    b.hear(post(text, somebody, minutes=1, **changes))
    Mention.objects.filter(state="IGNORED").update(state="CASED", case=case)  # a retweet never comes that far
    assert answer(case) == ("wrote", expected)


def test_no_post_and_deleted_posts_leave_nothing_to_answer(b):
    somebody = person("maria_m")
    case = b.hear(post("hello", somebody, kind="dm"))[0].case
    assert answer(case)[1] == "no_post"
    mention = b.hear(post("@AskCiti my card", somebody, names=(b.care,), minutes=1))[0]
    assert answer(case)[1] == "named"
    mentions.delete("x", [mention.external_id])
    assert answer(case)[1] == "no_post"


def test_the_newest_post_that_may_be_answered_is_the_one(b):
    somebody = person("maria_m")
    older, newer, third = b.hear(
        post("@AskCiti my card", somebody, names=(b.care,)),
        post("@AskCiti hello?", somebody, names=(b.care,), minutes=1),
        post("citi, really?", somebody, minutes=2),
    )
    assert eligibility.of(older.case).post == newer
    maya = b.agent("Maya")
    Case.objects.filter(pk=older.case.pk).update(agent=maya, status="ASSIGNED")
    case = Case.objects.get(pk=older.case.pk)
    assert outreach.reply(case, maya, text="We are here.").answers == newer
    assert answer(case)[1] == "not_summoned"  # the third; and what came before the answered one is answered with it
    mentions.delete("x", [third.external_id])
    assert answer(case)[1] == "already_replied"


def test_our_own_account_and_a_missing_one_close_both_ways(b):
    case = b.case()
    assert answer(case) == ("accepts", "named")
    Author.objects.filter(pk=case.author_id).update(external_id=b.news.external_id)
    assert answer(case) == ("ours", "ours")
    BrandAccount.objects.update(active=False)
    found = eligibility.of(case)
    assert (found.dm.code, found.reply.code, found.account, found.watch_only) == (
        "no_account",
        "no_account",
        None,
        True,
    )


def test_watch_only_is_both_ways_closed(b):
    shut = b.hear(post("my citi card", person(receives_dm=False)))[0].case
    public = b.hear(post("@AskCiti my card", person(receives_dm=False), names=(b.care,)))[0].case
    assert [eligibility.of(case).watch_only for case in (shut, public)] == [True, False]


def test_asks_as_often_for_a_long_story_as_for_a_short_one(b):
    somebody = person("maria_m")
    counts = []
    for number in range(3):
        case = b.hear(post(f"@AskCiti my card {number}", somebody, names=(b.care,), minutes=number))[0].case
        case = Case.objects.select_related("author").get(pk=case.pk)
        with CaptureQueriesContext(connection) as asked:
            eligibility.of(case)
        counts.append(len(asked))
    assert counts == [3, 3, 3]


# Words.


@pytest.mark.parametrize(
    "text",
    [
        "stop", "STOP!!", "Stop.", "@AskCiti stop", "please stop", "Stop, please. Thanks!", "stop stop stop", "stop 🛑",
        "stop all", "STOPALL", "unsubscribe", "Unsubscribe me", "opt out", "Opt-out", "optout", "I want to opt out",
        "stop messaging me", "Please stop messaging me!", "stop texting me now",
        "Stop writing to me", "stop replying to me", "stop sending me messages", "no more messages please",
        "don't contact me", "Don’t message me any more", "do not write to me again", "leave me alone",
        "baja", "BAJA por favor", "no me escriban más", "Por favor, dejen de escribirme",
        "no más mensajes", "quiero darme de baja", "stopp", "Bitte abmelden", "aufhören!",
        "Schreiben Sie mir bitte nicht mehr", "keine Nachrichten mehr", "lasst mich in Ruhe", "Stop. Unsubscribe.",
    ],
)  # fmt: skip
def test_asks_us_to_stop(text):
    assert eligibility.wish(text) == "out"


@pytest.mark.parametrize(
    "text", ["start", "START!", "unstop", "@AskCiti opt in please", "subscribe", "alta", "anmelden"]
)
def test_lets_us_write_again(text):
    assert eligibility.wish(text) == "in"


@pytest.mark.parametrize(
    "text",
    [
        "", "@AskCiti", "https://t.co/s", "stop charging my card", "please stop the payment", "stop it", "Stop! Thief!",
        "cancel", "quit", "cancelar",
        "cancel my card", "I want to cancel", "cancel the transfer", "I can't stop crying", "stop this fraud",
        "stop messaging me and fix my card", "don't message me, call me", "stop by the branch", "the end",
        "start over", "end my loan", "can you start a dispute", "cancelar mi tarjeta", "baja mi límite",
        "Karte abmelden", "Konto kündigen", "aufhören meine Karte zu belasten", "stop payment on check 101", "basta",
        "you never stop", "STOP CHARGING ME", "non-stop", "unstoppable", "help", "leave me a message",
    ],
)  # fmt: skip
def test_a_cry_for_help_is_no_wish_to_be_left_alone(text):
    assert eligibility.wish(text) == ""


# What they do.


def told(case):
    return list(AuditEvent.objects.filter(case=case, verb__startswith="opted").values_list("verb", flat=True))


def out_at(case):
    return Author.objects.get(pk=case.author_id).opted_out_at


@pytest.mark.parametrize(
    ("text", "changes", "heeded"),
    [
        ("stop", {"kind": "dm"}, True),
        ("@AskCiti stop", {"answers": "care"}, True),
        ("@AskCiti stop messaging me", {}, True),
        ("stop", {}, False),  # to nobody
        ("@bob @AskCiti stop", {"answers": BOB}, False),  # to bob
        ("stop charging my card", {"kind": "dm"}, False),
    ],
)
def test_heeded_where_it_is_said_to_us(b, text, changes, heeded):
    somebody = person("maria_m")
    case = b.hear(post("@AskCiti my card", somebody, names=(b.care,)))[0].case
    if changes.get("answers") == "care":
        changes = {**changes, "answers": replace(person(), external_id=b.care.external_id)}
    (mention,) = b.hear(post(text, somebody, minutes=5, **changes))
    assert (mention.state, mention.case) == ("CASED", case)  # it stays with somebody, whatever it was
    assert (out_at(case), told(case)) == ((mention.posted_at, ["opted_out"]) if heeded else (None, []))
    assert eligibility.of(Case.objects.get(pk=case.pk)).watch_only is heeded


def test_a_stranger_who_says_only_stop_is_heeded_and_stays_in_sight(b):
    (mention,) = b.hear(post("@AskCiti stop", names=(b.care,)))
    assert (mention.state, told(mention.case)) == ("CASED", ["opted_out"])


def test_said_twice_is_told_once_and_start_opens_again(b):
    somebody = person("maria_m")
    for minute, text in enumerate(["stop", "stop", "start", "start"]):
        case = b.hear(post(text, somebody, kind="dm", minutes=minute))[0].case
    assert (told(case), out_at(case)) == (["opted_out", "opted_in"], None)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
@pytest.mark.parametrize("at_once", [True, False])
def test_order_of_arrival_changes_nothing(b, order, at_once):
    somebody = person("maria_m")
    said = [post(text, somebody, kind="dm", minutes=minute) for minute, text in enumerate(["hello", "stop", "start"])]
    said = [said[index] for index in order]
    for batch in [said] if at_once else [[one] for one in said]:
        b.hear(*batch)
    assert Author.objects.get().opted_out_at is None


def test_the_secure_chat_goes_on():
    world = invited()
    case = proven(world)
    chat.join(case, world.maria)
    Author.objects.update(opted_out_at=case.opened_at)
    case = Case.objects.get(pk=case.pk)
    assert chat.post(case, author=world.maya, client_id=case.public_id, text="Still here for you").seq == 1
    with pytest.raises(OptedOut):
        outreach.message(case, world.maya, text="Still here for you")


def test_a_batch_without_wishes_asks_nothing_more(b):
    mine = b.hear(*[post(f"@AskCiti my card {n}", names=(b.care,)) for n in range(3)])
    with CaptureQueriesContext(connection) as asked:
        eligibility.heed(mine)
    assert len(asked) == 0
