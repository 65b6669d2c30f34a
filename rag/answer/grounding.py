"""Whether the sources say what an answer says: sentence by sentence, before anybody sees it.

A sentence is kept if the chunks that it cites hold it: every number, flag and piece of code in it stands there, and
enough of its words, or of its meaning, do. Code is kept if its lines stand there. A sentence without a marker is
held against the source that its paragraph cites; a paragraph that cites nothing goes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rag.models import SearchResult
from rag.text.citations import REMOVED, SENTENCE_END, cited, words
from rag.text.neighbours import stretches
from rag.trust.authorship import evidence, is_trusted, trusted_at
from rag.trust.injection import speaks_to_models

if TYPE_CHECKING:
    from rag.embedding import Encoder

__all__ = ["SupportChecker"]

# A logistic regression on 200 claims of SciFact, which people wrote, each with the abstract that it was written from
# and the nearest ones that it was not. From 0.4 on 76% of the former are kept, which are reworded further than a model
# rewords documentation, and 41% of the latter, which are about the same thing.
_WORDS, _WINDOW, _MEANING, _BIAS = 2.86, 1.48, 1.47, -2.76
_SUPPORTED = 0.4
# Of the lines of a piece of code, so many have to stand in a source: a model may leave some out or add a comment.
_CODE_LINES = 0.8
_FEW_WORDS = 3
_FEW_STEMS, _FEW_SHARED = 4, 0.5

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_MARKERS = re.compile(r"\s*(?:\[\d+(?:\s*,\s*\d+)*\]\s*)+")
_LEADING = re.compile(r"^((?:\[\d+(?:\s*,\s*\d+)*\]\s*)+[.,;:!?]?\s*)")
_ITEM = re.compile(r"^(\s*(?:[-*+]|\d{1,3}[.)]|>|\|)\s+)(.*)$", re.DOTALL)
# Finer than where a quote may end: a sentence that begins with a small letter, pg_dump say, is one as well.
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!vs\.)(?<!cf\.)\s+(?=\S)")
_HEADING = re.compile(r"^\s*#{1,6}\s+(.*?)\s*#*\s*$")
_RULE = re.compile(r"^[\s|:\-*_=]*$")
_INLINE = re.compile(r"`([^`\n]+)`")
# What has to stand in a source as it is: numbers and versions, flags, and names that no prose has.
_EXACT = re.compile(
    r"(?<![\w.])(?:--?[A-Za-z][\w-]+|v?\d+(?:[.,:]\d+)*|[A-Za-z]\w*(?:[._:/]\w+)+|[A-Za-z]+_\w+|[A-Z]{2,}\d+)(?![\w])"
)
_URL = re.compile(
    r"\b[a-z][a-z0-9+.-]*://|\bwww\."
    r"|\b[\w-]+\.(?:com|net|org|io|example|ru|cn|xyz|info|biz|top|site|online|click|link|zip|test|invalid)\b",
    re.IGNORECASE,
)
_ABBREVIATIONS = frozenset({"e.g", "i.e", "and/or", "etc", "vs"})


@dataclass(frozen=True, slots=True)
class _Evidence:
    """A chunk as a sentence is held against it."""

    text: str
    #: without case and with single spaces
    folded: str
    stems: frozenset[str]
    windows: tuple[str, ...]
    result: SearchResult


@dataclass(slots=True)
class _Sentence:
    text: str
    numbers: list[int]
    #: it has no marker of its own
    inherits: bool = field(default=False)


class SupportChecker:
    """Hold an answer against the chunks that it cites.

    :param encoder: judges meaning where words alone do not
    :param results: the chunks; marker [n] means the n-th
    :param question: what it repeats needs no source
    """

    def __init__(self, encoder: Encoder, results: Sequence[SearchResult], question: str) -> None:
        self._encoder = encoder
        self._evidence = {number: _read(result) for number, result in enumerate(results, start=1)}
        self._stretch = {number: numbers for numbers in stretches(results) for number in numbers}
        self._question = _folded(question)

    def check(self, block: str, before: Sequence[int] = (), shown: Collection[int] = ()) -> str:
        """Return what of a paragraph, a list, a table or a piece of code holds.

        :param before: the numbers that the text above it cites, which count for what has none
        :param shown: the numbers that the answer cites so far; code that stands elsewhere gets a marker
        """
        if _FENCE.match(block):
            return self._check_code(block, before, shown)
        kept: list[str] = []
        inherited = cited(block, self._evidence) or list(before)
        for line in block.split("\n"):
            if _RULE.match(line):
                kept.append(line)
                continue
            mark, text = _split_item(line)
            held = [sentence.text for sentence in _sentences(text, inherited) if self._holds(sentence)]
            if held:
                kept.append(mark + " ".join(held))
        text = "\n".join(kept)
        if not words(_MARKERS.sub(" ", text)):
            return ""
        if not cited(text, self._evidence):  # the sentence that had the marker went
            text += f" [{inherited[0]}]"
        return text

    def _holds(self, sentence: _Sentence) -> bool:
        if REMOVED in sentence.text or speaks_to_models(sentence.text, trusted=True):
            return False
        bare = _MARKERS.sub(" ", sentence.text)
        known = [self._evidence[number] for number in sentence.numbers if number in self._evidence]
        if not known:
            return False
        if not words(bare):
            return not sentence.inherits
        exact = _exact_parts(bare)
        if not all(part in self._question or any(part in one.folded for one in known) for part in exact):
            return False
        # One or two words that some stranger wrote can be taken for anything.
        if len(words(bare)) < _FEW_WORDS and not any(_is_trusted(one.result) for one in known):
            return False
        # An address is shown only where the project itself wrote it.
        if not all(any(_in_trusted_text(link, one.result) for one in known) for link in _addresses(bare)):
            return False
        return any(self._likely(bare, one) >= _SUPPORTED for one in known)

    def _likely(self, claim: str, one: _Evidence) -> float:
        """Return how likely it is that a chunk says this, in [0, 1]."""
        wanted = _stems(claim)
        shared = len(wanted & one.stems) / max(len(wanted), 1)
        window = max((len(wanted & _stems(part)) / max(len(wanted), 1) for part in one.windows), default=0.0)
        if shared < _FEW_SHARED and len(wanted) <= _FEW_STEMS:  # too little to judge a meaning by
            return 0.0
        base = _WORDS * shared + _WINDOW * window + _BIAS
        # Whatever its meaning is, it cannot be saved, or lost.
        if _logistic(base + _MEANING) < _SUPPORTED or _logistic(base) >= _SUPPORTED:
            return _logistic(base)
        vectors = self._encoder.encode_queries([claim, *one.windows])
        return _logistic(base + _MEANING * float((vectors[1:] @ vectors[0]).max()))

    def _check_code(self, block: str, before: Sequence[int], shown: Collection[int]) -> str:
        """Keep the lines of a piece of code that stand in a chunk, if they are nearly all of it."""
        opening, *lines = block.split("\n")
        closing = lines.pop() if lines and _FENCE.match(lines[-1]) else ""
        fence = opening.strip()[:3]
        own = cited(closing.replace("`", "").replace("~", ""), self._evidence)
        wanted = [line for line in lines if line.strip()]
        for number in [*own, *before]:
            if number not in self._evidence or not wanted:
                continue
            # Code that an edge cuts stands in a chunk and in the one beside it.
            beside = [number, *(other for other in self._stretch[number] if other != number)]
            found = [(line, self._holding(line, beside)) for line in lines]
            kept = [line for line, holding in found if holding]
            if sum(bool(line.strip()) for line in kept) >= _CODE_LINES * len(wanted):
                code = "\n".join([_MARKERS.sub("", opening), *kept, fence])
                holding = sorted({holding for line, holding in found if holding and line.strip()})
                markers = "".join(f"[{one}]" for one in holding if one not in shown)
                return f"{code}\n\n{markers}" if markers else code
        return ""

    def _holding(self, line: str, numbers: Sequence[int]) -> int | None:
        """Return the first of these chunks in which a line of code stands."""
        for number in numbers:
            one = self._evidence[number]
            # An address in code is shown only where the project itself wrote that line.
            if _folded(line) in one.folded and (not _URL.search(line) or _in_trusted_text(line, one.result)):
                return number
        return None


def _read(result: SearchResult) -> _Evidence:
    text = evidence(result)
    sentences = [part for part in SENTENCE_END.split(text.replace("\n", " ")) if words(part)]
    windows = tuple(" ".join(sentences[start : start + 2]) for start in range(max(len(sentences) - 1, 1)) if sentences)
    about = f"{result.title} {result.heading} {text}"
    return _Evidence(text, _folded(about), frozenset(_stems(about)), windows, result)


def _split_item(line: str) -> tuple[str, str]:
    """Return a list's mark and what follows it; a heading becomes a line, as an answer has none."""
    heading = _HEADING.match(line)
    if heading:
        return "", heading[1]
    item = _ITEM.match(line)
    return (item[1], item[2]) if item else ("", line)


def _sentences(text: str, inherited: Sequence[int]) -> list[_Sentence]:
    """Cut a line into sentences, each with the numbers that it cites, or else those that follow it, or come before."""
    parts: list[str] = []
    for part in _SENTENCE_END.split(text):
        leading = _LEADING.match(part)
        if leading and parts:
            if not _MARKERS.search(parts[-1]):
                parts[-1] += " " + leading[1].strip()
            part = part[leading.end() :]
        if part.strip():
            parts.append(part)
    own = [cited(part, range(1, 10_000)) for part in parts]
    sentences = []
    for place, part in enumerate(parts):
        following = next((numbers for numbers in own[place:] if numbers), None)
        before = next((numbers for numbers in reversed(own[:place]) if numbers), None)
        numbers = following or before or list(inherited)
        sentences.append(_Sentence(part, list(numbers), inherits=not own[place]))
    return sentences


def _exact_parts(sentence: str) -> list[str]:
    """Return what of a sentence has to stand in its source letter by letter, folded."""
    code = [_folded(part) for part in _INLINE.findall(sentence)]
    prose = _INLINE.sub(" ", sentence)
    found = [_folded(part) for part in _EXACT.findall(prose)]
    return [*filter(None, code), *(part for part in found if part not in _ABBREVIATIONS)]


def _addresses(sentence: str) -> list[str]:
    return [word.strip("`\"'<>()[],;").rstrip(".") for word in sentence.split() if _URL.search(word)]


def _in_trusted_text(line: str, result: SearchResult) -> bool:
    place = result.text.find(line.strip())
    return place >= 0 and trusted_at(result, place)


def _is_trusted(result: SearchResult) -> bool:
    return all(is_trusted(voice) for _, voice in result.voices)


def _folded(text: str) -> str:
    return " ".join(text.lower().split())


def _stems(text: str) -> set[str]:
    return {word[:6] for word in words(text)}


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))
