"""Where a chunk's edge cuts what belongs together, and which neighbours make it whole.

Chunks are as long as the embedding model reads, so code, tables and lists run over their edges, a sentence ends in a
colon and what it announces is in the next chunk, and an explanation begins with "This". Whether that is so can be read
from the two texts on both sides of the edge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rag.models import SearchResult
from rag.text.citations import passages

__all__ = [
    "REACH",
    "counts_on",
    "is_code",
    "is_item",
    "is_table",
    "joined",
    "refers_back",
    "runs_on",
    "stretches",
    "with_neighbours",
]

#: A text is followed over so many edges each way; what is longer is no answer.
REACH = 2

_FENCE = ("```", "~~~")
# An item of a list, or a term of a definition list, which stands in bold on a line of its own.
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s|\*\*.+\*\*$", re.MULTILINE)
_NUMBERED = re.compile(r"^\s*(\d{1,3})[.)]\s", re.MULTILINE)
_TABLE_RULE = re.compile(r"\|(?:\s*:?-+:?\s*\|)+$")
_REFERS_BACK = re.compile(
    r"(?:This|These|That|Those|It|They|Such|However|But|Also|Then|So|Thus|Hence|Therefore|Otherwise|Instead"
    r"|(?:In|For|At) (?:this|that|these|those|such)|The (?:same|above|latter|former|following example))\b"
)


def is_code(block: str) -> bool:
    """Return whether a block is fenced code."""
    return block.lstrip().startswith(_FENCE)


def is_table(block: str) -> bool:
    """Return whether a block is a table with a head."""
    lines = block.split("\n", 2)
    return len(lines) > 1 and lines[0].startswith("|") and bool(_TABLE_RULE.match(lines[1].strip()))


def is_item(block: str) -> bool:
    """Return whether a block begins with an item of a list, or with a term that is defined below."""
    return bool(_ITEM.match(block))


def counts_on(last: str, next_: str) -> bool:
    """Return whether a block begins with the item of a numbered list that comes after the last one of another block."""
    counted, first = _NUMBERED.findall(last), _NUMBERED.match(next_)
    return bool(counted) and first is not None and int(first[1]) == int(counted[-1]) + 1


def refers_back(block: str) -> bool:
    """Return whether a paragraph begins with a word for what stands before it."""
    return bool(_REFERS_BACK.match(block))


def runs_on(first: SearchResult, second: SearchResult) -> bool:
    """Return whether what belongs together is cut by the edge between two chunks, the second following the first."""
    if not _same_section(first, second):
        return False
    before, after = passages(first.text), passages(second.text)
    last, next_ = before[-1], after[0]
    if last.rstrip().endswith(":") or _is_sentence_cut(last, next_) or _is_list_cut(before, next_):
        return True
    return joined(last, next_) is not None or (is_code(next_) and not is_code(last))


def joined(last: str, next_: str) -> str | None:
    """Return a piece of code or a table as it was before an edge cut it into two blocks; None if they are two.

    The chunker gives each part of a cut block the fence, or the head, of the whole.
    """
    head, *rest = last.split("\n")
    again, *more = next_.split("\n")
    if head != again or not rest or not more:
        return None
    if is_code(last):
        return "\n".join([head, *rest[:-1], *more])
    if is_table(last) and is_table(next_) and rest[0] == more[0]:
        return "\n".join([head, *rest, *more[1:]])
    return None


def _is_sentence_cut(last: str, next_: str) -> bool:
    # A sentence may begin with a name such as pg_dump.
    return next_[:1].islower() and not last.rstrip().endswith((".", "!", "?"))


def _is_list_cut(before: Sequence[str], next_: str) -> bool:
    last = before[-1]
    if counts_on(last, next_):
        return True
    if not (is_item(last) and is_item(next_)):
        return False
    if _NUMBERED.match(last) and _NUMBERED.match(next_):
        return True
    # Tables of contents and reference pages are lists for chunks on end; one that a sentence announces is an answer.
    announcing = next((block for block in reversed(before) if not is_item(block)), "")
    return announcing.rstrip().endswith(":")


def _same_section(first: SearchResult, second: SearchResult) -> bool:
    if first.heading != second.heading or not first.text.strip() or not second.text.strip():
        return False
    # In a thread, what somebody says does not go on in what somebody else does.
    voices = [first.voices[-1:], second.voices[:1]]
    return not all(voices) or voices[0][0][1] == voices[1][0][1]


def with_neighbours(results: Sequence[SearchResult], around: Iterable[SearchResult]) -> list[SearchResult]:
    """Return results, best first, each with the neighbours that it needs on both sides, in the order of the text.

    :param around: chunks beside them in their documents
    """
    near = {(one.document_id, one.ordinal): replace(one, is_neighbour=True) for one in around}
    near |= {(one.document_id, one.ordinal): one for one in results}
    found: list[dict[int, SearchResult]] = []
    for result in results:
        run = {one.ordinal: one for one in _whole(result, near)}
        other = next((o for o in found if o.keys() & run.keys() and _document(o) == result.document_id), None)
        if other is None:
            found.append(run)
        else:
            other.update({place: one for place, one in run.items() if place not in other})
    return [run[place] for run in found for place in sorted(run)]


def _whole(result: SearchResult, near: dict[tuple[str, int], SearchResult]) -> list[SearchResult]:
    run = [result]
    for step in range(1, REACH + 1):
        before, first = near.get((result.document_id, result.ordinal - step)), run[0]
        if before is None or not _leads_to(before, first, is_near=step == 1):
            break
        run.insert(0, _like(before, result))
    for step in range(1, REACH + 1):
        last, after = run[-1], near.get((result.document_id, result.ordinal + step))
        if after is None or not runs_on(last, after) or not (step == 1 or _is_about_code(last, after)):
            break
        run.append(_like(after, result))
    return run


def _leads_to(before: SearchResult, first: SearchResult, *, is_near: bool) -> bool:
    if not is_near:
        return runs_on(before, first) and _is_about_code(before, first)
    return runs_on(before, first) or (refers_back(first.text) and _same_section(before, first))


def _is_about_code(first: SearchResult, second: SearchResult) -> bool:
    """Code is understood whole and with what introduces it, or not at all; of a list or a table a part will do."""
    return is_code(passages(first.text)[-1]) or is_code(second.text)


def _like(neighbour: SearchResult, result: SearchResult) -> SearchResult:
    """Return a neighbour with the score of the result that needs it."""
    return replace(neighbour, rank=result.rank, score=result.score) if neighbour.is_neighbour else neighbour


def _document(run: dict[int, SearchResult]) -> str:
    return next(iter(run.values())).document_id


def stretches(results: Sequence[SearchResult]) -> list[list[int]]:
    """Group results that follow each other in a document, as `with_neighbours` puts them; numbers count from 1."""
    groups: list[list[int]] = []
    for number, result in enumerate(results, start=1):
        before = results[number - 2] if number > 1 else None
        if before and (before.document_id, before.ordinal + 1) == (result.document_id, result.ordinal):
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups
