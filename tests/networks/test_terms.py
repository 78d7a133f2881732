"""Rules in X's language find in plain texts what X would find, at a glance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.networks.base import Rule
from conversations.networks.terms import Terms, literals

TERMS = Terms(
    [
        Rule("@AskCiti OR @Citi", "handles"),
        Rule('("citi bank" OR citicard OR "citi double cash") -is:retweet', "words"),
        Rule("bank (citi OR #broke) lang:en", "both"),
        Rule("花旗", "chinese"),
        Rule("$C stock", "stock"),
        Rule("from:maya_r", "nothing a text tells"),
    ],
    ["@Citibank"],
)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("hi @askciti", ("handles",)),
        ("RT @ASKCITI: no", ("handles",)),
        ("@askcitix", ()),
        ("somebody@citi.com", ()),
        ("@citibank", ("handles",)),
        ("my CITI-BANK card", ("words", "both")),
        ("Citi\nbank", ("words", "both")),
        ("Citi   Double_Cash", ("words",)),
        ("citi bankers", ()),
        ("citicards", ()),
        ("citi double", ()),
        ("broke at the bank", ()),
        ("#broke at the bank", ("both",)),
        ("#brokered at the bank", ()),
        ("我的花旗銀行", ("chinese",)),
        ("$c stock", ("stock",)),
        ("$cx stock", ()),
        ("$c", ()),
        ("", ()),
        ("İ citi bank", ("words", "both")),
    ],
)
def test_a_text_satisfies_rules(text, tags) -> None:
    assert TERMS.tags(text) == tags


def test_terms_of_a_rule_are_the_positive_ones() -> None:
    rule = '("Citi  Bank" OR citicard) -scam lang:en @AskCiti #Help $C -"not this" url:"citi.com" has:links'
    assert literals(rule) == ["citi bank", "citicard", "@askciti", "#help", "$c"]


def test_what_a_text_cannot_tell_counts_as_satisfied() -> None:
    terms = Terms([Rule("(citi OR from:maya_r) card", "t"), Rule("citi OR is:verified", "v")])
    assert terms.tags("a card") == ("t",)
    assert terms.tags("citi") == ("v",)
    assert terms.tags("nothing") == ()


def test_without_rules_and_handles_nothing_is_for_us() -> None:
    assert Terms().tags("@AskCiti citi bank") == ()


def test_terms_change_while_they_are_in_use() -> None:
    terms = Terms([Rule("one", "a")])
    terms.become([Rule("two", "b")], ["Citi"])
    assert (terms.tags("one"), terms.tags("two"), terms.tags("@citi")) == ((), ("b",), ("handles",))


@given(st.text(alphabet='abc "()-OR@#$:\u82b1', max_size=40), st.text(max_size=40))
def test_no_rule_and_no_text_breaks_it(rule, text) -> None:
    Terms([Rule(rule, "t")], ["Citi"]).tags(text)
