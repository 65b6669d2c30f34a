"""Definition lists of Markdown's extensions: a term, and below it `: definition`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rag.text.blocks import is_term

__all__ = ["with_bold_terms"]

_DEFINITION = re.compile(r"^ {0,3}:[ \t]+(?=\S)")
_CONTINUED = re.compile(r"^(?: {4}|\t)")
# A line that begins like this is no term.
_NO_TERM = re.compile(r"^(?:\s|[-*+](?:\s|$)|[-=*_]{2,}\s*$|[>|#:]|\d+[.)]\s|\*\*.*:\*\*$|\0[FOC]|\[\^|\{|<)")
_LONGEST_TERM = 120
_MOST_TERMS = 4


def with_bold_terms(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines, with terms in bold and the first line of each definition right below its term."""
    lines = list(lines)
    firsts = [at for at, line in enumerate(lines) if _DEFINITION.match(line)]
    terms: set[int] = set()
    blanks: set[int] = set()  # between a term and its definition
    for at in firsts:
        found = list(_terms_above(lines, at))
        terms.update(found)
        if found and not lines[at - 1].strip():
            blanks.add(at - 1)
    is_inside = is_after_term = False
    for at, line in enumerate(lines):
        if at in terms:
            is_after_term = True
            yield _bold(line)
        elif at in blanks:
            continue
        elif (is_inside or is_after_term) and (match := _DEFINITION.match(line)):
            is_inside, is_after_term = True, False
            yield line[match.end() :]
        elif is_inside and _CONTINUED.match(line):
            yield _CONTINUED.sub("", line)
        else:
            is_inside = is_inside and (not line.strip() or bool(lines[at - 1].strip()))
            yield line


def _terms_above(lines: list[str], at: int) -> Iterator[int]:
    """Yield the lines of the terms that a definition belongs to; none if it follows another one, or no terms."""
    last = at - 1 if at and lines[at - 1].strip() else at - 2
    first = last
    while first >= 0 and last - first < _MOST_TERMS and _is_term(lines[first]):
        first -= 1
    if first < last and (first < 0 or not lines[first].strip()):
        yield from range(first + 1, last + 1)


def _is_term(line: str) -> bool:
    return bool(line.strip()) and len(line) <= _LONGEST_TERM and not _NO_TERM.match(line)


def _bold(term: str) -> str:
    return term if is_term(term) else f"**{term.strip()}**"
