"""Passages: the parts of search results that can stand in an answer, each with the headings that tell what it is about.

A passage is a paragraph or a run of its sentences, a definition with its term, a short list with the sentence that
announces it or an item of a long one, code with the sentence that explains it, or a row of a table with the head.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rag.answer.evidence import OMITTED, evidence
from rag.search.neighbours import stretches
from rag.search.results import SearchResult
from rag.text.blocks import blocks, heading, is_code, is_heading, is_item, is_table
from rag.text.neighbours import counts_on, is_name_line, joined, refers_back
from rag.text.sentences import sentences
from rag.text.words import words

__all__ = ["Block", "Passage", "passages"]

# The most chunks that a passage extends over.
_MOST_CHUNKS = 3
# The longest passages, in characters: prose and lists; code with its explanation; numbered steps; a run of sentences.
_LONGEST = 800
_LONGEST_CODE = 1200
_LONGEST_STEPS = 3000
_LONGEST_PROSE = 420
# An introduction or explanation of code that is longer than this is shortened to its nearest sentences.
_LONGEST_INTRODUCTION = 360
# A sentence with at most this many words that carry meaning does not explain the code that it announces.
_LABEL = 1
# The most characters of a term; a longer line is not one.
_LONGEST_TERM = 200

_SYNOPSIS = re.compile(r"\b(?:synopsis|syntax)\W*$", re.I)
# The notation of a grammar, which cannot be run: options in brackets, alternatives in braces, ellipses.
_GRAMMAR = re.compile(
    r"\[ [^\]\n]+ \]|\[, ?\.\.\.|\{ \w[^}\n]* \| |\[ ?\.\.\. ?\]|\[[a-z_-]+\.\.\.\]|^\w+ \[\w[\w-]*\.\.\.\]", re.M
)
# A line that is a term, such as **--soft**, `copytree(src, dst)` → str, or several of them.
_TERM = re.compile(r"(?:\*\*[^*\n]+\*\*|`[^`\n]+`)")
# What may stand beside the marked words of a term: other terms, parameters, what it returns.
_BESIDE_TERM = re.compile(r"[\w ,/|()→\[\]:=.…-]*")
_MOST_BESIDE = 40
# How many lines of a longer synopsis are shown below the name line.
_LINES_OF_SYNOPSIS = 6
# What separates the name from its description in a name line.
_DASH = re.compile(r" (?:-|--|–|—) ")
_ITEM = re.compile(r"(?m)^(?=[ \t]{0,3}(?:[-*+]|\d{1,3}[.)])[ \t])")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list, table or code block, and the numbers of the results that contain it."""

    text: str
    numbers: tuple[int, ...]
    #: the heading or the term that stands above it, as it is written there; empty if none does
    label: str = ""
    #: whether it is a grammar of a command rather than a command
    is_synopsis: bool = False

    def with_text(self, text: str) -> Block:
        """Return a part of the block."""
        return replace(self, text=text)


@dataclass(frozen=True, slots=True)
class Passage:
    """Blocks that belong together."""

    blocks: tuple[Block, ...]
    #: the result that it is quoted from
    result: SearchResult
    #: its position among the passages of its stretch, from 0
    place: int = 0
    #: whether it is the first below its heading or term
    opens: bool = False

    @property
    def text(self) -> str:
        """Its blocks as they are displayed."""
        return "\n\n".join(block.text for block in self.blocks)

    @property
    def numbers(self) -> set[int]:
        """The numbers of the results that contain it, counted from 1."""
        return {number for block in self.blocks for number in block.numbers}

    @property
    def label(self) -> str:
        """The heading or the term above it within its chunk."""
        return self.blocks[0].label

    @property
    def path(self) -> str:
        """The headings that lead to it."""
        return f"{self.result.heading} › {plain(self.label)}" if self.label else self.result.heading

    @property
    def code(self) -> list[Block]:
        """The blocks that are code."""
        return [block for block in self.blocks if is_code(block.text)]

    @property
    def term(self) -> str:
        """The term that the passage defines; empty if the passage is not a definition."""
        first, *rest = self.blocks[0].text.split("\n", 1)
        if self.is_name_line:
            return plain(_DASH.split(first, maxsplit=1)[0])
        return plain(first) if rest and is_term(first) else ""

    @property
    def is_name_line(self) -> bool:
        """Whether it begins with the name line of a manual page, which says what a command does."""
        return is_name_line(self.blocks[0].text)

    @property
    def is_entry(self) -> bool:
        """Whether it is the name line of a manual page with the synopsis: what a command does, and how it is called."""
        return len(self.blocks) > 1 and self.is_name_line

    @property
    def shows_how(self) -> bool:
        """Whether it contains code that can be run, and explains it."""
        return len(self.blocks) > len(self.code) > sum(block.is_synopsis for block in self.code)


def passages(results: Sequence[SearchResult]) -> list[Passage]:
    """Return the passages of results, whose numbers count from 1; neighbours only where they continue a passage."""
    return [passage for numbers in stretches(results) for passage in _of_stretch(numbers, results)]


def plain(text: str) -> str:
    """Return the text of a heading or term without its marks."""
    title = heading(text.strip())
    return re.sub(r"[*`\\]+", "", title.text if title else text).strip()


def is_term(line: str) -> bool:
    """Return whether a line is a term that is defined below it."""
    bare = line.strip()
    if len(bare) > _LONGEST_TERM or not _TERM.match(bare) or bare.endswith((".", ";")):
        return False
    beside = _TERM.sub("", bare)
    return len(beside) <= _MOST_BESIDE and bool(_BESIDE_TERM.fullmatch(beside))


def _of_stretch(numbers: Sequence[int], results: Sequence[SearchResult]) -> Iterator[Passage]:
    whole = [results[number - 1] for number in numbers]
    hits = {number: result for number, result in zip(numbers, whole, strict=True) if not result.is_neighbour}
    place = 0
    begins = not whole[0].goes_on
    for section in _with_usage(_sections(numbers, whole)):
        for group in _grouped(section):
            for part in _parts(group):
                own = [number for block in part for number in block.numbers if number in hits]
                if not own or any(OMITTED in block.text for block in part):
                    continue  # only in a neighbour, which was not found itself, or not whole
                result = hits[min(own, key=lambda number: hits[number].rank)]
                yield Passage(tuple(part), result, place, opens=begins)
                place, begins = place + 1, False
        begins = True


def _sections(numbers: Sequence[int], results: Sequence[SearchResult]) -> list[list[Block]]:
    """Return the blocks between headings; code and tables that were cut into two chunks are whole again."""
    sections: list[list[Block]] = [[]]
    path = ""
    for number, result in zip(numbers, results, strict=True):
        if sections[-1] and result.heading != path:
            sections.append([])
        path, label = result.heading, ""
        for place, part in enumerate(blocks(evidence(result))):
            if is_heading(part):
                label = path = part
                sections.append([])
                continue
            before = sections[-1][-1] if sections[-1] else None
            at_edge = place == 0 and before is not None and len(before.numbers) < _MOST_CHUNKS
            if before is not None and at_edge and (whole := joined(before.text, part)) is not None:
                sections[-1][-1] = replace(before, text=whole, numbers=(*before.numbers, number))
                continue
            first = part.split("\n", 1)[0]
            is_synopsis = is_code(part) and bool(_SYNOPSIS.search(path) or _GRAMMAR.search(part))
            if is_term(first) and not is_code(part):
                term = Block(part, (number,))
                if _is_announced(sections[-1], part):
                    sections[-1].append(term)
                else:
                    sections.append([term])
                    label = first
            else:
                sections[-1].append(Block(part, (number,), label, is_synopsis))
    return [section for section in sections if section]


def _with_usage(sections: Sequence[list[Block]]) -> Iterator[list[Block]]:
    """Yield sections; the name line of a manual page stands with the first lines of the synopsis that follows it."""
    for place, section in enumerate(sections):
        after = sections[place + 1][0] if place + 1 < len(sections) else None
        if after is not None and after.is_synopsis and len(section) == 1 and is_name_line(section[0].text):
            yield [*section, after.with_text(_first_lines(after.text))]
        else:
            yield section


def _first_lines(code: str) -> str:
    """Return the first lines of fenced code, which a page may have left open."""
    opening, *lines = code.split("\n")
    closing = [lines.pop()] if lines and is_code(lines[-1]) else []
    return "\n".join([opening, *lines[:_LINES_OF_SYNOPSIS], *closing])


def _is_announced(section: Sequence[Block], term: str) -> bool:
    """Return whether a definition belongs to a short list of definitions that a sentence announces."""
    if not section or _size(section) + len(term) > _LONGEST:
        return False
    announcing = next((block.text for block in reversed(section) if not is_item(block.text)), "")
    return announcing.rstrip().endswith(":")


def _grouped(section: Sequence[Block]) -> list[list[Block]]:
    """Group the blocks of a section that belong together."""
    groups: list[list[Block]] = []
    for block in section:
        before = groups[-1] if groups else []
        if before and _are_few([*before, block]) and _belongs(before, block.text):
            groups[-1].append(block)
        else:
            groups.append([block])
    # Code without an introduction is explained by the prose that follows it.
    for place in reversed(range(len(groups) - 1)):
        group, after = groups[place], groups[place + 1]
        explains = _is_prose(after[0].text) and _size(after) <= _LONGEST and _are_few([*group, *after])
        if explains and all(is_code(block.text) for block in group):
            groups[place : place + 2] = [[*group, *after]]
    return groups


def _belongs(group: Sequence[Block], block: str) -> bool:
    """Return whether a block continues a group."""
    last, size = group[-1].text, _size(group) + len(block)
    if is_code(block):
        return size <= (_LONGEST_STEPS if len(group) == 1 and not is_code(last) else _LONGEST_CODE)
    # "For example:" alone is not enough to understand the code behind it.
    is_label = block.rstrip().endswith(":") and len(words(block)) <= _LABEL
    if is_label or last.rstrip().endswith(":") or block.lstrip("(")[:1].islower():
        return size <= _LONGEST_CODE or is_item(block) or is_table(block)
    if counts_on(last, block):
        return size <= _LONGEST_STEPS
    if is_item(block) and is_item(last):
        return size <= _LONGEST and group[0].text.rstrip().endswith(":")
    return refers_back(block) and _is_prose(last) and size <= _LONGEST_PROSE


def _are_few(group: Sequence[Block]) -> bool:
    return len({number for block in group for number in block.numbers}) <= _MOST_CHUNKS


def _is_prose(block: str) -> bool:
    return not (is_code(block) or is_table(block) or is_item(block))


def _size(group: Sequence[Block]) -> int:
    return sum(len(block.text) for block in group)


def _parts(group: list[Block]) -> list[list[Block]]:
    """Return a group whole if it is short, else its parts, each with the sentence that announces them."""
    group = _complete(group)
    *lead, last = group
    introduction = [block.with_text(_tail(block.text, _LONGEST_PROSE)) for block in lead[-1:]]
    if is_table(last.text) and _size(group) > _LONGEST:
        head, rule, *rows = last.text.split("\n")
        return [[*introduction, last.with_text("\n".join([head, rule, row]))] for row in rows]
    if len(lead) <= 1 and _is_list(last.text) and not _is_counted(last.text) and _size(group) > _LONGEST:
        announces = introduction if lead and lead[-1].text.rstrip().endswith(":") else []
        return [[*announces, last.with_text(item.strip("\n"))] for item in _ITEM.split(last.text) if item.strip()]
    if not lead and len(last.text) > _LONGEST_PROSE and _is_prose(last.text) and not last.text.startswith(">"):
        return [[last.with_text(run)] for run in _sentence_runs(last.text, _LONGEST_PROSE)]
    return [group]


def _is_list(block: str) -> bool:
    return bool(_ITEM.match(block)) and not is_code(block)


def _is_counted(block: str) -> bool:
    return block.lstrip()[:1].isdigit()


def _complete(group: list[Block]) -> list[Block]:
    """Drop a last sentence that announces nothing, and all but the last sentences of a long introduction to code."""
    last = group[-1]
    if last.text.rstrip().endswith(":") and not is_table(last.text) and not is_code(last.text):
        *whole, _ = sentences(last.text)
        if whole:
            return [*group[:-1], last.with_text("".join(whole).rstrip())]
        return group[:-1] or group
    first = group[0]
    if any(is_code(block.text) for block in group[1:]) and _is_prose(first.text):
        return [first.with_text(_tail(first.text, _LONGEST_INTRODUCTION)), *group[1:]]
    return group


def _tail(text: str, longest: int) -> str:
    """Return the last sentences of a paragraph, of at most `longest` characters unless the last one is longer."""
    if len(text) <= longest or not _is_prose(text):
        return text
    *_, tail = _sentence_runs(text, longest)
    return tail


def _sentence_runs(text: str, longest: int) -> list[str]:
    """Split a paragraph into runs of whole sentences, of at most `longest` characters unless a sentence is longer.

    A term stays with the first run.
    """
    runs: list[str] = []
    run = ""
    for sentence in sentences(text):
        if run and len(run) + len(sentence) > longest:
            runs.append(run)
            run = ""
        run += sentence
    return [run.strip() for run in [*runs, run] if run.strip()]
