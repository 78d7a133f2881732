"""Takes what a colleague says about a case, leaves a Note with it masked: the only writer of Note.

No customer's page, socket or transcript ever has one. A note goes to the case's room as its number alone, and no poke
says that there is one: the customer sits in that room as well.
"""

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Agent, User
from citisocial.clock import now
from conversations import audit, events
from conversations.errors import BadText
from conversations.masking import mask
from conversations.models import Case, Note

LENGTH = 2000


def add(case: Case, *, by: Agent, text: str) -> Note:
    """An agent's note on a case of their brands, whoever works on it and whatever its status. BadText."""
    with transaction.atomic():
        note = keep(case, by=by.user, text=text)
        audit.record("noted", case=case, user=by.user, actor="agent", data={"note": note.pk})
    return note


def keep(case: Case, *, by: User, text: str, kind: str = Note.Kind.NOTE, longest: int = LENGTH) -> Note:
    """Store one, inside the caller's transaction, which writes its line of the trail; staff who are there see it."""
    masked = mask(checked(text, longest=longest))
    note = Note.objects.create(case=case, kind=kind, user=by, text=masked.text, masked=len(masked.found), at=now())
    events.tell(case.pk, events.NOTE, note.pk)
    return note


def checked(text: str, *, longest: int) -> str:
    """The text as it may be kept; BadText when it is empty or too long."""
    text = text.replace("\x00", "").replace("\r\n", "\n").strip()
    if not text:
        raise BadText(_("Write something first."))
    if len(text) > longest:
        values = {"used": len(text), "limit": longest}
        raise BadText(_("%(used)d characters of %(limit)d: make it shorter.") % values)
    return text
