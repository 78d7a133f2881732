"""What holds texts back: the stop, the approval by another person, and the alarms that arm the stop."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from conversations.models.brand import Brand, BrandAccount
from conversations.models.case import Case
from conversations.models.outgoing import Outgoing


class SendingStop(models.Model):
    """While a row without `ended_at` exists, nothing of its scope leaves. Read inside the sending transaction.

    The scope is one account, one brand, or everything (neither is named). Two people end it: one asks, another agrees.
    """

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, null=True, blank=True, related_name="stops")
    account = models.ForeignKey(BrandAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="stops")
    reason = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Empty: an alarm armed it.",
    )
    release_asked_at = models.DateTimeField(null=True)
    release_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "account"],
                condition=Q(ended_at__isnull=True),
                nulls_distinct=False,
                name="one_stop_per_scope",
            ),
            models.CheckConstraint(condition=Q(brand=None) | Q(account=None), name="stop_has_one_scope"),
            models.CheckConstraint(
                condition=Q(ended_at=None)
                | (Q(release_asked_by__isnull=False) & Q(ended_by__isnull=False) & ~Q(ended_by=F("release_asked_by"))),
                name="stop_ended_by_two",
            ),
        ]

    def __str__(self) -> str:
        return f"Stop of {self.account or self.brand or 'everything'}"


class Alarm(models.Model):
    """Something that a supervisor must look at now. Raised once per `key`, closed by a person."""

    class Kind(models.TextChoices):
        ROGUE = "rogue", "A message on the network that we did not send"
        CAP = "cap", "Somebody pressed send more often than the caps allow"
        TRAIL = "trail", "The audit trail does not add up"

    kind = models.CharField(max_length=10, choices=Kind)
    key = models.CharField(max_length=80, unique=True, help_text="What it is about: raised once for each.")
    account = models.ForeignKey(BrandAccount, on_delete=models.PROTECT, null=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    data = models.JSONField(default=dict)
    raised_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["-raised_at"], condition=Q(closed_at=None), name="alarm_open")]

    def __str__(self) -> str:
        return self.get_kind_display()


class ApprovalRule(models.Model):
    """When somebody else has to look at a text before it leaves."""

    class Kind(models.TextChoices):
        NEW_AGENT = "new_agent", "The agent’s first messages (threshold: so many)"
        NEW_TEMPLATE = "new_template", "A template’s first uses (threshold: so many)"
        MANY_RECIPIENTS = "many_recipients", "One text to many people in 30 days (threshold: from so many)"
        MANY_FOLLOWERS = "many_followers", "First contact with somebody of many followers (threshold: so many)"

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="approval_rules")
    kind = models.CharField(max_length=16, choices=Kind)
    threshold = models.PositiveIntegerField()
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["brand", "kind"], name="approval_rule_once")]

    def __str__(self) -> str:
        return self.get_kind_display()


class Approval(models.Model):
    """A text that waits for, or has had, the eyes of another person. Written by `conversations.approvals` alone."""

    class Verdict(models.TextChoices):
        WAITING = "waiting", "Waiting"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Taken back"

    outgoing = models.OneToOneField(Outgoing, on_delete=models.CASCADE, related_name="approval")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")
    reasons = ArrayField(models.CharField(max_length=16, choices=ApprovalRule.Kind))
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    text_asked = models.TextField(help_text="The text as it was written, whatever the approver made of it.")
    verdict = models.CharField(max_length=9, choices=Verdict, default=Verdict.WAITING)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            # Nobody approves their own, by any door.
            models.CheckConstraint(
                condition=~Q(verdict__in=["approved", "refused"])
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("asked_by"))),
                name="approval_by_another",
            ),
            models.CheckConstraint(condition=~Q(verdict="refused") | ~Q(note=""), name="approval_refused_with_note"),
        ]
        indexes = [models.Index(fields=["asked_at"], condition=Q(verdict="waiting"), name="approval_queue")]

    def __str__(self) -> str:
        return f"Approval of {self.outgoing}"
