"""Takes the frames of one case's socket, leaves what a page makes of them: a transcript, and nothing unsent forgotten.

It is what the pages' `conversation-log.js` is, in Python: what was written goes again with the same client_id until it
has a seq or was refused; only seq == last + 1 is shown; `resume` asks for what is lacking on connect, on a gap and
every 15 s. No more than AT_ONCE are on their way together, and nothing goes before something older that waits: so the
order of writing is the order in the table, whatever breaks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

LOOK_AGAIN = 15.0  # seconds
ANSWER_WITHIN = 5.0
AT_ONCE = 8
SLOWLY = 3.0  # seconds until the next try when the server said "too fast"
RETRY = 1.0  # … and until somebody presses "send again" at what was refused
Entry = tuple[int, str, str]  # seq, client_id, text


class Heard(msgspec.Struct):
    """What of a frame of the server matters here."""

    type: str
    seq: int = 0
    client_id: str | None = None
    text: str = ""
    kind: str = "said"
    code: str = ""
    message: str = ""
    status: str = ""


decode = msgspec.json.Decoder(Heard).decode
_encode = msgspec.json.Encoder().encode
WAITING, SENDING, FAILED = "waiting", "sending", "failed"


@dataclass(slots=True)
class Item:
    """Something of ours that has no seq yet."""

    client_id: str
    text: str
    state: str = WAITING
    tried_at: float = 0.0


class Outbox:
    """One page's. `send` is the socket's, `clock` in seconds; `refused` holds what was refused at least once."""

    def __init__(self, send: Callable[[bytes], bool], clock: Callable[[], float]) -> None:
        self.send, self.clock = send, clock
        self.last = 0
        self.connected = self.ready = False  # ready: what arrived before the line broke is known
        self.transcript: list[Entry] = []
        self.early: dict[int, Entry] = {}
        self.unsent: dict[str, Item] = {}
        self.sending = 0
        self.refused: set[str] = set()
        self.again = 0  # posts that were sent more than once
        self.gaps = 0
        self.slow_until = 0.0
        self.failed_at = 0.0
        self.hasty = False  # sends again at once when it is back, before it knows what arrived

    def opened(self) -> None:
        """Ask at once; what is unsent waits for the answer."""
        self.connected, self.ready = True, self.hasty
        self._flush()
        self.resume()

    def lost(self) -> None:
        """The line broke."""
        self.connected = self.ready = False
        self._wait(0.0)

    def resume(self) -> None:
        if self.connected:
            self.send(b'{"type":"resume","after":%d}' % self.last)

    def post(self, client_id: str, text: str) -> None:
        """Say something."""
        self.unsent[client_id] = Item(client_id, text)
        self._flush()

    def receive(self, frame: Heard) -> None:
        """One frame of the server."""
        if frame.type == "message":
            self._message((frame.seq, frame.client_id or "", frame.text))
        elif frame.type == "caught_up":
            self._caught_up(frame.seq)
        elif frame.type == "problem":
            self._problem(frame)

    def press(self) -> None:
        """Send again what was refused a moment ago, and what was said too fast, in the order of writing."""
        now = self.clock()
        if self.failed_at and now - self.failed_at > RETRY:
            self.failed_at = 0.0
            for item in self.unsent.values():
                if item.state == FAILED:
                    item.state = WAITING
            self._flush()
        if self.slow_until and now > self.slow_until:
            self.slow_until = 0.0
            self._flush()

    def _flush(self) -> None:
        """Whatever waits goes, in the order of writing, as far as there is room for it."""
        if not self.ready or self.slow_until or self.sending >= AT_ONCE:
            return
        for item in self.unsent.values():
            if item.state != WAITING:
                continue
            frame = {"type": "post", "client_id": item.client_id, "text": item.text}
            if self.sending >= AT_ONCE or not self.send(_encode(frame)):
                return
            self.again += item.tried_at > 0.0
            item.state, item.tried_at = SENDING, self.clock()
            self.sending += 1

    def _wait(self, age: float) -> None:
        """What has been under way for longer than that goes again."""
        now = self.clock()
        for item in self.unsent.values():
            if item.state == SENDING and now - item.tried_at >= age:
                item.state = WAITING
                self.sending -= 1

    def _message(self, entry: Entry) -> None:
        seq, client_id, _text = entry
        item = self.unsent.pop(client_id, None)
        if seq == self.last + 1:
            self.last = seq
            self.transcript.append(entry)
        elif seq > self.last:
            self.early[seq] = entry
        if self.early:
            self._fill()
        if item is not None:
            self.sending -= item.state == SENDING
            self._flush()

    def _fill(self) -> None:
        while (entry := self.early.pop(self.last + 1, None)) is not None:
            self.last += 1
            self.transcript.append(entry)
        if self.early:
            self.gaps += 1
            self.resume()

    def _caught_up(self, seq: int) -> None:
        if seq > self.last:
            self.resume()
            return
        self.ready = True
        self._wait(ANSWER_WITHIN)
        self._flush()

    def _problem(self, frame: Heard) -> None:
        item = self.unsent.get(frame.client_id or "")
        if item is None:
            return
        self.sending -= item.state == SENDING
        if frame.code == "too_fast":
            item.state, self.slow_until = WAITING, self.clock() + SLOWLY
        else:
            item.state, self.failed_at = FAILED, self.clock()
            self.refused.add(item.client_id)
