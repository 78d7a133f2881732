"""Takes a rule in X's language, leaves a compiled rule that says whether a post matches.

Words side by side must all match and bind tighter than OR; `-` negates one term, never a group. Operators that need a
standalone one beside them (lang:, is:, has:) are refused alone, as X refuses them. The module knows no database: a
post comes in as a `Subject`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

MAX_STREAM_RULE = 1024
MAX_SEARCH_QUERY = 512

# Runs of letters and digits; every character of a script that is written without spaces is a word of its own.
_WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]|[^\W_぀-ヿ㐀-䶿一-鿿豈-﫿]+")
_LEX = re.compile(
    r'\s+|(?P<open>\()|(?P<close>\))|(?P<minus>-)(?=\S)|(?P<term>(?:[^\s()":]+:)?"[^"]*"|[^\s()"]+)|(?P<quote>")'
)
_OPERATOR = re.compile(r"([a-z_]+):(.*)", re.DOTALL)
_HANDLE = re.compile(r"@?([A-Za-z0-9_]{1,20})")

Test = Callable[["Subject"], bool]


class InvalidRule(Exception):
    """A rule that X refuses; the message says why."""


@dataclass
class Subject:
    """What rules look at in a post. Handles and tags are lower case and bare; `urls` are the links behind t.co."""

    text: str
    author: str
    author_id: int
    mentions: frozenset[str] = frozenset()
    hashtags: frozenset[str] = frozenset()
    cashtags: frozenset[str] = frozenset()
    urls: tuple[str, ...] = ()
    lang: str = "und"
    reply_to: str = ""
    reply_to_post: int | None = None
    conversation: int = 0
    is_reply: bool = False
    is_retweet: bool = False
    is_quote: bool = False
    author_verified: bool = False

    @cached_property
    def words(self) -> list[str]:
        """The text's words in order, folded."""
        return words(self.text)

    @cached_property
    def word_set(self) -> frozenset[str]:
        """The text's words, for looking up."""
        return frozenset(self.words)


@dataclass(frozen=True)
class Rule:
    """A compiled rule. `uses_words` says that it looks for words and not only for operators.

    The rest narrows a search before posts are loaded: a match is by `only_from`, in `only_conversation`, and its text
    holds one of `needles` (lower-case ASCII); empty means that nothing is known.
    """

    source: str
    matches: Test
    uses_words: bool
    only_from: str = ""
    only_conversation: int | None = None
    needles: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Node:
    """A parsed part: its test, whether it may stand alone, and (for a term) its operator and value."""

    test: Test
    standalone: bool
    uses_words: bool = False
    terms: tuple[tuple[str, str], ...] = field(default=())
    needles: frozenset[str] = frozenset()


def words(text: str) -> list[str]:
    """A text's words as X cuts them: at spaces, punctuation and symbols; folded to one case."""
    return _WORD.findall(text.casefold())


def compile_rule(source: str, *, longest: int = MAX_STREAM_RULE) -> Rule:
    """Compile a rule, or raise InvalidRule with a sentence that says what to change."""
    if not source.strip():
        raise InvalidRule("The rule is empty: give it at least one keyword, phrase or operator.")
    if len(source) > longest:
        raise InvalidRule(f"Rule length must be at most {longest} characters, this one has {len(source)}.")
    parser = _Parser(source)
    node = parser.any_of()
    if parser.token[0] != "end":
        raise InvalidRule(f"Unexpected ')' at position {parser.token[2] + 1}: there is no '(' for it.")
    if not node.standalone:
        raise InvalidRule(
            "Rules must contain at least one standalone, not negated operator in every alternative: "
            "lang:, is:, has: and negated terms only narrow others."
        )
    required = dict(node.terms)
    return Rule(
        source=source,
        matches=node.test,
        uses_words=node.uses_words,
        only_from=required.get("from", ""),
        only_conversation=int(required["conversation_id"]) if "conversation_id" in required else None,
        needles=node.needles,
    )


def _tokens(source: str) -> Iterator[tuple[str, str, int]]:
    position = 0
    while position < len(source):
        match = _LEX.match(source, position)
        if match is None or match.lastgroup == "quote":
            raise InvalidRule(f"A quotation mark is missing its pair at position {position + 1}.")
        if match.lastgroup:
            yield match.lastgroup, match.group(), position
        position = match.end()
    yield "end", "", position


class _Parser:
    """Recursive descent over one rule; `token` is the one being looked at: (kind, text, position)."""

    def __init__(self, source: str) -> None:
        self._tokens = _tokens(source)
        self._depth = 0
        self.token = next(self._tokens)

    def _advance(self) -> tuple[str, str, int]:
        taken = self.token
        self.token = next(self._tokens, ("end", "", taken[2]))
        return taken

    def _at_or(self) -> bool:
        return self.token[:2] == ("term", "OR")

    def any_of(self) -> _Node:
        """Alternatives between ORs."""
        nodes = [self.all_of()]
        while self._at_or():
            self._advance()
            nodes.append(self.all_of())
        if len(nodes) == 1:
            return nodes[0]
        tests = tuple(node.test for node in nodes)
        return _Node(
            test=lambda subject: any(test(subject) for test in tests),
            standalone=all(node.standalone for node in nodes),
            uses_words=any(node.uses_words for node in nodes),
            # An alternative that needs no word of its own matches anything.
            needles=frozenset().union(*(n.needles for n in nodes)) if all(n.needles for n in nodes) else frozenset(),
        )

    def all_of(self) -> _Node:
        """Terms side by side."""
        nodes: list[_Node] = []
        while self.token[0] not in ("end", "close") and not self._at_or():
            nodes.append(self._one())
        if not nodes:
            raise InvalidRule(f"Something is missing at position {self.token[2] + 1}: OR and brackets need terms.")
        if len(nodes) == 1:
            return nodes[0]
        tests = tuple(node.test for node in nodes)
        return _Node(
            test=lambda subject: all(test(subject) for test in tests),
            standalone=any(node.standalone for node in nodes),
            uses_words=any(node.uses_words for node in nodes),
            terms=tuple(term for node in nodes for term in node.terms),
            needles=min((node.needles for node in nodes if node.needles), key=len, default=frozenset()),
        )

    def _one(self) -> _Node:
        kind, text, position = self._advance()
        if kind == "minus":
            if self.token[0] == "open":
                raise InvalidRule("Negating a group is not allowed: negate each term in it.")
            if self.token[0] != "term" or self._at_or():
                raise InvalidRule(f"There is nothing to negate at position {position + 1}.")
            inner = self._one()
            return _Node(lambda subject: not inner.test(subject), standalone=False, uses_words=inner.uses_words)
        if kind == "open":
            self._depth += 1
            if self._depth > 50:
                raise InvalidRule("Brackets are nested more than 50 deep.")
            node = self.any_of()
            if self.token[0] != "close":
                raise InvalidRule(f"The '(' at position {position + 1} is not closed.")
            self._advance()
            self._depth -= 1
            return node
        return _term(text)


def _term(text: str) -> _Node:
    """One keyword, phrase, tag, handle or operator."""
    if text in ("and", "AND", "or"):
        raise InvalidRule(
            f"Ambiguous use of {text} as a keyword. Use a space to join terms, OR between alternatives, "
            f'or "{text}" in quotation marks to look for the word.'
        )
    if text.startswith("@"):
        handle = _handle(text)
        return _Node(lambda subject: handle in subject.mentions, True, needles=frozenset({handle}))
    if text[0] in "#$" and len(text) > 1:
        tag = text[1:].lower()
        if text[0] == "#":
            return _Node(lambda subject: tag in subject.hashtags, True)
        return _Node(lambda subject: tag in subject.cashtags, True)
    operator = None if text.startswith('"') else _OPERATOR.fullmatch(text)
    if operator and not operator.group(2).startswith("//"):
        return _operator(operator.group(1), operator.group(2).strip('"'))
    return _words(text.strip('"'))


def _operator(name: str, value: str) -> _Node:
    if not value:
        raise InvalidRule(f"The operator {name}: needs a value.")
    if name in _NARROWING:
        return _Node(_narrowing(name, value.lower()), standalone=False)
    if name in ("from", "to"):
        return _person(name, _handle(value))
    if name in ("conversation_id", "in_reply_to_tweet_id"):
        if not value.isascii() or not value.isdigit():
            raise InvalidRule(f"The operator {name}: needs a post id, not '{value}'.")
        number = int(value)
        if name == "conversation_id":
            return _Node(lambda subject: subject.conversation == number, True, terms=((name, value),))
        return _Node(lambda subject: subject.reply_to_post == number, True)
    if name == "url":
        wanted = words(value)
        return _Node(lambda subject: any(_contains(words(url), wanted) for url in subject.urls), True)
    raise InvalidRule(f"The operator {name}: is not available. If you meant the words, put them in quotation marks.")


def _person(name: str, handle: str) -> _Node:
    if name == "to":
        return _Node(lambda subject: subject.reply_to == handle, True)
    if handle.isdigit():
        number = int(handle)
        return _Node(lambda subject: subject.author_id == number or subject.author == handle, True)
    return _Node(lambda subject: subject.author == handle, True, terms=(("from", handle),))


_NARROWING: dict[str, dict[str, Test]] = {
    "is": {
        "retweet": lambda subject: subject.is_retweet,
        "reply": lambda subject: subject.is_reply,
        "quote": lambda subject: subject.is_quote,
        "verified": lambda subject: subject.author_verified,
    },
    "has": {
        "links": lambda subject: bool(subject.urls),
        "mentions": lambda subject: bool(subject.mentions),
        "hashtags": lambda subject: bool(subject.hashtags),
        "cashtags": lambda subject: bool(subject.cashtags),
        # Nobody attaches media here, so nothing has any.
        "media": lambda subject: False,
        "images": lambda subject: False,
        "videos": lambda subject: False,
    },
    "lang": {},
}


def _narrowing(name: str, value: str) -> Test:
    if name == "lang":
        if not re.fullmatch(r"[a-z]{2,3}(-[a-z]{2,4})?", value):
            raise InvalidRule(f"The operator lang: needs a language code such as en, not '{value}'.")
        return lambda subject: subject.lang.lower() == value
    try:
        return _NARROWING[name][value]
    except KeyError:
        known = ", ".join(f"{name}:{choice}" for choice in _NARROWING[name])
        raise InvalidRule(f"{name}:{value} is not available; there are {known}.") from None


def _words(text: str) -> _Node:
    wanted = words(text)
    if not wanted:
        raise InvalidRule(f"'{text}' holds no letter or digit to look for.")
    # Other letters fold in more ways than a database's comparison knows.
    needles = frozenset({max(wanted, key=len)}) if text.isascii() else frozenset()
    if len(wanted) == 1:
        word = wanted[0]
        return _Node(lambda subject: word in subject.word_set, True, uses_words=True, needles=needles)
    return _Node(lambda subject: _contains(subject.words, wanted), True, uses_words=True, needles=needles)


def _handle(text: str) -> str:
    match = _HANDLE.fullmatch(text)
    if match is None:
        raise InvalidRule(f"'{text}' is not a handle.")
    return match.group(1).lower()


def _contains(where: list[str], wanted: list[str]) -> bool:
    """Whether the wanted words stand in a row somewhere."""
    if not wanted:
        return False
    first, length = wanted[0], len(wanted)
    return any(word == first and where[i : i + length] == wanted for i, word in enumerate(where))
