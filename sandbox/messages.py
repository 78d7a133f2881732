"""Takes a message from one person to another, leaves it stored where X's permission allows it."""

from django.db.models import Q, QuerySet

from sandbox import activity, clock, texts
from sandbox.models import DirectMessage, Person
from sandbox.people import may_message
from sandbox.snowflakes import next_id

MAX_LENGTH = 10_000


class NotAllowed(Exception):
    """The recipient takes no messages from this sender."""


def send(sender: Person, recipient: Person, text: str) -> DirectMessage:
    """Store a message, links wrapped; raises NotAllowed unless the recipient takes messages or wrote first."""
    if not may_message(sender, recipient):
        raise NotAllowed(f"@{recipient.handle} does not take messages from @{sender.handle}.")
    wired, entities = texts.wire(text)
    people = {
        p.handle_lower: p for p in Person.objects.filter(handle_lower__in=[n.lower() for n in texts.names(wired)])
    }
    for mention in entities.get("mentions", ()):
        if person := people.get(mention["username"].lower()):
            mention["id"] = str(person.pk)
    row = DirectMessage.objects.create(id=next_id(), sender=sender, recipient=recipient, text=wired, entities=entities)
    activity.messaged(row)
    return row


def of(person: Person) -> QuerySet[DirectMessage]:
    """All messages a person wrote or got, newest first."""
    return (
        DirectMessage.objects.filter(Q(sender=person) | Q(recipient=person))
        .select_related("sender", "recipient")
        .order_by("-id")
    )


def between(one: Person, other: Person | int) -> QuerySet[DirectMessage]:
    """The conversation of two people, newest first."""
    number = other if isinstance(other, int) else other.pk
    return of(one).filter(Q(sender_id=number) | Q(recipient_id=number))


def read(reader: Person, writer: Person) -> None:
    """Mark what the writer sent as read."""
    DirectMessage.objects.filter(sender=writer, recipient=reader, read_at=None).update(read_at=clock.now())


def unread(person: Person) -> int:
    """How many messages wait unread."""
    return DirectMessage.objects.filter(recipient=person, read_at=None).count()


def plain(message: DirectMessage) -> str:
    """A message's text with the links as they were written."""
    text = message.text
    for url in reversed(message.entities.get("urls", [])):
        text = text[: url["start"]] + url["expanded_url"] + text[url["end"] :]
    return text
