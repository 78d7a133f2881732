"""Which visitors are programs, as far as they say so."""

import pytest

from links.bots import is_bot
from rehearsal.scanners import AGENTS

PEOPLE = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
    "Twitter for iPhone/10.68",
    "Mozilla/5.0 (Linux; Android 15; CPH2557; wv) AppleWebKit/537.36 Version/4.0 Chrome/142.0.7444.142 Mobile "
    "Safari/537.36 Instagram 406.0.0.58.159 Android",
    "Mozilla/5.0 (Linux; Android 12; CUBOT KINGKONG 7) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 16; Pixel 10; wv) AppleWebKit/537.36 Chrome/146.0.7680.174 Mobile MetaIAB Facebook",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    "Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 SamsungBrowser/27.0 Chrome/125.0.0.0 Safari/537.36",
    "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
]


@pytest.mark.parametrize("agent", PEOPLE)
def test_people_count_as_people_and_their_head_requests_do_not(agent: str) -> None:
    assert not is_bot("GET", agent)
    assert is_bot("HEAD", agent)


@pytest.mark.parametrize("agent", [*AGENTS, "", "Mozilla/4.0 (compatible; MSIE 6.0)"])
def test_scanners_previews_and_programs_do_not(agent: str) -> None:
    assert is_bot("GET", agent)


def test_there_are_forty_scanners() -> None:
    assert len(set(AGENTS)) == 40
