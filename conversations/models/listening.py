"""What listening to a network leaves besides posts: what it cost, which events came, which deletions were asked for."""

from django.db import models


class Budget(models.Model):
    """What a network's reads and writes may cost in a UTC day. No limit: only counted."""

    network = models.CharField(max_length=20, unique=True)
    daily_limit = models.DecimalField(
        max_digits=9, decimal_places=2, null=True, blank=True, help_text="US dollars in a UTC day; empty: no limit."
    )

    def __str__(self) -> str:
        return self.network


class Charge(models.Model):
    """One resource that a network charged on a UTC day: the same one again that day costs nothing. Kept two days."""

    pk = models.CompositePrimaryKey("network", "day", "resource", "external_id")
    network = models.CharField(max_length=20)
    day = models.DateField()
    resource = models.CharField(max_length=20)
    external_id = models.CharField(max_length=40)

    def __str__(self) -> str:
        return f"{self.resource} {self.external_id}"


class Usage(models.Model):
    """What one kind of call cost on a UTC day, added up. 1,000,000 micros are one US dollar."""

    network = models.CharField(max_length=20)
    day = models.DateField()
    resource = models.CharField(max_length=20, help_text="post, owned_post, user, dm_event, dm_create …")
    call = models.CharField(max_length=20, help_text="mentions, search, stream, activity, dm, users, send …")
    units = models.PositiveIntegerField(default=0)
    micros = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["network", "day", "resource", "call"], name="usage_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.call} {self.resource}"


class PushedEvent(models.Model):
    """An event that the network pushed, by its own id: whatever it repeats is told apart here. Kept seven days."""

    network = models.CharField(max_length=20)
    event_id = models.CharField(max_length=64)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["network", "event_id"], name="pushed_event_once")]
        indexes = [models.Index(fields=["received_at"], name="pushed_event_received")]

    def __str__(self) -> str:
        return self.event_id


class ComplianceJob(models.Model):
    """One question to the network: which of these posts are not there any more?"""

    class State(models.TextChoices):
        CREATED = "CREATED", "Created"
        UPLOADED = "UPLOADED", "Posts named"
        APPLIED = "APPLIED", "Applied"
        FAILED = "FAILED", "Failed"

    network = models.CharField(max_length=20)
    external_id = models.CharField(max_length=32)
    state = models.CharField(max_length=8, choices=State, default=State.CREATED)
    upload_url = models.TextField(blank=True, editable=False)
    after_pk = models.BigIntegerField(help_text="Mentions above this were asked about …")
    upto_pk = models.BigIntegerField(help_text="… up to this.")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    deleted = models.PositiveIntegerField(default=0, help_text="How many were gone.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["network"],
                condition=models.Q(state__in=["CREATED", "UPLOADED"]),
                name="compliance_one_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"compliance job {self.external_id}"
