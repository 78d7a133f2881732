"""Reading files of real posts: what is a post, what is a bad row and why, and never a crash."""

import gzip
from pathlib import Path

import pytest

from rehearsal.rows import BadRow, Row, UnreadableFile, parents_first, parse, read

HEADER = "id,created_at,author,author_is_brand,in_reply_to_id,in_reply_to_author,is_retweet,text\n"


def csv_of(*lines: str) -> list[str]:
    return [HEADER, *(line + "\n" for line in lines)]


def row(number: int, *, parent: str = "") -> Row:
    return Row(number, str(number), "someone", "text", parent, "", False, False)


def test_a_row_is_a_post_as_it_was_typed():
    rows = parse(csv_of('7,2015-01-06T04:47:17Z,u_1,0,5,AskCiti,0,"@AskCiti you &amp; me, ""friends"""'))

    assert rows.good == [Row(1, "7", "u_1", '@AskCiti you & me, "friends"', "5", "AskCiti", False, False)]
    assert rows.bad == []


def test_retweets_and_brands_are_told_apart():
    rows = parse(csv_of("1,,AskCiti,1,,,0,hello", "2,,u_1,0,,,1,RT @AskCiti: hello"))

    assert [(r.brand, r.retweet) for r in rows.good] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1,,,0,,,0,text", "no author"),
        ("1,,not a handle,0,,,0,text", "author 'not a handle' is no handle"),
        ("1,,u_1,0,,,0,", "no text"),
        ("1,,u_1,0,,,0,   ", "no text"),
        ("x,,u_1,0,,,0,text", "id 'x' is no number"),
        (",,u_1,0,,,0,text", "id '' is no number"),
        ("1,,u_1,0,x,,0,text", "in_reply_to_id 'x' is no number"),
        ("1,,u_1,0,,a b,0,text", "in_reply_to_author 'a b' is no handle"),
        ("1,,u_1,0,,,0,te\0xt", "holds a NUL character"),
        ("1,,u_1,0,,,0,te\udcffxt", "not UTF-8"),
        ("1,,u_1,0,,,0," + "a" * 281, "too long for X: 281 of 280"),
        ("1,,u_1,0,,,0," + "語" * 141, "too long for X: 282 of 280"),
        ("1,,u_1", "3 fields where the header has 8"),
        ("1,,u_1,0,,,0,a,b", "9 fields where the header has 8"),
    ],
)
def test_a_bad_row_is_named_and_the_others_stay(line: str, why: str):
    rows = parse(csv_of("100,,u_1,0,,,0,before", line, "101,,u_1,0,,,0,after"))

    assert [r.id for r in rows.good] == ["100", "101"]
    assert rows.bad == [BadRow(2, why)]


def test_an_id_counts_once():
    rows = parse(csv_of("5,,u_1,0,,,0,first", "5,,u_2,0,,,0,second"))

    assert [r.text for r in rows.good] == ["first"]
    assert rows.bad == [BadRow(2, "id 5 was used by row 1")]


def test_links_count_as_x_counts_them():
    long = "https://example.com/" + "a" * 300

    assert parse(csv_of(f"1,,u_1,0,,,0,{'a' * 256} {long}")).bad == []
    assert parse(csv_of(f"1,,u_1,0,,,0,{'a' * 257} {long}")).bad == [BadRow(1, "too long for X: 281 of 280")]


def test_blank_lines_are_no_rows():
    rows = parse(csv_of("1,,u_1,0,,,0,a", "", "x,,u_1,0,,,0,b"))

    assert rows.bad == [BadRow(2, "id 'x' is no number")]


def test_a_text_may_hold_line_breaks():
    rows = parse([HEADER, '1,,u_1,0,,,0,"one\n', 'two"\n'])

    assert [r.text for r in rows.good] == ["one\ntwo"]


def test_gzip_is_known_by_its_content(tmp_path: Path):
    packed, plain = tmp_path / "packed.csv", tmp_path / "plain.csv.gz"
    packed.write_bytes(gzip.compress("".join(csv_of("1,,u_1,0,,,0,text")).encode()))
    plain.write_bytes(b"\xef\xbb\xbf" + "".join(csv_of("1,,u_1,0,,,0,text")).encode())

    assert read(packed) == read(plain)
    assert [r.id for r in read(packed).good] == ["1"]


def test_a_file_that_breaks_off_keeps_what_it_had(tmp_path: Path):
    path = tmp_path / "cut.csv.gz"
    whole = gzip.compress("".join(csv_of(*(f"{n},,u_{n},0,,,0,text {n * 7919}" for n in range(1, 3000)))).encode())
    path.write_bytes(whole[: len(whole) // 2])

    rows = read(path)

    assert len(rows.good) > 100
    assert len(rows.bad) <= 2
    assert rows.bad[-1].why.startswith("the file breaks off here")


def test_bytes_that_are_no_utf8_cost_one_row(tmp_path: Path):
    path = tmp_path / "latin.csv"
    path.write_bytes("".join(csv_of("1,,u_1,0,,,0,caf\xe9", "2,,u_1,0,,,0,tea")).encode("latin-1"))

    rows = read(path)

    assert [r.text for r in rows.good] == ["tea"]
    assert rows.bad == [BadRow(1, "not UTF-8")]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "empty"), ("id,text\n1,a\n", "no column author"), ("\n", "no column id, author, text")],
)
def test_a_file_without_the_columns_is_refused_in_words(tmp_path: Path, text: str, said: str):
    path = tmp_path / "wrong.csv"
    path.write_text(text)

    with pytest.raises(UnreadableFile, match=said):
        read(path)


def test_an_absent_file_is_refused_in_words(tmp_path: Path):
    with pytest.raises(UnreadableFile, match="cannot be read"):
        read(tmp_path / "absent.csv")


def test_a_reply_goes_after_its_post():
    rows = [row(1, parent="3"), row(2), row(3, parent="4"), row(4), row(5, parent="2")]

    assert [r.number for r in parents_first(rows)] == [2, 4, 3, 1, 5]


def test_replies_in_a_ring_are_still_posted():
    rows = [row(1, parent="2"), row(2, parent="1"), row(3, parent="3"), row(4, parent="99")]

    assert sorted(r.number for r in parents_first(rows)) == [1, 2, 3, 4]
