"""The quick look before the search for what leads away: it may ask too often, and never too seldom."""

import random

from conversations import disguises

SIGNS = " ..,,::-_*|~/@()[]{}<>\"'`=+%&\\#\n\t"
WORDS = (
    "com org net io xyz co uk dot d0t punkt point www http hxxp localhost citi bank C-O-M 10.0.0.1 0x7f000001 data: "
)
MORE = "mailto: http: %2e &#46; \\u002e [.] (dot) the Thanks ftp tel t.me é 。 \u202e"
PIECES = [*"abcmoxwtih019", *SIGNS, *WORDS.split(), *MORE.split(), "C O M", "tel: ", "hxxp :", " and ", ". We"]


def test_what_the_search_finds_the_quick_look_suspects():
    chance = random.Random(20261122)
    found = 0
    for _ in range(40_000):
        text = "".join(chance.choices(PIECES, k=chance.randint(1, 14)))
        if disguises.searched(text) is not None:
            found += 1
            assert disguises.suspects(text), text
    assert found > 4_000


def test_plain_words_are_not_searched():
    for text in (
        "I have sent a new card to you. It arrives on Monday, and the old one stops then.",
        "Thanks, Maria! That's done (see the letter of 3 May); is there anything else?",
    ):
        assert not disguises.suspects(text)
