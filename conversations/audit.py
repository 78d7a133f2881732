"""Takes one thing that was done, leaves one line of the one trail, in the same transaction as the thing itself.

Each line carries a MAC under AUDIT_KEY, which the database does not have: without the key nobody writes a line or
changes one unseen. That none is taken out is what `conversations.seals` is for.
"""

import hashlib
import hmac
import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from accounts.models import User
from citisocial.clock import now
from conversations.models import AuditEvent, Case

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

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
    "file_sent": "File sent",
    "file_refused": "File refused",
    "deleted": "A post was deleted on the network",
    "opted_out": "They asked us to stop writing",
    "opted_in": "They want to hear from us again",
    "surveyed": "Survey answered",
    "account_connected": "Account connected on the network",
    "account_disconnected": "Account disconnected from the network",
    "account_refused": "The network refuses our access to an account",
    "budget": "Daily budget changed",
    "stopped": "Sending stopped",
    "release_asked": "Release of the stop asked for",
    "resumed": "Sending resumed",
    "alarm": "Alarm raised",
    "alarm_closed": "Alarm closed",
    "approval_asked": "Waits for approval",
    "approved": "Approved",
    "approval_refused": "Not approved",
    "approval_rule": "Approval rule changed",
    "consented": "Agreed to link the handle",
    "refused_entry": "Somebody was kept out of a hand-off",
    "unlinked": "Handle taken back",
    "call_asked": "Asked for a phone call",
    "call_taken": "Took a phone call",
    "number_viewed": "Saw the phone number",
    "call_code_used": "Opened the case of a caller by their code",
    "call_code_wrong": "Typed a code that no caller has",
    "call_done": "Talked on the phone",
    "call_missed": "Did not reach them on the phone",
    "call_cancelled": "Phone call taken back",
    "call_given_back": "Phone call given back: whoever took it was gone",
    "call_expired": "Phone call over without anybody",
    "notice_sent": "Told by e-mail that a message waits",
    "notice_failed": "Could not be told by e-mail",
    "login_closed": "Login closed",
    "login_opened": "Login opened again",
    "factors_taken_away": "Second factors taken away",
    "agent_online": "Agent put online",
    "agent_away": "Agent put away",
    "agent_offline": "Agent put offline",
    "waits": "Chose to wait for their agent",
    "hours_changed": "Opening hours changed",
    "message_edited": "Message changed by its writer",
    "message_removed": "Message taken back by its writer",
    "detail_asked": "Detail asked for",
    "detail_given": "Detail given",
    "detail_viewed": "Detail looked at",
    "detail_withdrawn": "Detail declined or taken back, and erased",
    "detail_expired": "Detail erased when its time was over",
    "check_asked": "Asked to prove who they are again",
    "check_passed": "Proved who they are again",
    "trail_read": "Trail read",
    "trail_exported": "Trail exported",
    "trail_verified": "Trail verified",
    "offered": "Offered to a colleague",
    "transferred": "Given to a colleague",
    "declined": "Offer declined",
    "offer_ended": "Offer taken back",
    "fell_back": "Nobody accepted in time",
    "listened": "A supervisor opened the chat",
    "whispered": "A supervisor whispered",
    "taken_over": "Taken over by a supervisor",
    "noted": "Note written",
}


def record(
    verb: str, *, case: Case | None = None, user: User | None = None, actor: str, data: dict[str, Any] | None = None
) -> AuditEvent:
    """Write one line. `actor` is agent, supervisor, customer, stranger, or the stage that acted by itself."""
    if verb not in VERBS:
        raise KeyError(f"{verb!r} has no words in conversations.audit.VERBS")
    event = AuditEvent(at=now(), verb=verb, case=case, user=user, actor=actor, data=data or {}, nonce=os.urandom(16))
    event.mac = mac_of(event)
    event.save(force_insert=True)
    return event


def supervised(user: User, *, by: User, verb: str) -> AuditEvent:
    """A supervisor's act on somebody's login (accounts.signals)."""
    return record(verb, user=by, actor="supervisor", data={"login": user.pk})


def mac_of(event: AuditEvent) -> bytes:
    """The MAC that a line must have, from its fields as Django has them."""
    return mac(event, micros(event.at), json.dumps(event.data))


def mac(event: Any, at: str, data: str) -> bytes:
    """What AUDIT_KEY makes of a line: 32 bytes. `at` as `micros` writes it, `data` as JSON in any order and spacing.

    `event` has verb, case_id, user_id, actor and nonce: a row of any model or query.
    """
    said = [at, event.verb, event.case_id, event.user_id, event.actor, canonical(data), bytes(event.nonce).hex()]
    return sign("line", json.dumps(said).encode())


def sign(purpose: str, message: bytes) -> bytes:
    """HMAC-SHA256 under AUDIT_KEY; the purpose makes it one key for each. ImproperlyConfigured without a key."""
    if not settings.AUDIT_KEY:
        raise ImproperlyConfigured(
            "AUDIT_KEY is not set, and nothing may happen without a line in the audit trail. Put the key back from "
            "where it is kept; a new installation makes one: 32 random characters or more."
        )
    return hmac.digest(settings.AUDIT_KEY.encode(), f"{purpose}:".encode() + message, hashlib.sha256)


def micros(at: datetime) -> str:
    """A time in whole microseconds since 1970, which is what PostgreSQL keeps."""
    return str((at - EPOCH) // timedelta(microseconds=1))


def canonical(text: str) -> str:
    """JSON as PostgreSQL gives it back whatever was written: keys in order, no spaces, no exponents."""
    return _written(json.loads(text, parse_float=Decimal, parse_int=Decimal))


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_written(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, Decimal):
        return format(abs(value) if value == 0 else value, "f")
    return json.dumps(value)
