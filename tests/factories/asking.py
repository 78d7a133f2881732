"""Texts that wait for another person, how they are decided about, and all that a decision changes."""

from dataclasses import replace

from django.urls import reverse

from conversations import assignment, outbox, outreach, timeline
from conversations.models import Approval, AuditEvent, Invitation, Outgoing
from tests.factories.heard import person
from tests.factories.walked import opened

QUEUE = "/admin/conversations/approval/queue/"
JSON = {"HTTP_ACCEPT": "application/json"}
TEXT = "Hi, let us talk on our own site: {link}"


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
