"""Somebody else approves, changes or refuses, by page, list and JSON; nobody their own."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from accounts.models import Agent, User
from citisocial.clock import now
from conversations import approvals, assignment, outreach
from conversations.errors import BadText, NotAllowed, TooLate
from conversations.models import Approval, ApprovalRule, AuditEvent, Invitation, Outgoing
from tests.factories.asking import JSON, QUEUE, TEXT, asked, decide, rows, shown
from tests.factories.heard import bank
from tests.factories.walked import opened, supervisor

pytestmark = pytest.mark.django_db


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
