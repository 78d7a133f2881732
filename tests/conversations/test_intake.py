"""Every post once, whatever delivers it, masked, with its cursor; as many statements for five hundred as for one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from django.db import connection

from citisocial.clock import now
from conversations.intake import ingest, meet
from conversations.models import Author, Cursor, Mention, Naming
from tests.factories.heard import bank, person, post

pytestmark = pytest.mark.django_db


def test_post_is_stored_once_and_every_way_in_is_noted():
    b = bank()
    said = post("@AskCiti hello", names=(b.care, b.news))
    assert ingest(b.care, [said, said], way="stream") == 1
    assert ingest(b.care, [said], way="stream") == 0
    assert ingest(b.news, [said], way="mentions") == 0
    mention = Mention.objects.get()
    assert mention.ways == ["stream", "mentions"]
    assert set(Naming.objects.values_list("account__handle", flat=True)) == {"AskCiti", "Citi"}


def test_every_column_is_the_post_s():
    b = bank()
    said = post(
        "hola",
        matched=("handles", 'odd "tag" \\ {x},'),
        language="es-MX-variant",
        conversation_id="12-34",
        in_reply_to="77",
        in_reply_to_author="88",
        is_retweet=True,
        permalink="https://x.com/maya/status/1",
    )
    ingest(b.care, [said], way="activity")
    m = Mention.objects.get()
    assert (m.network, m.kind, m.text, m.masked, m.language) == ("x", "post", "hola", 0, "es-MX-va")
    assert (m.conversation_id, m.in_reply_to, m.in_reply_to_author) == ("12-34", "77", "88")
    assert (m.is_retweet, m.permalink, m.posted_at) == (True, "https://x.com/maya/status/1", said.created_at)
    assert (m.matched, m.ways) == (["handles", 'odd "tag" \\ {x},'], ["activity"])
    assert (m.state, m.reason, m.because, m.brand, m.case) == ("NEW", "", [], b.brand, None)


def test_card_number_is_never_stored():
    b = bank()
    ingest(b.care, [post("@AskCiti my card 4111 1111 1111 1111 fails")], way="stream")
    mention = Mention.objects.get()
    assert (mention.text, mention.masked) == ("@AskCiti my card [card number removed] fails", 1)


def test_card_number_in_somebody_s_name_is_never_stored():
    b = bank()
    ingest(b.care, [post("hello", replace(person(), name="Max 4111 1111 1111 1111"))], way="stream")
    assert Author.objects.get().name == "Max [card number removed]"


def test_renamed_author_stays_the_same_person():
    b, maria = bank(), person("maria_m")
    ingest(b.care, [post("one", maria)], way="stream")
    ingest(b.care, [post("two", replace(maria, handle="maria_new", name="Maria", receives_dm=None))], way="stream")
    author = Author.objects.get()
    assert (author.handle, author.name, author.receives_dm) == ("maria_new", "Maria", True)
    ingest(b.care, [post("three", replace(maria, handle="", name="", receives_dm=False))], way="mentions")
    author.refresh_from_db()
    assert (author.handle, author.name, author.receives_dm) == ("maria_new", "Maria", False)


def test_followers_are_as_the_network_said_last_and_never_forgotten():
    b, maria = bank(), replace(person("maria_m"), followers=120)
    ingest(b.care, [post("one", maria)], way="stream")
    ingest(b.care, [post("two", replace(maria, name="Maria", followers=None))], way="mentions")
    assert Author.objects.get().followers == 120
    ingest(b.care, [post("three", replace(maria, followers=99_000))], way="search:keywords")
    assert Author.objects.get().followers == 99_000
    meet([replace(maria, followers=None, receives_dm=False)], now())
    meet([replace(maria, followers=0)], now())
    assert Author.objects.get().followers == 0


def test_author_as_known_is_not_written_again():
    b, maria = bank(), person("maria_m")
    ingest(b.care, [post("one", maria)], way="stream")
    with connection.cursor() as sql:
        sql.execute("SELECT ctid::text FROM conversations_author")
        before = sql.fetchone()
        ingest(b.care, [post("two", maria), post("three", maria)], way="stream")
        sql.execute("SELECT ctid::text FROM conversations_author")
        assert sql.fetchone() == before


def test_cursor_moves_with_the_posts_and_only_forward():
    b = bank()
    at = post("x").created_at
    Cursor.objects.create(account=b.care, way="mentions", since_id="99", window_at=at)
    ingest(b.care, [post("one")], way="mentions", cursor="1000")
    ingest(b.care, [], way="mentions", cursor="500")
    assert Cursor.objects.get().since_id == "1000"


def test_batch_costs_the_same_queries_for_one_and_for_five_hundred(django_assert_num_queries):
    b = bank()
    for size in (1, 500):
        posts = [post(f"@AskCiti {n}", names=(b.care,)) for n in range(size)]
        with django_assert_num_queries(4):
            assert ingest(b.care, posts, way="stream") == size
        with django_assert_num_queries(4):
            assert ingest(b.care, posts, way="mentions") == 0


@pytest.mark.django_db(transaction=True)
def test_same_posts_by_eight_ways_at_once_are_stored_once():
    b = bank()
    posts = [post(f"@AskCiti {n}", names=(b.care, b.news)) for n in range(40)]
    start = Barrier(8)

    def deliver(number: int) -> int:
        start.wait(10)
        try:
            mine = posts[number:] + posts[:number]
            return ingest(b.care, mine, way=f"search:{number}")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(deliver, range(8))) == 40
    assert Author.objects.count() == Mention.objects.count() == 40
    assert Naming.objects.count() == 80
    assert {tuple(sorted(m.ways)) for m in Mention.objects.all()} == {tuple(f"search:{n}" for n in range(8))}
