"""Takes what the sandbox remembers, leaves the tables for it.

Ids are X's: big, increasing and carrying their time (snowflakes.py). References from a post to posts or people that
may not exist (a deleted original, a reply to something older) are plain numbers and not foreign keys.
"""

from django.db import models

from sandbox import clock


class Person(models.Model):
    """An account on this X, a customer's or a brand's."""

    id = models.BigIntegerField(primary_key=True)
    handle = models.CharField(max_length=20)
    handle_lower = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=50)
    accepts_dm = models.BooleanField(default=False)
    verified = models.BooleanField(default=False)
    followers = models.PositiveIntegerField(default=0)
    owns_app = models.BooleanField(default=False, help_text="Whether the developer app is this account's.")
    created_at = models.DateTimeField(default=clock.now)

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


class DeletedPost(models.Model):
    """That a post was here and is not any more: what a compliance job answers from."""

    id = models.BigIntegerField(primary_key=True)
    author = models.BigIntegerField()
    deleted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"deleted post {self.id}"


class RateWindow(models.Model):
    """How many calls a caller made since a window opened (epoch seconds)."""

    key = models.CharField(max_length=200, primary_key=True)
    opened = models.FloatField()
    used = models.PositiveIntegerField()

    def __str__(self) -> str:
        return self.key


class Charge(models.Model):
    """That a thing was charged for on a UTC day: once, however often it was answered."""

    pk = models.CompositePrimaryKey("day", "resource", "thing")
    day = models.DateField()
    resource = models.CharField(max_length=20)
    thing = models.BigIntegerField()
    micros = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.resource} {self.thing} on {self.day}"


class Webhook(models.Model):
    """Where the app wants events sent; `checked_at` is when it last proved that it knows the app's secret."""

    id = models.BigIntegerField(primary_key=True)
    url = models.CharField(max_length=200)
    valid = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    checked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"webhook {self.id}"


class Subscription(models.Model):
    """An activity subscription: which events, about whom (`filter` as given), and where to (null: nowhere)."""

    id = models.BigIntegerField(primary_key=True)
    event_type = models.CharField(max_length=50)
    filter = models.JSONField(default=dict)
    tag = models.CharField(max_length=200, blank=True)
    webhook = models.ForeignKey(Webhook, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event_type", "filter"], name="subscription_once")]

    def __str__(self) -> str:
        return f"{self.event_type} for {self.filter}"


class ComplianceJob(models.Model):
    """A batch of ids to be compared with what was deleted. Who knows a token may upload or download."""

    id = models.BigIntegerField(primary_key=True)
    type = models.CharField(max_length=10)
    name = models.CharField(max_length=64, blank=True)
    upload_token = models.CharField(max_length=64, unique=True)
    download_token = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    uploaded_at = models.DateTimeField(null=True)
    results = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"compliance job {self.id}"
