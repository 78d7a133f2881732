"""The rule language by itself: what matches, what is refused, and that no input breaks it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.rules import InvalidRule, Subject, compile_rule, words

POST = Subject(
    text="@AskCiti My CitiBank card was declined at the Coca-Cola store, again! #Fail $C https://t.co/aaaaaaaaaa",
    author="maya_r",
    author_id=42,
    mentions=frozenset({"askciti"}),
    hashtags=frozenset({"fail"}),
    cashtags=frozenset({"c"}),
    urls=("https://www.example.com/help/cards?id=1",),
    lang="en",
    reply_to="citi",
    reply_to_post=7,
    conversation=5,
    is_reply=True,
)


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ("citibank", True),
        ("CITIBANK", True),
        ("citi", False),  # whole words only
        ("bank", False),
        ("citibank card", True),
        ("citibank loan", False),
        ("loan OR card", True),
        ("loan OR mortgage", False),
        # side by side binds tighter than OR: (loan mortgage) OR card
        ("loan mortgage OR card", True),
        ("card OR loan mortgage", True),
        ("loan (mortgage OR card)", False),
        ("(loan OR card) (declined OR approved)", True),
        ("(loan OR card) (refunded OR approved)", False),
        ('"was declined"', True),
        ('"declined was"', False),
        ('"Card WAS declined"', True),
        ('"decline"', False),
        ("coca-cola", True),
        ("cola-coca", False),
        ('"coca cola"', True),
        ("card -loan", True),
        ("card -declined", False),
        ('card -"was declined"', False),
        ("card -is:retweet", True),
        ("card is:retweet", False),
        ("card is:reply", True),
        ("card is:quote", False),
        ("card is:verified", False),
        ("@AskCiti", True),
        ("@askciti", True),
        ("@Citi", False),
        ("askciti", True),  # the handle's word is in the text as well
        ("from:maya_r", True),
        ("from:@Maya_R", True),
        ("from:42", True),
        ("from:omar", False),
        ("to:Citi", True),
        ("to:AskCiti", False),  # named, but answered is somebody else
        ("#fail", True),
        ("#FAIL", True),
        ("#fai", False),
        ("$c", True),
        ("$citi", False),
        ("url:example", True),
        ("url:exam", False),
        ('url:"https://www.example.com/help"', True),
        ("url:t.co", False),  # what the link hides, not its wrapping
        ("conversation_id:5", True),
        ("conversation_id:6", False),
        ("in_reply_to_tweet_id:7", True),
        ("card lang:en", True),
        ("card lang:es", False),
        ("card has:links", True),
        ("card has:mentions", True),
        ("card has:hashtags", True),
        ("card has:media", False),
        ("card -has:media", True),
        ('"and" OR card', True),
        ("(((card)))", True),
        ("card\n\tcitibank", True),
    ],
)
def test_rule(rule: str, matches: bool) -> None:
    assert compile_rule(rule).matches(POST) is matches


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("()", "missing"),
        ("(card", "not closed"),
        ("card)", "no '(' for it"),
        ('"card', "quotation mark"),
        ("OR card", "missing"),
        ("card OR", "missing"),
        ("card OR OR loan", "missing"),
        ("-(card OR loan)", "Negating a group"),
        ("card -(loan)", "Negating a group"),
        ("card -", "no letter or digit"),
        ("card -OR loan", "nothing to negate"),
        ("card and loan", "Ambiguous use of and"),
        ("card or loan", "Ambiguous use of or"),
        ("card AND loan", "Ambiguous use of AND"),
        ("lang:en", "standalone"),
        ("is:reply has:links", "standalone"),
        ("-card", "standalone"),
        ("-card -loan", "standalone"),
        ("card OR lang:en", "standalone"),
        ("card OR -loan", "standalone"),
        ("card lang:english", "language code"),
        ("card is:happy", "is:happy"),
        ("card has:soul", "has:soul"),
        ("from:", "needs a value"),
        ("from:a-b", "not a handle"),
        ("conversation_id:abc", "post id"),
        ("place_country:US", "not available"),
        ("!!!", "no letter or digit"),
        ("(" * 60 + "card" + ")" * 60, "nested"),
        ("x" * 1025, "1024"),
    ],
)
def test_rule_is_refused_with_a_reason(rule: str, reason: str) -> None:
    with pytest.raises(InvalidRule, match=re.escape(reason)):
        compile_rule(rule)


def test_search_takes_shorter_queries_than_the_stream() -> None:
    with pytest.raises(InvalidRule, match="512"):
        compile_rule("x" * 513, longest=512)


def test_words_of_scripts_without_spaces_are_found_inside_a_sentence() -> None:
    post = Subject(text="銀行のアプリにログインできません", author="kenji_m", author_id=1)

    assert compile_rule("ログイン").matches(post)
    assert compile_rule('"アプリ"').matches(post)
    assert not compile_rule("カード").matches(post)


def test_a_rule_knows_whether_it_looks_for_words_and_where_it_can_be_narrowed() -> None:
    narrow = compile_rule("from:AskCiti conversation_id:12 -is:retweet")

    assert (narrow.uses_words, narrow.only_from, narrow.only_conversation) == (False, "askciti", 12)
    assert compile_rule("from:AskCiti OR card").only_from == ""
    assert compile_rule("from:AskCiti OR card").uses_words
    assert compile_rule("-from:AskCiti card").only_from == ""


@pytest.mark.parametrize(
    ("rule", "needles"),
    [
        ("card", {"card"}),
        ('"was declined"', {"declined"}),
        ("card loan", {"card"}),
        ("card OR @AskCiti", {"card", "askciti"}),
        ("(card OR loan) zebra", {"zebra"}),
        ("card OR from:maya_r", set()),
        ("from:maya_r -card", set()),
        ("#fail", set()),
        ("straße", set()),
    ],
)
def test_a_match_holds_one_of_the_needles(rule: str, needles: set[str]) -> None:
    assert compile_rule(rule).needles == needles


WORD = st.sampled_from(["card", "loan", "declined", "citibank", "zebra"])


@given(left=WORD, right=WORD, third=WORD)
def test_or_and_side_by_side_are_what_python_says_they_are(left: str, right: str, third: str) -> None:
    def there(word: str) -> bool:
        return word in POST.word_set

    assert compile_rule(f"{left} {right} OR {third}").matches(POST) == ((there(left) and there(right)) or there(third))
    assert compile_rule(f"{left} ({right} OR {third})").matches(POST) == (
        there(left) and (there(right) or there(third))
    )
    assert compile_rule(f"{left} -{right}").matches(POST) == (there(left) and not there(right))


@given(st.text(alphabet='ab @#$:"()-OR isfrom\n中é', max_size=40))
@settings(max_examples=500)
def test_any_text_compiles_and_matches_or_is_refused(rule: str) -> None:
    try:
        compiled = compile_rule(rule)
    except InvalidRule:
        return
    assert compiled.matches(POST) in (True, False)


@given(st.text(max_size=60))
def test_a_quoted_text_finds_itself(text: str) -> None:
    bare = text.replace('"', " ")
    if not words(bare):
        return
    assert compile_rule(f'"{bare}"').matches(Subject(text=f"before {bare} after", author="a", author_id=1))
