"""The trail becomes append-only and sealed. Lines from before get their MACs here: AUDIT_KEY must be set."""

import os

import django.contrib.postgres.indexes
from django.db import migrations, models

import conversations.models.trail

TABLES = ("conversations_auditevent", "conversations_auditseal")
REFUSE = """
CREATE FUNCTION conversations_trail_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit trail is append-only: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Write a new line that says what was wrong.';
END $$
"""
# ALWAYS: also in a session that plays a replica. Emptying has a trigger of its own, which a test database switches off.
TRIGGERS = """
CREATE TRIGGER trail_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION conversations_trail_is_append_only();
CREATE TRIGGER trail_not_emptied BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION conversations_trail_is_append_only();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER trail_append_only, ENABLE ALWAYS TRIGGER trail_not_emptied;
"""
DROP = "DROP TRIGGER trail_append_only ON {table}; DROP TRIGGER trail_not_emptied ON {table};"


def give_macs(apps, schema_editor):
    """Every line from before, as if `conversations.audit.record` had written it."""
    from conversations.audit import mac_of  # the one place that knows what a MAC covers; it needs the columns made above

    old = []
    for event in apps.get_model("conversations", "AuditEvent").objects.order_by("pk").iterator(chunk_size=1000):
        event.nonce = os.urandom(16)
        event.mac = mac_of(event)
        old.append(event)
        if len(old) == 1000:
            type(event).objects.bulk_update(old, ["nonce", "mac"])
            old = []
    if old:
        type(old[0]).objects.bulk_update(old, ["nonce", "mac"])


class Migration(migrations.Migration):
    dependencies = [("conversations", "0003_sending")]

    operations = [
        migrations.AddField(
            "auditevent",
            "nonce",
            models.BinaryField(
                default=b"", help_text="16 random bytes: no two lines have the same MAC.", max_length=16
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "auditevent",
            "mac",
            models.BinaryField(
                default=b"", help_text="HMAC-SHA256 of the columns above under AUDIT_KEY.", max_length=32
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "auditevent",
            "xact",
            models.BigIntegerField(
                db_default=conversations.models.trail.CurrentTransaction(),
                help_text="The transaction that wrote the line.",
            ),
        ),
        migrations.RunPython(give_macs, migrations.RunPython.noop, elidable=True),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                (
                    "number",
                    models.BigIntegerField(help_text="1, 2, 3 … without gaps.", primary_key=True, serialize=False),
                ),
                ("base", models.BigIntegerField()),
                ("from_xact", models.BigIntegerField()),
                ("upto_xact", models.BigIntegerField()),
                ("last_id", models.BigIntegerField(help_text="The highest id in this and all seals before.")),
                ("rows", models.PositiveIntegerField()),
                ("total", models.BigIntegerField(help_text="Lines in this and all seals before.")),
                (
                    "digest",
                    models.BinaryField(help_text="SHA-256 over id, xact and MAC of each line, in order.", max_length=32),
                ),
                (
                    "previous",
                    models.BinaryField(
                        help_text="MAC of the seal before; 32 zero bytes for the first.", max_length=32
                    ),
                ),
                (
                    "mac",
                    models.BinaryField(
                        help_text="HMAC-SHA256 over all columns of this seal under AUDIT_KEY.", max_length=32
                    ),
                ),
                ("sealed_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("rows__gt", 0)), name="seal_is_not_empty"),
                    models.CheckConstraint(
                        condition=models.Q(("upto_xact__gt", models.F("from_xact"))), name="seal_goes_forward"
                    ),
                ],
            },
        ),
        migrations.AddIndex("auditevent", models.Index(fields=["xact", "id"], name="trail_to_seal")),
        migrations.AddIndex(
            "auditevent", django.contrib.postgres.indexes.BrinIndex(fields=["at"], name="trail_at")
        ),
        migrations.AddIndex(
            "auditevent",
            models.Index(condition=models.Q(("verb", "trail_read")), fields=["user", "-id"], name="trail_read"),
        ),
        migrations.AddIndex(
            "auditevent",
            models.Index(condition=models.Q(("verb", "trail_verified")), fields=["-id"], name="trail_verified"),
        ),
        migrations.RunSQL(REFUSE, "DROP FUNCTION conversations_trail_is_append_only()"),
        *(migrations.RunSQL(TRIGGERS.format(table=table), DROP.format(table=table)) for table in TABLES),
    ]
