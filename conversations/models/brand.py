"""The bank and its handles: who is listened for, who may be answered as whom, and how far each sweep has come."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import check_time_zone


class Brand(models.Model):
    """One bank. A case belongs to a brand, whichever of its handles was named."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)
    address = models.CharField(max_length=200, help_text="What a customer types by hand, as in citi.example/social.")
    time_zone = models.CharField(
        max_length=64, default="UTC", validators=[check_time_zone], help_text="Of its opening hours."
    )
    phone = models.CharField(max_length=20, blank=True, help_text="What customers call; empty: nobody answers calls.")
    ignored_handles = ArrayField(
        models.CharField(max_length=50),
        default=list,
        blank=True,
        help_text="Authors who are never customers: other banks' accounts, news robots. Without @.",
    )

    def __str__(self) -> str:
        return self.name


class BrandAccount(models.Model):
    """One handle of a brand on one network, with its purpose, its team and its sealed tokens."""

    class Purpose(models.TextChoices):
        CARE = "care", "Care"
        NEWS = "news", "News"
        OFFERS = "offers", "Offers"

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="accounts")
    network = models.CharField(max_length=20, default="x")
    external_id = models.CharField(max_length=32)
    handle = models.CharField(max_length=50)
    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.CARE)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="+")
    active = models.BooleanField(default=True)
    sealed_tokens = models.BinaryField(default=b"", editable=False)
    tokens_expire_at = models.DateTimeField(null=True, blank=True)
    refresh_claimed_at = models.DateTimeField(null=True, editable=False)
    sending_paused_until = models.DateTimeField(null=True, blank=True, help_text="Set when the network says: too many.")
    scopes = models.CharField(
        max_length=300, blank=True, editable=False, help_text="What the account allowed us to do."
    )
    connected_at = models.DateTimeField(null=True, editable=False)
    refused_at = models.DateTimeField(
        null=True, editable=False, help_text="Since when the network refuses our tokens: connect the account again."
    )
    owns_app = models.BooleanField(
        default=False, help_text="The developer app belongs to this account: X then charges its mentions a fifth."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["network", "external_id"], name="brand_account_once"),
        ]

    def __str__(self) -> str:
        return f"@{self.handle}"


class ListeningRule(models.Model):
    """A rule in the network's own language, for the stream and for the search that fills its gaps."""

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="rules")
    network = models.CharField(max_length=20, default="x")
    tag = models.SlugField(max_length=40)
    value = models.CharField(max_length=512)
    names_handles = models.BooleanField(
        default=False, help_text="Finds posts that name our handles: the mentions timeline finds those as well."
    )
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["brand", "network", "tag"], name="listening_rule_once")]

    def __str__(self) -> str:
        return self.tag


class Cursor(models.Model):
    """One way in: how far it has been read, and how it is doing. Written by `conversations.ways` alone.

    `since_id` moves only in the transaction that stores what was read; push ways (stream, activity) have none.
    """

    account = models.ForeignKey(BrandAccount, on_delete=models.CASCADE, related_name="cursors")
    way = models.CharField(max_length=60, help_text="mentions, dm, search:<rule tag>, stream or activity")
    since_id = models.CharField(max_length=32, default="0")
    asked_at = models.DateTimeField(null=True, help_text="When it was asked last.")
    paused_until = models.DateTimeField(null=True, help_text="Set when the network says: too many.")
    window_at = models.DateTimeField(help_text="Start of the 15 minutes in which `reads` are counted.")
    reads = models.PositiveSmallIntegerField(default=0)
    succeeded_at = models.DateTimeField(
        null=True, help_text="When the network last answered, or the stream last spoke."
    )
    heard_at = models.DateTimeField(null=True, help_text="When it last delivered anything.")
    lag_ms = models.PositiveIntegerField(null=True, help_text="From written to stored, of the newest thing delivered.")
    failing_since = models.DateTimeField(null=True, help_text="The first failure since the last success.")
    error = models.CharField(max_length=300, blank=True, help_text="What went wrong, in words; empty when all is well.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "way"], name="cursor_once")]

    def __str__(self) -> str:
        return f"{self.account} {self.way}"


class ReplyTemplate(models.Model):
    """A text that agents start from; `{{first_name}}` and the like are filled in when it is chosen."""

    class Use(models.TextChoices):
        INVITATION = "invitation", "Direct message with link"
        REPLY = "reply", "Public reply"
        CHAT = "chat", "Secure chat"

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="templates")
    use = models.CharField(max_length=12, choices=Use)
    language = models.CharField(max_length=8, default="en")
    name = models.CharField(max_length=80)
    text = models.TextField(max_length=2000)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who answers for the wording.",
    )
    active = models.BooleanField(default=True, help_text="Agents are offered it.")
    uses = models.PositiveIntegerField(default=0, editable=False, help_text="How often it was sent.")
    used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["use", "language", "name"]

    def __str__(self) -> str:
        return self.name
