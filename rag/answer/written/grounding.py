"""Grounding: check each sentence of a language model's answer against the chunks that it cites.

A sentence is kept if one of its chunks supports it: every number, flag and piece of code in the sentence occurs
there, and enough of its words, or of its meaning, do. Code is kept if its lines occur there. A sentence without a
marker is checked against the chunks that its paragraph cites. Where there are none, or they do not support it, it is
kept with the marker of a chunk that says nearly the same in the same words.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rag.answer.evidence import evidence, trusted_texts
from rag.search.neighbours import stretches
from rag.search.results import SearchResult
from rag.text.blocks import heading, is_code, open_fence
from rag.text.citation_guesses import guesses
from rag.text.citations import MARKERS, REMOVED, cited
from rag.text.lines import one_line
from rag.text.sentences import sentences
from rag.text.words import folded, is_vietnamese, stems, syllable_pairs, words
from rag.trust.addresses import Known
from rag.trust.authorship import is_trusted
from rag.trust.injection import speaks_to_models

if TYPE_CHECKING:
    from rag.embedding import Encoder

__all__ = ["GroundingChecker"]

# The coefficients of a logistic regression on 200 claims of SciFact, written by people, each paired with the abstract
# that it was written from and with the nearest other abstracts. At the threshold 0.4, 76% of the first pairs are kept
# and 41% of the second, which are about the same subject. The claims paraphrase more freely than a language model does.
_WORDS, _WINDOW, _MEANING, _BIAS = 2.86, 1.48, 1.47, -2.76
_SUPPORTED = 0.4
# A sentence without a marker stands in a chunk if two neighbouring sentences of it contain this share of its words.
_STANDS_IN = 0.8
# In place of the similarity of meanings for scripts that the embedding model may not read, as it then gives all texts
# the same vector: two thirds of the words must be shared. Rewordings in six languages share 0.73 and more, sentences
# that say something else of the same things up to 0.63.
_UNREAD = -0.47
# The share of the lines of a code block that a chunk must contain: a language model may add a comment.
_CODE_LINES = 0.8
_FEW_WORDS = 3
_FEW_STEMS, _FEW_SHARED = 4, 0.5

_LEADING = re.compile(rf"({MARKERS.pattern}[.,;:!?]?\s*)")
_ITEM = re.compile(r"^(\s*(?:[-*+]|\d{1,3}[.)]|>|\|)\s+)(.*)$", re.DOTALL)
_RULE = re.compile(r"^[\s|:\-*_=]*$")
_INLINE = re.compile(r"`([^`\n]+)`")
_OBJECT = re.compile(r"\{\s*\"[^{}\n]*\}")
# What a chunk must contain literally: numbers and versions, flags, and identifiers.
_EXACT = re.compile(
    r"(?<![a-z0-9_.])(?:--?[a-z][\w-]+|v?\d+(?:[.,:]\d+)*|[a-z][a-z0-9_]*(?:[._:/][a-z0-9_]+)+|[a-z]+_[a-z0-9_]+"
    r"|(?-i:[A-Z]){2,}\d+)(?![a-z0-9_])",
    re.IGNORECASE | re.ASCII,
)
_END_MARK = re.compile(r"([.!?:;\u3002\uff01\uff1f\u0964\u061f]*)\s*$")
_UNMARKED = re.compile("[\u0e01-\u0edf]")
_DIGIT = re.compile(r"[^\x00-\x7f\D]")
_ABBREVIATIONS = frozenset({"e.g", "i.e", "and/or", "etc", "vs"})


@dataclass(frozen=True, slots=True)
class _Evidence:
    """A chunk, prepared for comparison with sentences."""

    text: str
    #: title, heading and text, in lower case and with single spaces
    folded: str
    stems: frozenset[str]
    windows: tuple[str, ...]
    result: SearchResult


@dataclass(slots=True)
class _Sentence:
    text: str
    numbers: list[int]
    #: whether the numbers are those of its neighbours or its paragraph
    inherits: bool = field(default=False)


class GroundingChecker:
    """Removes from an answer the sentences that the chunks do not support.

    :param encoder: compares meanings where words alone do not decide
    :param results: the chunks; marker [n] cites the n-th, counted from 1
    :param question: numbers and names that it contains need no source
    """

    def __init__(self, encoder: Encoder, results: Sequence[SearchResult], question: str) -> None:
        self._encoder = encoder
        self._evidence = {number: _read(result) for number, result in enumerate(results, start=1)}
        self._stretch = {number: numbers for numbers in stretches(results) for number in numbers}
        self._question = _folded(question)
        #: the addresses that an answer may show
        self.known = Known(
            urls=[result.url for result in results],
            texts=[question, *(text for result in results for text in trusted_texts(result))],
        )

    def check(
        self, block: str, before: Sequence[int] = (), shown: Collection[int] = (), *, goes_on: bool = False
    ) -> str:
        """Return the supported part of a paragraph, list, table or code block; it may be empty.

        :param before: the numbers that the block above cites; they apply to sentences and code without a marker
        :param shown: the numbers that the answer cites so far; code from other chunks gets a marker
        :param goes_on: whether sentences with a marker stand before these in the same paragraph
        """
        if is_code(block):
            return self._check_code(block, before, shown)
        kept: list[str] = []
        inherited = cited(block, self._evidence) or list(before)
        for line in block.split("\n"):
            if _RULE.match(line):
                kept.append(line)
                continue
            mark, text = _split_mark(line)
            said = _cited_sentences(text, inherited)
            held = _whole(said, [self._supported(sentence) for sentence in said])
            if held:
                kept.append(mark + _joined(held))
        text = "\n".join(kept)
        if not words(MARKERS.sub(" ", text)):
            return ""
        if inherited and not goes_on and not cited(text, self._evidence):  # the sentence with the marker was removed
            text += f" [{inherited[0]}]"
        return text

    def invents(self, text: str) -> bool:
        """Return whether a text has a number, a flag or code that neither the question nor any chunk has."""
        known = [self._question, *(chunk.folded for chunk in self._evidence.values())]
        return any(all(part not in one for one in known) for part in _exact_parts(MARKERS.sub(" ", text)))

    def _supported(self, sentence: _Sentence) -> str | None:
        """Return a sentence that its chunks support, with a marker if it had none of its own; else None."""
        if REMOVED in sentence.text or speaks_to_models(sentence.text) or not self.known.allows(sentence.text):
            return None
        bare = MARKERS.sub(" ", sentence.text)
        known = [number for number in sentence.numbers if number in self._evidence]
        if not words(bare):
            return sentence.text if known and not sentence.inherits else None
        if known and self._holds(bare, known):
            return sentence.text
        if known and not sentence.inherits:
            return None
        number = next((one for one in self._evidence if self._stands_in(bare, one) and self._holds(bare, [one])), None)
        if number is None:
            return self._guessed(bare)
        return _END_MARK.sub(rf" [{number}]\1", bare.strip(), count=1)

    def _guessed(self, sentence: str) -> str | None:
        """Return a sentence that cites in a form of its own, with a marker, if what it cites supports it."""
        for said, number, mark in guesses(sentence, self._evidence):
            if len(words(said)) >= _FEW_WORDS and self._holds(said, [number]):
                return f"{said} [{number}]{mark}"
        return None

    def _holds(self, claim: str, numbers: Sequence[int]) -> bool:
        """Return whether chunks support a sentence without markers."""
        known = [self._evidence[number] for number in numbers]
        exact = _exact_parts(claim)
        if not all(part in self._question or any(part in chunk.folded for chunk in known) for part in exact):
            return False
        # One or two words from an untrusted author can be quoted out of any context.
        if len(words(claim)) < _FEW_WORDS and not any(_is_trusted(chunk.result) for chunk in known):
            return False
        return any(self._likely(claim, chunk) >= _SUPPORTED for chunk in known)

    def _stands_in(self, claim: str, number: int) -> bool:
        """Return whether nearly all words of a sentence stand near each other in a chunk."""
        wanted = stems(claim)
        return any(len(wanted & stems(part)) >= _STANDS_IN * len(wanted) for part in self._evidence[number].windows)

    def _likely(self, claim: str, chunk: _Evidence) -> float:
        """Return the probability that a chunk supports a claim, in [0, 1]."""
        if is_vietnamese(claim):
            # Half of the syllables of a false claim may stand in the source, in other words; meanings are not read.
            pairs = syllable_pairs(chunk.folded), map(syllable_pairs, chunk.windows)
            shared, window = _shares(syllable_pairs(claim), *pairs)
            return _logistic(_WORDS * shared + _WINDOW * window + _BIAS)
        wanted = stems(claim)
        shared, window = _shares(wanted, chunk.stems, map(stems, chunk.windows))
        if shared < _FEW_SHARED and len(wanted) <= _FEW_STEMS:  # too short to compare by meaning
            return 0.0
        base = _WORDS * shared + _WINDOW * window + _BIAS
        if not _is_latin(claim):
            return _logistic(base + _UNREAD)
        # The similarity of the meanings, in [0, 1], cannot change the decision: the encoder need not run.
        if _logistic(base + _MEANING) < _SUPPORTED or _logistic(base) >= _SUPPORTED:
            return _logistic(base)
        vectors = self._encoder.encode_queries([claim, *chunk.windows])
        return _logistic(base + _MEANING * float((vectors[1:] @ vectors[0]).max()))

    def _check_code(self, block: str, before: Sequence[int], shown: Collection[int]) -> str:
        """Return the lines of a code block that a cited chunk contains; "" if they are too few."""
        opening, *lines = block.split("\n")
        closing = lines.pop() if lines and open_fence(lines[-1]) else ""
        fence = opening.strip()[:3]
        own = cited(closing.replace("`", "").replace("~", ""), self._evidence)
        wanted = [line for line in lines if line.strip()]
        for number in [*own, *before] or self._evidence:
            if number not in self._evidence or not wanted:
                continue
            # Code that was cut into two chunks is partly in the chunk beside the cited one.
            beside = [number, *(other for other in self._stretch[number] if other != number)]
            found = [(line, self._containing(line, beside)) for line in lines]
            kept = [line for line, containing in found if containing]
            if sum(bool(line.strip()) for line in kept) >= _CODE_LINES * len(wanted):
                code = "\n".join([MARKERS.sub("", opening), *kept, fence])
                containing = sorted({containing for line, containing in found if containing and line.strip()})
                markers = "".join(f"[{one}]" for one in containing if one not in shown)
                return f"{code}\n\n{markers}" if markers else code
        return ""

    def _containing(self, line: str, numbers: Sequence[int]) -> int | None:
        """Return the number of the first of these chunks that contains a line of code."""
        if not self.known.allows(line):
            return None
        return next((number for number in numbers if _folded(line) in self._evidence[number].folded), None)


def _read(result: SearchResult) -> _Evidence:
    text = evidence(result)
    parts = [part.strip() for part in sentences(text.replace("\n", " ")) if words(part)]
    windows = tuple(" ".join(parts[start : start + 2]) for start in range(max(len(parts) - 1, 1)) if parts)
    about = f"{result.title} {result.heading} {text}"
    return _Evidence(text, _folded(about), frozenset(stems(about)), windows, result)


def _split_mark(line: str) -> tuple[str, str]:
    """Return the mark of a list item, quotation or table row, and the text behind it; answers have no heading marks."""
    title = heading(line.strip())
    if title:
        return "", title.text
    item = _ITEM.match(line)
    return (item[1], item[2]) if item else ("", line)


def _joined(parts: Sequence[str]) -> str:
    """Join sentences as their script does: with a space, except after a full-width stop."""
    text = parts[0]
    for part in parts[1:]:
        text += part if unicodedata.east_asian_width(text[-1]) in "WF" else f" {part}"
    return text


def _cited_sentences(text: str, inherited: Sequence[int]) -> list[_Sentence]:
    """Split a line into sentences, each with the numbers that it cites, or else the nearest ones."""
    parts: list[str] = []
    for part in map(str.strip, sentences(text, finer=True)):
        leading = _LEADING.match(part)
        if leading and parts:  # markers behind the full stop belong to the sentence before them
            if not MARKERS.search(parts[-1]):
                parts[-1] += " " + leading[1].strip()
            part = part[leading.end() :]
        if part.strip():
            parts.append(part)
    own = [cited(part, range(1, 10_000)) for part in parts]
    # From the end on: behind the last markers, sentences take these.
    following = next(filter(None, reversed(own)), list(inherited))
    found: list[_Sentence] = []
    for part, numbers in zip(reversed(parts), reversed(own), strict=True):
        following = numbers or following
        found.append(_Sentence(part, following, inherits=not numbers))
    return found[::-1]


def _whole(said: Sequence[_Sentence], supported: Sequence[str | None]) -> list[str]:
    """Return the supported sentences, and of those that may be parts of one sentence, all or none."""
    kept: list[str] = []
    together: list[str | None] = []
    for number, (sentence, text) in enumerate(zip(said, supported, strict=True), start=1):
        together.append(text)
        if number < len(said) and sentence.inherits and _may_go_on(sentence.text, said[number].text):
            continue
        kept += filter(None, together if None not in together else ())
        together = []
    return kept


def _may_go_on(part: str, following: str) -> bool:
    """Return whether a part may be half a sentence: in Thai and Lao, a space ends a clause or a sentence alike."""
    return bool(_UNMARKED.match(part[-1]) and _UNMARKED.match(following[0]))


def _exact_parts(sentence: str) -> list[str]:
    """Return the parts of a sentence that its source must contain literally, folded."""
    text = unicodedata.normalize("NFKC", sentence)
    code = [_folded(part) for pattern in (_INLINE, _OBJECT) for part in pattern.findall(text)]
    found = [_folded(part) for part in _EXACT.findall(_digits(_INLINE.sub(" ", text)))]
    return [*filter(None, code), *(part for part in found if part not in _ABBREVIATIONS)]


def _is_trusted(result: SearchResult) -> bool:
    return all(is_trusted(voice) for _, voice in result.voices)


def _folded(text: str) -> str:
    return _digits(one_line(folded(text)))


def _digits(text: str) -> str:
    """Return a text whose digits of any script are ASCII digits."""
    return text if text.isascii() else _DIGIT.sub(lambda digit: str(unicodedata.digit(digit[0])), text)


def _shares(wanted: set[str], known: Collection[str], windows: Iterable[set[str]]) -> tuple[float, float]:
    """Return the share of a claim's words that a chunk has, and the largest that a window of it has, in [0, 1]."""
    count = max(len(wanted), 1)
    return len(wanted.intersection(known)) / count, max((len(wanted & part) / count for part in windows), default=0.0)


def _is_latin(text: str) -> bool:
    """Return whether most letters of a text are Latin ones."""
    letters = [letter for letter in text if letter.isalpha()]
    return 2 * sum(letter < "\u0250" for letter in letters) >= len(letters)


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))
