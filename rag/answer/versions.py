"""Answers by version: from the one that is asked about, and never silently from another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice

from rag.answer.answer import Answer, OtherVersion
from rag.answer.answering import ABSTENTION
from rag.answer.differences import addresses, counterpart, is_same_page, unsaid
from rag.search.editions import Choice
from rag.search.searcher import Searcher
from rag.store.documents import DocumentRow, Edition
from rag.text.words import words_in_order

__all__ = ["Versioned"]

# How many results of the other versions are compared with the cited pages.
_COMPARED = 8
# An answer with a lower score may be given up for one of another version; so many are tried.
_SURE, _MOST_TRIED = 0.7, 3
# By how much the score of that one must be higher: if its page is in that version only, or if only its text is.
_LIKELIER_PAGE, _LIKELIER_TEXT = 0.03, 0.1
# What a question quotes, such as a message: so many words, which mean this text and no other.
_QUOTED = re.compile(r'“([^“”]+)”|"([^"]+)"|`([^`]+)`')
_FEWEST_QUOTED = 3


class Versioned:
    """Answers a question from the chosen editions, and then says what the others have.

    :param question: as it was asked, with the version that it may name
    :param searcher: returns a searcher of these editions only
    :param answered: returns the answer of a searcher
    :param documents: returns the documents with these ids or URLs
    :param is_extractive: whether answers are extracts, which are complete before their first block is shown
    """

    def __init__(
        self,
        choice: Choice,
        question: str,
        searcher: Callable[[Sequence[str]], Searcher],
        answered: Callable[[Searcher], Answer],
        documents: Callable[[Sequence[str]], list[DocumentRow]],
        *,
        is_extractive: bool,
    ) -> None:
        self._choice = choice
        self._question = question
        self._searcher = searcher
        self._answered = answered
        self._documents = documents
        self._is_extractive = is_extractive

    def stream(self, pieces: Iterator[str | Answer]) -> Iterator[str | Answer]:
        """Yield an answer from the chosen editions, completed by what other versions say.

        :param pieces: the blocks of that answer, and at the end the `Answer`
        """
        held: list[str] = []
        for piece in pieces:
            if isinstance(piece, Answer):
                answer = replace(piece, question=self._question, version=self._choice.version)
                other = self._of_others(answer)
                if other is None:
                    yield from held
                    yield from self._completed(answer)
                else:
                    yield from self._instead(other)
            elif self._is_extractive or piece.startswith(ABSTENTION):
                held.append(piece)
            else:
                yield piece

    def _completed(self, answer: Answer) -> Iterator[str | Answer]:
        if answer.answered and (others := self._differing(answer)):
            said = "\n".join(f"Version {other.version} says it differently: {other.url}" for other in others)
            yield said + "\n\n"
            answer = replace(answer, answer=f"{answer.answer}\n\n{said}", other_versions=tuple(others))
        yield answer

    def _of_others(self, answer: Answer) -> Answer | None:
        """Return the answer of the newest other version that has one where the chosen ones have none.

        An extract that is unsure, or lacks what the question quotes, is no answer to a question without a version if
        another version has one that is likelier.
        """
        if answer.answered and not self._may_be_given_up(answer):
            return None
        tried = _MOST_TRIED if answer.answered else len(self._choice.others)
        for version, editions in islice(_by_version(self._choice.others), tried):
            other = self._answered(self._searcher([edition.key for edition in editions]))
            page = self._page_of(other, version) if other.answered else None
            if page and (not answer.answered or self._is_likelier(other, page, answer)):
                return replace(other, version=version)
        return None

    def _may_be_given_up(self, answer: Answer) -> bool:
        if not self._is_extractive or self._choice.is_named:
            return False
        said = _spaced(answer.answer)
        return answer.score < _SURE or any(quote not in said for quote in _quotes(self._question))

    def _is_likelier(self, other: Answer, page: DocumentRow, answer: Answer) -> bool:
        """Return whether another version answers what the chosen ones do not: they lack its page, or what it says.

        :param page: that the other answer cites first
        """
        if self._alone_has_the_quote(other):
            return True
        likelier = other.score - answer.score
        if likelier < _LIKELIER_PAGE:
            return False
        same = self._same_pages(page)
        if not same:
            return True
        quotes = replace(other, answer="")
        is_new = all(unsaid(quotes, page, one) for one in same)
        return is_new and likelier >= _LIKELIER_TEXT and other.score >= _SURE

    def _alone_has_the_quote(self, other: Answer) -> bool:
        """Return whether the question quotes words that another version's answer has, and the chosen editions lack."""
        said = _spaced(other.answer)
        return any(quote in said for quote in self._lacking_quotes)

    @cached_property
    def _lacking_quotes(self) -> list[str]:
        """What the question quotes and the chosen editions lack."""
        search = self._searcher(self._choice.allowed).search
        return [
            quote
            for quote in _quotes(self._question)
            if not any(quote in _spaced(one.text) for one in search(quote, top_k=_COMPARED))
        ]

    def _same_pages(self, page: DocumentRow) -> list[DocumentRow]:
        """Return the same page in the chosen editions."""
        versions = [key.rpartition(" ")[2] for key in self._choice.allowed]
        near = self._searcher(self._choice.allowed).search(page.title, top_k=_COMPARED, per_document=1)
        rows = self._rows([*addresses(page, versions), *(one.url for one in near)])
        return [
            row
            for row in rows
            if is_same_page(page, row) and not {*versions}.isdisjoint(row.metadata.get("versions", ()))
        ]

    def _instead(self, other: Answer) -> Iterator[str | Answer]:
        """Yield the answer of another version; say before it that it is one."""
        asked = f"version {self._choice.version}" if self._choice.version else "the newest version"
        notice = f"The sources do not answer this for {asked}. This is from version {other.version}:"
        links = {one.url: OtherVersion(other.version or "", one.url, one.quote) for one in other.sources}
        yield notice + "\n\n"
        yield other.answer + "\n\n"
        yield replace(
            other,
            question=self._question,
            answer=f"{notice}\n\n{other.answer}",
            other_versions=tuple(links.values()),
        )

    def _page_of(self, answer: Answer, version: str) -> DocumentRow | None:
        """Return the first document of a version that an answer cites; None: unversioned ones were asked."""
        rows = self._rows(one.url for one in answer.sources)
        return next((row for row in rows if version in row.metadata.get("versions", ())), None)

    def _differing(self, answer: Answer) -> list[OtherVersion]:
        """Return the other versions of the cited pages that do not say what the answer says."""
        pages = [row for row in self._rows(one.url for one in answer.sources) if row.metadata.get("versions")]
        compared = [one for one in self._choice.compared if one.is_of_pages]
        found = (self._changed(answer, pages, version, editions) for version, editions in _by_version(compared))
        return [other for other in found if other]

    def _changed(
        self, answer: Answer, pages: Sequence[DocumentRow], version: str, editions: Sequence[Edition]
    ) -> OtherVersion | None:
        searcher = self._searcher([edition.key for edition in editions])
        results = searcher.search(self._choice.question, top_k=_COMPARED, per_document=2)
        there = [row for row in self._rows(one.url for one in results) if version in row.metadata.get("versions", ())]
        for page, other in ((page, row) for page in pages for row in there if is_same_page(page, row)):
            if not (changed := unsaid(answer, page, other)):
                continue
            near = [*results, *searcher.search(changed[0], top_k=_COMPARED, per_document=2)]
            said = counterpart(changed[0], [one for one in near if one.url.partition("#")[0] == other.url])
            url, quote = said or (other.url, "")
            return OtherVersion(version, url, quote)
        return None

    def _rows(self, urls: Iterable[str]) -> list[DocumentRow]:
        """Return the documents with these URLs, in their order."""
        pages = list(dict.fromkeys(url.partition("#")[0] for url in urls))
        rows = {row.url: row for row in self._documents(pages)}
        return [rows[page] for page in pages if page in rows]


def _quotes(question: str) -> list[str]:
    """Return what a question quotes, as `_spaced` writes it."""
    found = (_spaced("".join(groups)) for groups in _QUOTED.findall(question))
    return [quote for quote in found if len(quote.split()) >= _FEWEST_QUOTED]


def _spaced(text: str) -> str:
    """Return the words of a text, each between blanks."""
    return f" {' '.join(words_in_order(text.lower()))} "


def _by_version(editions: Sequence[Edition]) -> Iterator[tuple[str, list[Edition]]]:
    for version in dict.fromkeys(edition.version for edition in editions):
        yield version, [edition for edition in editions if edition.version == version]
