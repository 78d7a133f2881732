"""What becomes of a text that waits: for its agent, for those who decide, and when nobody does."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse

from citisocial.clock import now
from conversations import approvals, assignment, cases, outreach, tasks
from conversations.errors import TooLate
from conversations.models import Approval, ApprovalRule, AuditEvent, Outgoing
from tests.factories.asking import JSON, QUEUE, TEXT, asked, decide, rows, shown
from tests.factories.heard import person, post
from tests.factories.walked import opened, written_to

pytestmark = pytest.mark.django_db


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
