"""One person, one matter, from the first post to the survey."""

import uuid

from django.db import models
from django.db.models import Q

from conversations.models.brand import Brand
from conversations.models.mention import Author


class Case(models.Model):
    """Status is written by `conversations.cases` alone, along its table of transitions."""

    class Status(models.TextChoices):
        OPEN = "OPEN", "Open"
        ASSIGNED = "ASSIGNED", "Assigned"
        CONTACTED = "CONTACTED", "Contacted"
        CONNECTED = "CONNECTED", "Connected"
        RESOLVED = "RESOLVED", "Resolved"
        CLOSED = "CLOSED", "Closed"

    class Move(models.TextChoices):
        OURS = "ours", "Our move"
        THEIRS = "theirs", "Their move"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="cases")
    author = models.ForeignKey(Author, on_delete=models.PROTECT, related_name="cases")
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    move = models.CharField(max_length=6, choices=Move, default=Move.OURS)
    language = models.CharField(max_length=8, default="en")
    topic = models.CharField(max_length=40, blank=True)
    agent = models.ForeignKey("accounts.Agent", on_delete=models.PROTECT, null=True, blank=True, related_name="cases")
    customer = models.ForeignKey(
        "accounts.Customer", on_delete=models.PROTECT, null=True, blank=True, related_name="cases"
    )
    previous = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="next")
    opened_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    waiting_since = models.DateTimeField(help_text="Since when the side whose move it is has been owing it.")
    first_contact_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    last_seq = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "author"], condition=~Q(status="CLOSED"), name="one_open_case_per_author"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["OPEN", "ASSIGNED", "CONTACTED", "CONNECTED", "RESOLVED", "CLOSED"]),
                name="case_status_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["OPEN", "RESOLVED", "CLOSED"]) | Q(agent__isnull=False),
                name="case_worked_on_has_agent",
            ),
        ]
        indexes = [
            models.Index(fields=["waiting_since"], condition=Q(status="OPEN"), name="case_unassigned"),
            models.Index(
                fields=["agent", "changed_at"],
                condition=Q(status__in=["ASSIGNED", "CONTACTED", "CONNECTED"]),
                name="case_of_agent",
            ),
            models.Index(fields=["brand", "-changed_at", "-id"], name="case_newest"),
            models.Index(fields=["resolved_at"], condition=Q(status="RESOLVED"), name="case_resolved"),
        ]

    def __str__(self) -> str:
        return f"Case {self.pk}"
