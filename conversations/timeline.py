"""Takes a case, leaves its whole story in the order it happened, cut into runs by who could read each piece."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from django.utils import timezone
from django.utils.translation import gettext as _

from conversations import happenings, mentions, scrutiny, spoken
from conversations.happenings import Happened
from conversations.mentions import NETWORKS
from conversations.models import Approval, Case, Invitation, Mention, Note, Outgoing
from conversations.networks.base import LINK
from conversations.outbox import Place
from conversations.placeholders import as_read
from conversations.spoken import Said

PUBLIC, DM, SECURE, NOTE, EVENT = "public", "dm", "secure", "note", happenings.EVENT
SOON = timedelta(minutes=1)  # what leaves within it is counted down


@dataclass(frozen=True, slots=True)
class Heard:
    """A post or a direct message of theirs. `masked` counts the private details taken out.

    `instead` is the sentence that stands where there are no words: deleted (when: `deleted_at`), or encrypted.
    """

    key: str
    at: datetime
    audience: str
    name: str
    handle: str
    text: str
    language: str
    permalink: str
    masked: int
    instead: str
    deleted_at: datetime | None
    kind: str = "heard"


@dataclass(frozen=True, slots=True)
class Written:
    """A public reply or direct message of ours and how far it came; `why` is the sentence of a failure.

    `state` is one of: approval and leaving (may be taken back), sending, sent, doubtful, failed. `because` says why
    it waits for approval, `approved` who approved it, and `asked` the words they were asked about if they changed them.
    """

    key: str
    at: datetime
    audience: str
    id: int
    account: str
    name: str
    text: str
    state: str
    why: str
    leaves_at: datetime
    paced: bool  # it waits for its turn and not only for the time to undo
    before: int  # texts that leave before it
    behind: bool  # one to the same person may have left: it waits until that is known
    message_button: bool
    because: str = ""
    approved: str = ""
    asked: str = ""
    kind: str = "written"

    @property
    def pieces(self) -> list[str]:
        """The text around its link: between two pieces stands a link."""
        return self.text.split(LINK)


@dataclass(frozen=True, slots=True)
class Step:
    """One check of the hand-off; `at` is None while it is open."""

    icon: str
    text: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class HandOff:
    """The four checks between the link and the chat, at the time the link was opened.

    `assurance` says how the handle was bound to the customer (empty: it is not yet); `over`: the newest link of the
    case opens nothing any more, and nobody has come through it.
    """

    key: str
    at: datetime
    audience: str
    steps: tuple[Step, ...]
    assurance: str = ""
    over: bool = False
    kind: str = "handoff"


@dataclass(frozen=True, slots=True)
class Noted:
    """What a colleague said about the case, or (`whisper`) a supervisor to its agent; the customer never reads it."""

    key: str
    at: datetime
    audience: str
    name: str
    text: str
    masked: int
    whisper: bool
    kind: str = "noted"


Item = Heard | Written | Said | Happened | HandOff | Noted


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive items with the same readers. `day` is set where a new day begins, `readers` once per audience."""

    key: str
    audience: str
    heading: str
    readers: str
    day: date | None
    items: tuple[Item, ...]


def of(
    case: Case,
    *,
    reasons: Mapping[str, object],
    places: Mapping[int, Place] | None = None,
    as_written: bool = False,
) -> list[Run]:
    """The story of a case in its reader's time zone (the active one). Five queries, however long it is.

    `reasons` gives the sentence for each reason of a failed sending, `places` where each waiting text stands.
    `as_written`: for supervisors alone, who read also what was changed or taken back since.
    """
    said = spoken.written(case) if as_written else spoken.shown(case, reader="agent")
    items: list[Item] = [*_heard(case), *_written(case, reasons, places or {}), *said, *happenings.of(case)]
    items += _noted(case)
    items.sort(key=lambda item: item.at)
    return _runs(items, case)


def hand_off(runs: Sequence[Run]) -> HandOff | None:
    """The newest hand-off in the story, or None when no link was opened yet."""
    found = [item for run in runs for item in run.items if isinstance(item, HandOff)]
    return found[-1] if found else None


def link_sent(runs: Sequence[Run]) -> bool:
    """Whether a link of ours has left."""
    written = (item for run in runs for item in run.items if isinstance(item, Written))
    return any(item.state == "sent" and LINK in item.text for item in written)


def _runs(items: list[Item], case: Case) -> list[Run]:
    """Cut where the readers or the day change; an event stands alone."""
    runs: list[Run] = []
    seen: set[str] = set()
    last: date | None = None
    # An event is its own run: its key differs from every neighbour's.
    for (day, audience, _alone), group in groupby(items, key=_cut):
        members = tuple(group)
        heading, readers = _heading(audience, case)
        runs.append(
            Run(
                key=f"run-{members[0].key}",
                audience=audience,
                heading=heading,
                readers="" if audience in seen else readers,
                day=day if day != last else None,
                items=members,
            )
        )
        seen.add(audience)
        last = day
    return runs


def _cut(item: Item) -> tuple[date, str, str]:
    return timezone.localdate(item.at), item.audience, item.key if item.audience == EVENT else ""


def _heading(audience: str, case: Case) -> tuple[str, str]:
    """What a run is called, and who can read it."""
    network = NETWORKS.get(case.author.network, case.author.network)
    if audience == PUBLIC:
        return _("Public on %(network)s") % {"network": network}, _("everyone can read this")
    if audience == DM:
        readers = _("only @%(handle)s, but on %(network)s’s servers: no account details")
        values = {"handle": case.author.handle, "network": network}
        return _("Direct message on %(network)s") % values, readers % values
    if audience == SECURE:
        return _("Secure chat"), _("on the bank’s site, both sides proven")
    if audience == NOTE:
        return _("Note"), _("only colleagues read this, never the customer")
    return "", ""


def _heard(case: Case) -> Iterator[Heard]:
    for mention in case.mentions.select_related("author").order_by("posted_at", "id"):
        yield Heard(
            key=f"h-{mention.pk}",
            at=mention.posted_at,
            audience=PUBLIC if mention.kind == Mention.Kind.POST else DM,
            name=mention.author.name or mention.author.handle,
            handle=mention.author.handle,
            text=mention.text,
            language=mention.language,
            permalink=_link(mention),
            masked=mention.masked,
            instead=mentions.instead(mention.kind, mention.state, mention.network),
            deleted_at=mention.deleted_at,
        )


def _link(mention: Mention) -> str:
    """Where it can be seen: nowhere once it is deleted. What a network sends is not yet a link: javascript: is an
    address as well."""
    there = mention.state != Mention.State.DELETED and mention.permalink.startswith(("https://", "http://"))
    return mention.permalink if there else ""


def _written(case: Case, reasons: Mapping[str, object], places: Mapping[int, Place]) -> Iterator[Written | HandOff]:
    related = ("account", "pressed_by__agent", "invitation__binding", "approval__decided_by__agent")
    rows = case.outgoing.select_related(*related).order_by("created_at", "id")
    newest = [row for row in rows if hasattr(row, "invitation")][-1:]
    unsure = {row.kind for row in rows if _STATES[row.delivery] in {"sending", "doubtful"}}
    for row in rows:
        place = places.get(row.pk)
        invitation = getattr(row, "invitation", None)
        if invitation is not None and invitation.opened_at is not None:
            yield _steps(invitation, invitation.opened_at, newest=row in newest)
        if row.delivery == Outgoing.Delivery.CANCELLED:
            continue  # it left no trace but the trail's line
        agent = getattr(row.pressed_by, "agent", None)
        yield Written(
            key=f"o-{row.pk}",
            at=row.sent_at or row.created_at,
            audience=DM if row.kind == Outgoing.Kind.DM else PUBLIC,
            id=row.pk,
            account=row.account.handle,
            name=agent.name if agent else row.pressed_by.get_username(),
            text=as_read(row.text, row.case.brand.address),
            state=_STATES[row.delivery],
            why=_why(row, reasons),
            leaves_at=place.leaves_at if place else row.leaves_at,
            paced=place is not None and place.leaves_at - row.created_at > SOON,
            before=place.before if place else 0,
            behind=row.kind in unsure,
            message_button=row.message_button,
            **_approval(row),
        )


_STATES: dict[str, str] = {
    Outgoing.Delivery.DRAFT: "approval",
    Outgoing.Delivery.AWAITING_APPROVAL: "approval",
    Outgoing.Delivery.QUEUED: "leaving",
    Outgoing.Delivery.SENDING: "sending",
    Outgoing.Delivery.SENT: "sent",
    Outgoing.Delivery.DOUBTFUL: "doubtful",
    Outgoing.Delivery.FAILED: "failed",
    Outgoing.Delivery.CANCELLED: "cancelled",
}


def _why(row: Outgoing, reasons: Mapping[str, object]) -> str:
    """The failure in the agent's words; a reason without a sentence shows by its name rather than not at all."""
    if row.delivery != Outgoing.Delivery.FAILED:
        return ""
    approval: Approval | None = getattr(row, "approval", None)
    if row.reason != "not_approved" or approval is None:
        return str(reasons.get(row.reason, row.reason))
    if approval.decided_by is None:
        return _("Nobody approved it in time. Send it again if it still helps, or ask a supervisor.")
    values = {"who": scrutiny.name_of(approval.decided_by), "note": approval.note}
    return _("%(who)s did not approve it: “%(note)s” Change it and send it again.") % values


def _approval(row: Outgoing) -> dict[str, str]:
    """What there is to say of an approval, as fields of Written."""
    approval: Approval | None = getattr(row, "approval", None)
    if approval is None:
        return {}
    if approval.verdict == Approval.Verdict.APPROVED and approval.decided_by is not None:
        asked = approval.text_asked if approval.text_asked != row.text else ""
        return {"approved": scrutiny.name_of(approval.decided_by), "asked": asked}
    return {"because": scrutiny.in_words(approval)} if row.delivery == Outgoing.Delivery.AWAITING_APPROVAL else {}


def _steps(invitation: Invitation, opened_at: datetime, *, newest: bool) -> HandOff:
    steps = (
        Step("link", _("Link opened"), opened_at),
        Step("key", _("Signed in"), invitation.signed_in_at),
        Step("at", _("Handle proven"), invitation.proven_at),
        Step("door", _("Joined chat"), invitation.joined_at),
    )
    binding = getattr(invitation, "binding", None)
    return HandOff(
        key=f"w-{invitation.pk}",
        at=opened_at,
        audience=EVENT,
        steps=steps,
        assurance=binding.get_assurance_display() if binding else "",
        over=newest and invitation.handoff in (Invitation.Handoff.REVOKED, Invitation.Handoff.EXPIRED),
    )


def _noted(case: Case) -> Iterator[Noted]:
    for note in case.notes.select_related("user__agent").order_by("at", "id"):
        yield Noted(
            key=f"n-{note.pk}",
            at=note.at,
            audience=NOTE,
            name=scrutiny.name_of(note.user),
            text=note.text,
            masked=note.masked,
            whisper=note.kind == Note.Kind.WHISPER,
        )
