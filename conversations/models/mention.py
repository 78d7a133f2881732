"""What people wrote where anybody, or only we, could read it: posts and direct messages, once each."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from conversations.models.brand import Brand, BrandAccount


class Author(models.Model):
    """Somebody on a network. The numeric id is the person; the handle is only what they are called today."""

    network = models.CharField(max_length=20)
    external_id = models.CharField(max_length=32)
    handle = models.CharField(max_length=50)
    name = models.CharField(max_length=100, blank=True)
    receives_dm = models.BooleanField(null=True, help_text="What the network says; empty: not known.")
    followers = models.PositiveIntegerField(null=True, help_text="As the network said last; empty: not known.")
    asked_at = models.DateTimeField(null=True, help_text="When the network was asked whether we may write to them.")
    opted_out_at = models.DateTimeField(
        null=True, help_text="They asked us to stop; nothing goes out until they START."
    )
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["network", "external_id"], name="author_once")]

    def __str__(self) -> str:
        return f"@{self.handle}"


class Mention(models.Model):
    """One post or direct message that a way in delivered, stored once whatever happens; text is masked before."""

    class Kind(models.TextChoices):
        POST = "post", "Post"
        DM = "dm", "Direct message"
        OPAQUE = "opaque", "Encrypted message"  # only that it came: its words can be read on the network alone

    class State(models.TextChoices):
        NEW = "NEW", "New"
        CASED = "CASED", "Case"
        IGNORED = "IGNORED", "Ignored"
        DELETED = "DELETED", "Deleted on the network"

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="mentions")
    author = models.ForeignKey(Author, on_delete=models.PROTECT, related_name="mentions")
    network = models.CharField(max_length=20)
    external_id = models.CharField(max_length=32)
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.POST)
    text = models.TextField()
    masked = models.PositiveSmallIntegerField(default=0, help_text="Private details taken out before storing.")
    language = models.CharField(max_length=8, blank=True)
    posted_at = models.DateTimeField()
    ingested_at = models.DateTimeField()
    conversation_id = models.CharField(max_length=64, blank=True)
    in_reply_to = models.CharField(max_length=32, blank=True)
    in_reply_to_author = models.CharField(max_length=32, blank=True)
    is_retweet = models.BooleanField(default=False)
    permalink = models.URLField(blank=True)
    matched = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    ways = ArrayField(models.CharField(max_length=60), default=list, help_text="The ways in that delivered it.")
    accounts = models.ManyToManyField(BrandAccount, through="Naming", related_name="mentions")
    state = models.CharField(max_length=8, choices=State, default=State.NEW)
    reason = models.CharField(max_length=40, blank=True, help_text="Why it was ignored, by name.")
    because = models.JSONField(default=list, help_text="Every rule that spoke, in order.")
    triaged_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True, help_text="When the network told us; the words went with it.")
    case = models.ForeignKey("conversations.Case", on_delete=models.PROTECT, null=True, related_name="mentions")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["network", "external_id"], name="mention_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=["NEW", "CASED", "IGNORED", "DELETED"]), name="mention_state_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="CASED") | models.Q(case__isnull=False), name="mention_cased_has_case"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="IGNORED") | ~models.Q(reason=""), name="mention_ignored_has_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(state="NEW"), name="mention_new"),
            models.Index(fields=["case", "posted_at"], name="mention_of_case"),
            models.Index(fields=["-posted_at", "-id"], name="mention_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.external_id}"


class Naming(models.Model):
    """Which of our accounts a mention names in its text."""

    mention = models.ForeignKey(Mention, on_delete=models.CASCADE)
    account = models.ForeignKey(BrandAccount, on_delete=models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mention", "account"], name="naming_once")]

    def __str__(self) -> str:
        return f"{self.mention_id} names {self.account_id}"
