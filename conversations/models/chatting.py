"""What goes on around a chat: tickets, hand-overs, files, details asked for, calls, notices, opening hours."""

import uuid

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q

from accounts.models import Agent, Customer, Team, User
from conversations.models.brand import Brand
from conversations.models.case import Case
from conversations.models.message import Message


class SocketTicket(models.Model):
    """One opening of one socket (`conversations.tickets`): used by being deleted.

    `session` is the SHA-256 of session key, epoch and password, `digest` that of the ticket; without a `case` it is for
    the inbox.
    """

    digest = models.BinaryField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=10, help_text="agent, customer or supervisor")
    session = models.BinaryField()
    case = models.ForeignKey(Case, on_delete=models.CASCADE, null=True, related_name="+")
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"ticket of login {self.user_id}"


class Transfer(models.Model):
    """One agent offers a case to another or to a team; it stays with the first until somebody accepts.

    State is written by `conversations.transfers` alone. Exactly one of `to_agent` and `to_team` is set, or none:
    then anybody of the brand's teams may accept.
    """

    class State(models.TextChoices):
        WAITING = "WAITING", "Waiting"
        ACCEPTED = "ACCEPTED", "Accepted"
        DECLINED = "DECLINED", "Declined"
        FELL_BACK = "FELL_BACK", "Nobody accepted in time"
        CANCELLED = "CANCELLED", "Taken back"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="transfers")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", help_text="Agent, supervisor or customer.")
    from_agent = models.ForeignKey(Agent, on_delete=models.PROTECT, null=True, related_name="+")
    to_agent = models.ForeignKey(Agent, on_delete=models.PROTECT, null=True, related_name="transfers")
    to_team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, related_name="+")
    accepted_by = models.ForeignKey(Agent, on_delete=models.PROTECT, null=True, related_name="+")
    note = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    asked_at = models.DateTimeField()
    falls_back_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case"], condition=Q(state="WAITING"), name="one_transfer_at_a_time"),
            models.CheckConstraint(
                condition=Q(to_agent__isnull=True) | Q(to_team__isnull=True), name="transfer_to_one"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["WAITING", "ACCEPTED", "DECLINED", "FELL_BACK", "CANCELLED"]),
                name="transfer_state_known",
            ),
        ]
        indexes = [models.Index(fields=["falls_back_at"], condition=Q(state="WAITING"), name="transfer_waiting")]

    def __str__(self) -> str:
        return f"transfer of {self.case}"


class OpeningHours(models.Model):
    """A weekly stretch in which somebody answers, in the brand's time zone. None at all means: always."""

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="hours")
    weekday = models.PositiveSmallIntegerField(validators=[MaxValueValidator(6)], help_text="0 is Monday.")
    opens = models.TimeField()
    closes = models.TimeField(help_text="00:00 is midnight at the end of the day.")

    class Meta:
        ordering = ["weekday", "opens"]
        verbose_name_plural = "opening hours"
        constraints = [
            models.UniqueConstraint(fields=["brand", "weekday", "opens"], name="opening_once"),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="opening_weekday_known"),
            models.CheckConstraint(
                condition=Q(closes__gt=F("opens")) | Q(closes="00:00"), name="opening_before_closing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.weekday} {self.opens:%H:%M}–{self.closes:%H:%M}"


class Attachment(models.Model):
    """A file in a chat, as it was made anew by us (`conversations.attachments`); `path` is below ATTACHMENTS."""

    class Kind(models.TextChoices):
        IMAGE = "image", "Picture"
        PDF = "pdf", "PDF"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="attachments")
    message = models.OneToOneField(Message, on_delete=models.PROTECT, null=True, related_name="attachment")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=5, choices=Kind)
    name = models.CharField(max_length=120)
    content_type = models.CharField(max_length=40)
    size = models.PositiveIntegerField()
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    digest = models.BinaryField()
    path = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(kind__in=["image", "pdf"]), name="attachment_kind_known")]

    def __str__(self) -> str:
        return f"{self.kind} in {self.case}"


class SecureRequest(models.Model):
    """A detail that the agent asked for by name. The value is sealed, never in the chat, and gone when it expires.

    State is written by `conversations.details` alone.
    """

    class State(models.TextChoices):
        ASKED = "ASKED", "Asked"
        ANSWERED = "ANSWERED", "Answered"
        EXPIRED = "EXPIRED", "Expired"
        WITHDRAWN = "WITHDRAWN", "Withdrawn"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="details")
    message = models.OneToOneField(Message, on_delete=models.PROTECT, related_name="detail")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+")
    label = models.CharField(max_length=80)
    state = models.CharField(max_length=9, choices=State, default=State.ASKED)
    sealed = models.BinaryField(default=b"", editable=False)
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state="ANSWERED") | Q(state__in=["ASKED", "EXPIRED", "WITHDRAWN"], sealed=b""),
                name="detail_value_only_while_answered",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state__in=["ASKED", "ANSWERED"]), name="detail_expiring"),
        ]

    def __str__(self) -> str:
        return f"{self.label} for {self.case}"


class Callback(models.Model):
    """A phone call about a case: we call them (ME), or they call us and say a code (NOW).

    State is written by `conversations.callbacks` alone; the number is sealed, the code is kept as its MAC.
    """

    class Kind(models.TextChoices):
        ME = "me", "Call me"
        NOW = "now", "They call us"

    class State(models.TextChoices):
        WAITING = "WAITING", "Waiting"
        TAKEN = "TAKEN", "On the phone"
        DONE = "DONE", "Done"
        MISSED = "MISSED", "Not reached"
        EXPIRED = "EXPIRED", "Expired"
        CANCELLED = "CANCELLED", "Taken back"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="callbacks")
    kind = models.CharField(max_length=3, choices=Kind)
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    sealed_number = models.BinaryField(default=b"", editable=False)
    number_end = models.CharField(max_length=2, blank=True, help_text="The last two digits, to tell it by.")
    code_mac = models.BinaryField(null=True, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField()
    wanted_at = models.DateTimeField(help_text="Not before.")
    expires_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case"], condition=Q(state__in=["WAITING", "TAKEN"]), name="one_callback_at_a_time"
            ),
            models.UniqueConstraint(
                fields=["code_mac"], condition=Q(state="WAITING", code_mac__isnull=False), name="callback_code_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["WAITING", "TAKEN", "DONE", "MISSED", "EXPIRED", "CANCELLED"]),
                name="callback_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["WAITING", "TAKEN"])
                | Q(state__in=["DONE", "MISSED", "EXPIRED", "CANCELLED"], sealed_number=b"", code_mac=None),
                name="callback_secrets_only_while_open",
            ),
            models.CheckConstraint(
                condition=~Q(state="TAKEN") | Q(agent__isnull=False, taken_at__isnull=False),
                name="callback_taken_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["wanted_at"], condition=Q(state__in=["WAITING", "TAKEN"]), name="callback_waiting")
        ]

    def __str__(self) -> str:
        return f"call about {self.case}"


class EmailNotice(models.Model):
    """ "You have a message", to a customer who left: without its words, without a link (`conversations.notices`)."""

    class State(models.TextChoices):
        WAITING = "WAITING", "Waiting"
        SENDING = "SENDING", "Sending"
        SENT = "SENT", "Sent"
        NEEDLESS = "NEEDLESS", "They came back before"
        FAILED = "FAILED", "Failed"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="notices")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    seq = models.PositiveIntegerField(help_text="The first message that they had not read.")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    due_at = models.DateTimeField()
    tried = models.PositiveSmallIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    why = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "seq"], name="notice_once"),
            models.CheckConstraint(
                condition=Q(state__in=["WAITING", "SENDING", "SENT", "NEEDLESS", "FAILED"]), name="notice_state_known"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=["WAITING", "SENDING"]), name="notice_waiting")
        ]

    def __str__(self) -> str:
        return f"notice on {self.case}"
