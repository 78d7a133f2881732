"""Takes a line that its writer wants otherwise, leaves a later line that says so; the first stays as it was written.

`conversations.reading` makes one of the two for everybody but supervisors, who read both in the case's story.
"""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Agent, Customer
from citisocial.clock import now
from conversations import audit, events, gate, ledger
from conversations.errors import NotAllowed, NotFound, TooLate
from conversations.masking import Masked, mask
from conversations.models import Case, Message
from conversations.permissions import may_write

Kind = Message.Kind
VERBS = {Kind.EDITED: "message_edited", Kind.REMOVED: "message_removed"}


def edit(case: Case, *, author: Agent | Customer, seq: int, text: str, client_id: UUID) -> Message:
    """From now on the author's message `seq` says `text`. The same `client_id` again is the change that is there.

    BadText as for a message; TooLate when it was said too long ago or taken back; NotAllowed where it is not theirs.
    """
    masked = mask(gate.said(text, is_agent=isinstance(author, Agent)))
    return _change(Kind.EDITED, case, author, seq, client_id, masked)


def remove(case: Case, *, author: Agent | Customer, seq: int, client_id: UUID) -> Message:
    """The author's message or file `seq` is shown to nobody any more but supervisors; refused like `edit`."""
    return _change(Kind.REMOVED, case, author, seq, client_id, Masked("", ()))


def _change(
    kind: Message.Kind, case: Case, author: Agent | Customer, seq: int, client_id: UUID, masked: Masked
) -> Message:
    """1. The case's row is locked. 2. A repeat ends here. 3. Who may write may change what is theirs, for a while.
    4. The line that says so, and its line in the trail, without words."""
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        if again := Message.objects.filter(case=case, client_id=client_id).first():
            if not _is_theirs(again, author):
                raise NotFound
            return again
        may_write(case, author)
        _may_change(case, author, seq, kind)
        change = ledger.append(
            case,
            kind=kind,
            author=author,
            about=seq,
            client_id=client_id,
            text=masked.text,
            masked=len(masked.found),
        )
        actor = "agent" if isinstance(author, Agent) else "customer"
        data = {"seq": change.seq, "about": seq}
        audit.record(VERBS[kind], case=case, user=author.user, actor=actor, data=data)
        events.poke_inbox(case.brand_id, {case.pk: []})
    return change


def _may_change(case: Case, author: Agent | Customer, seq: int, kind: Message.Kind) -> None:
    line = Message.objects.filter(case=case, seq=seq).first()
    wanted = {Kind.SAID} if kind == Kind.EDITED else {Kind.SAID, Kind.FILE}
    if line is None or line.kind not in wanted or not _is_theirs(line, author):
        raise NotAllowed(_("Only your own messages can be changed or taken back."))
    if Message.objects.filter(case=case, about=seq, kind=Kind.REMOVED).exists():
        raise TooLate(_("This message was taken back."))
    minutes = settings.MESSAGE_EDIT_MINUTES
    if now() - line.sent_at > timedelta(minutes=minutes):
        sentence = ngettext(
            "A message can be changed or taken back for %d minute. Write another one.",
            "A message can be changed or taken back for %d minutes. Write another one.",
            minutes,
        )
        raise TooLate(sentence % minutes)


def _is_theirs(line: Message, author: Agent | Customer) -> bool:
    return author.pk == (line.agent_id if isinstance(author, Agent) else line.customer_id)
