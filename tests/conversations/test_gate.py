"""What may not leave: where it stands and what to do about it."""

import pytest

from conversations import gate
from conversations.errors import BadText, NotReachable
from tests.factories.heard import bank, person, post


@pytest.mark.parametrize(
    "text",
    [
        "evil.com",
        "See evil.com.",
        "EVIL.COM",
        "bank.xyz",
        "citi-help.support/login",
        "(evil.com)",
        "see:evil.com",
        "evil.com中国",
        "https://evil.example/login",
        "http://10.0.0.1/",
        "10.0.0.1",
        "http://localhost:8000/x",
        "hxxps://evil.com",
        "www.evil.example",
        "ftp://evil.com",
        "//evil.com/x",
        "javascript:alert(1)",
        "mailto:help@evil.com",
        "help@evil.com",
        "bücher.de",
        "xn--bcher-kva.de",
        "пример.рф",
        "例え.テスト.みんな",
        "evil.corp/login",
        "evil\u200b.com",
        "e\u200bvil.com",
        "evil\u2024com",
        "ｅｖｉｌ．ｃｏｍ",
        "ⓔvil.com",
        "evil。com",
        "evil[.]com",
        "evil(dot)com",
        "evil [dot] com",
        "evil dot com",
        "evil . com",
        "t.co/abc",
        "thanks.no",
        "evil.com:8443",
        "go.evil.com?x=1",
    ],
)
def test_what_leads_elsewhere_is_a_link(text):
    with pytest.raises(BadText, match=r"Only our own links|a link"):
        gate.check(f"Look: {text}", kind="dm")


@pytest.mark.parametrize(
    "text",
    [
        "Thanks.We will look at it.",
        "Thanks.we will",
        "Your card.If it is lost, tell us.",
        "at 9.30 a.m. or 5 p.m.",
        "i.e. the U.S. branch, e.g. St.Louis",
        "It costs 1.50 or 1,234.56",
        "and/or yes/no... well…ok",
        "version 2.1.3",
        "@maria_m we are here ^MV",
        "Citi.",
        "dot com boom",
        "No. 5. Me. It. So.",
        "ありがとう。またね",
        "Done.{link}",
        "{link}. Thanks.",
        "24/7, $5.00/month",
    ],
)
def test_a_missing_space_is_no_link(text):
    gate.check(text, kind="dm")


def test_where_x_would_make_a_link_of_a_missing_space_the_sentence_says_what_to_do():
    with pytest.raises(BadText, match=r"X would make “done\.So” a link\. Put a space"):
        gate.check("It is done.So we wait.", kind="dm")


@pytest.mark.parametrize(
    ("text", "kind", "marked", "sentence"),
    [
        ("Hi {{ first_name }}, hello", "dm", "{{ first_name }}", "“first_name” is missing"),
        ("Hi {name}", "chat", "{name}", "“name” is missing"),
        ("Here: ｛link｝", "dm", "｛link｝", "“link” is missing"),
        ("😀 my card 4111-1111-1111-1111 ok", "dm", "4111-1111-1111-1111", "card number (… 11)"),
        ("\n Look at e\u200bvil\u200b.com, please", "reply", "e\u200bvil\u200b.com", "Take “evil.com” out"),
        ("Go to ｅｖｉｌ [dot] com now", "chat", "ｅｖｉｌ [dot] com", "Only our own links"),
        ("See e v i l . c o m now", "dm", "e v i l . c o m", "Only our own links"),
        ("Abc \u202emoc.live", "dm", "\u202e", "Only our own links"),
        ("It is done.So we wait.", "reply", "done.So", "X would make “done.So” a link"),
        ("Here: http://localhost:8001/abc", "dm", "http://localhost:8001/abc", "Our link is added for you"),
        ("{link} and {link}", "dm", "{link}", "One message carries one link"),
        ("Call me{link}", "dm", "{link}", "Put a space before and after {link}"),
        ("Go: {link}evil", "dm", "{link}", "Put a space before and after {link}"),
        ("{link} or evil\u200b{address}", "dm", "{address}", "Put a space before and after {address}"),
        ("{link} or {address}.evil.example", "dm", "{address}", "Put a space before and after {address}"),
        ("The code is {code}", "dm", "{code}", "only into a direct message with our link"),
        ("Here: {link}", "reply", "{link}", "only into a direct message with our link"),
        ("x" * 300, "reply", "x" * 20, "300 characters of 280"),
        ("漢" * 150, "reply", "漢" * 10, "300 characters of 280"),
    ],
)
def test_the_place_is_marked_in_the_text_as_it_was_typed(text, kind, marked, sentence):
    with pytest.raises(BadText) as refused:
        gate.check(text, kind=kind)
    assert sentence in str(refused.value)
    assert refused.value.at is not None
    start, end = refused.value.at
    assert text[start:end] == marked


def test_a_refusal_does_not_repeat_what_is_private():
    with pytest.raises(BadText) as refused:
        gate.check("My card 4111 1111 1111 1111", kind="dm")
    assert "4111" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "  \n", "{link}", " {link} "])
def test_nothing_is_no_text_and_has_no_place(text):
    with pytest.raises(BadText, match="Write something first") as refused:
        gate.check(text, kind="dm")
    assert refused.value.at is None


def test_placeholders_are_measured_at_their_real_length():
    text = "Go: {link} or {address} with {code}"
    length = len("Go:  or  with ") + 23 + len("citi.example/social") + len("XXXX-XXXX")
    assert gate.measured(text, kind="dm", address="citi.example/social").used == length
    room = 10_000 - length
    gate.check(text + " " + "y" * (room - 1), kind="dm", address="citi.example/social")
    with pytest.raises(BadText, match="shorten"):
        gate.check(text + " " + "y" * room, kind="dm", address="citi.example/social")


@pytest.mark.django_db
def test_nobody_is_written_to_who_wrote_nothing_in_the_case():
    b = bank()
    case = b.hear(post("@AskCiti my card", person("maria_m"), names=(b.care,)))[0].case
    gate.recipient(case)
    other = b.hear(post("@AskCiti my card as well", person("jorge_p"), names=(b.care,)))[0].case
    case.mentions.update(case=other)
    with pytest.raises(NotReachable, match="wrote nothing in this case"):
        gate.recipient(case)
