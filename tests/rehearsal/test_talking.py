"""Takes servers that lose, double and reorder, leaves proof that the bench's chats notice each of it."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from rehearsal import conversing
from rehearsal.people import Stumble
from rehearsal.talking import SIDES, TEXTS, Figures, Talk, closed, paced, post

Spread = Callable[[int], list[int]]


async def talks_with(spread: Spread, work: Callable[[list[Talk]], Any]) -> Any:
    """Two chats on a server that stores nothing; `spread` says which numbers a message is delivered with."""
    rooms: dict[str, list[ServerConnection]] = defaultdict(list)
    last: dict[str, int] = defaultdict(int)

    async def one(socket: ServerConnection) -> None:
        assert socket.request is not None
        room = socket.request.path.split("/")[1]
        rooms[room].append(socket)
        async for raw in socket:
            said = json.loads(raw)
            if said["type"] == "resume":
                await socket.send('{"type":"caught_up","seq":0}')
                continue
            last[room] += 1
            for seq in spread(last[room]):
                for other in rooms[room]:
                    await other.send(json.dumps({"type": "message", "seq": seq, "client_id": said["client_id"]}))

    async with serve(one, "127.0.0.1", 0, compression=None) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        cases = [{"number": 1}, {"number": 2}]
        talks = await conversing.open_talks("trial", conversing.open_door(url), cases)
        try:
            return await work(talks)
        finally:
            for talk in talks:
                talk.close()


def busily(talks: list[Talk]) -> Any:
    return closed(talks, seconds=0.2, warm=0.05, cpu=lambda: 0.0)


def calmly(talks: list[Talk]) -> Any:
    return paced(talks * 20, seconds=0.4, warm=0.05, cpu=lambda: 0.0)


@pytest.mark.parametrize("work", [busily, calmly])
async def test_what_arrives_everywhere_is_counted(work: Callable[[list[Talk]], Any]) -> None:
    async def counted(talks: list[Talk]) -> tuple[Figures, int, list[int]]:
        figures = await work(talks)
        return (
            figures,
            sum(talk.sent for talk in talks),
            [one.said for talk in talks for one in talk.listeners.values()],
        )

    figures, sent, heard = await talks_with(lambda n: [n], counted)
    assert 0 < figures.messages <= sent == sum(heard) / len(SIDES)
    assert 0 < len(figures.late) <= sent
    assert min(figures.late) > 0


@pytest.mark.parametrize(
    ("spread", "words"),
    [
        (lambda n: [n] if n < 5 else [n + 1], "read 6 after 4"),
        (lambda n: [n, n] if n == 3 else [n], "read 3 after 3"),
        (lambda n: [n] if n != 4 else [], "nothing was delivered|were said"),
        (lambda n: [{2: 3, 3: 2}.get(n, n)], "read 3 after 1"),
    ],
    ids=["lost", "doubled", "never", "out of order"],
)
async def test_what_is_lost_or_doubled_is_noticed(spread: Spread, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearsal.talking.SETTLED", 0.2)
    with pytest.raises(Stumble, match=words):
        await talks_with(spread, busily)


async def test_a_socket_that_is_cut_off_is_noticed() -> None:
    async def cut(talks: list[Talk]) -> list[str]:
        talks[0].listeners["supervisor"].transport.abort()
        await asyncio.sleep(0.05)
        return talks[0].tally.wrong

    assert await talks_with(lambda n: [n], cut) == ["supervisor of trial 0 was cut off with 1006"]


def test_a_frame_is_as_long_as_the_goal_says() -> None:
    lengths = [len(post("5a0c1a1f-0000-4000-8000-000000000001", text, 12)) for text in TEXTS]
    assert all(220 <= length <= 240 for length in lengths), lengths


def test_ratios_are_of_medians() -> None:
    def windows(*per_s: float, us: float, late: float) -> list[Figures]:
        return [Figures(n, 1.0, n * us / 1e6, [late / 1000] * 10) for n in per_s]

    busy = {
        "ours": windows(500, 800, 100, us=90, late=0),
        "raw": windows(1000, 1, 4000, us=60, late=0),
        "stock": windows(50, 40, 60, us=1400, late=0),
    }
    calm = {"ours": windows(1, us=1, late=1.5), "raw": windows(1, us=1, late=1.2)}
    found = conversing.summary(busy, calm)
    ratios = ("cpu_vs_raw", "rate_vs_raw", "rate_vs_stock", "p50_vs_raw")
    assert [found[name] for name in ratios] == [1.5, 0.5, 10.0, 1.25]
    assert (found["us_per_message"]["ours"], found["p50_ms"]) == (90.0, {"ours": 1.5, "raw": 1.2})
