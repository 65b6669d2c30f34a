"""An answer in the making: its blocks, its numbered citations, and the quotes that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.answer.answer import Citation
from rag.answer.evidence import evidence, without_addresses
from rag.answer.extracts.extractor import Extract
from rag.answer.question.subjects import NO_SUBJECT, Subject
from rag.answer.written.part import Part
from rag.search.results import SearchResult
from rag.store.search import Term
from rag.text.citations import best_quote, cited, renumber, text_fragment
from rag.trust.addresses import Known
from rag.trust.authorship import origin, verdict

__all__ = ["Draft", "citation", "first_of_pages", "nearest"]


@dataclass(slots=True)
class Draft:
    """Blocks of an answer, whose citations are renumbered in the order in which they appear."""

    results: Sequence[SearchResult]
    #: the question that it answers
    question: str
    #: what the conversation before the question is about
    subject: Subject = NO_SUBJECT
    #: lines of the engine's own that stand above the answer, if there is one
    notices: Sequence[str] = ()
    #: what is quoted if no language model writes, where it was made already
    extract: Extract | None = None
    #: the terms of the question, as `Searcher.terms` returns them, if they were looked up
    terms: Sequence[Term] = ()
    #: the numbers of the cited results, counted from 1, in the order of their first citation
    numbers: list[int] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    #: whether a language model wrote the blocks
    is_written: bool = False
    #: whether the language model says that the sources do not contain the answer
    is_declined: bool = False
    #: a sentence that says what became of the language model's answer, where it is not shown whole
    note: str | None = None
    #: the addresses that may be shown; None: all, since no language model was asked
    addresses: Known | None = None
    #: what is shown from the results, by their numbers; empty if a language model writes
    passages: dict[int, str] = field(default_factory=dict)
    #: how likely the answer is right, in [0, 1]
    score: float = 0.0

    #: whether the last block goes on
    is_open: bool = False

    def add(self, part: Part) -> str:
        """Add a part whose markers count the results, and return what is displayed of it; its text may be empty."""
        shown = ""
        if part.text:
            for number in cited(part.text, range(1, len(self.results) + 1)):
                if number not in self.numbers:
                    self.numbers.append(number)
            shown = renumber(part.text, self.numbers)
            if self.is_open:
                shown = (part.joint or "") + shown
                self.blocks[-1] += shown
            else:
                self.blocks.append(shown)
            self.is_open = True
        if part.ends and self.is_open:
            self.is_open = False
            shown += "\n\n"
        return shown

    def shown(self, results: Sequence[SearchResult]) -> list[SearchResult]:
        """Return results without the sentences whose addresses may not be shown."""
        known = self.addresses
        return list(results) if known is None else [without_addresses(result, known) for result in results]

    @property
    def text(self) -> str:
        """The answer so far."""
        return "\n\n".join([*self.notices, *self.blocks])

    @property
    def used(self) -> list[SearchResult]:
        """The cited results, in the order of their new numbers."""
        return [self.results[number - 1] for number in self.numbers]

    def citations(self) -> tuple[Citation, ...]:
        """Return the citations of the answer; quotes are sentences that it shows, or that support what it says."""
        about = self.text if self.is_written else self.question
        shown = zip(self.numbers, self.shown(self.used), strict=True)
        return tuple(
            citation(place, result, about, within=self.passages.get(number))
            for place, (number, result) in enumerate(shown, start=1)
        )

    def verdicts(self) -> list[str]:
        """Return a block that tells how the cited threads ended, where the answer does not; empty if it does."""
        lines: list[str] = []
        text = self.text
        for number in self.numbers:
            thread = self.results[number - 1].thread
            ending = verdict(thread)
            if not thread or not ending or ending.split(",")[0] in text:
                continue
            if not any(line.startswith(f"- #{thread.number}: {ending} ") for line in lines):
                lines.append(f"- #{thread.number}: {ending} [{number}]")
        return ["\n".join(lines)] if lines else []


def citation(number: int, result: SearchResult, about: str, *, within: str | None = None) -> Citation:
    """Return the citation of a result.

    :param about: the answer, or the question: the quote is what the result says about it
    :param within: the part of the result that is shown, from which the quote is then taken
    """
    claim = _citing_lines(about, number)
    quote = best_quote(claim, within or evidence(result))
    if quote not in result.text:  # it contains the mark of an omitted sentence, or runs over two chunks
        quote = best_quote(claim, result.text)
    place = max(result.text.find(quote), 0)
    url = result.url_at(place)
    voice = result.voice_at(place)
    return Citation(
        n=number,
        url=url,
        title=result.title,
        source=result.source,
        kind=result.kind,
        score=round(result.score, 4),
        quote=quote,
        chunk_id=result.chunk_id,
        link=text_fragment(url, quote) if result.kind == "page" else url,
        said_by=origin(voice) if voice else None,
        note=verdict(result.thread),
    )


def nearest(results: Sequence[SearchResult], question: str) -> tuple[Citation, ...]:
    """Return citations of results that do not answer a question."""
    return tuple(citation(number, result, question) for number, result in enumerate(results, start=1))


def first_of_pages(results: Sequence[SearchResult], most: int) -> list[SearchResult]:
    """Return the first result of each document."""
    first: dict[str, SearchResult] = {}
    for result in results:
        first.setdefault(result.document_id, result)
    return list(first.values())[:most]


def _citing_lines(answer: str, number: int) -> str:
    """Return the lines of an answer that cite a number, or all of it."""
    lines = [line for line in answer.split("\n") if f"[{number}]" in line]
    return "\n".join(lines) or answer
