"""Takes links that only a slug opens, leaves each with a code as well, and clicks that say what made them."""

from django.conf import settings
from django.db import migrations
from django.db.models import CASCADE, BinaryField, BooleanField, ForeignKey, Index

from links import bots, codes


def fill_codes(apps, schema_editor):
    links = apps.get_model("links", "ShortLink").objects.order_by("pk")
    if links.exists() and not settings.LINK_KEY:
        raise RuntimeError("LINK_KEY is not set, and the links that are there need it: set it and migrate again.")
    for link in links.iterator():
        link.code_hmac = codes.lookup_of_code(codes.code_of(bytes(link.nonce)))
        link.save(update_fields=["code_hmac"])


def fill_bots(apps, schema_editor):
    clicks = apps.get_model("links", "Click").objects
    for method, agent in clicks.order_by().values_list("method", "user_agent").distinct():
        # What is stored has no digit but 0, which no browser's name begins with.
        if bots.is_bot(method, agent.replace("Mozilla/0.0 (", "Mozilla/5.0 (")):
            clicks.filter(method=method, user_agent=agent).update(is_bot=True)


class Migration(migrations.Migration):
    dependencies = [("links", "0001_links")]

    operations = [
        migrations.AddField(
            "shortlink",
            "code_hmac",
            BinaryField(max_length=32, null=True, editable=False, verbose_name="code HMAC"),
        ),
        migrations.AddField(
            "click",
            "is_bot",
            BooleanField(
                default=False, help_text="A scanner, a preview or a HEAD request.", verbose_name="by a program"
            ),
            preserve_default=False,
        ),
        migrations.RunPython(fill_codes, migrations.RunPython.noop),
        migrations.RunPython(fill_bots, migrations.RunPython.noop),
        migrations.AlterField(
            "shortlink", "code_hmac", BinaryField(max_length=32, unique=True, editable=False, verbose_name="code HMAC")
        ),
        # One index for a link's clicks and for both counts of them; no constraint, which cost most of a click.
        migrations.AlterField(
            "click",
            "link",
            ForeignKey(
                db_index=False,
                db_constraint=False,
                on_delete=CASCADE,
                related_name="clicks",
                to="links.shortlink",
                verbose_name="short link",
            ),
        ),
        migrations.AddIndex("click", Index(fields=["link", "is_bot"], name="click_by_link_and_kind")),
    ]
