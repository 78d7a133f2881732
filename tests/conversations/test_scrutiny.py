"""Which texts somebody else reads before they leave, and that none waits where no rule speaks."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection, transaction

from citisocial.clock import now
from conversations import assignment, outbox, outreach, scrutiny
from conversations.management import demo
from conversations.models import (
    Approval,
    ApprovalRule,
    AuditEvent,
    Author,
    Brand,
    Case,
    Invitation,
    Outgoing,
    ReplyTemplate,
)
from tests.factories.heard import bank, person
from tests.factories.walked import opened

pytestmark = pytest.mark.django_db
TEXT = "Hi {name}, here is {agent}. We can talk about it on our own site, it is {time}:"


@pytest.fixture(autouse=True)
def no_caps(settings):
    settings.OUTREACH_AGENT_PER_HOUR = settings.OUTREACH_BRAND_PER_HOUR = 1000


@pytest.fixture
def b():
    return bank()


@pytest.fixture
def maya(b):
    return b.agent("Maya", capacity=100)


def rule(b, kind, threshold, *, active=True):
    return ApprovalRule.objects.create(brand=b.brand, kind=kind, threshold=threshold, active=active)


def pressed(b, agent, text="Hi, let us talk on our own site:", template=None, **who):
    """An invitation to somebody new."""
    case = opened(b, author=replace(person(), **who))
    assignment.take(case, agent)
    return outreach.invite(case, agent, text=text, template=template)


def sent(outgoing):
    """It left, whoever had to approve it."""
    Outgoing.objects.filter(pk=outgoing.pk).update(delivery="QUEUED")
    outgoing.refresh_from_db()
    outbox.move(outgoing, "SENDING", claimed_at=now())
    outbox.move(outgoing, "SENT", verb="sent", sent_at=now(), external_id=str(70_000 + outgoing.pk))
    return outgoing


def got(b, text, people, **columns):
    """This text to so many people, as rows: pressed by nobody in particular, and sent."""
    numbers = range(Author.objects.count(), Author.objects.count() + people)
    authors = Author.objects.bulk_create(
        Author(network="x", external_id=f"9{n}", handle=f"many_{n}", name=f"Many {n}", first_seen_at=now())
        for n in numbers
    )
    model = pressed(b, b.agent(f"Omar{numbers[0]}"), text.replace("{name}", "Many"))
    rows = [Outgoing.objects.get(pk=model.pk) for _ in authors]
    for row, author in zip(rows, authors, strict=True):
        row.pk, row.recipient, row.delivery, row.claimed_at = None, author, "SENT", now()
        for name, value in columns.items():
            setattr(row, name, value)
    Outgoing.objects.bulk_create(rows)
    Invitation.objects.filter(outgoing=model).delete()
    model.delete()


def waits(outgoing):
    """Why it waits; nothing when it does not."""
    approval = Approval.objects.filter(outgoing=outgoing).first()
    assert (outgoing.delivery == "AWAITING_APPROVAL") == (approval is not None)
    return approval.reasons if approval else []


def test_without_rules_nothing_waits(b, maya):
    rule(b, "new_agent", 100, active=False)
    other = Brand.objects.create(name="Other", slug="other", address="other.example")
    ApprovalRule.objects.create(brand=other, kind="new_agent", threshold=100)
    outgoing = pressed(b, maya, followers=10_000_000)
    assert outgoing.delivery == "QUEUED"
    assert Invitation.objects.filter(outgoing=outgoing).exists()
    assert not Approval.objects.exists()


def test_with_the_demos_rules_nothing_of_its_walk_waits(b, maya):
    for kind, threshold, active in demo.APPROVAL_RULES:
        rule(b, kind, threshold, active=active)
    template = ReplyTemplate.objects.create(brand=b.brand, use="invitation", name="New", text="Hi")
    assert waits(pressed(b, maya, template=template, followers=0)) == []
    assert {kind for kind, *_ in demo.APPROVAL_RULES} == set(ApprovalRule.Kind)


def test_an_agents_first_messages_wait_until_enough_were_sent(b, maya):
    rule(b, "new_agent", 2)
    first, second = pressed(b, maya), pressed(b, maya)
    assert waits(first) == waits(second) == ["new_agent"]
    assert waits(pressed(b, maya)) == ["new_agent"]  # pressing is not yet sending
    sent(first)
    assert waits(pressed(b, maya)) == ["new_agent"]
    sent(second)
    assert waits(pressed(b, maya)) == []
    assert waits(pressed(b, b.agent("Omar"))) == ["new_agent"]


def test_follow_ups_and_public_replies_wait_as_well(b, maya):
    rule(b, "new_agent", 1)
    case = opened(b)
    assignment.take(case, maya)
    followed, replied = (
        outreach.message(case, maya, text="And one more thing"),
        outreach.reply(case, maya, text="Hello"),
    )
    assert waits(followed) == waits(replied) == ["new_agent"]
    assert not Invitation.objects.exists()


def test_what_waits_is_asked_with_its_words_and_a_line_in_the_trail(b, maya):
    rule(b, "new_agent", 1)
    outgoing = pressed(b, maya, "Let us talk: {link}")
    approval = Approval.objects.get()
    assert (approval.outgoing, approval.case, approval.asked_by) == (outgoing, outgoing.case, maya.user)
    assert (approval.text_asked, approval.verdict, approval.decided_by) == ("Let us talk: {link}", "waiting", None)
    line = AuditEvent.objects.get(verb="approval_asked")
    assert (line.user, line.data) == (maya.user, {"outgoing": outgoing.pk, "reasons": ["new_agent"]})
    # The link's life begins, and that of an older one ends, when it may leave.
    assert not Invitation.objects.exists()


def test_a_templates_first_uses_wait(b, maya):
    rule(b, "new_template", 1)
    template = ReplyTemplate.objects.create(brand=b.brand, use="invitation", name="New", text="Hi", uses=50)
    first = pressed(b, maya, template=template)
    assert waits(first) == ["new_template"]
    assert waits(pressed(b, maya, template=template)) == ["new_template"]  # 50 presses are not 50 messages
    assert waits(pressed(b, maya)) == []
    sent(first)
    assert waits(pressed(b, maya, template=template)) == []


def test_a_template_goes_to_25_people_and_waits_for_the_26th(b, maya):
    """FINRA 2210: more than 25 retail investors within 30 days is a communication that is approved before use."""
    rule(b, "many_recipients", 25)
    template = ReplyTemplate.objects.create(brand=b.brand, use="invitation", name="Way in", text="Hi")
    got(b, "Whatever was made of it", 24, template=template)
    last = pressed(b, maya, "These words, too", template=template)
    assert waits(last) == []
    assert waits(pressed(b, maya, "And these", template=template)) == ["many_recipients"]
    again = outreach.invite(last.case, maya, text="To one of the 25 once more", template=template)
    assert waits(again) == ["many_recipients"]  # 25 others have it by now, the waiting one included
    assert waits(pressed(b, maya, "Words of its own")) == []


def test_the_same_words_are_the_same_text_whoever_gets_them(b, maya):
    rule(b, "many_recipients", 2)
    filled = TEXT.format(name="Maria", agent="Maya", time="12:34")
    assert waits(pressed(b, maya, filled, name="Maria Moreno")) == []
    assert waits(pressed(b, maya, TEXT.format(name="José-Luis", agent="Maya", time="9:05"), name="José-Luis P")) == []
    shouted = TEXT.format(name="Dee", agent="Omar", time="23:59").upper().replace(",", " !")
    assert waits(pressed(b, b.agent("Omar"), shouted, name="Dee T")) == ["many_recipients"]
    assert waits(pressed(b, maya, f"@dee_says {filled}", name="Maria")) == ["many_recipients"]
    assert waits(pressed(b, maya, filled.replace("talk", "speak"), name="Maria")) == []
    assert waits(pressed(b, maya, filled, name="Somebody Else")) == []  # "Maria" is no name of theirs


@pytest.mark.parametrize(
    "columns",
    [
        {"claimed_at": timedelta(days=-30, minutes=-1)},
        {"delivery": "FAILED", "reason": "gone"},
        {"delivery": "CANCELLED"},
        {"kind": "reply"},
    ],
)
def test_what_reached_nobody_in_30_days_or_went_out_in_public_is_not_counted(b, maya, columns):
    if delta := columns.get("claimed_at"):
        columns = {"claimed_at": now() + delta}
    rule(b, "many_recipients", 2)
    got(b, "Hi {name}, one for all", 5, **columns)
    assert waits(pressed(b, maya, "Hi Ann, one for all", name="Ann")) == []


@pytest.mark.parametrize("delivery", ["QUEUED", "SENDING", "DOUBTFUL"])
def test_what_is_on_its_way_is_counted(b, maya, delivery):
    rule(b, "many_recipients", 5)
    got(b, "Hi {name}, one for all", 5, delivery=delivery, claimed_at=None if delivery == "QUEUED" else now())
    assert waits(pressed(b, maya, "Hi Ann, one for all", name="Ann")) == ["many_recipients"]


@pytest.mark.parametrize(("followers", "held"), [(None, False), (999, False), (1000, True)])
def test_the_first_contact_with_somebody_many_follow_waits(b, maya, followers, held):
    rule(b, "many_followers", 1000)
    outgoing = pressed(b, maya, followers=followers)
    assert waits(outgoing) == (["many_followers"] if held else [])
    if held:
        case = sent(outgoing).case
        assert waits(outreach.message(case, maya, text="And this")) == []


def test_every_rule_that_speaks_is_named_in_the_same_few_queries(b, maya, django_assert_num_queries):
    template = ReplyTemplate.objects.create(brand=b.brand, use="invitation", name="New", text="Hi")
    case = opened(b, author=replace(person(), followers=5000))
    asked = (Case.objects.select_related("author").get(pk=case.pk), maya.user, "Hi", template, "dm")
    with transaction.atomic():
        with django_assert_num_queries(1):
            assert scrutiny.reasons(*asked) == []
        for kind, threshold in [("new_agent", 9), ("new_template", 9), ("many_recipients", 1), ("many_followers", 10)]:
            rule(b, kind, threshold)
        with django_assert_num_queries(6):  # the rules, the clock, one for each
            assert scrutiny.reasons(*asked) == ["new_agent", "new_template", "many_followers"]
        got(b, "Hi", 3)
        with django_assert_num_queries(6):
            assert len(scrutiny.reasons(*asked)) == 4


@pytest.mark.django_db(transaction=True)
def test_of_two_texts_at_one_moment_the_second_sees_the_first():
    b = bank()
    rule(b, "many_recipients", 1)
    agents = [b.agent("Maya"), b.agent("Omar")]
    cases = [opened(b), opened(b)]
    for case, agent in zip(cases, agents, strict=True):
        assignment.take(case, agent)
    start = Barrier(2)

    def press(number):
        start.wait(10)
        try:
            return outreach.invite(cases[number], agents[number], text="One for all").delivery
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(press, range(2))) == ["AWAITING_APPROVAL", "QUEUED"]
