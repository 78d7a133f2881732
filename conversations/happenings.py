"""Takes the trail of a case, leaves what was done to it as sentences that its agents read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from conversations.models import AuditEvent, Case

EVENT = "event"

# The rest of the trail shows as what it left: a post, a message with its state, a step of the hand-off.
EVENTS = (
    "assigned",
    "taken",
    "reassigned",
    "cancelled",
    "mismatch",
    "unlinked",
    "revoked",
    "expired",
    "resolved",
    "reopened",
    "closed",
    "surveyed",
    "opted_out",
    "opted_in",
    "call_asked",
    "call_taken",
    "call_code_used",
    "call_done",
    "call_missed",
    "call_expired",
    "notice_sent",
    "offered",
    "transferred",
    "declined",
    "offer_ended",
    "fell_back",
    "taken_over",
    "detail_viewed",
)


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that was done to the case, as one sentence with the icon that goes with it."""

    key: str
    at: datetime
    audience: str
    icon: str
    text: str
    detail: str
    kind: str = "happened"


def of(case: Case) -> Iterator[Happened]:
    """What was done to the case, in order: one query."""
    for event in case.trail.filter(verb__in=EVENTS).select_related("user__agent").order_by("at", "id"):
        icon, text = _sentence(event)
        yield Happened(
            key=f"e-{event.pk}",
            at=event.at,
            audience=EVENT,
            icon=icon,
            text=text,
            detail=str(event.data.get("reason") or ""),
        )


def _sentence(event: AuditEvent) -> tuple[str, str]:
    """An icon and who did what. Names come from the rows, never from what a stranger typed."""
    agent = getattr(event.user, "agent", None)
    who = agent.name if agent else event.user.get_username() if event.user else _("The system")
    values = {"who": who, "agent": event.data.get("agent") or _("nobody"), "csat": event.data.get("csat")}
    values["to"] = event.data.get("to")
    strangers = _("Three strangers tried this link, so it opens nothing any more. Send a new one.")
    sentences = {
        "assigned": ("transfer", _("Assigned to %(agent)s")),
        "taken": ("hand", _("%(who)s took the case")),
        "reassigned": ("transfer", _("%(who)s gave the case to %(agent)s")),
        "cancelled": ("undo", _("%(who)s took a message back before it left")),
        "mismatch": ("alert", _("Somebody else signed in with this link. Nothing was shown to them.")),
        "unlinked": ("at", _("The proof of the handle was taken back. This chat stays the customer’s.")),
        "revoked": ("link", strangers if event.actor == "handoff" else _("The earlier link was revoked")),
        "expired": ("clock", _("The link expired")),
        "resolved": ("check", _("%(who)s resolved the case")),
        "reopened": ("undo", _("The case was reopened")),
        "closed": ("lock", _("The case was closed")),
        "surveyed": ("star", _("Rated %(csat)s of 5")),
        "offered": ("transfer", _("%(who)s offered the case to %(to)s")),
        "transferred": ("transfer", _("%(agent)s goes on with the case")),
        "declined": ("close", _("%(who)s declined. The case stays where it is.")),
        "offer_ended": ("undo", _("The offer was taken back")),
        "fell_back": _fallen(event),
        "taken_over": ("hand", _("%(who)s took the case over")),
        "opted_out": ("stop", _("They asked us to stop writing")),
        "opted_in": ("check", _("They wrote START: they want to hear from us again")),
        "detail_viewed": ("eye", _("%(who)s looked at a detail that was given")),
        "call_asked": ("clock", _("They asked for a phone call")),
        "call_taken": ("hand", _("%(who)s took the phone call")),
        "call_code_used": ("key", _("%(who)s answered the phone, and they said their code")),
        "call_done": ("check", _("%(who)s talked to them on the phone")),
        "call_missed": ("alert", _("%(who)s did not reach them on the phone")),
        "call_expired": ("clock", _("Nobody talked to them on the phone in time")),
        "notice_sent": ("envelope", _("They were told by e-mail that a message waits, without its words")),
    }
    icon, sentence = sentences[event.verb]
    return icon, sentence % values


def _fallen(event: AuditEvent) -> tuple[str, str]:
    """What became of a case that was offered and that nobody accepted."""
    if "from" in event.data:
        return "transfer", _("Nobody accepted in time, and %(agent)s goes on with the case")
    if event.data.get("here"):
        return "undo", _("Nobody accepted in time: the case stays with %(agent)s")
    return "alert", _("Nobody accepted in time, and nobody is here: the case waits for %(agent)s")
