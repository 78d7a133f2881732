"""A web process that is told to stop: its sockets leave a few at a time, and nobody new comes in."""

import asyncio
import signal

import pytest

from citisocial import draining
from conversations.realtime.limits import doors
from conversations.watch import watch


class Sitting:
    """A socket that notes when it was sent away."""

    def __init__(self, went: list[tuple[float, int]]) -> None:
        self.went = went

    async def end(self, code: int) -> None:
        self.went.append((asyncio.get_running_loop().time(), code))


@pytest.fixture
def went(settings):
    settings.SOCKETS_CLOSED_PER_SECOND = 40
    yield []
    doors.shut = False


async def test_they_leave_a_few_at_a_time(went):
    watch().sockets.update(Sitting(went) for _ in range(24))
    await draining.send_away()
    assert [code for _at, code in went] == [1012] * 24
    times = [at for at, _code in went]
    assert times[-1] - times[0] > 0.4  # 24 at 40 a second
    assert all(sum(1 for at in times if start <= at < start + 0.1) <= 8 for start in times)
    assert not doors.enter(1, "a")


async def test_many_leave_faster_than_they_would_be_killed(went, monkeypatch):
    monkeypatch.setattr(draining, "LONGEST", 0.5)
    watch().sockets.update(Sitting(went) for _ in range(500))
    begun = asyncio.get_running_loop().time()
    await draining.send_away()
    assert len(went) == 500
    assert asyncio.get_running_loop().time() - begun < 2


async def test_the_signal_drains_first_and_stops_then(went, monkeypatch):
    stopped = []
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(len(went)))
        watch().sockets.update(Sitting(went) for _ in range(6))
        draining.install()
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            while not stopped:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert stopped == [6]
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.05)
        assert stopped == [6, 6]
    finally:
        signal.signal(signal.SIGTERM, before)
