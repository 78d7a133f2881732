"""Links and clicks from before codes and bots: filled by the migration, as new ones are made."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from links import codes
from links.models import Click, ShortLink

migration = import_module("links.migrations.0002_codes_and_bots")


@pytest.fixture
def old(transactional_db: None) -> ShortLink:
    nonce = b"0123456789abcdef"
    return ShortLink.objects.create(
        nonce=nonce,
        slug_hmac=codes.lookup_of(codes.slug_of(nonce)),
        code_hmac=b"-",
        target="/welcome/{slug}/",
        expires_at="2026-11-22T12:00Z",
        created_at="2026-11-22T11:00Z",
    )


def test_every_link_gets_its_code(old: ShortLink) -> None:
    migration.fill_codes(apps, connection.schema_editor())
    old.refresh_from_db()
    assert bytes(old.code_hmac) == codes.lookup_of_code(codes.code_of(bytes(old.nonce)))


def test_without_the_key_nothing_is_filled(old: ShortLink, settings: pytest.FixtureRequest) -> None:
    settings.LINK_KEY = ""  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="LINK_KEY is not set"):
        migration.fill_codes(apps, connection.schema_editor())


def test_clicks_of_programs_are_told_by_the_names_that_were_kept(old: ShortLink) -> None:
    names = ["Mozilla/0.0 (iPhone) Safari", "Twitterbot/0.0", "Mozilla/0.0 (iPhone) Safari"]
    for name, method in zip(names, ["GET", "GET", "HEAD"], strict=True):
        Click.objects.create(link=old, at=old.created_at, user_agent=name, method=method, is_bot=False)
    migration.fill_bots(apps, connection.schema_editor())
    assert list(Click.objects.order_by("pk").values_list("is_bot", flat=True)) == [False, True, True]
