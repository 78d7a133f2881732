"""Rooms of one process: who hears what, that trouble stays where it is, and that Redis may go and come."""

import asyncio

import pytest
import redis as sync_redis
from django.conf import settings

from conversations.realtime import hub as hubs
from conversations.realtime.hub import MISSED, MOST, Hub, Seat, encode


@pytest.fixture
async def pair(valkey, settings):
    """Two processes' hubs, both hearing."""
    both = [Hub(settings.REDIS_URL, settings.ROOMS) for _ in range(2)]
    for one in both:
        one.sit(Seat(), "nobody's")
        await one.heard()
    yield both
    for one in both:
        for task in one.tasks.values():
            task.cancel()
        await one.hearing.aclose()
        await one.speaking.aclose()


async def heard(seat, within=3.0):
    """The next word that is not only a reminder to look."""
    async with asyncio.timeout(within):
        while (word := await seat.next()) == MISSED:
            pass
    return word


async def test_a_word_is_heard_in_its_room_here_and_elsewhere(pair):
    here, there = pair
    near, far, other = Seat(), Seat(), Seat()
    here.sit(near, "case.1")
    there.sit(far, "case.1", "inbox.1")
    there.sit(other, "case.2")
    here.tell([("case.1", "message", (7, "the frame itself"))])
    assert near.waiting[-1] == ("case.1", "message", (7, "the frame itself"))  # at once, without Redis
    assert await heard(far) == ("case.1", "message", 7)  # elsewhere its number alone
    there.tell([("inbox.1", "inbox", {"1": []})])
    assert await heard(far) == ("inbox.1", "inbox", {"1": []})
    assert not other.waiting
    there.leave(far)
    here.tell([("case.1", "poke", "taken"), ("case.2", "poke", "taken")])
    assert await heard(other) == ("case.2", "poke", "taken")
    assert not far.waiting


async def test_nobody_hears_own_words_twice(pair):
    here, there = pair
    near, far = Seat(), Seat()
    here.sit(near, "case.1")
    there.sit(far, "case.1")
    for n in range(50):
        here.tell([("case.1", "poke", str(n))])
    assert [(await heard(far))[2] for _ in range(50)] == [str(n) for n in range(50)]
    await asyncio.sleep(0.05)
    assert [word[2] for word in near.waiting] == [str(n) for n in range(50)]


def test_who_lags_too_far_is_told_to_look():
    seat = Seat()
    for n in range(MOST + 1):
        seat.put(("case.1", "poke", str(n)))
    assert list(seat.waiting) == [MISSED]


async def test_whoever_sat_while_redis_was_away_is_told_to_look(pair, valkey):
    here, there = pair
    far = Seat()
    there.sit(far, "case.1")
    valkey.client_kill_filter(_type="pubsub")
    async with asyncio.timeout(5):
        while far.waiting.count(MISSED) < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert there.restarts == 1
    here.tell([("case.1", "poke", "after")])
    assert await heard(far) == ("case.1", "poke", "after")


async def test_silence_is_a_dead_line(pair, monkeypatch):
    """Nobody closed it, nothing comes: as behind a firewall that forgot the connection."""
    monkeypatch.setattr(hubs, "SILENCE", 0.1)
    _here, there = pair
    there._beat_task = there.tasks["beat"].cancel()
    pair[0].tasks["beat"].cancel()
    pair[0].tell([("case.9", "poke", "the read that is under way still waits as long as before")])
    async with asyncio.timeout(5):
        while there.restarts < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_without_redis_this_process_goes_on(unused_tcp_port):
    alone = Hub(f"redis://127.0.0.1:{unused_tcp_port}/0", "nowhere")
    seat = Seat()
    alone.sit(seat, "case.1")
    alone.tell([("case.1", "poke", "still")])
    assert await heard(seat) == ("case.1", "poke", "still")
    for task in alone.tasks.values():
        task.cancel()


@pytest.mark.parametrize("said", [b"", b"{}", b"[1,2]", b'["x",[["case.1","poke"]]]', b"\xff\xfe", b'["x",[[1,2,3]]]'])
async def test_what_is_none_of_ours_harms_nobody(pair, valkey, said):
    here, there = pair
    far = Seat()
    there.sit(far, "case.1")
    valkey.publish(settings.ROOMS, said)
    here.tell([("case.1", "poke", "after")])
    assert await heard(far) == ("case.1", "poke", "after")
    assert there.restarts == 0


async def test_no_text_travels_over_redis(pair, redis_url):
    here, _there = pair
    listener = sync_redis.Redis.from_url(redis_url).pubsub()
    listener.subscribe(settings.ROOMS)
    here.tell([("case.1", "message", (3, '{"text":"my card is 4111"}')), ("case.1", "poke", "taken")])
    await asyncio.sleep(0.2)
    said = b""
    while (got := listener.get_message(timeout=0.2)) is not None:
        said += got["data"] if isinstance(got["data"], bytes) else b""
    assert encode(("case.1", "message", 3)) in said
    assert b"4111" not in said
