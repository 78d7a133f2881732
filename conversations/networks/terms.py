"""Takes listening rules in X's language and our handles, leaves the tags of those that a text satisfies.

For feeds that are not filtered for us: archives, samples, firehoses. One pass of Aho-Corasick over the lower-cased text
looks for the rarest word of every term; only where one stands are terms and rules looked at closely. What a text alone
does not tell (`lang:`, `is:`, `from:` …) counts as satisfied: triage looks again, and a post too many is cheap.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from conversations.networks.base import Rule

HANDLES = "handles"  # the tag of posts that name one of our handles

_LEX = re.compile(
    r'\s+|(?P<open>\()|(?P<close>\))|(?P<minus>-)(?=\S)|(?P<term>(?:[^\s()":]+:)?"[^"]*"|[^\s()"]+)|(?P<quote>")'
)
_OPERATOR = re.compile(r"[a-z_]+:")
# Scripts written without spaces: each character is a word of its own, so any place is a word's edge.
_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")

Hits = frozenset[str]
Test = Callable[[Hits], bool]
Part = str | Test  # of a rule: a term alone, or whatever tells by the terms that were hit


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One setting of the terms: the automaton, what each of its words may be the anchor of, and the rules."""

    automaton: AhoCorasick
    anchored: tuple[tuple[str, ...], ...]  # by number of the anchor: the terms that it may belong to
    signs: dict[str, re.Pattern[str]]  # by term, for @handles, #tags and $tags
    phrases: dict[str, str]  # by term, for the others: its words as `_words` cuts them
    rules: tuple[tuple[str, Test, frozenset[str]], ...]  # tag, test, the terms without one of which it cannot hold


class Terms:
    """What we listen for. `become` may be called while others match: they see the old or the new, never half."""

    def __init__(self, rules: Sequence[Rule] = (), handles: Iterable[str] = ()) -> None:
        self._compiled = _compile(rules, handles)

    def become(self, rules: Sequence[Rule], handles: Iterable[str]) -> None:
        self._compiled = _compile(rules, handles)

    @property
    def anchored(self) -> Callable[[str], object]:
        """Asked with a lower-cased text: something true when a rule may be satisfied. Good until `become`."""
        return self._compiled.automaton.find_matches_as_indexes

    def tags(self, text: str) -> tuple[str, ...]:
        """The tags of the rules that the text satisfies, in the rules' order."""
        compiled = self._compiled
        lowered = text.lower()
        found = compiled.automaton.find_matches_as_indexes(lowered, overlapping=True)
        if not found:
            return ()
        possible = {term for number, _, _ in found for term in compiled.anchored[number]}
        words = _words(lowered)
        hits = frozenset(
            term
            for term in possible
            if (phrase in words if (phrase := compiled.phrases.get(term)) else compiled.signs[term].search(lowered))
        )
        if not hits:
            return ()
        return tuple(dict.fromkeys(tag for tag, test, needed in compiled.rules if needed & hits and test(hits)))


def literals(rule: str) -> list[str]:
    """The positive terms of a rule, as they are looked for: words, "phrases", @handles, #tags, $tags; lower case."""
    return list(dict.fromkeys(_Reader(rule).read()[1]))


def _compile(rules: Sequence[Rule], handles: Iterable[str]) -> _Compiled:
    read = [(rule.tag, *_Reader(rule.value).read()) for rule in rules]
    named = [f"@{handle.lower().removeprefix('@')}" for handle in handles]
    read += [(HANDLES, _test(_any_of(named)), named)] if named else []
    terms = list(dict.fromkeys(term for _, _, found in read for term in found))
    seen = Counter(word for term in terms for word in set(_WORD.findall(term)))
    anchors: dict[str, list[str]] = {}
    for term in terms:
        anchors.setdefault(_anchor(term, seen), []).append(term)
    return _Compiled(
        automaton=AhoCorasick(list(anchors), matchkind=MatchKind.Standard, implementation=Implementation.DFA),
        anchored=tuple(tuple(found) for found in anchors.values()),
        signs={term: sign for term in terms if (sign := _pattern(term))},
        phrases={term: _words(term) for term in terms if not _pattern(term)},
        rules=tuple((tag, test, frozenset(found)) for tag, test, found in read),
    )


def _anchor(term: str, seen: Counter[str]) -> str:
    """What the automaton looks for: a sign with its word, or of a phrase the word that most of our terms share.

    That word is our own name in nearly all of them: rarer in the world than the other words beside it.
    """
    if term[0] in "@#$":
        return term
    words: list[str] = _WORD.findall(term)
    return max(words, key=lambda word: (seen[word], len(word)))


def _pattern(term: str) -> re.Pattern[str] | None:
    """How a handle or tag stands in a text; None for words, which are compared with the text's own."""
    return re.compile(rf"(?<![\w@]){re.escape(term)}(?!\w)") if term[0] in "@#$" else None


def _words(text: str) -> str:
    """The words of a text as X cuts them, each between spaces: "citi-bank" and "Citi  Bank" are the same phrase."""
    return f" {' '.join(_WORD.findall(text))} "


class _Reader:
    """Reads one rule: words side by side must all hold and bind tighter than OR; `-` negates one term.

    A rule that cannot be read to its end is read as far as it goes: X refuses it anyway, and says so.
    """

    def __init__(self, rule: str) -> None:
        self._parts = [(kind, found[0]) for found in _LEX.finditer(rule) if (kind := found.lastgroup)]
        self._at = 0
        self._terms: list[str] = []

    def read(self) -> tuple[Test, list[str]]:
        """The test, and the positive terms."""
        part = self._either()
        return (lambda hits: True) if part is None else _test(part), self._terms

    def _peek(self) -> tuple[str, str]:
        return self._parts[self._at] if self._at < len(self._parts) else ("", "")

    def _either(self) -> Part | None:
        parts = [self._all()]
        while self._peek() == ("term", "OR"):
            self._at += 1
            parts.append(self._all())
        told = [part for part in parts if part is not None]
        return _any_of(told) if len(told) == len(parts) else None

    def _all(self) -> Part | None:
        """None when a text cannot tell, which counts as satisfied."""
        parts: list[Part] = []
        while (next_one := self._peek())[0] not in {"", "close"} and next_one != ("term", "OR"):
            self._at += 1
            negated = next_one[0] == "minus"
            if negated:
                next_one = self._peek()
                self._at += 1
            part = self._one(next_one, negated)
            if part is not None:
                parts.append(part)
        if len(parts) < 2:
            return parts[0] if parts else None
        tests = [_test(part) for part in parts]
        return lambda hits: all(test(hits) for test in tests)

    def _one(self, next_one: tuple[str, str], negated: bool) -> Part | None:
        kind, text = next_one
        if kind == "open":
            either = self._either()
            self._at += self._peek()[0] == "close"
            return either
        if kind != "term" or (_OPERATOR.match(text) and not text.startswith('"')):
            return None
        term = " ".join(text.strip('"').lower().split())
        # What X would leave out, triage leaves out as well.
        if negated or not _WORD.search(term):
            return None
        self._terms.append(term)
        return term


def _test(part: Part) -> Test:
    return (lambda hits: part in hits) if isinstance(part, str) else part


def _any_of(parts: Sequence[Part]) -> Part:
    """Terms alone, which most rules are made of, are looked up all at once."""
    terms = frozenset(part for part in parts if isinstance(part, str))
    tests = [part for part in parts if not isinstance(part, str)]
    if not tests:
        return parts[0] if len(parts) == 1 else lambda hits: not terms.isdisjoint(hits)
    return lambda hits: not terms.isdisjoint(hits) or any(test(hits) for test in tests)
