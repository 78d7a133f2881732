"""Takes the lines of a chat, leaves them as its pages show them: messages as they are now, all else in one sentence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext as _

from conversations import reading
from conversations.models import Case, Message

Kind = Message.Kind
MESSAGES = (Kind.SAID, Kind.FILE)
CHANGES = (Kind.EDITED, Kind.REMOVED)
SECURE = "secure"


@dataclass(frozen=True, slots=True)
class Said:
    """One line of the secure chat. `line` is its kind in the rows; `kind`, for templates, is said or notice.

    `changed`: edited, removed (there is no text then) or nothing; `fixed` is the seq of the last change, 0 without one:
    scripts draw a line again when it grew. `link` leads to a file or a form, and `says` what stands on it.
    """

    key: str
    at: datetime
    audience: str
    seq: int
    client_id: str
    side: str
    name: str
    text: str
    masked: int
    line: str = "said"
    changed: str = ""
    fixed: int = 0
    link: str = ""
    says: str = ""
    kind: str = "said"


def shown(case: Case, *, reader: str, after: int = 0) -> list[Said]:
    """The lines with seq > after as they are to be read now. `reader` is agent or customer."""
    lines = reading.lines(case.pk, after=after, limit=case.last_seq - after)
    fixed = {line.about: line.seq for line in lines if line.kind in CHANGES}
    words, links = sentences(reader), link_words(reader)
    items = []
    for line in lines:
        says = line.file or links.get(line.kind, "")
        item = replace(_item(line), fixed=fixed.get(line.seq, 0), link=line.link if says else "", says=says)
        if line.kind in MESSAGES:
            items.append(item)
        elif sentence := words.get(code(line.kind, line.text)):
            text = filled(sentence, name=line.name or _("Somebody"), text=line.text)
            items.append(replace(item, text=text, kind="notice"))
    return items


def written(case: Case) -> Iterator[Said]:
    """For supervisors: every line as it was written, also what was changed or taken back since."""
    rows = list(case.messages.select_related("agent", "customer").order_by("seq"))
    became = {row.about: row.kind for row in rows if row.kind in CHANGES}
    words = sentences("agent")
    for row in rows:
        person = row.agent or row.customer
        item = Said(
            key=f"m-{row.seq}",
            at=row.sent_at,
            audience=SECURE,
            seq=row.seq,
            client_id=str(row.client_id),
            side=row.side,
            name=person.name.split(" ")[0] if person else "",
            text=row.text,
            masked=row.masked,
            line=row.kind,
            changed=became.get(row.seq, ""),
            fixed=row.about or 0,
        )
        if row.kind in (*MESSAGES, *CHANGES):
            yield item
        else:
            sentence = words.get(code(row.kind, row.text), row.text)
            text = filled(sentence, name=item.name or _("Somebody"), text=row.text)
            yield replace(item, text=text, kind="notice")


def code(kind: str, text: str) -> str:
    """Under which name a line that is no message has its sentence."""
    return text if kind in (Kind.EVENT, Kind.ANSWERED) else kind


def sentences(reader: str) -> dict[str, str]:
    """What lines that are no messages say to this reader; {name} and {text} are filled in, here and by scripts."""
    both = {
        "asked": _("{name} asks for: {text}"),
        "answered": _("The detail was given."),
        "expired": _("The detail was not given in time. Nothing is kept."),
        "withdrawn": _("The detail was declined, or is not needed any more. Nothing is kept."),
        "joined": _("{name} joined the chat."),
        "left": _("{name} left the chat."),
        "away": _("{name} is away at the moment."),
        "back": _("{name} is back."),
    }
    if reader == "customer":
        return both | {
            "check": _("{name} asks you to confirm once more that it is you."),
            "checked": _("You confirmed that it is you."),
            "transferred": _("{name} looks after you from now on."),
            "waits": _("You wait for {name}."),
        }
    return both | {
        "check": _("{name} asked the customer to prove once more who they are."),
        "checked": _("The customer proved once more who they are."),
        "transferred": _("{name} has this case from now on."),
        "waits": _("The customer waits for {name}."),
    }


def link_words(reader: str) -> dict[str, str]:
    """What stands on the link of a line, by its kind."""
    if reader == "customer":
        return {"file": _("Open the file"), "asked": _("Answer here"), "check": _("Confirm here")}
    return {"file": _("Open the file")}  # what only the customer answers has no page of the agent's


def filled(sentence: str, **values: str) -> str:
    """The sentence with its {names}; what stands in the values is text and nothing else."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), sentence)


def _item(line: reading.Line) -> Said:
    return Said(
        key=f"m-{line.seq}",
        at=line.at,
        audience=SECURE,
        seq=line.seq,
        client_id=str(line.client_id),
        side=line.side,
        name=line.name,
        text=line.text,
        masked=line.masked,
        line=line.kind,
        changed=line.changed,
        link=line.link,
    )
