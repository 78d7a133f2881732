"""How a text goes on the wire: links wrapped, entities placed, lengths counted."""

from hypothesis import given
from hypothesis import strategies as st

from sandbox import languages, texts


def test_links_are_wrapped_and_entities_point_at_them() -> None:
    wired, entities = texts.wire(
        "Look: http://localhost:8001/Ab3xYz. @AskCiti, see citi.com/help! #fail $C me@citi.com"
    )

    assert [(url["expanded_url"], url["display_url"]) for url in entities["urls"]] == [
        ("http://localhost:8001/Ab3xYz", "localhost:8001/Ab3xYz"),
        ("http://citi.com/help", "citi.com/help"),
    ]
    for url in entities["urls"]:
        assert wired[url["start"] : url["end"]] == url["url"]
        assert len(url["url"]) == 23
    assert [mention["username"] for mention in entities["mentions"]] == ["AskCiti"]
    assert [tag["tag"] for tag in entities["hashtags"]] == ["fail"]
    assert [tag["tag"] for tag in entities["cashtags"]] == ["C"]
    assert "me@citi.com" in wired


def test_a_tco_link_stays_as_it_is() -> None:
    wired, entities = texts.wire("old https://t.co/abcdefghij")

    assert wired == "old https://t.co/abcdefghij"
    assert entities["urls"][0]["url"] == "https://t.co/abcdefghij"


def test_a_text_without_anything_has_no_entities() -> None:
    assert texts.wire("just words") == ("just words", {})


def test_every_link_counts_23() -> None:
    assert texts.weight(texts.wire("x " + "http://localhost:8001/" + "a" * 200)[0]) == 25
    assert texts.weight("日本") == 4


def test_a_reply_is_addressed_once() -> None:
    assert texts.addressed("Thank you", "maya_r") == "@maya_r Thank you"
    assert texts.addressed("Thank you, @Maya_R", "maya_r") == "Thank you, @Maya_R"


def test_names_are_kept_as_written_and_once() -> None:
    assert texts.names("@AskCiti .@Citi (@omar_h) @askciti a@b.com") == ["AskCiti", "Citi", "omar_h"]


@given(
    st.text(alphabet="ab @#$./:-(\n", max_size=30),
    st.sampled_from(["", "https://a.example/x", " http://localhost:1/y "]),
)
def test_pieces_say_what_the_text_says(text: str, link: str) -> None:
    wired, entities = texts.wire(text + link)

    for url in entities.get("urls", []):
        assert wired[url["start"] : url["end"]] == url["url"]
    shown = texts.pieces(wired, entities)
    behind = {url["display_url"]: url["url"] for url in entities.get("urls", [])}
    assert "".join(behind[piece.text] if piece.href else piece.text for piece in shown) == wired


def test_languages_are_guessed() -> None:
    assert languages.guess("@AskCiti my card was declined and nobody answers") == "en"
    assert languages.guess("@AskCiti me cobraron dos veces y nadie contesta el teléfono") == "es"
    assert languages.guess("meu cartão não chegou ainda") == "pt"
    assert languages.guess("mein Konto ist gesperrt, wer hilft?") == "de"
    assert languages.guess("アプリにログインできません") == "ja"
    assert languages.guess("@AskCiti https://t.co/abcdefghij 👍") == "und"


def test_the_wire_escapes_three_signs_and_points_past_them() -> None:
    text, entities = texts.wire('A&B <tell> "them" @AskCiti #now')

    escaped, moved = texts.escaped(text, entities)

    assert escaped == 'A&amp;B &lt;tell&gt; "them" @AskCiti #now'
    (mention,), (tag,) = moved["mentions"], moved["hashtags"]
    assert escaped[mention["start"] : mention["end"]] == "@AskCiti"
    assert escaped[tag["start"] : tag["end"]] == "#now"
    assert texts.escaped("plain", entities) == ("plain", entities)
