"""The chunks beside a search result that make it complete: the other half of its code, list, table or explanation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rag.search.results import SearchResult
from rag.text.blocks import blocks, is_code
from rag.text.neighbours import is_name_line, refers_back, runs_on

__all__ = ["REACH", "continues", "stretches", "with_neighbours"]

#: The number of chunks by which a result may be extended on each side. More would make an answer too long.
REACH = 2


def continues(first: SearchResult, second: SearchResult) -> bool:
    """Return whether a chunk goes on with what the chunk before it says, in the same section."""
    return _same_section(first, second) and runs_on(first.text, second.text)


def with_neighbours(results: Sequence[SearchResult], around: Iterable[SearchResult]) -> list[SearchResult]:
    """Return results, best first, each between the neighbours that complete it, in the order of the document.

    Results whose neighbours overlap are put together, at the place of the better one.

    :param around: chunks beside the results in their documents
    """
    near = {(chunk.document_id, chunk.ordinal): replace(chunk, is_neighbour=True) for chunk in around}
    near |= {(result.document_id, result.ordinal): result for result in results}
    headings = {place: chunk.heading for place, chunk in near.items()}
    for (document, ordinal), chunk in near.items():
        goes_on = headings.get((document, ordinal - 1)) == chunk.heading
        near[document, ordinal] = replace(chunk, goes_on=goes_on)
    runs: list[dict[int, SearchResult]] = []
    for result in results:
        run = {chunk.ordinal: chunk for chunk in _completed(near[result.document_id, result.ordinal], near)}
        other = next((o for o in runs if o.keys() & run.keys() and _document(o) == result.document_id), None)
        if other is None:
            runs.append(run)
        else:
            other.update({ordinal: chunk for ordinal, chunk in run.items() if ordinal not in other})
    return [run[ordinal] for run in runs for ordinal in sorted(run)]


def stretches(results: Sequence[SearchResult]) -> list[list[int]]:
    """Group results that follow each other in a document, as `with_neighbours` orders them; numbers count from 1."""
    groups: list[list[int]] = []
    for number, result in enumerate(results, start=1):
        before = results[number - 2] if number > 1 else None
        if before and (before.document_id, before.ordinal + 1) == (result.document_id, result.ordinal):
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _completed(result: SearchResult, near: dict[tuple[str, int], SearchResult]) -> list[SearchResult]:
    run = [result]
    for step in range(1, REACH + 1):
        before, first = near.get((result.document_id, result.ordinal - step)), run[0]
        if before is None or not _leads_to(before, first, is_adjacent=step == 1):
            break
        run.insert(0, _scored_like(result, before))
    for step in range(1, REACH + 1):
        last, after = run[-1], near.get((result.document_id, result.ordinal + step))
        if after is None or not (continues(last, after) or _says_how_it_is_called(last, after)):
            break
        if step > 1 and not _is_about_code(last, after):
            break
        run.append(_scored_like(result, after))
    return run


def _says_how_it_is_called(name: SearchResult, after: SearchResult) -> bool:
    """Return whether a chunk is the name line of a manual page, and the chunk after it begins with the synopsis."""
    return name.ordinal == 0 and is_name_line(name.text) and is_code(after.text)


def _leads_to(before: SearchResult, first: SearchResult, *, is_adjacent: bool) -> bool:
    if not is_adjacent:
        return continues(before, first) and _is_about_code(before, first)
    return continues(before, first) or (refers_back(first.text) and _same_section(before, first))


def _same_section(first: SearchResult, second: SearchResult) -> bool:
    if first.heading != second.heading or not first.text.strip() or not second.text.strip():
        return False
    # In a thread, one person's text does not continue another's.
    authors = [first.voices[-1:], second.voices[:1]]
    return not all(authors) or authors[0][0][1] == authors[1][0][1]


def _is_about_code(first: SearchResult, second: SearchResult) -> bool:
    """Return whether either side is code: only code is followed over two edges; part of a list or table is enough."""
    return is_code(list(blocks(first.text))[-1]) or is_code(second.text)


def _scored_like(result: SearchResult, chunk: SearchResult) -> SearchResult:
    """Return a neighbour with the rank and score of the result that it completes."""
    return replace(chunk, rank=result.rank, score=result.score) if chunk.is_neighbour else chunk


def _document(run: dict[int, SearchResult]) -> str:
    return next(iter(run.values())).document_id
