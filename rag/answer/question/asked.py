"""What a question asks: its kind, and the terms that carry its meaning with their weight in the index."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rag.answer.question.sides import sides_of
from rag.answer.question.values import own_values
from rag.store.search import Term
from rag.text.commonness import excess
from rag.text.stemming import stem
from rag.text.words import FUNCTION_WORDS, words_in_order

__all__ = ["KINDS", "Asked", "kinds_of", "named_subject", "plain_terms", "refers_to_before", "tokens"]

#: The kinds of questions that answers differ by; a question may be of several, or of none.
KINDS = ("definition", "how", "value", "lookup", "yes-no", "comparison", "why", "error", "author")

_WORD = re.compile(r"[^\W_]+")
_OF_KIND = {
    "value": r"\b(?:by default|(?:what|which)(?:'?s| is| are)? (?:the )?default"
    r"|defaults? (?:of|for|value|to|number|max|limit)|out of the box|max(?:imum)?|min(?:imum)?"
    r"|limit|how (?:many|much|long|large|big|often|deep|high|fast)|(?:which|what) (?:port|value|size|number)"
    r"|exit (?:code|status)|threshold|interval)\b",
    "yes-no": r"^\W*(?:and |but |so )?(?:is|are|was|were|does|do|did|can|could|may|should|will|would|has|have|must)\b"
    r"(?! i\b.*\?.*how)",
    "comparison": r"\b(?:vs\.?|versus|diff\w*rences? between|what's different|compared? (?:to|with)|better than"
    r"|diff\w*rence)\b|^\W*\w[\w.() -]{0,30} or (?:a |an )?\w[\w.() -]{0,30}(?:\?|$|[,-])",
    "definition": r"^\W*(?:what(?:'s| is| are|s)\b(?!.* (?:default|max|limit))|what does .* (?:mean|do)\b|define\b"
    r"|explain\b|was (?:ist|sind)\b)|\bwhat'?s (?:that|this|it)\b",
    "why": r"\bwhy\b|\breason\b|\bwarum\b|\bwieso\b|\bwhat (?:causes|caused)\b",
    "error": r"(?i:\b(?:error|fatal|exception|traceback)\b\s*:)"
    r"|(?m:^[^\w\n]*(?:DEBUG|INFO|WARN|ERROR|CRITICAL|FATAL)\b|^[ \t]*[\[<].*[\]>][ \t]*$)"
    r"|\b[A-Z]\w*(?:Error|Exception)\b|(?i:\bwarning:)"
    r"|\b(?:rejected|refused|denied|aborted|not allowed|misspelled|malformed)\b|\bAH\d{4,}\b|(?i:\bfails? with\b)",
    "lookup": r"\b(?:which|what|is there an?|name of the)\b[\w ]{0,24}\b(?:function|command|option|directive|method"
    r"|module|class|tool|setting|parameter|variable|view|operator|flag|key|switch|document|standard library)\b"
    r"|^\W*(?:\w+ )?(?:function|command|option|directive|method|module|tool|aggregate|variable)\b",
    "author": r"^\W*who (?:(?:has|have|is|are|originally|first|actually|currently) )*"
    r"(?:wr\w+|ma[dk]e\w*|creat\w+|develop\w*|maintain\w*|invent\w+|start\w+|buil[dt]\w*|design\w+|behind"
    r"|the (?:author|maintainer|creator|developer)s?)\b",
    "how": r"\bhow (?:do|can|to|would|should|is|are|must)\b"
    r"|\b(?:i want|i need|give me|example|snippet|commands?|wie)\b",
}
_PATTERNS = {kind: re.compile(pattern, 0 if kind == "error" else re.I) for kind, pattern in _OF_KIND.items()}
# "that" refers where it is no relative pronoun, "there" and "it" where they are no empty subject.
_REFERS = re.compile(
    r"^\W*(?:and|but|so|or|then|also|what about|how about|why not)\b"
    r"|\b(?:its|this|these|those|them|they)\b"
    r"|\bit\b(?! (?:possible|safe|okay?|allowed|recommended|necessary|better|worth|a good idea)\b)"
    r"|(?<!\bis )(?<!\bare )(?<!\bwas )\bthere\b"
    r"|\b(?:do|does|did|is|was|like|of|to|for|with|by|about|than|undo|after|before|if|when|why|can|will|would"
    r"|from|in|on) that\b"
    r"|\bthat(?: (?:again|too|instead|way|works?|means?|happens?|one|option|command|setting|value|limit)\b|\W*$)",
    re.I,
)
# The subject before a question: "patroni: how do I switch over".
_SUBJECT = re.compile(r"\W*([\w.-]+(?: [\w.-]+){0,2}):")
# Words that only put a question; as word stems.
_ASKING = frozenset(["vs", "versus", "pleas", "thank", "hi", "hello", "howto"])
# A question of at most this many words, none of them a verb that asks for something, asks what the thing is.
_NAME_ONLY = 3
# A word of everyday English ("month", "someone") counts less if the sources use it no more than others do: its weight
# is multiplied by 0.35 at an excess of 1.5, rising to 1 at 4. In git's manual, "commit" and "line" have an excess of 6.
_EVERYDAY, _OWN, _LEAST = 1.5, 4.0, 0.35
# The endings under which a word is still the word of its stem.
_ENDINGS = frozenset(
    ["", "s", "es", "e", "ee", "ees", "ed", "d", "ing", "er", "ers", "r", "ly", "y", "ies", "ied", "ion", "ions",
     "ation", "ations", "ment", "ments", "able", "al", "or", "ors", "ings", "ive", "ity", "ness", "ally", "ant", "ance",
     "ence", "ent"]
)  # fmt: skip


def tokens(text: str) -> list[str]:
    """Return the words of a text in lower case; an underscore separates words."""
    if text.isascii():
        return _WORD.findall(text.lower())
    return [part for word in words_in_order(text) for part in _WORD.findall(word.lower())]


def kinds_of(question: str) -> frozenset[str]:
    """Return the kinds that a question is of."""
    found = {kind for kind, pattern in _PATTERNS.items() if pattern.search(question)}
    asked = question.split()
    if not found and len(asked) <= _NAME_ONLY and "?" not in question.rstrip("?"):
        found.add("definition")
    if not found & {"definition", "value", "lookup", "yes-no", "comparison", "why", "error", "author"}:
        found.add("how")
    return frozenset(found)


def _telling(term: Term) -> float:
    """Return how much a term tells of what is asked, in [0.35, 1]; little if it is a word of everyday English."""
    found = excess(term.lexeme, term.idf)
    if found is None or term.chunks == 0:
        return 1.0
    return _LEAST + (1 - _LEAST) * min(max((found - _EVERYDAY) / (_OWN - _EVERYDAY), 0.0), 1.0)


def plain_terms(question: str) -> list[Term]:
    """Return the words of a question that carry meaning, with equal weights: terms where the index is not asked."""
    return [Term(word, 1, 1.0) for word in dict.fromkeys(tokens(question)) if word not in FUNCTION_WORDS]


def refers_to_before(question: str) -> bool:
    """Return whether a question cannot be understood without those before it: "and how do I get it back?"."""
    return bool(_REFERS.search(question))


def named_subject(question: str) -> str:
    """Return what stands before a question, up to the colon: "patroni" of "patroni: how do I switch over"."""
    subject = _SUBJECT.match(question)
    return subject[1] if subject else ""


@dataclass(frozen=True)
class Asked:
    """A question with its terms; `terms` are word stems, `identifiers` are whole ones such as =max_wal_size."""

    text: str
    kinds: frozenset[str]
    terms: tuple[Term, ...]
    identifiers: tuple[Term, ...] = ()

    @classmethod
    def of(cls, question: str, terms: Iterable[Term]) -> Asked:
        """Return a question with what it asks.

        Values of the asker's own are left out of its terms if the index does not have them.

        :param terms: as `Searcher.terms` returns them
        """
        whole: list[Term] = []
        stems: list[Term] = []
        own = {stem(token) for value in own_values(question) for token in tokens(value)}
        for term in terms:
            if term.chunks == 0 and own.issuperset(map(stem, tokens(term.lexeme))):
                continue
            if term.lexeme.startswith("="):
                whole.append(term)
            elif term.lexeme not in _ASKING:
                stems.append(replace(term, idf=term.idf * _telling(term)))
        return cls(question, kinds_of(question), tuple(stems), tuple(whole))

    @cached_property
    def weight(self) -> float:
        """The sum of the terms' weights; above 0."""
        return sum(term.idf for term in self.terms) or 1.0

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The terms in the order of the question."""
        return tuple(filter(None, (self.term_of(token) for token in tokens(self.text))))

    @cached_property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """The pairs of terms that follow each other in the question."""
        return frozenset(zip(self.order, self.order[1:], strict=False))

    @cached_property
    def sides(self) -> tuple[frozenset[str], ...]:
        """The terms of each side of a comparison that the other sides lack; empty for another question."""
        if "comparison" not in self.kinds:
            return ()
        sides = [self.found_in(tokens(side)) for side in sides_of(self.text)]
        shared = set.intersection(*sides) if sides else set()
        return tuple(frozenset(side - shared) for side in sides if side - shared)

    @cached_property
    def _known(self) -> dict[str, str | None]:
        return {}

    @cached_property
    def _longest_first(self) -> list[str]:
        return sorted(self.weights, key=len, reverse=True)

    @cached_property
    def _compounds(self) -> dict[str, list[str]]:
        """The stems of the words of terms that are several, or have other signs: fast-forward, 2.4, /srv."""
        return {lexeme: [stem(part) for part in tokens(lexeme)] for lexeme in self.weights if not lexeme.isalnum()}

    def term_of(self, token: str) -> str | None:
        """Return the term that a word is a form of; None if it is of none."""
        if token not in self._known:
            stemmed = stem(token)
            whole = next((form for form in (token, stemmed) if form in self.weights), None)
            if token in FUNCTION_WORDS and whole != token:
                self._known[token] = None
            else:
                self._known[token] = whole or next(
                    (lexeme for lexeme in self._longest_first if _is_derived(token, lexeme)), None
                )
        return self._known[token]

    def found_in(self, words: Sequence[str]) -> set[str]:
        """Return the terms of which these words have a form."""
        found = set(filter(None, map(self.term_of, words)))
        if self._compounds:
            stems = [stem(word) for word in words]
            found.update(lexeme for lexeme, parts in self._compounds.items() if _follow(parts, stems))
        return found

    def share(self, found: Iterable[str]) -> float:
        """Return the share of the question's weight that these terms have, in [0, 1]."""
        weights = self.weights
        return sum(weights[term] for term in found) / self.weight

    @cached_property
    def weights(self) -> dict[str, float]:
        """The weight of each term."""
        return {term.lexeme: term.idf for term in self.terms}

    @cached_property
    def length(self) -> float:
        """The logarithm of the number of terms."""
        return math.log1p(len(self.terms))


def _is_derived(token: str, lexeme: str) -> bool:
    """Return whether a word is made of a term by an ending that its stem keeps: a committer commits."""
    bare = lexeme[:-1] if lexeme.endswith(("i", "e")) else lexeme
    if len(lexeme) < 3 or not token.startswith(bare):
        return False
    rest = token[len(bare) :]
    return rest in _ENDINGS or (rest[:1] == bare[-1:] and rest[1:] in _ENDINGS)


def _follow(parts: Sequence[str], words: Sequence[str]) -> bool:
    """Return whether parts stand in words, one behind the other."""
    size = len(parts)
    return bool(parts) and any(
        words[place] == parts[0] and list(words[place : place + size]) == list(parts)
        for place in range(len(words) - size + 1)
    )
