"""What the customer says about it afterwards."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from conversations.models.case import Case


class Survey(models.Model):
    """Offered when a case is resolved; CSAT 1 to 5, "was it solved?", effort 1 (easy) to 5, and one comment."""

    class State(models.TextChoices):
        OFFERED = "OFFERED", "Offered"
        ANSWERED = "ANSWERED", "Answered"
        EXPIRED = "EXPIRED", "Expired"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="surveys")
    agent = models.ForeignKey("accounts.Agent", on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.OFFERED)
    csat = models.PositiveSmallIntegerField(null=True, validators=[MinValueValidator(1), MaxValueValidator(5)])
    solved = models.BooleanField(null=True)
    effort = models.PositiveSmallIntegerField(null=True, validators=[MinValueValidator(1), MaxValueValidator(5)])
    comment = models.TextField(blank=True)
    offered_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case"], condition=Q(state="OFFERED"), name="one_survey_offered"),
            models.CheckConstraint(
                condition=~Q(state="ANSWERED") | Q(csat__isnull=False, solved__isnull=False),
                name="survey_answered_is_complete",
            ),
        ]
        indexes = [models.Index(fields=["-offered_at"], name="survey_newest")]

    def __str__(self) -> str:
        return f"Survey of {self.case}"
