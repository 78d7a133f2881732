"""Every post once, whatever delivers it, masked, with its cursor."""

import pytest

from conversations.models import Author, Cursor, Mention, Naming
from conversations.sweep import ingest
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


def test_card_number_is_never_stored():
    b = bank()
    ingest(b.care, [post("@AskCiti my card 4111 1111 1111 1111 fails")], way="stream")
    mention = Mention.objects.get()
    assert (mention.text, mention.masked) == ("@AskCiti my card [card number removed] fails", 1)


def test_renamed_author_stays_the_same_person():
    b, maria = bank(), person("maria_m")
    ingest(b.care, [post("one", maria)], way="stream")
    ingest(b.care, [post("two", type(maria)("x", maria.external_id, "maria_new", "Maria", None))], way="stream")
    author = Author.objects.get()
    assert (author.handle, author.receives_dm) == ("maria_new", True)


def test_cursor_moves_with_the_posts_and_only_forward(django_assert_num_queries):
    b = bank()
    at = post("x").created_at
    Cursor.objects.create(account=b.care, way="mentions", since_id="99", window_at=at)
    ingest(b.care, [post("one")], way="mentions", cursor="1000")
    ingest(b.care, [], way="mentions", cursor="500")
    assert Cursor.objects.get().since_id == "1000"


def test_batch_costs_the_same_queries_for_one_and_for_fifty(django_assert_num_queries):
    b = bank()
    for size in (1, 50):
        posts = [post(f"@AskCiti {n}", names=(b.care,)) for n in range(size)]
        with django_assert_num_queries(10):
            ingest(b.care, posts, way="stream")
