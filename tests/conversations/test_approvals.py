"""Somebody else approves, changes or refuses, by page, list and JSON; nobody their own; what becomes of the text."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from accounts.models import Agent, User
from citisocial.clock import now
from conversations import approvals, assignment, cases, outbox, outreach, tasks, timeline
from conversations.errors import BadText, NotAllowed, TooLate
from conversations.models import Approval, ApprovalRule, AuditEvent, Invitation, Outgoing
from tests.factories.heard import bank, person, post
from tests.factories.walked import opened, supervisor, written_to

pytestmark = pytest.mark.django_db
QUEUE = "/admin/conversations/approval/queue/"
JSON = {"HTTP_ACCEPT": "application/json"}
TEXT = "Hi, let us talk on our own site: {link}"


@pytest.fixture
def b():
    made = bank()
    ApprovalRule.objects.create(brand=made.brand, kind="new_agent", threshold=100)
    return made


@pytest.fixture
def maya(b):
    return b.agent("Maya")


@pytest.fixture
def grace():
    return supervisor()


@pytest.fixture
def browser(client, grace):
    client.force_login(grace)
    return client


def asked(b, agent, text=TEXT, **who) -> Approval:
    """An invitation to somebody new that waits."""
    case = opened(b, author=replace(person(), **who))
    assignment.take(case, agent)
    return outreach.invite(case, agent, text=text).approval


def decide(client, approval, verdict="approve", **more):
    headers = {name: more.pop(name) for name in list(more) if name.startswith("HTTP_")}
    url = reverse("admin:conversations_approval_decide", args=[approval.pk])
    return client.post(url, {"verdict": verdict, **more}, **headers)


def rows(approval):
    """All that a decision changes."""
    return (
        Approval.objects.filter(pk=approval.pk).values().get(),
        Outgoing.objects.filter(pk=approval.outgoing_id).values().get(),
        Invitation.objects.count(),
        AuditEvent.objects.count(),
    )


def shown(case):
    """What the agent reads of the newest text of ours."""
    runs = timeline.of(case, reasons=outbox.REASONS)
    return [item for run in runs for item in run.items if isinstance(item, timeline.Written)][-1]


def test_approved_it_leaves_as_the_agents_own_with_a_link_that_lives_from_now_on(b, maya, grace, browser):
    approval = asked(b, maya)
    Outgoing.objects.update(leaves_at=now() - timedelta(hours=20), created_at=now() - timedelta(hours=20))
    at = now()
    assert decide(browser, approval).url == QUEUE
    outgoing = Outgoing.objects.get()
    assert (outgoing.delivery, outgoing.pressed_by, outgoing.text) == ("QUEUED", maya.user, TEXT)
    assert at <= outgoing.leaves_at <= now()  # the time to undo does not begin again
    assert outgoing.invitation.link.expires_at - at >= timedelta(hours=72)
    approval.refresh_from_db()
    assert (approval.verdict, approval.decided_by, approval.note) == ("approved", grace, "")
    line = AuditEvent.objects.get(verb="approved")
    assert (line.user, line.actor, line.data) == (grace, "supervisor", {"outgoing": outgoing.pk, "edited": False})
    assert shown(outgoing.case).approved == "grace"


def test_approved_within_the_time_to_undo_it_still_ends_when_the_agent_was_told(b, maya, grace):
    approval = asked(b, maya)
    leaves_at = approval.outgoing.leaves_at
    assert approvals.approve(approval, by=grace).leaves_at == leaves_at > now()


def test_edited_the_words_change_and_the_sender_does_not(b, maya, grace, browser):
    approval = asked(b, maya)
    decide(browser, approval, text="Dear customer,\r\nthis is the way: {link} ")
    outgoing = Outgoing.objects.get()
    assert (outgoing.delivery, outgoing.pressed_by) == ("QUEUED", maya.user)
    assert outgoing.text == "Dear customer,\nthis is the way: {link}"
    approval.refresh_from_db()
    assert (approval.text_asked, approval.decided_by) == (TEXT, grace)
    assert AuditEvent.objects.get(verb="approved").data["edited"] is True
    assert (shown(outgoing.case).approved, shown(outgoing.case).asked) == ("grace", TEXT)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Look at evil.example.com: {link}", "Only our own links"),
        ("Your card 4111 1111 1111 1111: {link}", "card number"),
        ("Without the link", "Leave {link} where it was"),
        ("", "Write something first."),
    ],
)
def test_words_that_may_not_leave_are_refused_and_kept_on_the_page(b, maya, browser, text, why):
    approval = asked(b, maya)
    before = rows(approval)
    answer = decide(browser, approval, text=text)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert why in page
    assert f">{text or TEXT}</textarea>" in page
    assert decide(browser, approval, text=text, **JSON).json()["error"]["code"] == "bad_text"
    assert rows(approval) == before


def test_a_link_is_not_put_into_a_text_that_has_none(b, maya, grace):
    case = opened(b)
    assignment.take(case, maya)
    approval = outreach.message(case, maya, text="One thing more").approval
    with pytest.raises(BadText):
        approvals.approve(approval, by=grace, text="One thing more {link}")
    assert approvals.approve(approval, by=grace).delivery == "QUEUED"
    assert not Invitation.objects.exists()


def test_refused_with_a_note_the_agent_reads_why(b, maya, grace, browser):
    approval = asked(b, maya)
    assert decide(browser, approval, "refuse", note=" ").status_code == 422
    assert approval == Approval.objects.get(verdict="waiting")
    decide(browser, approval, "refuse", note="Say which card. Not 4111 1111 1111 1111.")
    outgoing = Outgoing.objects.get()
    assert (outgoing.delivery, outgoing.reason) == ("FAILED", "not_approved")
    approval.refresh_from_db()
    assert (approval.verdict, approval.decided_by) == ("refused", grace)
    assert "4111" not in approval.note
    assert AuditEvent.objects.get(verb="approval_refused").user == grace
    item = shown(outgoing.case)
    assert (item.state, item.because) == ("failed", "")
    assert item.why.startswith("grace did not approve it: “Say which card.")
    assert not Invitation.objects.exists()


class TestNobodyDecidesAboutTheirOwn:
    """A supervisor who works as an agent, too."""

    @pytest.fixture
    def own(self, b, grace):
        agent = Agent.objects.create(user=grace, name="Grace", languages=["en"], availability="online")
        agent.teams.add(b.team)
        return asked(b, agent)

    @pytest.mark.parametrize("verdict", ["approve", "refuse"])
    def test_on_the_page(self, own, browser, verdict):
        before = rows(own)
        answer = decide(browser, own, verdict, note="why", text=TEXT + " Now.")
        assert answer.status_code == 403
        assert "You wrote this text yourself." in answer.content.decode()
        assert rows(own) == before

    @pytest.mark.parametrize("verdict", ["approve", "refuse"])
    def test_by_json(self, own, browser, verdict):
        before = rows(own)
        answer = decide(browser, own, verdict, note="why", **JSON)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "not_allowed"
        assert "Somebody else has to read it" in answer.json()["error"]["message"]
        assert rows(own) == before

    def test_by_the_lists_action(self, own, browser):
        before = rows(own)
        answer = chosen(browser, own)
        assert "You wrote this text yourself." in said(answer)[0]
        assert rows(own) == before

    def test_by_the_function_and_in_the_database(self, own, grace):
        before = rows(own)
        with pytest.raises(NotAllowed):
            approvals.approve(own, by=grace)
        for verdict in ("approved", "refused"):
            with pytest.raises(IntegrityError, match="approval_by_another"), transaction.atomic():
                Approval.objects.filter(pk=own.pk).update(verdict=verdict, decided_by=grace, note="x")
        assert rows(own) == before

    def test_the_page_offers_them_no_button(self, own, browser):
        page = browser.get(QUEUE).content.decode()
        assert "somebody else decides" in page
        assert "/decide/" not in page

    def test_somebody_else_may(self, own, client):
        client.force_login(supervisor("frank"))
        decide(client, own)
        own.refresh_from_db()
        assert own.verdict == "approved"


def chosen(client, *found):
    form = {"action": "approve_chosen", "_selected_action": [each.pk for each in found], "index": "0"}
    return client.post(reverse("admin:conversations_approval_changelist"), form)


def said(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_a_constraint_of_the_database_becomes_a_sentence(b, maya):
    from conversations import scrutiny

    approval = asked(b, maya)
    with pytest.raises(NotAllowed, match="Somebody else has to read it"), transaction.atomic():
        scrutiny.decide(approval, "approved", by=maya.user)
    assert Approval.objects.get().verdict == "waiting"


def test_an_agent_without_the_right_gets_nowhere(b, maya, client):
    approval = asked(b, maya)
    before = rows(approval)
    omar = b.agent("Omar")
    client.force_login(omar.user)
    for more in ({}, JSON):
        assert decide(client, approval, **more).status_code in (302, 403)
    assert client.get(QUEUE).status_code in (302, 403)
    assert chosen(client, approval).status_code in (302, 403)
    with pytest.raises(NotAllowed, match="Only a supervisor"):
        approvals.approve(approval, by=omar.user)
    assert rows(approval) == before


def test_staff_who_may_only_look_have_no_buttons(b, maya, client):
    viewer = User.objects.create_user("viewer", "viewer@example.test", "walk-the-talk", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_approval"))
    client.force_login(viewer)
    approval = asked(b, maya)
    before = rows(approval)
    page = client.get(QUEUE)
    assert page.status_code == 200
    assert "/decide/" not in page.content.decode()
    assert decide(client, approval).status_code == 403
    chosen(client, approval)
    assert rows(approval) == before


def test_the_list_approves_many_each_on_its_own(b, maya, browser):
    first, gone, third = asked(b, maya), asked(b, maya), asked(b, maya)
    outreach.cancel(gone.outgoing_id, maya)
    answer = chosen(browser, first, gone, third)
    assert said(answer)[-1] == "Approved: 2 texts."
    assert "was taken back" in said(answer)[0]
    assert Outgoing.objects.filter(delivery="QUEUED").count() == 2


def test_json_says_what_became_of_it(b, maya, browser):
    approval = asked(b, maya)
    answer = decide(browser, approval, **JSON)
    assert answer.json() == {"ok": True, "outgoing": {"id": approval.outgoing_id, "delivery": "QUEUED"}}
    late = decide(browser, approval, **JSON)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "too_late")
    page = decide(browser, approval)
    assert (page.status_code, "Somebody has decided" in page.content.decode()) == (409, True)
    assert decide(browser, approval, "explode", **JSON).status_code == 422
    assert browser.get(reverse("admin:conversations_approval_decide", args=[approval.pk])).status_code == 405


@pytest.mark.parametrize("delivery", ["SENDING", "DOUBTFUL", "SENT"])
def test_what_is_leaving_is_not_queued_again(b, maya, grace, delivery):
    approval = asked(b, maya)
    approvals.approve(approval, by=grace)
    Outgoing.objects.update(delivery=delivery)
    Approval.objects.update(verdict="waiting", decided_by=None)  # as somebody holds it who looked before
    with pytest.raises(TooLate):
        approvals.approve(approval, by=grace)
    with pytest.raises(TooLate):
        approvals.refuse(approval, by=grace, note="no")
    assert Outgoing.objects.get().delivery == delivery


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_decides():
    made = bank()
    ApprovalRule.objects.create(brand=made.brand, kind="new_agent", threshold=100)
    maya = made.agent("Maya")
    approval = asked(made, maya)
    people = [supervisor(f"grace{n}") for n in range(3)]
    start = Barrier(4)

    def run(number):
        start.wait(10)
        try:
            mine = Approval.objects.get(pk=approval.pk)
            if number == 3:
                outreach.cancel(approval.outgoing_id, maya)
            elif number:
                approvals.approve(mine, by=people[number])
            else:
                approvals.refuse(mine, by=people[0], note="no")
        except TooLate:
            return 0
        finally:
            connection.close()
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(run, range(4))) == 1
    verbs = ["approved", "approval_refused", "cancelled"]
    assert AuditEvent.objects.filter(verb__in=verbs).count() == 1
    approval.refresh_from_db()
    became = {"approved": "QUEUED", "refused": "FAILED", "withdrawn": "CANCELLED"}
    assert became[approval.verdict] == Outgoing.objects.get().delivery


def test_the_agent_sees_why_it_waits_and_takes_it_back_with_the_text(b, maya, client):
    case = opened(b)
    assignment.take(case, maya)
    client.force_login(maya.user)
    answer = client.post(reverse("invite", args=[case.public_id]), {"text": TEXT}, **JSON).json()
    assert answer["outgoing"]["delivery"] == "AWAITING_APPROVAL"
    approval = Approval.objects.get()
    page = client.get(reverse("timeline", args=[case.public_id])).content.decode()
    assert "waits for approval" in page
    assert "one of this agent’s first messages" in page
    answer = client.post(reverse("cancel", args=[approval.outgoing_id]), **JSON).json()
    assert answer["outgoing"]["text"] == TEXT  # back into the composer
    approval.refresh_from_db()
    assert (approval.verdict, Outgoing.objects.get().delivery) == ("withdrawn", "CANCELLED")
    assert not approvals.queue().exists()


def test_refusals_and_changes_are_read_in_the_case(b, maya, grace, client):
    client.force_login(maya.user)
    refused, changed = asked(b, maya), asked(b, maya)
    approvals.refuse(refused, by=grace, note="Warmer, please.")
    approvals.approve(changed, by=grace, text="Dear customer: {link}")
    page = client.get(reverse("timeline", args=[refused.case.public_id])).content.decode()
    assert "did not approve it: “Warmer, please.”" in page
    page = client.get(reverse("timeline", args=[changed.case.public_id])).content.decode()
    assert "approved it in other words" in page
    assert "Hi, let us talk on our own site" in page
    assert "Dear customer" in page


def test_whoever_looks_is_poked(b, maya, grace, monkeypatch, django_capture_on_commit_callbacks):
    pokes = []
    monkeypatch.setattr("conversations.events.poke_case", lambda case_id, what: pokes.append((case_id, what)))
    first, second = asked(b, maya), asked(b, maya)
    pokes.clear()
    approvals.approve(first, by=grace)
    approvals.refuse(second, by=grace, note="no")
    assert {case_id for case_id, _ in pokes} == {first.case_id, second.case_id}


def test_an_older_link_works_until_the_new_one_may_leave(b, maya, grace):
    ApprovalRule.objects.update(active=False)
    case = opened(b)
    older = written_to(case, maya)
    ApprovalRule.objects.update(active=True)
    approval = outreach.invite(case, maya, text="Another way:").approval
    older.refresh_from_db()
    assert older.handoff == "UNOPENED"
    approvals.refuse(approval, by=grace, note="One is enough.")
    approval = outreach.invite(case, maya, text="Another way:").approval
    older.refresh_from_db()
    assert older.handoff == "UNOPENED"
    approvals.approve(approval, by=grace)
    older.refresh_from_db()
    assert older.handoff == "REVOKED"


def test_they_ask_us_to_stop_and_what_waits_is_taken_back(b, maya):
    maria = person("maria_m")
    case = opened(b, author=maria)
    assignment.take(case, maya)
    approval = outreach.invite(case, maya, text=TEXT).approval
    b.hear(post("@AskCiti STOP", maria, names=(b.care,), created_at=now()))
    approval.refresh_from_db()
    assert (approval.verdict, Outgoing.objects.get().delivery) == ("withdrawn", "CANCELLED")


def test_a_case_that_is_over_takes_what_waits_with_it(b, maya, grace, browser):
    approval, other = asked(b, maya), asked(b, maya)
    cases.resolve(approval.case, by=maya.user)
    before = rows(approval)
    answer = decide(browser, approval)
    assert (answer.status_code, "The case is over" in answer.content.decode()) == (409, True)
    assert rows(approval) == before
    tasks.expire()
    approval.refresh_from_db()
    other.refresh_from_db()
    assert (approval.verdict, other.verdict) == ("withdrawn", "waiting")
    assert Outgoing.objects.get(pk=approval.outgoing_id).delivery == "CANCELLED"


def test_what_nobody_approved_in_time_does_not_leave_any_more(b, maya, grace, settings):
    settings.APPROVAL_HOURS = 2
    late, fresh = asked(b, maya), asked(b, maya)
    Approval.objects.filter(pk=late.pk).update(asked_at=now() - timedelta(hours=2, seconds=1))
    Approval.objects.filter(pk=fresh.pk).update(asked_at=now() - timedelta(hours=1, minutes=59))
    tasks.expire()
    late.refresh_from_db()
    fresh.refresh_from_db()
    assert (late.verdict, late.decided_by, fresh.verdict) == ("withdrawn", None, "waiting")
    outgoing = Outgoing.objects.get(pk=late.outgoing_id)
    assert (outgoing.delivery, outgoing.reason) == ("FAILED", "not_approved")
    assert shown(late.case).why.startswith("Nobody approved it in time.")
    assert AuditEvent.objects.get(verb="failed").user is None
    with pytest.raises(TooLate):
        approvals.approve(late, by=grace)


def test_the_queue_says_all_that_its_reader_needs(b, maya, browser):
    older = asked(b, maya, followers=12_345)
    asked(b, maya, "<b>& more</b> {link}")
    page = browser.get(QUEUE).content.decode()
    handle = older.case.author.handle
    for words in (
        f"Maya to @{handle}",
        "12,345 followers",
        "one of this agent’s first messages",
        "@AskCiti my card was declined",
        "Hi, let us talk on our own site: <span",
        "&lt;b&gt;&amp; more&lt;/b&gt;",
        str(older.case),
    ):
        assert words in page, words
    assert page.index(handle) < page.index("&amp; more")  # the oldest first
    assert "2 texts wait for approval" in browser.get(reverse("admin:index")).content.decode()


def test_the_queue_costs_the_same_queries_for_one_and_for_three(b, maya, browser, django_assert_num_queries):
    text = "Or type {address} and the code {code} there: {link}"
    asked(b, maya, text)
    changelist = reverse("admin:conversations_approval_changelist")
    browser.get(QUEUE)
    for _ in range(2):
        with django_assert_num_queries(6):
            assert browser.get(QUEUE).status_code == 200
        with django_assert_num_queries(8):
            assert browser.get(changelist).status_code == 200
        asked(b, maya, text)
        asked(b, maya, text)
    assert "Or type citi.example/social and the code ····-···· there: <span" in browser.get(QUEUE).content.decode()


def test_supervisors_keep_the_rules_and_a_change_is_in_the_trail(b, grace, browser):
    rule = ApprovalRule.objects.get()
    form = {"brand": b.brand.pk, "kind": "new_agent", "threshold": 3}
    assert browser.post(reverse("admin:conversations_approvalrule_change", args=[rule.pk]), form).status_code == 302
    rule.refresh_from_db()
    assert (rule.threshold, rule.active) == (3, False)
    line = AuditEvent.objects.get(verb="approval_rule")
    assert (line.user, line.data["threshold"], line.data["active"]) == (grace, 3, False)
    form = {"brand": b.brand.pk, "kind": "many_recipients", "threshold": 25, "active": "on"}
    assert browser.post(reverse("admin:conversations_approvalrule_add"), form).status_code == 302
    assert ApprovalRule.objects.get(kind="many_recipients").active
    page = browser.get(reverse("admin:conversations_approvalrule_changelist")).content.decode()
    assert "people who get one text within 30 days" in page


def test_followers_stand_beside_the_case(b, maya, client):
    ApprovalRule.objects.update(active=False)
    client.force_login(maya.user)
    case = opened(b, author=replace(person(), followers=1))
    assignment.take(case, maya)
    assert "1 follower, not yet" in client.get(reverse("timeline", args=[case.public_id])).content.decode()
    case = opened(b)
    assert "follower" not in client.get(reverse("timeline", args=[case.public_id])).content.decode()
