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
from rag.answer.notices import without_notices
from rag.search.editions import Choice
from rag.search.searcher import Searcher
from rag.store.documents import DocumentRow, Edition
from rag.text.citations import MARKERS
from rag.text.sentences import sentences
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
# What it names as code does: dcosToken, stats_temp_directory, --no-sync.
_NAME = re.compile(r"(?<![\w-])(?:[A-Za-z]+[a-z][A-Z]\w*|[^\W_]+_\w+|--[a-z]+(?:-[a-z]+)+)(?![\w-])")
# A sentence with fewer words may stand anywhere.
_FEWEST_SAID = 8


class Versioned:
    """Answers a question from the chosen editions, and then says what the others have.

    :param question: as it was asked, with the version that it may name
    :param searcher: returns a searcher of these editions only
    :param answered: returns the answer of a searcher
    :param closest: returns the closest passages of a searcher, however unlikely it is that they answer
    :param documents: returns the documents with these ids or URLs
    :param is_extractive: whether answers are extracts, which are complete before their first block is shown
    """

    def __init__(
        self,
        choice: Choice,
        question: str,
        searcher: Callable[[Sequence[str]], Searcher],
        answered: Callable[[Searcher], Answer],
        closest: Callable[[Searcher], Answer],
        documents: Callable[[Sequence[str]], list[DocumentRow]],
        *,
        is_extractive: bool,
    ) -> None:
        self._choice = choice
        self._question = question
        self._searcher = searcher
        self._answered = answered
        self._closest = closest
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
                elif own := self._own(answer, other):
                    yield from held if own is answer else (own.answer + "\n\n",)
                    yield from self._completed(own)
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
        another version has one that is likelier. If no version answers, one that alone has what is quoted is shown.
        """
        if answer.answered and not self._may_be_given_up(answer):
            return None
        tried = _MOST_TRIED if answer.answered else len(self._choice.others)
        for version, editions in islice(_by_version(self._choice.others), tried):
            searcher = self._searcher([edition.key for edition in editions])
            other = self._answered(searcher)
            if not (answer.answered or other.answered) and self._is_extractive and self._lacking_quotes:
                closest = self._closest(searcher)
                other = closest if self._alone_has_the_quote(closest) else other
            page = self._page_of(other, version) if other.answered else None
            if page and (not answer.answered or self._is_likelier(other, page, answer)):
                return replace(other, version=version)
        return None

    def _own(self, answer: Answer, other: Answer) -> Answer | None:
        """Return what the chosen editions say, if they have the text that another version's answer begins with.

        Then the notice that the sources do not answer this for the chosen version would be wrong, unless the other one
        says more, as far as the scores tell.
        """
        if (
            not self._is_extractive
            or _says_more(other, answer)
            or not any(all(map(self._has, texts)) for texts in _beginnings(other))
        ):
            return None
        if answer.answered:
            return answer
        closest = self._closest(self._searcher(self._choice.allowed))
        if not closest.answered:
            return None
        return replace(closest, question=self._question, version=self._choice.version)

    def _may_be_given_up(self, answer: Answer) -> bool:
        if not self._is_extractive or self._choice.is_named:
            return False
        return answer.score < _SURE or bool(self._lacking_quotes)

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
        return is_new and _says_more(other, answer)

    def _alone_has_the_quote(self, other: Answer) -> bool:
        """Return whether the question quotes words that another version's answer has, and the chosen editions lack."""
        said = _spaced(other.answer)
        return any(quote in said for quote in self._lacking_quotes)

    @cached_property
    def _lacking_quotes(self) -> list[str]:
        """What the question quotes and the chosen editions lack."""
        return [quote for quote in _quotes(self._question) if not self._has(quote)]

    def _has(self, text: str) -> bool:
        """Return whether the chosen editions have a text.

        :param text: as `_spaced` writes it
        """
        found = self._searcher(self._choice.allowed).search(text, top_k=_COMPARED)
        return any(text in _spaced(row.text) for row in self._rows(one.url for one in found))

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


def _says_more(other: Answer, answer: Answer) -> bool:
    """Return whether another version's answer is so much likelier that it has what the chosen editions lack."""
    return other.score >= _SURE and other.score - answer.score >= _LIKELIER_TEXT


def _beginnings(answer: Answer) -> list[list[str]]:
    """Return what an extract begins with, as `_spaced` writes it: the quote of its citation, and the long sentences."""
    lead = MARKERS.sub(" ", without_notices(answer.answer).strip().split("\n\n")[0])
    beginnings = [[answer.sources[0].quote], sentences(lead, lines=True)]
    long = ([text for text in map(_spaced, texts) if len(text.split()) >= _FEWEST_SAID] for texts in beginnings)
    return [texts for texts in long if texts]


def _quotes(question: str) -> list[str]:
    """Return what a question quotes, and the names of code in it, as `_spaced` writes them."""
    quotes = (_spaced("".join(groups)) for groups in _QUOTED.findall(question))
    names = map(_spaced, _NAME.findall(question))
    return [*(quote for quote in quotes if len(quote.split()) >= _FEWEST_QUOTED), *names]


def _spaced(text: str) -> str:
    """Return the words of a text, each between blanks."""
    return f" {' '.join(words_in_order(text.lower()))} "


def _by_version(editions: Sequence[Edition]) -> Iterator[tuple[str, list[Edition]]]:
    for version in dict.fromkeys(edition.version for edition in editions):
        yield version, [edition for edition in editions if edition.version == version]
