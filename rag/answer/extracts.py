"""Answers without a language model: the passages that answer, quoted whole, each with its marker."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from rag.models import SearchResult
from rag.search.neighbours import stretches
from rag.text.blocks import blocks, is_code, is_heading, is_item, is_table
from rag.text.citations import escape_markers
from rag.text.neighbours import counts_on, joined, refers_back
from rag.text.sentences import sentences
from rag.text.words import words
from rag.trust.authorship import OMITTED, evidence

if TYPE_CHECKING:
    from rag.embedding import Encoder

__all__ = ["Extractor"]

#: An extract is made from so many chunks at the most.
_MOST_SOURCES = 3
# Chunks further down rarely hold the passage, and each costs a few milliseconds to read.
_READ = 6
# So many passages that score best by themselves are read with their headings too.
_COMPARED = 8
# A second passage is worth reading if it scores nearly as well as the first.
_CLOSE = 0.9
# Of a question how something is done, code may answer that scores as well as this; what scores less is mostly about
# something else. Read on 44 such questions, put to PostgreSQL's and Python's documentation.
_CLOSE_CODE = 0.8
# What belongs together may be so long, in characters: prose with a list or code; code with a sentence that says what it
# does, and steps that are numbered; and a run of sentences out of a long paragraph.
_LONGEST = 1200
_LONGEST_WHOLE = 3000
_LONGEST_PROSE = 420
# A sentence of so few words that carry meaning says nothing of the code that it announces.
_LABEL = 1
# A chunk as short as this is quoted whole, and so is an introduction to code.
_SHORT = 600
# A passage with code is worth so much more to somebody who asks how something is done, and a bare synopsis, or code of
# which nobody says what it does, so much less.
_SHOWS_HOW = 0.1
_UNEXPLAINED = 0.15

# What is asked for by these words is seldom code; "It fails. Why?" asks why.
_NOT_HOW = re.compile(
    r"\s*(?:what|why|when|which|who|whose|where|is|are|does|did|can|should|difference|how (?:many|much|long|often))\b"
    r"|.*[.!?]\s+why\b",
    re.I | re.S,
)
_HOW = re.compile(r"\bhow\b|\b(?:example|command|syntax)s?\b", re.I)
_SYNOPSIS = re.compile(r"\b(?:synopsis|syntax)\W*$", re.I)
# Of a grammar, not of anything that could be run: options in brackets, alternatives in braces, and so on and so forth.
_GRAMMAR = re.compile(
    r"\[ [^\]\n]+ \]|\[, ?\.\.\.|\{ \w[^}\n]* \| |\[ ?\.\.\. ?\]|\[[a-z_-]+\.\.\.\]|^\w+ \[\w[\w-]*\.\.\.\]", re.M
)


@dataclass(frozen=True, slots=True)
class _Block:
    """A paragraph, list, table or piece of code, and the numbers of the results that it stands in."""

    text: str
    numbers: tuple[int, ...]
    #: code that says what may be written, and not what to write
    is_synopsis: bool = False
    #: its chunk is so short that it is quoted whole
    is_short: bool = False


@dataclass(frozen=True, slots=True)
class _Passage:
    """Blocks that belong together."""

    blocks: tuple[_Block, ...]
    result: SearchResult
    #: which one of its chunk's it is, from 0
    place: int

    @property
    def text(self) -> str:
        return "\n\n".join(block.text for block in self.blocks)

    @property
    def numbers(self) -> set[int]:
        return {number for block in self.blocks for number in block.numbers}

    @property
    def code(self) -> list[_Block]:
        return [block for block in self.blocks if is_code(block.text)]

    @property
    def shows_how(self) -> bool:
        """Whether it holds code that can be run, and says what that does."""
        return len(self.blocks) > len(self.code) > sum(block.is_synopsis for block in self.code)


class Extractor:
    """Pick the passages of retrieved chunks that answer a question."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def answer(self, question: str, results: Sequence[SearchResult]) -> str | None:
        """Return passages of at most three results, best first, each followed by [n]; n counts results from 1."""
        ranked = self._ranked(question, [one for numbers in stretches(results) for one in _quotable(numbers, results)])
        if not ranked:
            return None
        best = ranked[0][0]
        if _asks_how(question):
            # The best that shows it comes first, if it is not far behind.
            shows = next((one for one in ranked if one[1].shows_how and one[0] >= _CLOSE_CODE * best), ranked[0])
            ranked.sort(key=lambda one: one is not shows)
        chosen: list[_Passage] = []
        quoted: set[int] = set()
        for score, passage in ranked:
            if score < _CLOSE * best and chosen:
                break
            if not quoted & passage.numbers and len(quoted | passage.numbers) <= _MOST_SOURCES:
                chosen.append(passage)
                quoted |= passage.numbers
        return "\n\n".join(_marked(passage) for passage in chosen)

    def _ranked(self, question: str, found: Sequence[_Passage]) -> list[tuple[float, _Passage]]:
        """Return passages with their scores, best first; those that alone are far behind are left out."""
        asked, *alone = self.encoder.encode_queries([question, *(passage.text for passage in found)])
        scores = [float(asked @ own) + _prior(question, one) for own, one in zip(alone, found, strict=True)]
        best = sorted(range(len(found)), key=lambda place: -scores[place])[:_COMPARED]
        # A heading tells what a passage is about, but one that repeats the question says nothing about the passage.
        headed = [f"{found[place].result.heading}\n{found[place].text}" for place in best]
        ranked = [
            (scores[place] + float(asked @ with_heading - asked @ alone[place]) / 2, found[place])
            for place, with_heading in zip(best, self.encoder.encode_queries(headed) if headed else [], strict=True)
        ]
        return sorted(ranked, key=lambda one: -one[0])


def _prior(question: str, passage: _Passage) -> float:
    """Return what speaks for a passage beside its vector: shared words, its chunk's rank, its place in it, its code.

    What a text says first is what it is about; a question is seldom an answer.
    """
    wanted, text, result = words(question), passage.text, passage.result
    shared = len(wanted & words(text)) / max(len(wanted), 1)
    prior = 0.3 * shared + 0.3 * result.score / result.rank + 0.1 / (1 + passage.place) - 0.2 * ("?" in text)
    if passage.shows_how:
        return prior + _SHOWS_HOW * _asks_how(question)
    return prior - _UNEXPLAINED if passage.code else prior


def _asks_how(question: str) -> bool:
    return bool(_HOW.search(question)) or not _NOT_HOW.match(question)


def _marked(passage: _Passage) -> str:
    """Return a passage with the markers of the chunks that it stands in, each behind what stands there."""
    parts = []
    for numbers, run in groupby(passage.blocks, key=lambda block: block.numbers):
        # What stood in a list comes out of it, or Markdown would take it for code.
        text = "\n\n".join(textwrap.dedent(block.text) for block in run).rstrip()
        joint = "\n\n" if text.endswith(("```", "~~~", "|")) else " "
        parts.append(f"{escape_markers(text)}{joint}{''.join(f'[{number}]' for number in numbers)}")
    return "\n\n".join(parts)


def _quotable(numbers: Sequence[int], results: Sequence[SearchResult]) -> Iterator[_Passage]:
    """Yield what can be quoted of results that follow each other: all of it if it is short, else its passages."""
    hits = {number: results[number - 1] for number in numbers if not results[number - 1].is_neighbour}
    if min(result.rank for result in hits.values()) > _READ:
        return
    places: Counter[int] = Counter()
    for section in _sections(numbers, [results[number - 1] for number in numbers]):
        for group in _grouped(section):
            for part in _runs(_complete(group)):
                stands_in = [number for block in part for number in block.numbers if number in hits]
                if not stands_in:  # what its neighbours say beside it was not found
                    continue
                number = min(stands_in, key=lambda number: hits[number].rank)
                if not any(OMITTED in block.text for block in part):
                    yield _Passage(tuple(part), hits[number], places[number])
                places[number] += 1


def _sections(numbers: Sequence[int], results: Sequence[SearchResult]) -> list[list[_Block]]:
    """Return the blocks between headings; what an edge between two chunks cut is one block again."""
    sections: list[list[_Block]] = [[]]
    for number, result in zip(numbers, results, strict=True):
        heading, is_short = result.heading, len(result.text) <= _SHORT
        for place, part in enumerate(blocks(evidence(result))):
            if is_heading(part):
                heading = part
                if not is_short:
                    sections.append([])
                continue
            before = sections[-1][-1] if sections[-1] else None
            at_edge = place == 0 and before is not None and len(before.numbers) < _MOST_SOURCES
            if before is not None and at_edge and (whole := joined(before.text, part)) is not None:
                sections[-1][-1] = _Block(whole, (*before.numbers, number), before.is_synopsis, is_short=False)
            else:
                is_synopsis = is_code(part) and bool(_SYNOPSIS.search(heading) or _GRAMMAR.search(part))
                sections[-1].append(_Block(part, (number,), is_synopsis, is_short))
    return [section for section in sections if section]


def _grouped(blocks: Sequence[_Block]) -> list[list[_Block]]:
    """Put what belongs together into one group."""
    groups: list[list[_Block]] = []
    for block in blocks:
        before = groups[-1] if groups else []
        if before and _are_few([*before, block]) and (_belongs(before, block.text) or _is_one(before[-1], block)):
            groups[-1].append(block)
        else:
            groups.append([block])
    # Code that nobody introduces is explained by what follows it.
    for place in reversed(range(len(groups) - 1)):
        group, after = groups[place], groups[place + 1]
        explains = _is_prose(after[0].text) and _size(after) <= _SHORT and _are_few([*group, *after])
        if explains and all(is_code(block.text) for block in group):
            groups[place : place + 2] = [[*group, *after]]
    return groups


def _is_one(block: _Block, other: _Block) -> bool:
    return block.is_short and other.is_short and block.numbers == other.numbers


def _belongs(group: Sequence[_Block], block: str) -> bool:
    """Return whether a block goes on with what a group says."""
    last, size = group[-1].text, _size(group) + len(block)
    if is_code(block):
        return size <= (_LONGEST_WHOLE if len(group) == 1 and not is_code(last) else _LONGEST)
    # "For example:" alone announces nothing that could be understood.
    is_label = block.rstrip().endswith(":") and len(words(block)) <= _LABEL
    if is_label or last.rstrip().endswith(":") or block.lstrip("(")[:1].islower():
        return size <= _LONGEST
    if counts_on(last, block):
        return size <= _LONGEST_WHOLE
    if is_item(block) and is_item(last):
        return size <= _LONGEST and group[0].text.rstrip().endswith(":")
    return refers_back(block) and _is_prose(last) and size <= _LONGEST_PROSE


def _are_few(group: Sequence[_Block]) -> bool:
    """Return whether what blocks stand in can be quoted in one answer."""
    return len({number for block in group for number in block.numbers}) <= _MOST_SOURCES


def _is_prose(block: str) -> bool:
    return not (is_code(block) or is_table(block) or is_item(block))


def _size(group: Sequence[_Block]) -> int:
    return sum(len(block.text) for block in group)


def _complete(group: list[_Block]) -> list[_Block]:
    """Leave out what announces what does not follow, and all but the last sentences of a long introduction to code."""
    last = group[-1]
    if last.text.rstrip().endswith(":"):
        *whole, _ = sentences(last.text)
        if whole:
            return [*group[:-1], _Block("".join(whole).rstrip(), last.numbers)]
        return group[:-1] or group
    first = group[0]
    if any(is_code(block.text) for block in group[1:]) and _is_prose(first.text) and len(first.text) > _SHORT:
        *_, introduction = _sentence_runs(first.text, _LONGEST_PROSE)
        return [_Block(introduction, first.numbers), *group[1:]]
    return group


def _runs(group: list[_Block]) -> list[list[_Block]]:
    """Cut a long paragraph into runs of whole sentences; lists, tables and code stay whole."""
    (first, *others) = group
    if others or len(first.text) <= _LONGEST_PROSE or not _is_prose(first.text) or first.text.startswith(">"):
        return [group]
    return [[_Block(run, first.numbers)] for run in _sentence_runs(first.text, _LONGEST_PROSE)]


def _sentence_runs(text: str, longest: int) -> list[str]:
    """Cut a paragraph into runs of whole sentences of about so many characters."""
    runs: list[str] = []
    run = ""
    for sentence in sentences(text):
        if run and len(run) + len(sentence) > longest:
            runs.append(run)
            run = ""
        run += sentence
    return [run.strip() for run in [*runs, run] if run.strip()]
