"""Extracts: answers without a language model, made of whole passages of the chunks, each with its marker."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from rag.answer.evidence import OMITTED, evidence
from rag.search.neighbours import stretches
from rag.search.results import SearchResult
from rag.text.blocks import blocks, is_code, is_heading, is_item, is_table
from rag.text.citations import escape_markers
from rag.text.neighbours import counts_on, joined, refers_back
from rag.text.sentences import sentences
from rag.text.words import words

if TYPE_CHECKING:
    from rag.embedding import Encoder

__all__ = ["Extractor"]

# The most chunks that an answer quotes.
_MOST_CHUNKS = 3
# The lowest rank that is read: lower ones rarely contain the passage, and each takes a few milliseconds to read.
_READ = 6
# How many of the best passages are scored again together with their headings.
_COMPARED = 8
# A further passage is quoted if it scores at least this share of the best score.
_CLOSE = 0.9
# For how-to questions, a passage with code comes first if it scores at least this share of the best score; with a lower
# score, most were about something else. Found by reading the answers to 44 such questions about PostgreSQL and Python.
_CLOSE_CODE = 0.8
# The longest passages, in characters: prose with a list or code; code with the sentence that explains it, or numbered
# steps; and sentences of a long paragraph.
_LONGEST = 1200
_LONGEST_WHOLE = 3000
_LONGEST_PROSE = 420
# A sentence with at most this many words that carry meaning does not explain the code that it announces.
_LABEL = 1
# The longest chunk, and the longest introduction to code, that is quoted whole.
_SHORT = 600
# For how-to questions, the bonus of a passage with code; for any question, the malus of a synopsis or unexplained code.
_SHOWS_HOW = 0.1
_UNEXPLAINED = 0.15

# Questions with these words seldom ask for code; "It fails. Why?" asks why.
_NOT_HOW = re.compile(
    r"\s*(?:what|why|when|which|who|whose|where|is|are|does|did|can|should|difference|how (?:many|much|long|often))\b"
    r"|.*[.!?]\s+why\b",
    re.I | re.S,
)
_HOW = re.compile(r"\bhow\b|\b(?:example|command|syntax)s?\b", re.I)
_SYNOPSIS = re.compile(r"\b(?:synopsis|syntax)\W*$", re.I)
# The notation of a grammar, which cannot be run: options in brackets, alternatives in braces, ellipses.
_GRAMMAR = re.compile(
    r"\[ [^\]\n]+ \]|\[, ?\.\.\.|\{ \w[^}\n]* \| |\[ ?\.\.\. ?\]|\[[a-z_-]+\.\.\.\]|^\w+ \[\w[\w-]*\.\.\.\]", re.M
)


@dataclass(frozen=True, slots=True)
class _Block:
    """A paragraph, list, table or code block, and the numbers of the results that contain it."""

    text: str
    numbers: tuple[int, ...]
    #: whether it is a grammar of a command rather than a command
    is_synopsis: bool = False
    #: whether its chunk is short enough to be quoted whole
    is_short: bool = False


@dataclass(frozen=True, slots=True)
class _Passage:
    """Blocks that belong together."""

    blocks: tuple[_Block, ...]
    result: SearchResult
    #: its position among the passages of its chunk, from 0
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
        """Whether it contains code that can be run, and explains it."""
        return len(self.blocks) > len(self.code) > sum(block.is_synopsis for block in self.code)


class Extractor:
    """Quotes the passages of retrieved chunks that answer a question.

    :param encoder: of the embedding model that compares question and passages
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def answer(self, question: str, results: Sequence[SearchResult]) -> str | None:
        """Return passages of at most three results, best first, each followed by [n]; n counts results from 1."""
        ranked = self._ranked(question, [one for numbers in stretches(results) for one in _quotable(numbers, results)])
        if not ranked:
            return None
        best = ranked[0][0]
        if _asks_how(question):
            # The best passage with code comes first if its score is close.
            shows = next((one for one in ranked if one[1].shows_how and one[0] >= _CLOSE_CODE * best), ranked[0])
            ranked.sort(key=lambda one: one is not shows)
        chosen: list[_Passage] = []
        quoted: set[int] = set()
        for score, passage in ranked:
            if score < _CLOSE * best and chosen:
                break
            if not quoted & passage.numbers and len(quoted | passage.numbers) <= _MOST_CHUNKS:
                chosen.append(passage)
                quoted |= passage.numbers
        return "\n\n".join(_marked(passage) for passage in chosen)

    def _ranked(self, question: str, found: Sequence[_Passage]) -> list[tuple[float, _Passage]]:
        """Return the best passages with their scores, best first."""
        asked, *alone = self.encoder.encode_queries([question, *(passage.text for passage in found)])
        scores = [float(asked @ own) + _prior(question, one) for own, one in zip(alone, found, strict=True)]
        best = sorted(range(len(found)), key=lambda place: -scores[place])[:_COMPARED]
        # A heading tells the subject of a passage, but if it repeats the question, every passage below it would match.
        headed = [f"{found[place].result.heading}\n{found[place].text}" for place in best]
        ranked = [
            (scores[place] + float(asked @ with_heading - asked @ alone[place]) / 2, found[place])
            for place, with_heading in zip(best, self.encoder.encode_queries(headed) if headed else [], strict=True)
        ]
        return sorted(ranked, key=lambda one: -one[0])


def _prior(question: str, passage: _Passage) -> float:
    """Return the part of a passage's score that is not its vector's: shared words, rank, position and code.

    A text says first what it is about; a question is seldom an answer.
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
    """Return a passage with a marker behind the part of each chunk."""
    parts = []
    for numbers, run in groupby(passage.blocks, key=lambda block: block.numbers):
        # Outside its list, an indented paragraph would be read as code.
        text = "\n\n".join(textwrap.dedent(block.text) for block in run).rstrip()
        joint = "\n\n" if text.endswith(("```", "~~~", "|")) else " "
        parts.append(f"{escape_markers(text)}{joint}{''.join(f'[{number}]' for number in numbers)}")
    return "\n\n".join(parts)


def _quotable(numbers: Sequence[int], results: Sequence[SearchResult]) -> Iterator[_Passage]:
    """Yield the passages of results that follow each other; a short chunk is one passage."""
    hits = {number: results[number - 1] for number in numbers if not results[number - 1].is_neighbour}
    if min(result.rank for result in hits.values()) > _READ:
        return
    places: Counter[int] = Counter()
    for section in _sections(numbers, [results[number - 1] for number in numbers]):
        for group in _grouped(section):
            for part in _runs(_complete(group)):
                stands_in = [number for block in part for number in block.numbers if number in hits]
                if not stands_in:  # only in a neighbour, which was not found itself
                    continue
                number = min(stands_in, key=lambda number: hits[number].rank)
                if not any(OMITTED in block.text for block in part):
                    yield _Passage(tuple(part), hits[number], places[number])
                places[number] += 1


def _sections(numbers: Sequence[int], results: Sequence[SearchResult]) -> list[list[_Block]]:
    """Return the blocks between headings; code and tables that were cut into two chunks are whole again."""
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
            at_edge = place == 0 and before is not None and len(before.numbers) < _MOST_CHUNKS
            if before is not None and at_edge and (whole := joined(before.text, part)) is not None:
                sections[-1][-1] = _Block(whole, (*before.numbers, number), before.is_synopsis, is_short=False)
            else:
                is_synopsis = is_code(part) and bool(_SYNOPSIS.search(heading) or _GRAMMAR.search(part))
                sections[-1].append(_Block(part, (number,), is_synopsis, is_short))
    return [section for section in sections if section]


def _grouped(blocks: Sequence[_Block]) -> list[list[_Block]]:
    """Group blocks that belong together."""
    groups: list[list[_Block]] = []
    for block in blocks:
        before = groups[-1] if groups else []
        if before and _are_few([*before, block]) and (_belongs(before, block.text) or _is_one(before[-1], block)):
            groups[-1].append(block)
        else:
            groups.append([block])
    # Code without an introduction is explained by the prose that follows it.
    for place in reversed(range(len(groups) - 1)):
        group, after = groups[place], groups[place + 1]
        explains = _is_prose(after[0].text) and _size(after) <= _SHORT and _are_few([*group, *after])
        if explains and all(is_code(block.text) for block in group):
            groups[place : place + 2] = [[*group, *after]]
    return groups


def _is_one(block: _Block, other: _Block) -> bool:
    return block.is_short and other.is_short and block.numbers == other.numbers


def _belongs(group: Sequence[_Block], block: str) -> bool:
    """Return whether a block continues a group."""
    last, size = group[-1].text, _size(group) + len(block)
    if is_code(block):
        return size <= (_LONGEST_WHOLE if len(group) == 1 and not is_code(last) else _LONGEST)
    # "For example:" alone is not enough to understand the code behind it.
    is_label = block.rstrip().endswith(":") and len(words(block)) <= _LABEL
    if is_label or last.rstrip().endswith(":") or block.lstrip("(")[:1].islower():
        return size <= _LONGEST
    if counts_on(last, block):
        return size <= _LONGEST_WHOLE
    if is_item(block) and is_item(last):
        return size <= _LONGEST and group[0].text.rstrip().endswith(":")
    return refers_back(block) and _is_prose(last) and size <= _LONGEST_PROSE


def _are_few(group: Sequence[_Block]) -> bool:
    """Return whether one answer can quote all the chunks of a group."""
    return len({number for block in group for number in block.numbers}) <= _MOST_CHUNKS


def _is_prose(block: str) -> bool:
    return not (is_code(block) or is_table(block) or is_item(block))


def _size(group: Sequence[_Block]) -> int:
    return sum(len(block.text) for block in group)


def _complete(group: list[_Block]) -> list[_Block]:
    """Drop a last sentence that announces nothing, and all but the last sentences of a long introduction to code."""
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
    """Split a long paragraph into runs of whole sentences; lists, tables and code stay whole."""
    (first, *others) = group
    if others or len(first.text) <= _LONGEST_PROSE or not _is_prose(first.text) or first.text.startswith(">"):
        return [group]
    return [[_Block(run, first.numbers)] for run in _sentence_runs(first.text, _LONGEST_PROSE)]


def _sentence_runs(text: str, longest: int) -> list[str]:
    """Split a paragraph into runs of whole sentences, of at most `longest` characters unless a sentence is longer."""
    runs: list[str] = []
    run = ""
    for sentence in sentences(text):
        if run and len(run) + len(sentence) > longest:
            runs.append(run)
            run = ""
        run += sentence
    return [run.strip() for run in [*runs, run] if run.strip()]
