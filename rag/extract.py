"""Answers without a language model: the passages that answer, quoted whole, each with its marker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.citations import SENTENCE_END, passages, without_markers, words
from rag.models import SearchResult
from rag.provenance import OMITTED, evidence

if TYPE_CHECKING:
    from rag.embedding import Encoder

__all__ = ["Extractor"]

#: An extract is made from so many chunks at the most.
_MOST_SOURCES = 3
# Chunks further down rarely hold the passage, and each costs a few milliseconds to read.
_READ = 6
# A second passage is worth reading if it scores nearly as well as the first.
_CLOSE = 0.9
# A passage with the code that it announces, and a run of sentences out of a long paragraph, in characters.
_LONGEST = 1200
_LONGEST_PROSE = 420
# A chunk of so many characters is quoted whole.
_SHORT = 600


@dataclass(frozen=True, slots=True)
class _Passage:
    number: int
    text: str
    score: float


class Extractor:
    """Pick the passages of retrieved chunks that answer a question."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def answer(self, question: str, results: Sequence[SearchResult]) -> str | None:
        """Return passages of at most three results, best first, each followed by [n]; n counts results from 1."""
        found = [
            (number, place, result, passage)
            for number, result in enumerate(results[:_READ], start=1)
            for place, passage in enumerate(_quotable(evidence(result)))
            if OMITTED not in passage
        ]
        if not found:
            return None
        # A heading tells what a passage is about, but one that repeats the question says nothing about the passage.
        texts = [f"{result.heading}\n{passage}" for _, _, result, passage in found]
        vectors = self.encoder.encode_queries([question, *texts, *(passage for *_, passage in found)])
        similarity = (vectors[1:] @ vectors[0]).reshape(2, len(found)).mean(axis=0)
        wanted = words(question)
        ranked = sorted(
            (
                _Passage(number, passage, float(near) + _prior(wanted, passage, result, number=number, place=place))
                for (number, place, result, passage), near in zip(found, similarity, strict=True)
            ),
            key=lambda one: -one.score,
        )
        chosen: list[_Passage] = []
        for one in ranked:
            enough = one.score < _CLOSE * ranked[0].score
            if len(chosen) == _MOST_SOURCES or enough:
                break
            if all(one.number != other.number for other in chosen):
                chosen.append(one)
        return "\n\n".join(_marked(one) for one in chosen)


def _prior(wanted: set[str], passage: str, result: SearchResult, *, number: int, place: int) -> float:
    """Return what speaks for a passage beside its vector: shared words, its chunk's rank, and its place in the chunk.

    What a text says first is what it is about; a question is seldom an answer.
    """
    shared = len(wanted & words(passage)) / max(len(wanted), 1)
    return 0.3 * shared + 0.3 * result.score / number + 0.1 / (1 + place) - 0.2 * ("?" in passage)


def _marked(passage: _Passage) -> str:
    joint = "\n\n" if passage.text.rstrip().endswith(("```", "~~~", "|")) else " "
    return f"{without_markers(passage.text)}{joint}[{passage.number}]"


def _quotable(text: str) -> list[str]:
    """Split a chunk into what can be quoted: all of it if it is short, else its passages.

    A sentence that announces what follows stays with it, and code with the sentence before it.
    """
    blocks = [passage for passage in passages(text) if not passage.lstrip().startswith("#")]
    if len(text) <= _SHORT:
        return ["\n\n".join(blocks)] if blocks else []
    joined: list[str] = []
    for passage in blocks:
        is_code = passage.lstrip().startswith(("```", "~~~"))
        announced = bool(joined) and joined[-1].rstrip().endswith(":")
        if joined and (is_code or announced) and len(joined[-1]) + len(passage) <= _LONGEST:
            joined[-1] = f"{joined[-1]}\n\n{passage}"
        else:
            joined.append(passage)
    return [part for passage in joined for part in _runs(_without_announcement(passage))]


def _without_announcement(passage: str) -> str:
    """Leave out a last sentence that announces what does not follow, unless there is nothing else."""
    if not passage.rstrip().endswith(":"):
        return passage
    end = max([passage.rfind("\n\n"), *(match.start() for match in SENTENCE_END.finditer(passage))])
    return passage[:end].rstrip() if end > 0 else passage


def _runs(passage: str) -> list[str]:
    """Cut a long paragraph into runs of whole sentences; lists, tables and code stay whole."""
    if len(passage) <= _LONGEST_PROSE or "```" in passage or passage.lstrip().startswith(("-", "*", "|", "1.", ">")):
        return [passage]
    runs: list[str] = []
    start = 0
    for end in (*(match.end() for match in SENTENCE_END.finditer(passage)), len(passage)):
        if runs and end - start <= _LONGEST_PROSE:
            runs[-1] = passage[start:end]
        else:
            start = 0 if not runs else start + len(runs[-1])
            runs.append(passage[start:end])
    return [run.strip() for run in runs if run.strip()]
