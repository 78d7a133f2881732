"""Takes one thing that was done, leaves one line of the one trail, in the same transaction as the thing itself."""

from typing import Any

from accounts.models import User
from citisocial.clock import now
from conversations.models import AuditEvent, Case

# What agents and supervisors read; a verb without words would be a line that nobody understands.
VERBS = {
    "opened": "Case opened",
    "joined": "New post joined",
    "assigned": "Assigned",
    "taken": "Taken",
    "reassigned": "Reassigned",
    "invited": "Invitation written",
    "messaged": "Direct message written",
    "replied": "Public reply written",
    "cancelled": "Taken back before it left",
    "sent": "Sent",
    "failed": "Not sent",
    "doubtful": "The network did not say whether it arrived",
    "contacted": "Contacted",
    "link_opened": "Link opened",
    "signed_in": "Signed in to the bank",
    "proven": "Handle proven",
    "mismatch": "Somebody else signed in with this link",
    "revoked": "Link revoked",
    "expired": "Link expired",
    "connected": "Joined the secure chat",
    "resolved": "Resolved",
    "reopened": "Reopened",
    "closed": "Closed",
    "deleted": "A post was deleted on the network",
    "opted_out": "They asked us to stop writing",
    "opted_in": "They want to hear from us again",
    "surveyed": "Survey answered",
    "account_connected": "Account connected on the network",
    "account_disconnected": "Account disconnected from the network",
    "account_refused": "The network refuses our access to an account",
    "budget": "Daily budget changed",
    "stopped": "Sending stopped",
    "resumed": "Sending resumed",
}


def record(
    verb: str, *, case: Case | None = None, user: User | None = None, actor: str, data: dict[str, Any] | None = None
) -> AuditEvent:
    """Write one line. `actor` is agent, supervisor, customer, stranger, or the stage that acted by itself."""
    if verb not in VERBS:
        raise KeyError(f"{verb!r} has no words in conversations.audit.VERBS")
    return AuditEvent.objects.create(at=now(), verb=verb, case=case, user=user, actor=actor, data=data or {})
