"""Takes what sockets do, leaves a refusal for what is too much: per socket, per person, per address of one process.

All limits are settings. They are counted where the sockets are, without Redis: with n web processes somebody who
spreads their sockets over all of them has n times as much.
"""

from collections import Counter, deque
from collections.abc import Hashable

from django.conf import settings

WINDOW = 10.0  # seconds in which a socket's frames are counted
KEPT = 20_000  # people whose messages are counted although no socket of theirs is open


class Rate:
    """At most `most` in any `seconds`; times are given by whoever asks, of one clock."""

    __slots__ = ("most", "seconds", "times")

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self.times: deque[float] = deque()

    def allows(self, at: float) -> bool:
        """Whether one more is not too much; then it is counted."""
        times = self.times
        while times and times[0] <= at - self.seconds:
            times.popleft()
        if len(times) >= self.most:
            return False
        times.append(at)
        return True


class Doors:
    """How many sockets are open, and how many messages came, by person and by address."""

    def __init__(self) -> None:
        self.open: Counter[Hashable] = Counter()
        self.said: dict[int, Rate] = {}
        self.shut = False  # the server stops: nobody comes in any more

    def enter(self, user_id: int, address: str) -> bool:
        """One more socket, unless the person or the address has too many."""
        if (
            self.shut
            or self.open[user_id] >= settings.SOCKETS_PER_USER
            or self.open[address] >= settings.SOCKETS_PER_ADDRESS
        ):
            return False
        self.open.update((user_id, address))
        return True

    def leave(self, user_id: int, address: str) -> None:
        """It is closed. What the person said stays counted: else whoever comes back would begin anew."""
        for key in (user_id, address):
            self.open[key] -= 1
            if self.open[key] <= 0:
                del self.open[key]

    def may_say(self, user_id: int, at: float) -> bool:
        """Whether the person may say one more message now (`at`: the event loop's clock)."""
        if user_id not in self.said:
            if len(self.said) > KEPT:
                self.said = {user: rate for user, rate in self.said.items() if user in self.open}
            self.said[user_id] = Rate(settings.SOCKET_MESSAGES, settings.SOCKET_MESSAGES_SECONDS)
        return self.said[user_id].allows(at)


doors = Doors()
