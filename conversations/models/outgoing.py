"""Anything that leaves to a network, and the link that may be in it: the outbox."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from conversations.models.brand import BrandAccount, ReplyTemplate
from conversations.models.case import Case
from conversations.models.mention import Author, Mention


class Outgoing(models.Model):
    """A text on its way out. `{link}` stands where the link goes: the slug exists only while it is being sent."""

    class Kind(models.TextChoices):
        DM = "dm", "Direct message"
        REPLY = "reply", "Public reply"

    class Delivery(models.TextChoices):
        DRAFT = "DRAFT", "Draft"
        AWAITING_APPROVAL = "AWAITING_APPROVAL", "Awaiting approval"
        QUEUED = "QUEUED", "Queued"
        SENDING = "SENDING", "Sending"
        SENT = "SENT", "Sent"
        DOUBTFUL = "DOUBTFUL", "Doubtful"
        FAILED = "FAILED", "Failed"
        CANCELLED = "CANCELLED", "Cancelled"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="outgoing")
    account = models.ForeignKey(BrandAccount, on_delete=models.PROTECT, related_name="outgoing")
    recipient = models.ForeignKey(Author, on_delete=models.PROTECT, related_name="+")
    answers = models.ForeignKey(Mention, on_delete=models.PROTECT, null=True, related_name="answers")
    kind = models.CharField(max_length=5, choices=Kind)
    message_button = models.BooleanField(default=False, help_text="A public reply with a 'message us' button.")
    text = models.TextField()
    template = models.ForeignKey(ReplyTemplate, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    pressed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    delivery = models.CharField(max_length=17, choices=Delivery, default=Delivery.QUEUED)
    reason = models.CharField(max_length=40, blank=True)
    leaves_at = models.DateTimeField(help_text="Not before: the time to undo, or the network's pace.")
    created_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    external_id = models.CharField(max_length=32, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    absent_at = models.DateTimeField(null=True, help_text="When the first read-back did not find it.")
    looked_at = models.DateTimeField(null=True, help_text="Since when a worker has been looking for it.")
    requeued = models.BooleanField(default=False, help_text="Absent in two read-backs: queued again, once.")

    class Meta:
        verbose_name = "outgoing text"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    delivery__in=[
                        "DRAFT",
                        "AWAITING_APPROVAL",
                        "QUEUED",
                        "SENDING",
                        "SENT",
                        "DOUBTFUL",
                        "FAILED",
                        "CANCELLED",
                    ]
                ),
                name="outgoing_delivery_known",
            ),
            models.CheckConstraint(condition=~Q(delivery="FAILED") | ~Q(reason=""), name="outgoing_failed_has_reason"),
            models.UniqueConstraint(
                fields=["account", "external_id"], condition=~Q(external_id=""), name="outgoing_sent_once"
            ),
            # The ledger of replies: the network's rules allow one public answer to one post.
            models.UniqueConstraint(
                fields=["answers"],
                condition=Q(kind="reply") & ~Q(delivery__in=["FAILED", "CANCELLED"]),
                name="outgoing_one_reply_to_a_post",
            ),
        ]
        indexes = [
            models.Index(fields=["leaves_at"], condition=Q(delivery="QUEUED"), name="outgoing_queue"),
            models.Index(
                fields=["claimed_at"], condition=Q(delivery__in=["SENDING", "DOUBTFUL"]), name="outgoing_unsure"
            ),
            models.Index(fields=["account", "kind", "claimed_at"], name="outgoing_pace"),
            models.Index(fields=["case", "id"], name="outgoing_of_case"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class Invitation(models.Model):
    """The hand-off that an outgoing text with a link opens: from an unopened link to a joined chat."""

    class Handoff(models.TextChoices):
        UNOPENED = "UNOPENED", "Unopened"
        OPENED = "OPENED", "Opened"
        SIGNED_IN = "SIGNED_IN", "Signed in"
        PROVEN = "PROVEN", "Proven"
        JOINED = "JOINED", "Joined"
        EXPIRED = "EXPIRED", "Expired"
        REVOKED = "REVOKED", "Revoked"

    outgoing = models.OneToOneField(Outgoing, on_delete=models.PROTECT, related_name="invitation")
    link = models.OneToOneField("links.ShortLink", on_delete=models.PROTECT, related_name="+")
    handoff = models.CharField(max_length=9, choices=Handoff, default=Handoff.UNOPENED)
    customer = models.ForeignKey("accounts.Customer", on_delete=models.PROTECT, null=True, related_name="+")
    opened_at = models.DateTimeField(null=True)
    consented_at = models.DateTimeField(null=True, help_text="When the customer agreed to link their handle.")
    signed_in_at = models.DateTimeField(null=True)
    proven_at = models.DateTimeField(null=True)
    joined_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(handoff__in=["UNOPENED", "OPENED", "SIGNED_IN", "PROVEN", "JOINED", "EXPIRED", "REVOKED"]),
                name="invitation_handoff_known",
            ),
            # Bound at PROVEN and not before: a thief who signs in first must not lock the right customer out.
            models.CheckConstraint(
                condition=Q(handoff__in=["PROVEN", "JOINED", "EXPIRED", "REVOKED"]) | Q(customer__isnull=True),
                name="invitation_bound_when_proven",
            ),
            models.CheckConstraint(
                condition=~Q(handoff__in=["PROVEN", "JOINED"]) | Q(customer__isnull=False),
                name="invitation_proven_has_customer",
            ),
        ]

    def __str__(self) -> str:
        return f"Invitation {self.pk}"


class Mismatch(models.Model):
    """Somebody proved another handle than the one written to; kept for the agent, and counted per stranger."""

    invitation = models.ForeignKey(Invitation, on_delete=models.CASCADE, related_name="mismatches")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    external_id = models.CharField(max_length=32)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invitation", "user", "external_id"], name="mismatch_per_stranger")
        ]

    def __str__(self) -> str:
        return f"Mismatch at {self.invitation}"


class Binding(models.Model):
    """The record of both proofs: this person of the network is this customer of the bank, for this case."""

    class Assurance(models.TextChoices):
        PROVEN = "proven", "The network said so just then"
        REMEMBERED = "remembered", "Proven before, and not taken back"

    invitation = models.OneToOneField(Invitation, on_delete=models.PROTECT, related_name="binding")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="bindings")
    network = models.CharField(max_length=20)
    recipient_id = models.CharField(max_length=32, help_text="The account written to.")
    proven_id = models.CharField(max_length=32, help_text="The account that was proven.")
    customer = models.ForeignKey("accounts.Customer", on_delete=models.PROTECT, related_name="+")
    assurance = models.CharField(max_length=10, choices=Assurance)
    bound_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(recipient_id=models.F("proven_id")), name="binding_is_of_the_recipient")
        ]

    def __str__(self) -> str:
        return f"Binding of {self.case}"
