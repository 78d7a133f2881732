"""The suite of the chat in small: a few people talk while a few things break; and a loss would have been seen."""

from collections.abc import Iterator

import psycopg
import pytest

from citisocial.servers import House
from rehearsal import harms
from rehearsal.chatting import compare, talk
from rehearsal.harms import Fault, Harm
from rehearsal.playing import gather, playing, sign_in_all
from rehearsal.premises import complain, own_house
from rehearsal.twins import Web

MESSAGES = 180  # of a dozen people: fewer than what one may say in ten seconds
FAULTS: list[tuple[Fault, float]] = [
    (Harm.web_killed, 3.0),
    (Harm.answer_lost, 1.0),
    (Harm.valkey_wiped, 0.2),
    (Harm.postgres_cut, 0.2),
    (Harm.network_cut_down, 1.0),
    (Harm.two_tabs, 1.0),
    (Harm.valkey_deaf, 0.2),
    (Harm.network_reset, 0.2),
]

LOSE = """
DELETE FROM conversations_message WHERE id = (
    SELECT max(m.id) FROM conversations_message m JOIN conversations_case c ON c.id = m.case_id WHERE c.public_id = %s)
"""

pytestmark = pytest.mark.xdist_group("walk")


@pytest.fixture
def house() -> Iterator[House]:
    """One of its own: what breaks here must not break in the house that other tests share."""
    with own_house(announce=complain) as opened:
        yield opened


def test_people_talk_while_things_break(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(harms, "CUT", 1.0)
    monkeypatch.setattr(harms, "BETWEEN", 0.3)
    casts = gather(house, 6, 6, 6)
    with playing(house, [Web(house)], casts, sign_in_all(house, casts), tabs=1) as play:
        result = talk(play, MESSAGES, 1, [FAULTS])

        assert result.pop("wrong") == []
        assert result["messages"] >= MESSAGES
        assert (result["lost"], result["doubled"], result["reordered"]) == (0, 0, 0)
        assert result["faults"] == {fault.__name__: 1 for fault, _ in FAULTS}
        assert result["reconnects"] > 0
        assert result["sent_again"] > 0

        with psycopg.connect(house.database_url) as books:  # as if the last of one case had never been stored
            books.execute(LOSE, [casts[0].case])
            books.commit()
        verdict = compare(play)
        assert verdict.lost == 1
        assert not verdict.good
