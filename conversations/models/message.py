"""What the two sides say to each other on the bank's own site."""

from django.db import models
from django.db.models import Q

from conversations.models.case import Case


class Message(models.Model):
    """One chat message. `seq` counts per case without gaps; `client_id` makes a repeated send harmless."""

    class Side(models.TextChoices):
        AGENT = "agent", "Agent"
        CUSTOMER = "customer", "Customer"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="messages")
    seq = models.PositiveIntegerField()
    client_id = models.UUIDField()
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
                | Q(side="customer", customer__isnull=False, agent__isnull=True),
                name="message_has_its_side",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case} #{self.seq}"
