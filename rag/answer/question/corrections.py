"""Corrections: a question whose words the index does not know, in the words of the index."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from rag.answer.question.asked import Asked, kinds_of, named_subject
from rag.search.searcher import Searcher
from rag.store.search import Term
from rag.text.languages import foreign_language
from rag.text.spelling import Known, Vocabulary, is_slip, joined, splits
from rag.text.words import FUNCTION_WORDS

__all__ = ["Correction", "corrected"]

# A name as it is written: a word, or words joined as identifiers are; the option --depth is one, too.
_NAME = re.compile(r"(?<![\w@/.:-])(?:--)?\w+(?:(?:[-._/]|::)\w+)*")
_PART = re.compile(r"[^\W_]+")
# A term that fewer chunks hold is not what a word is taken for; in a small index, fewer than a thousandth; if two
# letters differ, four times as many.
_FEWEST, _SHARE = 3, 0.001
# How many terms are looked at for one word.
_TRIED = 6
# The longest question that is shown whole.
_LONGEST = 100
_PLAIN = re.compile(r"[\w\s.,;:!?'()/+=-]*")


@dataclass(frozen=True, slots=True)
class Correction:
    """A question in the words of the index."""

    question: str
    #: each word that was replaced, with what replaces it
    words: tuple[tuple[str, str], ...]

    @property
    def offer(self) -> str:
        """The sentence that offers the words."""
        return f"Did you mean {' and '.join(f'“{new}”' for _, new in self.words)}?"

    @property
    def notice(self) -> str:
        """The line that says what was searched for instead of the question."""
        if len(self.question) <= _LONGEST and _PLAIN.fullmatch(self.question):
            return f"Searched for “{' '.join(self.question.split())}”."
        return f"Searched for {' and '.join(f'“{new}” instead of “{old}”' for old, new in self.words)}."


def corrected(
    question: str, terms: Sequence[Term], searcher: Searcher, is_word: Callable[[str], bool]
) -> Correction | None:
    """Return a question with the index's spelling of the words that the index does not know.

    None if it knows all words, or one is like none of its own: then the question is about something else. Names in
    error messages are the asker's own, and are left alone, as are the words of other languages.

    :param terms: of the question, as `Searcher.terms` returns them
    :param is_word: returns whether a word is one of the language; such a word is not misspelt
    """
    unknown = [term.lexeme for term in terms if term.chunks == 0]
    if not unknown or "error" in kinds_of(question) or foreign_language(question):
        return None
    corrector = _Corrector(question, terms, searcher, is_word)
    replaced = corrector.replacements()
    if not replaced or corrector.is_incomplete:
        return None
    pieces, done = [], 0
    for start, end, new in replaced:
        pieces += [question[done:start], new]
        done = end
    words = tuple((question[start:end], new) for start, end, new in replaced)
    return Correction("".join([*pieces, question[done:]]), tuple(dict.fromkeys(words)))


class _Corrector:
    """Looks up the words of one question."""

    def __init__(
        self, question: str, terms: Sequence[Term], searcher: Searcher, is_word: Callable[[str], bool]
    ) -> None:
        self._question = question
        self._unknown = {term.lexeme for term in terms if term.chunks == 0}
        self._asked = Asked.of(question, terms)
        self._searcher = searcher
        self._vocabulary: Vocabulary = searcher.vocabulary()
        self._fewest = min(_FEWEST, max(1, round(searcher.chunks * _SHARE)))
        self._is_word = is_word
        #: whether a word is unknown, and like none that is known
        self.is_incomplete = False

    def replacements(self) -> list[tuple[int, int, str]]:
        """Return the beginning and end of each word that is replaced, and what replaces it."""
        # "patroni: how do I switch over" is about what stands first, whatever it is.
        subject = named_subject(self._question)
        named_until = self._question.find(subject) + len(subject)
        return list(
            chain.from_iterable(
                self._of_name(match[0], match.start(), is_subject=match.end() <= named_until)
                for match in _NAME.finditer(self._question)
            )
        )

    def _of_name(self, name: str, start: int, *, is_subject: bool) -> Iterator[tuple[int, int, str]]:
        word = name.lower()
        stem = self._unknown_stem(word)
        parts = [part for part in _PART.finditer(name) if part[0] != name]
        missing = [part for part in parts if self._unknown_stem(part[0].lower())]
        if stem is None and not missing:
            return
        # The parts of "max-wal-size" are known: it may be another spelling, and is none that has other letters.
        only_separators = bool(parts) and not missing
        new = self._spelling(name, stem or word, at=start, most=0 if only_separators or is_subject else 2)
        if new is not None:
            yield start, start + len(name), new
        elif missing and not is_subject:
            for part in missing:
                known = self._unknown_stem(part[0].lower()) or part[0]
                spelling = self._spelling(part[0], known, at=start + part.start(), most=2)
                self.is_incomplete |= spelling is None
                if spelling is not None:
                    yield start + part.start(), start + part.end(), spelling
        else:
            self.is_incomplete |= not only_separators

    def _unknown_stem(self, word: str) -> str | None:
        """Return the term of a word that no chunk has; None if it has none, or a known one."""
        if f"={word}" in self._unknown:
            return f"={word}"
        if word in FUNCTION_WORDS:
            return None
        stem = self._asked.term_of(word)
        if stem is None:  # an ending that is not one of the usual ones
            stem = next((one for one in self._unknown if len(one) > 3 and word.startswith(one[:-1])), None)
        return stem if stem in self._unknown else None

    def _spelling(self, name: str, stem: str, *, at: int, most: int) -> str | None:
        """Return how the index spells what a name may be meant to be."""
        word = name.lower()
        is_name = name[:1].isupper() and at > 0
        if is_name or (word.isalpha() and self._is_word(word)):
            most = 0
        for known in self._vocabulary.near(word, stem.removeprefix("="), most=most)[:_TRIED]:
            if known.count < self._fewest * (known.distance or 1) ** 2 or not _may_be(word, known):
                continue
            found = self._searcher.spelling(known.term, word)
            if found and _is_spelt_like(word, found, 0 if most == 0 else max(known.distance, 1)):
                return found
        return None


def _is_spelt_like(word: str, found: str, most: int) -> bool:
    """Return whether a word is another one, or its singular, with so many slips at most."""
    letters, other = joined(word), joined(found.lower())
    return any(is_slip(letters, form, most) for form in (other, other.removesuffix("s")))


def _may_be(word: str, known: Known) -> bool:
    """Return whether a word has no separator that a term lacks: "pg_stat_io" is not "pg_statio".

    A hyphen may be any separator, or none: "keep-alive" is "keepalive".
    """
    term = known.term.removeprefix("=")
    if known.distance == 0:
        return splits(word) <= splits(term) or ("_" not in word and "." not in word and not word.startswith("--"))
    return len(splits(word)) <= len(splits(term)) and (word.startswith("--") <= term.startswith("--"))
