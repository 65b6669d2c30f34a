"""Retrieve, answer with citations, and check every sentence; or say that the sources do not answer the question.

With a language model, it writes the answer from numbered chunks; without one, the answer is extracts, quoted from the
chunks. Either way every marker, link and quote points to a retrieved chunk, and a sentence that a language model writes
is shown only if the chunks that it cites support it.

Free of LlamaIndex, whose import takes longer than an extractive answer; `rag.answer.query_engine` is its LlamaIndex
face, and only `rag.answer.written.writer` needs a language model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rag.answer.answer import Answer, Note, Turn
from rag.answer.draft import Draft, first_of_pages, nearest
from rag.answer.extracts.extractor import EMBEDDED, Extract, Extractor
from rag.answer.extracts.ranking import Ranking
from rag.answer.notices import ABSTENTION, CLOSEST, language_hint
from rag.answer.question.asked import refers_to_before
from rag.answer.question.corrections import Correction, corrected
from rag.answer.question.subjects import NO_SUBJECT, Subject, begins_anew, subject_of, without_opening
from rag.answer.retrieval import Retrieval
from rag.answer.written.part import Part
from rag.errors import LLMError
from rag.search.results import SearchResult
from rag.search.searcher import Searcher
from rag.store.search import Term
from rag.text.languages import is_in_another_language

if TYPE_CHECKING:
    from rag.answer.written.writer import AnswerWriter

__all__ = ["ABSTENTION", "CLOSE", "CLOSEST", "SHOWN", "Answerer"]

log = logging.getLogger(__name__)

# The lowest probability that the sources answer a question with which a language model is asked. It can still decline.
_ASKED = 0.5
# The probability is fitted on English, and tells little of other languages. There the language model decides, and what
# it writes is checked.
_ASKED_IN_ANOTHER_LANGUAGE = 0.2
# The lowest score of a best result with which a question that names no subject is about what is found.
_ALONE = 0.7
#: The lowest probability that the sources answer a question with which an extract is shown.
SHOWN = 0.7
#: The probability of being right below which an extract is called the closest passage.
CLOSE = 0.5
# The probability of being right below which a question with an unknown word is also answered as the index spells it.
_TRUSTED = 0.6
# How many pages an abstention lists.
_NEAREST = 3


class Answerer:
    """Answers questions from the chunks that a searcher finds.

    :param extractor: answers if `writer` is None
    :param writer: writes the answer with a language model
    :param llm_name: reported with each answer
    :param embedding_model: reported with each answer
    :param threshold: it does not ask the language model if the sources answer with a lower probability, in [0, 1]
    :param shown: without a language model, it abstains if the sources answer with a lower probability, in [0, 1]
    :param top_k: the number of chunks that an answer draws on
    :param source: search this source only
    """

    def __init__(
        self,
        searcher: Searcher,
        extractor: Extractor,
        *,
        writer: AnswerWriter | None,
        llm_name: str,
        embedding_model: str,
        threshold: float = _ASKED,
        shown: float = SHOWN,
        top_k: int = 8,
        source: str | None = None,
    ) -> None:
        self._searcher = searcher
        self._extractor = extractor
        self._writer = writer
        self._llm_name = llm_name
        self._embedding_model = embedding_model
        self._threshold = threshold
        self._shown = shown
        self._top_k = top_k
        self._retrieval = Retrieval(searcher, top_k=top_k, source=source)

    def answer(self, question: str, *, history: Sequence[Turn] = ()) -> Answer:
        """Answer a question.

        :param history: earlier turns of the conversation, which a follow-up may refer to
        :raises LLMError: the language model fails, and no passage can be quoted instead
        """
        return self.answer_with_results(question, history=history)[0]

    def answer_with_results(self, question: str, *, history: Sequence[Turn] = ()) -> tuple[Answer, list[SearchResult]]:
        """Answer a question; return also the search results that the citations are of, in their order.

        Parameters and errors are those of `answer`.
        """
        return _returned(self._stream(question, history, streaming=False))

    def stream(self, question: str, *, history: Sequence[Turn] = ()) -> Iterator[str | Answer]:
        """Yield the parts of the answer, each after its check, and then the complete `Answer`.

        A part is a sentence or more; joined, they are the answer. What became of a failed language model is a `Note`.

        :raises LLMError: the language model fails, and no passage can be quoted instead
        """
        answer, _ = yield from self._stream(question, history, streaming=True)
        yield answer

    def _about(self, question: str, history: Sequence[Turn]) -> tuple[str, Subject]:
        """Return a question as it is answered, and the subject of the conversation that it goes on.

        A language model rewrites a follow-up as a standalone question. Without one, or if it does not rewrite it, the
        subject is searched for, too, unless the question is about something else.
        """
        if not history:
            return question, NO_SUBJECT
        if begins_anew(question):
            return without_opening(question), NO_SUBJECT
        if self._writer is not None and (rewritten := self._writer.standalone(question, history)):
            return rewritten, NO_SUBJECT
        subject = subject_of(question, history, self._searcher.terms)
        if not refers_to_before(question) and not self._is_within(question, subject):
            return question, NO_SUBJECT
        # A language model answers what it is asked.
        return (question if self._writer is None else f"{subject.text} {question}"), subject

    def _is_within(self, question: str, subject: Subject) -> bool:
        """Return whether a question that refers to nothing is about a subject: its best passage is on a cited page.

        If no page is known, it is about the subject if it finds nothing alone.
        """
        if not subject.pages:
            return not any(result.score >= _ALONE for result in self._retrieval.best(question))
        found = self._retrieval.found(question, subject)
        ranking = self._extractor.ranking(question, found, self._searcher.terms(question), subject=subject)
        return bool(ranking.scored) and subject.has(ranking.scored[0].passage.result.url)

    def _stream(
        self, question: str, history: Sequence[Turn], *, streaming: bool
    ) -> Generator[str, None, tuple[Answer, list[SearchResult]]]:
        started = time.perf_counter()
        asked, subject = self._about(question, history)
        found = self._retrieval.found(asked, subject)
        retrieved = time.perf_counter()
        draft = Draft(found, asked, subject)
        if self._writer is None:
            draft = self._best_extract(draft)
        yield from self._written_into(draft, streaming=streaming)
        abstention = ""
        if not draft.numbers:
            draft, abstention = yield from self._corrected(draft, streaming=streaming)
        elif not (draft.is_written or draft.notices) and (correction := self._correction(draft)):
            draft.blocks.append(correction.offer)
            yield correction.offer + "\n\n"
        answered = bool(draft.numbers)
        if draft.note:
            draft.blocks.append(draft.note)
            yield Note(draft.note + "\n\n")
        used = draft.used if answered else first_of_pages(found, _NEAREST)
        if not answered:
            yield abstention
        done = time.perf_counter()
        text = draft.text if answered else abstention
        answer = Answer(
            question=question,
            answered=answered,
            answer=text,
            sources=draft.citations() if answered else nearest(draft.shown(used), asked),
            embedding_model=self._embedding_model,
            llm=self._llm_name,
            note=draft.note,
            timings={
                "retrieve": round(retrieved - started, 4),
                "answer": round(done - retrieved, 4),
                "total": round(done - started, 4),
            },
            score=round(draft.score, 4),
        )
        return answer, used

    def _written_into(self, draft: Draft, *, streaming: bool) -> Iterator[str]:
        """Write the answer to a draft's question, and yield what is displayed; nothing if there is none."""
        above = "".join(f"{notice}\n\n" for notice in draft.notices)
        for part in self._parts(draft.question, draft, streaming=streaming):
            if shown := draft.add(part):
                yield above + shown
                above = ""
        if draft.is_open:  # the language model failed
            yield draft.add(Part(""))
        if draft.numbers:
            for block in draft.verdicts():
                yield draft.add(Part(block))

    def _corrected(self, declined: Draft, *, streaming: bool) -> Generator[str, None, tuple[Draft, str]]:
        """Answer a declined question with its words as the index spells them, and yield what is displayed.

        :returns: the draft of the answer, or the declined draft and what the abstention says
        """
        if hint := language_hint(declined.question, self._terms(declined), self._embedding_model):
            return declined, f"{ABSTENTION} {hint}"
        correction = self._correction(declined)
        if correction is None:
            return declined, ABSTENTION
        if self._writer is not None:
            draft = self._in_words_of(correction, declined)
            yield from self._written_into(draft, streaming=streaming)
            if draft.numbers:
                return draft, ""
        return declined, f"{ABSTENTION} {correction.offer}"

    def _best_extract(self, draft: Draft) -> Draft:
        """Return a draft with its extract, or that of the corrected question if it is shown and the likelier one."""
        draft.extract = self._extract(draft)
        likelihood = draft.extract.shown_score(self._shown) if draft.extract else 0.0
        correction = self._correction(draft) if likelihood < _TRUSTED else None
        if correction is None:
            return draft
        other = self._in_words_of(correction, draft)
        other.extract = self._extract(other)
        return other if other.extract and other.extract.shown_score(self._shown) > likelihood else draft

    def _in_words_of(self, correction: Correction, draft: Draft) -> Draft:
        found = self._retrieval.found(correction.question, draft.subject)
        return Draft(found, correction.question, draft.subject, notices=[correction.notice])

    def _correction(self, draft: Draft) -> Correction | None:
        return corrected(draft.question, self._terms(draft), self._searcher, self._is_word)

    def _terms(self, draft: Draft) -> Sequence[Term]:
        """Return the terms of a draft's question, which are looked up once."""
        if not draft.terms:
            draft.terms = self._searcher.terms(draft.question)
        return draft.terms

    def _is_word(self, word: str) -> bool:
        """Return whether the embedding model knows a word as a whole: then it is no misspelt one."""
        return self._extractor.encoder.count_tokens(word) == 1

    def ranking(self, question: str, *, embedded: int | None = EMBEDDED) -> tuple[Ranking, list[SearchResult]]:
        """Return the ranked passages for a question, and the results that they are of.

        :param embedded: as in `Extractor.ranking`
        """
        results = self._retrieval.whole(self._retrieval.found(question))
        return self._extractor.ranking(question, results, self._searcher.terms(question), embedded=embedded), results

    def _extract(self, draft: Draft) -> Extract | None:
        """Return the extract of the draft's results, which get the neighbours that complete them."""
        draft.results = draft.shown(self._retrieval.whole(draft.results))
        return self._extractor.extract(draft.question, draft.results, self._terms(draft), draft.subject)

    def _context(self, best: Sequence[SearchResult]) -> list[SearchResult]:
        """Return the chunks that a language model reads: those with the best passages, with their neighbours."""
        ranked = [replace(result, rank=rank) for rank, result in enumerate(best[: self._top_k], start=1)]
        return self._retrieval.whole(ranked)

    def _parts(self, question: str, draft: Draft, *, streaming: bool) -> Iterator[Part]:
        """Yield the parts of an answer, whose markers count the draft's results; the text of some is empty.

        If the language model fails, or nothing that it writes holds, they are extracts, and the draft says why.

        :raises LLMError: there are no extracts either
        """
        if self._writer is None:
            yield from map(Part, self._extracted(draft, least=self._shown))
            return
        found = draft.results
        extract = self._extract(draft)
        if extract is None or extract.answerable < self._least(question):
            return
        failure = yield from self._written(self._writer, question, draft, extract, streaming=streaming)
        if failure is None:
            return
        draft.is_written = False
        draft.note = f"This answer is quoted from the sources, because {_reason(failure)}."
        draft.results = found  # the extracts are made anew, without addresses that may not be shown
        extracts = list(self._extracted(draft, least=0.0))
        if not extracts:
            raise failure
        yield from map(Part, extracts)

    def _least(self, question: str) -> float:
        """Return the least probability at which the language model is asked."""
        is_other = is_in_another_language(question)
        return min(self._threshold, _ASKED_IN_ANOTHER_LANGUAGE) if is_other else self._threshold

    def _written(
        self, writer: AnswerWriter, question: str, draft: Draft, extract: Extract, *, streaming: bool
    ) -> Generator[Part, None, LLMError | None]:
        """Yield the parts that the language model writes, with what the sources support of each.

        :returns: why there are none, although it did not decline to answer
        """
        from rag.answer.written.checking import checked
        from rag.answer.written.grounding import GroundingChecker

        draft.results = self._context(extract.best_results)
        checker = GroundingChecker(self._extractor.encoder, draft.results, question)
        draft.is_written, draft.addresses = True, checker.known
        draft.score = max(result.score for result in draft.results)
        failure: LLMError | None = None
        try:
            written = writer.write(question, draft.results, streaming=streaming)
            yield from checked(written, checker, draft)
        except LLMError as error:
            log.warning("%s", error)
            failure = error
        if failure and draft.numbers:
            draft.note = f"The answer ends here, because {_reason(failure)}."
        if draft.numbers or (draft.is_declined and not failure):
            return None
        return failure or LLMError(f"What {self._llm_name} wrote is not supported by the sources.")

    def _extracted(self, draft: Draft, *, least: float) -> Iterator[str]:
        """Yield extracts of the draft's results, if the sources answer the question with at least this probability."""
        if not draft.results:
            return
        extract = draft.extract or self._extract(draft)
        draft.score = extract.score if extract else 0.0
        if extract and extract.shown_score(least) > 0:
            draft.passages = extract.best_blocks
            if extract.score < CLOSE:
                yield CLOSEST
            yield extract.text


def _returned(
    stream: Generator[str, None, tuple[Answer, list[SearchResult]]],
) -> tuple[Answer, list[SearchResult]]:
    """Run a stream to its end and return its value."""
    while True:
        try:
            next(stream)
        except StopIteration as stop:
            value: tuple[Answer, list[SearchResult]] = stop.value
            return value


def _reason(error: LLMError) -> str:
    """Return the first sentence of an error's message, to be put into another sentence."""
    first = str(error).partition(". ")[0].rstrip(".")
    return first[:1].lower() + first[1:] if first.startswith(("What ", "The ")) else first
