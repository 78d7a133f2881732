"""Takes what the sandbox remembers, leaves the tables for it.

Ids are X's: big, increasing and carrying their time (snowflakes.py). References from a post to posts or people that
may not exist (a deleted original, a reply to something older) are plain numbers and not foreign keys.
"""

from django.db import models
from django.utils import timezone


class Person(models.Model):
    """An account on this X, a customer's or a brand's."""

    id = models.BigIntegerField(primary_key=True)
    handle = models.CharField(max_length=20)
    handle_lower = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=50)
    accepts_dm = models.BooleanField(default=False)
    verified = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"@{self.handle}"


class Post(models.Model):
    """A post, reply, retweet or quote. `text` is as on the wire, with t.co links; `entities` says what they hide."""

    id = models.BigIntegerField(primary_key=True)
    author = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="posts", db_index=False)
    text = models.TextField()
    lang = models.CharField(max_length=12, default="und")
    entities = models.JSONField(default=dict)
    conversation = models.BigIntegerField()
    in_reply_to = models.BigIntegerField(null=True)
    in_reply_to_person = models.BigIntegerField(null=True)
    retweet_of = models.BigIntegerField(null=True)
    quote_of = models.BigIntegerField(null=True)
    dm_button = models.BigIntegerField(null=True, help_text="Whom the message button under the post writes to.")

    class Meta:
        indexes = [
            models.Index(fields=["author", "-id"], name="post_author"),
            models.Index(fields=["conversation", "id"], name="post_conversation"),
            models.Index(fields=["in_reply_to"], name="post_parent", condition=models.Q(in_reply_to__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"post {self.id}"


class Mention(models.Model):
    """That a post names a person; its key is the index that a person's mentions are read by."""

    pk = models.CompositePrimaryKey("person_id", "post_id")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, db_index=False)
    post = models.ForeignKey(Post, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"{self.person_id} in {self.post_id}"


class DirectMessage(models.Model):
    """A message between two people."""

    id = models.BigIntegerField(primary_key=True)
    sender = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="sent", db_index=False)
    recipient = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="received", db_index=False)
    text = models.TextField()
    entities = models.JSONField(default=dict)
    read_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["sender", "recipient", "-id"], name="dm_pair"),
            models.Index(fields=["recipient", "-id"], name="dm_inbox"),
        ]

    def __str__(self) -> str:
        return f"message {self.id}"


class StreamRule(models.Model):
    """A rule of the filtered stream."""

    id = models.BigIntegerField(primary_key=True)
    value = models.CharField(max_length=1024, unique=True)
    tag = models.CharField(max_length=255, blank=True)

    def __str__(self) -> str:
        return self.value


class Code(models.Model):
    """An authorization code, by its hash: valid for 30 seconds, once."""

    hash = models.CharField(max_length=64, primary_key=True)
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    redirect_uri = models.TextField()
    scopes = models.JSONField(default=list)
    challenge = models.CharField(max_length=128)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"code for {self.person_id}"


class Token(models.Model):
    """An access or refresh token, by its hash. `grant` ties together what came from one consent."""

    hash = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=8)
    grant = models.UUIDField(db_index=True)
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} token of {self.person_id}"
