"""What becomes a case and what is ignored, and that it does not depend on the order of arrival."""

from itertools import permutations

import pytest

from conversations import cases, triage
from conversations.models import Case, Mention
from tests.factories.heard import bank, person, post

HANDLES = frozenset({"askciti", "citi", "citibank"})


def verdict(text, **changes):
    facts = {
        "text": text,
        "kind": "post",
        "handle": "somebody",
        "is_ours": False,
        "is_retweet": False,
        "answers_other": False,
        "open_case": False,
        "handles": HANDLES,
        "ignored_handles": frozenset({"chasesupport"}),
    }
    return triage.judge(triage.Facts(**(facts | changes))).reason


@pytest.mark.parametrize(
    ("text", "facts", "reason"),
    [
        ("@AskCiti my card was declined in Lisbon", {}, ""),
        ("Citibank charged me twice, wtf", {}, ""),
        ("We are here until 10pm", {"is_ours": True}, "own_post"),
        ("@AskCiti hello from us", {"handle": "chasesupport"}, "other_brand"),
        ("RT @AskCiti: we are back", {}, "retweet"),
        ("@AskCiti my card", {"is_retweet": True}, "retweet"),
        ("@bob @AskCiti see you there tonight", {"answers_other": True}, "other_conversation"),
        ("@bob @AskCiti they took my card", {"answers_other": True}, ""),
        ("@AskCiti @bob see you there tonight", {"answers_other": True}, ""),
        ("@bob ask @AskCiti about it", {"answers_other": True}, ""),
        ("Great game at Citi Field tonight", {}, "look_alike"),
        ("Citi Bike broke down and my Citi card was charged", {}, ""),
        ("$C price target raised", {}, "stock_chatter"),
        ("Citi is hiring, apply now #jobs", {}, "job_advert"),
        ("@AskCiti https://t.co/abc", {}, "nothing_said"),
        ("@AskCiti thank you so much!", {}, "only_thanks"),
        ("@AskCiti thanks for nothing, still locked out", {}, ""),
        ("@AskCiti thank you so much!", {"open_case": True}, ""),
        ("thanks", {"kind": "dm"}, ""),
        ("we are here", {"is_ours": True, "open_case": True}, "own_post"),
    ],
)
def test_verdict(text, facts, reason):
    assert verdict(text, **facts) == reason


@pytest.mark.django_db
def test_ignored_post_keeps_its_reason_and_opens_nothing():
    b = bank()
    (mention,) = b.hear(post("Great game at Citi Field tonight"))
    assert (mention.state, mention.reason, mention.case) == ("IGNORED", "look_alike", None)
    assert not Case.objects.exists()


@pytest.mark.django_db
def test_second_post_joins_the_open_case():
    b, maria = bank(), person("maria_m")
    first, second = b.hear(post("my citi card is blocked", maria), post("hello?? anybody", maria, minutes=3))
    assert first.case == second.case
    assert first.case.waiting_since == first.posted_at or first.case.waiting_since == second.posted_at
    assert Case.objects.count() == 1


@pytest.mark.django_db
def test_order_of_arrival_changes_nothing():
    b = bank()
    outcomes = set()
    for order in permutations(range(3)):
        author = person()
        said = [
            post("@AskCiti thanks!", author, names=(b.care,)),
            post("@AskCiti my card is blocked", author, names=(b.care,), minutes=1),
            post("@AskCiti thank you", author, names=(b.care,), minutes=2),
        ]
        for index in order:
            b.hear(said[index])
        rows = {m.external_id: m for m in Mention.objects.filter(author__external_id=author.external_id)}
        outcomes.add(tuple((rows[p.external_id].state, rows[p.external_id].reason) for p in said))
    assert outcomes == {(("IGNORED", "only_thanks"), ("CASED", ""), ("CASED", ""))}


@pytest.mark.django_db
def test_new_post_reopens_a_resolved_case_and_follows_a_closed_one():
    b, maria = bank(), person("maria_m")
    maya = b.agent("Maya")
    case = b.hear(post("my citi card is blocked", maria))[0].case
    cases.hand_to(case, maya, verb="taken", actor="agent", user=maya.user)
    cases.resolve(case, by=maya.user)
    again = b.hear(post("blocked again", maria, minutes=60))[0].case
    assert (again.pk, again.status, again.agent) == (case.pk, "ASSIGNED", maya)
    cases.resolve(again, by=maya.user)
    cases.transition(again, Case.Status.CLOSED, verb="closed", actor="cases")
    fresh = b.hear(post("my card, once more", maria, minutes=600))[0].case
    assert (fresh.status, fresh.previous) == ("OPEN", case)
    assert fresh.pk != case.pk
