"""Takes chunks of bytes of X's filtered stream, or of a feed like it, leaves the posts that are for us.

Cheap first: of each line only the text is read, and whether X named the rules that it matched. Lines that matched are
always kept; lines of feeds that nobody filtered (samples, firehoses, archives) only when one of our terms is in them.
What is kept is read in full, once.

Lines are cut on bytes and not on text: a chunk may end inside a letter, and U+2028, U+2029 and U+0085, at which
str.splitlines (and with it httpx's aiter_lines) splits, stand unescaped inside X's JSON.
"""

import logging

import msgspec

from conversations.networks.base import Charge, Heard, Matcher, Post
from conversations.networks.x import prices, reading, wire

log = logging.getLogger(__name__)

LONGEST_LINE = 4 * 1024 * 1024
MOST_NAMED = 1000  # bad lines whose numbers are kept


class Note(msgspec.Struct, gc=False):
    text: str | None = None


class Seen(msgspec.Struct, gc=False):
    text: str = ""
    note_tweet: Note | None = None
    note_post: Note | None = None


class Glance(msgspec.Struct, gc=False):
    """As little of a line as tells whether it is for us. `text`: the line is a post and nothing around it."""

    data: Seen | None = None
    matching_rules: list[msgspec.Raw] | None = None
    text: str | None = None


_glance = msgspec.json.Decoder(Glance).decode


class LineTooLong(Exception):
    """A line without an end."""


class Feed:
    """One connection or file. Without terms every post is for us."""

    def __init__(self, terms: Matcher | None, *, web_url: str) -> None:
        self.lines = 0
        self.bad: list[int] = []
        self.bad_lines = 0
        self.goodbye: wire.Problem | None = None  # X said that it closes the connection
        self._terms = terms
        self._web_url = web_url
        self._rest = b""

    def feed(self, chunk: bytes) -> Heard:
        """What the chunk completes. After `goodbye` nothing more is to be expected."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LONGEST_LINE:
            raise LineTooLong
        return self._hear(lines)

    def end(self) -> Heard:
        """The last line of a file may have no end."""
        rest, self._rest = self._rest, b""
        return self._hear([rest] if rest else [])

    def _hear(self, lines: list[bytes]) -> Heard:
        posts: list[Post] = []
        charges: list[Charge] = []
        glance, terms = _glance, self._terms
        anchored = terms.anchored if terms else None
        for number, raw in enumerate(lines, self.lines + 1):
            if len(raw) < 2:  # a keep-alive: nothing, or the \r of X's line ends
                if raw.strip():
                    self._is_bad(number)
                continue
            matched: tuple[str, ...] = ()
            try:
                seen = glance(raw)
                if terms is not None and anchored is not None and seen.matching_rules is None:
                    text = _said(seen)
                    if text is not None and not (anchored(text.lower()) and (matched := terms.tags(text))):
                        continue
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                pass  # read in full below, where half an emoji is forgiven
            self._keep(raw, number, matched, posts, charges)
        self.lines += len(lines)
        return Heard(tuple(posts), tuple(charges))

    def _keep(
        self, raw: bytes, number: int, matched: tuple[str, ...], posts: list[Post], charges: list[Charge]
    ) -> None:
        try:
            line = wire.decode(raw, wire.StreamLine)
            if not line.has_post and line.text is None:
                self._message(raw, number)
                return
            found = wire.decode(line.data if line.has_post else raw, wire.Post)
        except wire.BadAnswer as error:
            self._is_bad(number)
            log.warning("X's stream: line %d, of %d bytes, cannot be read, passed over: %s", number, len(raw), error)
            return
        if line.matching_rules is None and not matched and self._terms is not None:
            matched = self._terms.tags(_text(found))  # it could not be glanced at
            if not matched:
                return
        if line.matching_rules is not None:
            matched = tuple(rule.tag for rule in line.matching_rules if rule.tag)
            charges += [prices.one("post", found.id, "stream"), *prices.of_includes(line.includes, "stream")]
        post = reading.post(found, line.users, matched, web_url=self._web_url)
        if post is None:
            self._is_bad(number)
        else:
            posts.append(post)

    def _message(self, raw: bytes, number: int) -> None:
        """A line without a post: X's goodbye, or something that we do not know."""
        problem = wire.problem(raw)
        if problem.slot_taken or problem.disconnects:
            self.goodbye = problem
            return
        self._is_bad(number)
        log.warning(
            "X's stream: line %d is a message of an unknown kind (%s), passed over", number, problem.kind or _keys(raw)
        )

    def _is_bad(self, number: int) -> None:
        self.bad_lines += 1
        if len(self.bad) < MOST_NAMED:
            self.bad.append(number)


def _said(seen: Glance) -> str | None:
    """The text to look for terms in; None for a line that is no post."""
    data = seen.data
    if data is None:
        return seen.text
    if data.note_tweet is None and data.note_post is None:
        return data.text
    note = data.note_tweet or data.note_post
    return note.text if note is not None and note.text else data.text


def _text(post: wire.Post) -> str:
    """The text to look for terms in; of a long post all of it."""
    return post.note.text if post.note and post.note.text else post.text


def _keys(raw: bytes) -> str:
    """The names in a message, which tell its kind without telling its content."""
    try:
        return ", ".join(sorted(wire.decode(raw, dict[str, msgspec.Raw]))[:8])
    except wire.BadAnswer:
        return "not an object"
