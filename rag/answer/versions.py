"""Answers by version: from the one that is asked about, and never silently from another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from rag.answer.answer import Answer, OtherVersion
from rag.answer.answering import ABSTENTION, Answerer
from rag.answer.draft import citation
from rag.search.editions import Choice
from rag.search.results import SearchResult
from rag.search.searcher import Searcher
from rag.store.documents import DocumentRow, Edition
from rag.text.lines import one_line

__all__ = ["Versioned"]

# How many results of the other versions are compared with the cited pages.
_COMPARED = 8


class Versioned:
    """Answers a question from the chosen editions, and then says what the others have.

    :param question: as it was asked, with the version that it may name
    :param searcher: returns a searcher of these editions only
    :param answerer: returns an answerer that uses a searcher
    :param documents: returns the documents with these ids
    """

    def __init__(
        self,
        choice: Choice,
        question: str,
        searcher: Callable[[Sequence[str]], Searcher],
        answerer: Callable[[Searcher], Answerer],
        documents: Callable[[Sequence[str]], list[DocumentRow]],
    ) -> None:
        self._choice = choice
        self._question = question
        self._searcher = searcher
        self._answerer = answerer
        self._documents = documents

    def stream(self, pieces: Iterator[str | Answer]) -> Iterator[str | Answer]:
        """Yield an answer from the chosen editions, completed by what other versions say.

        :param pieces: the blocks of that answer, and at the end the `Answer`
        """
        for piece in pieces:
            if isinstance(piece, Answer):
                yield from self._completed(replace(piece, question=self._question, version=self._choice.version))
            elif not piece.startswith(ABSTENTION):
                yield piece

    def _completed(self, answer: Answer) -> Iterator[str | Answer]:
        if not answer.answered:
            yield from self._of_others(answer)
            return
        others = [] if self._choice.is_named else self._differing(answer)
        if others:
            said = "\n".join(f"Version {other.version} says it differently: {other.url}" for other in others)
            yield said
            answer = replace(answer, answer=f"{answer.answer}\n\n{said}", other_versions=tuple(others))
        yield answer

    def _of_others(self, answer: Answer) -> Iterator[str | Answer]:
        """Yield the answer of the newest other version that has one; say so before it."""
        for version, editions in _by_version(self._choice.others):
            searcher = self._searcher([edition.key for edition in editions])
            other = self._answerer(searcher).answer(self._choice.question)
            if not other.answered or not self._is_of(other, version):
                continue
            asked = f"version {self._choice.version}" if self._choice.version else "the newest version"
            notice = f"The sources do not answer this for {asked}. This is from version {version}:"
            links = {one.url: OtherVersion(version, one.url, one.quote) for one in other.sources}
            yield notice + "\n\n"
            yield other.answer
            yield replace(
                other,
                question=self._question,
                answer=f"{notice}\n\n{other.answer}",
                version=version,
                other_versions=tuple(links.values()),
            )
            return
        yield answer.answer
        yield answer

    def _is_of(self, answer: Answer, version: str) -> bool:
        """Return whether an answer cites a document of a version: unversioned ones were asked before."""
        rows = self._documents([one.url.partition("#")[0] for one in answer.sources])
        return any(version in row.metadata.get("versions", ()) for row in rows)

    def _differing(self, answer: Answer) -> list[OtherVersion]:
        """Return the other versions of the cited pages that do not say what was quoted."""
        pages = {edition.product for edition in self._choice.others if edition.is_of_pages}
        rows = {row.url: row for row in self._documents([one.url.partition("#")[0] for one in answer.sources])}
        found = []
        for version, editions in _by_version([one for one in self._choice.others if one.product in pages]):
            results = self._searcher([edition.key for edition in editions]).search(
                self._choice.question, top_k=_COMPARED, per_document=2
            )
            if other := self._changed(answer, rows, results, version):
                found.append(other)
        return found

    def _changed(
        self, answer: Answer, rows: dict[str, DocumentRow], results: Sequence[SearchResult], version: str
    ) -> OtherVersion | None:
        there = {row.url: row for row in self._documents([one.url.partition("#")[0] for one in results])}
        for cited in answer.sources:
            page = rows.get(cited.url.partition("#")[0])
            if page is None or not page.metadata.get("versions"):
                continue
            for result in results:
                other = there.get(result.url.partition("#")[0])
                if other is None or version not in other.metadata.get("versions", ()) or other.title != page.title:
                    continue
                if one_line(cited.quote) in one_line(other.text):
                    return None
                quoted = citation(1, result, cited.quote)
                return OtherVersion(version, quoted.url, quoted.quote)
        return None


def _by_version(editions: Sequence[Edition]) -> Iterator[tuple[str, list[Edition]]]:
    for version in dict.fromkeys(edition.version for edition in editions):
        yield version, [edition for edition in editions if edition.version == version]
