"""What the two sides say to each other on the bank's own site, and how far each has read."""

from django.db import models
from django.db.models import F, Q

from accounts.models import User
from conversations.models.case import Case


class Side(models.TextChoices):
    AGENT = "agent", "Agent"
    CUSTOMER = "customer", "Customer"
    HOUSE = "house", "The house itself"


class Message(models.Model):
    """One line of a chat, written once by `conversations.ledger` and never changed.

    `seq` counts per case without gaps; `client_id` makes a repeated send harmless. What changes an earlier line is a
    line of its own, `about` that line's seq: so whoever resumes by seq lacks no change either.
    """

    class Kind(models.TextChoices):
        SAID = "said", "Said"
        EDITED = "edited", "Edited"  # text: what the line says now
        REMOVED = "removed", "Taken back"
        FILE = "file", "File"  # its Attachment; text: what was said with it
        ASKED = "asked", "Detail asked for"  # its SecureRequest; text: the name of the detail
        ANSWERED = "answered", "Detail given or not"  # text: answered, expired or withdrawn
        CHECK = "check", "Asked to prove who they are again"
        CHECKED = "checked", "Proved who they are again"
        EVENT = "event", "Something happened"  # text: its code; agent: whom it is about

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="messages")
    seq = models.PositiveIntegerField()
    client_id = models.UUIDField()
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.SAID)
    about = models.PositiveIntegerField(null=True)
    side = models.CharField(max_length=8, choices=Side)
    agent = models.ForeignKey("accounts.Agent", on_delete=models.PROTECT, null=True, related_name="+")
    customer = models.ForeignKey("accounts.Customer", on_delete=models.PROTECT, null=True, related_name="+")
    text = models.TextField()
    masked = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "seq"], name="message_seq_once"),
            models.UniqueConstraint(fields=["case", "client_id"], name="message_client_id_once"),
            models.CheckConstraint(
                condition=Q(side="agent", agent__isnull=False, customer__isnull=True)
                | Q(side="customer", customer__isnull=False, agent__isnull=True)
                | Q(side="house", customer__isnull=True),
                name="message_has_its_side",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=["said", "edited", "removed", "file", "asked", "answered", "check", "checked", "event"]
                ),
                name="message_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(about__isnull=True, kind__in=["said", "file", "asked", "check", "event"])
                | Q(about__lt=F("seq"), kind__in=["edited", "removed", "answered", "checked"]),
                name="message_about_an_earlier",
            ),
        ]
        indexes = [
            models.Index(fields=["case", "about"], condition=Q(about__isnull=False), name="message_changes"),
        ]

    def __str__(self) -> str:
        return f"{self.case} #{self.seq}"


class Mark(models.Model):
    """How far one side of a case got the messages, and read them: both seq, both only grow (`conversations.marks`)."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="marks")
    side = models.CharField(max_length=8, choices=Side)
    delivered = models.PositiveIntegerField(default=0)
    read = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "side"], name="mark_once")]

    def __str__(self) -> str:
        return f"{self.case}: {self.side} read to {self.read}"


class Note(models.Model):
    """What colleagues say to each other about a case. No customer's page or socket ever sees one."""

    class Kind(models.TextChoices):
        NOTE = "note", "Note"
        WHISPER = "whisper", "Whisper"  # a supervisor's, to the agent at work

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="notes")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.NOTE)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    masked = models.PositiveSmallIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(kind__in=["note", "whisper"]), name="note_kind_known")]
        indexes = [models.Index(fields=["case", "at"], name="note_of_case")]

    def __str__(self) -> str:
        return f"{self.kind} on {self.case}"
