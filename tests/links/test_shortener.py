"""Links: found by their slug while they live, dead alike, and recognised when they are read back."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from links import codes, shortener
from links.errors import DeadLink, KeyChanged
from links.models import ShortLink

HOUR = timedelta(hours=1)


@pytest.fixture
def link(db: None) -> ShortLink:
    return shortener.shorten("/welcome/{slug}/", lifetime=HOUR)


def test_a_link_is_found_by_its_slug_and_lives_as_long_as_it_was_given(link: ShortLink) -> None:
    slug = shortener.slug(link)
    assert shortener.find(slug) == link
    assert shortener.url(link) == f"http://localhost:8001/{slug}"
    assert link.expires_at - link.created_at == HOUR
    assert shortener.slug(ShortLink.objects.get()) == slug


def test_the_database_does_not_hold_the_slug(link: ShortLink) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT l::text FROM links_shortlink l")
        row = cursor.fetchone()[0]
    slug = shortener.slug(link)
    assert slug not in row
    assert slug.encode().hex() not in row
    assert slug not in f"{link!r}{link}"


def test_two_links_share_nothing(link: ShortLink) -> None:
    other = shortener.shorten("/welcome/{slug}/", lifetime=HOUR)
    assert shortener.slug(other) != shortener.slug(link)
    assert not shortener.matches(other, shortener.url(link))


def dead(kind: str) -> str:
    """A slug that opens nothing."""
    if kind == "malformed":
        return "nothing"
    if kind == "unknown":
        return codes.slug_of(b"never written")
    link = shortener.shorten("/welcome/{slug}/", lifetime=-HOUR if kind == "expired" else HOUR)
    if kind == "revoked":
        shortener.revoke(link)
    return shortener.slug(link)


@pytest.mark.parametrize("kind", ["malformed", "unknown", "expired", "revoked"])
def test_dead_links_are_dead_in_the_same_words(kind: str, db: None) -> None:
    with pytest.raises(DeadLink) as caught:
        shortener.find(dead(kind))
    assert (str(caught.value), caught.value.code) == ("This link does not open anything any more.", "dead_link")


@pytest.mark.parametrize("kind", ["unknown", "expired", "revoked", "live"])
def test_every_well_formed_slug_costs_two_queries(kind: str, db: None, django_assert_num_queries: Any) -> None:
    slug = dead(kind)
    with django_assert_num_queries(2):
        try:
            shortener.find(slug)
        except DeadLink:
            assert kind != "live"


def test_a_link_dies_on_its_last_second(link: ShortLink, monkeypatch: pytest.MonkeyPatch) -> None:
    slug = shortener.slug(link)
    monkeypatch.setattr(shortener, "now", lambda: link.expires_at - timedelta(microseconds=1))
    assert shortener.find(slug) == link
    monkeypatch.setattr(shortener, "now", lambda: link.expires_at)
    with pytest.raises(DeadLink):
        shortener.find(slug)


def test_revoking_reports_once(link: ShortLink) -> None:
    assert [shortener.revoke(link), shortener.revoke(link)] == [True, False]
    assert link.revoked_at is not None


def test_read_back_knows_its_own_link_and_no_other(link: ShortLink) -> None:
    url, slug = shortener.url(link), shortener.slug(link)
    assert [shortener.matches(link, text) for text in (url, url + "/", url.upper().replace(slug.upper(), slug))] == [
        True,
        True,
        True,
    ]
    others = [
        f"http://eve.example/{slug}",
        f"http://localhost:8001@eve.example/{slug}",
        f"http://localhost:8001/{slug}x",
        f"http://localhost:8001/x/{slug}",
        "http://localhost:8001/",
        "http://[broken",
        "",
    ]
    assert not any(shortener.matches(link, text) for text in others)


@pytest.mark.parametrize(
    "target",
    [
        "https://eve.example/{slug}",
        "//eve.example/{slug}",
        "/\\eve.example/{slug}",
        "/a\\b/{slug}",
        "/{slug}\r\nSet-Cookie: a=b",
        "welcome/{slug}",
        "/welcome/",
        "/{slug}/{slug}",
        "/é/{slug}",
    ],
)
def test_a_target_that_could_lead_elsewhere_is_refused(target: str, db: None) -> None:
    with pytest.raises(ValueError, match="no target"):
        shortener.shorten(target, lifetime=HOUR)


def test_a_row_of_another_key_is_not_sent(link: ShortLink, settings: Any) -> None:
    settings.LINK_KEY = "another key, which protects nothing either"
    with pytest.raises(KeyChanged, match="LINK_KEY"):
        shortener.url(link)


# --- codes, to be typed -----------------------------------------------------------------------------------------------


def test_a_code_finds_what_its_slug_finds_and_is_not_in_the_database(link: ShortLink) -> None:
    code = shortener.code(link)
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", code)
    assert shortener.find_by_code(code) == link
    with connection.cursor() as cursor:
        cursor.execute("SELECT l::text FROM links_shortlink l")
        row = cursor.fetchone()[0]
    assert code not in row
    assert code.replace("-", "").encode().hex() not in row


def test_a_code_forgives_how_it_is_typed(link: ShortLink, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = "0A1B10YZ"
    monkeypatch.setattr(codes, "code_of", lambda nonce: bare)
    link = shortener.shorten("/welcome/{slug}/", lifetime=HOUR)
    assert shortener.code(link) == "0A1B-10YZ"
    for typed in ("0A1B-10YZ", "0a1b10yz", " oAiB - LOyz ", "0 A 1 B \u2013 I o Y z", "0A1B\u00a010YZ\n"):
        assert shortener.find_by_code(typed) == link


@pytest.mark.parametrize(
    "typed", ["", "0A1B-10Y", "0A1B-10YZZ", "0A1B-10YU", "\x00" * 8, "\udc80" * 8, "é" * 8, "١" * 8]
)
def test_what_is_no_code_asks_no_database(typed: str, db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0), pytest.raises(DeadLink):
        shortener.find_by_code(typed)


@pytest.mark.parametrize("kind", ["unknown", "expired", "revoked", "live"])
def test_every_code_costs_two_queries_and_dies_in_the_same_words(
    kind: str, db: None, django_assert_num_queries: Any
) -> None:
    link = shortener.shorten("/welcome/{slug}/", lifetime=-HOUR if kind == "expired" else HOUR)
    code = "00000000" if kind == "unknown" else shortener.code(link)
    if kind == "revoked":
        shortener.revoke(link)
    with django_assert_num_queries(2):
        if kind == "live":
            assert shortener.find_by_code(code) == link
        else:
            with pytest.raises(DeadLink, match="does not open anything"):
                shortener.find_by_code(code)


def test_a_code_that_is_taken_is_made_again(link: ShortLink, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([codes.code_of(bytes(link.nonce)), "22222222"])
    monkeypatch.setattr(codes, "code_of", lambda nonce: next(drawn))
    other = shortener.shorten("/welcome/{slug}/", lifetime=HOUR)
    assert shortener.find_by_code("2222-2222") == other
    assert ShortLink.objects.count() == 2


def test_a_code_of_another_key_is_not_shown(link: ShortLink, settings: Any) -> None:
    settings.LINK_KEY = "another key, which protects nothing either"
    with pytest.raises(KeyChanged, match="LINK_KEY"):
        shortener.code(link)
