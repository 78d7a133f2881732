"""The one trail of everything that was done, and the seals that chain it. PostgreSQL refuses to change either."""

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Func, Q

from conversations.models.case import Case


class CurrentTransaction(Func):
    """The number of the transaction that writes the row; it grows over restarts, and not over a dump and restore."""

    function = "pg_current_xact_id"
    template = "%(function)s()::text::bigint"
    arity = 0
    output_field = models.BigIntegerField()


class AuditEvent(models.Model):
    """One line of the one trail, written by `conversations.audit.record` in the transaction of what it tells."""

    at = models.DateTimeField()
    verb = models.CharField(max_length=40)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="trail")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    actor = models.CharField(max_length=40, help_text="agent, supervisor, customer, stranger, or the stage that acted")
    data = models.JSONField(default=dict)
    nonce = models.BinaryField(max_length=16, help_text="16 random bytes: no two lines have the same MAC.")
    mac = models.BinaryField(max_length=32, help_text="HMAC-SHA256 of the columns above under AUDIT_KEY.")
    xact = models.BigIntegerField(db_default=CurrentTransaction(), help_text="The transaction that wrote the line.")

    class Meta:
        indexes = [
            models.Index(fields=["case", "id"], name="trail_of_case"),
            models.Index(fields=["xact", "id"], name="trail_to_seal"),
            BrinIndex(fields=["at"], name="trail_at"),
            models.Index(fields=["user", "-id"], condition=Q(verb="trail_read"), name="trail_read"),
            models.Index(fields=["-id"], condition=Q(verb="trail_verified"), name="trail_verified"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} by {self.actor}"


class AuditSeal(models.Model):
    """So many lines, in the order of their transactions, chained to the seal before. Written by `conversations.seals`.

    It covers the lines with `base < id` and `from_xact < xact <= upto_xact`. `base` grows only when the database was
    restored into a server that counts its transactions from lower numbers: from there on it is counted anew.
    """

    number = models.BigIntegerField(primary_key=True, help_text="1, 2, 3 … without gaps.")
    base = models.BigIntegerField()
    from_xact = models.BigIntegerField()
    upto_xact = models.BigIntegerField()
    last_id = models.BigIntegerField(help_text="The highest id in this and all seals before.")
    rows = models.PositiveIntegerField()
    total = models.BigIntegerField(help_text="Lines in this and all seals before.")
    digest = models.BinaryField(max_length=32, help_text="SHA-256 over id, xact and MAC of each line, in order.")
    previous = models.BinaryField(max_length=32, help_text="MAC of the seal before; 32 zero bytes for the first.")
    mac = models.BinaryField(max_length=32, help_text="HMAC-SHA256 over all columns of this seal under AUDIT_KEY.")
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(rows__gt=0), name="seal_is_not_empty"),
            models.CheckConstraint(condition=Q(upto_xact__gt=F("from_xact")), name="seal_goes_forward"),
        ]

    def __str__(self) -> str:
        return f"Seal {self.number}"
