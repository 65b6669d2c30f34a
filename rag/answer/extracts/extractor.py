"""Extracts: answers without a language model, made of whole passages of the chunks, each with its marker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.answer.extracts.compose import LONG, Scored, chosen, led_by_best_page, shown
from rag.answer.extracts.features import Described, Surroundings, described, features, with_meaning
from rag.answer.extracts.likelihood import likelihood_features
from rag.answer.extracts.passages import Passage, passages
from rag.answer.extracts.ranking import Ranking
from rag.answer.extracts.scoring import Models, models
from rag.answer.extracts.talk import asks_for_outcome, is_talk
from rag.answer.question.asked import Asked, plain_terms
from rag.answer.question.subjects import NO_SUBJECT, Subject
from rag.search.results import SearchResult
from rag.search.searcher import mixed
from rag.store.search import Term
from rag.text.blocks import is_code

if TYPE_CHECKING:
    from rag.embedding import Encoder

__all__ = ["EMBEDDED", "Extract", "Extractor"]

#: How many passages are embedded, the best by their other features: embedding takes most of the time of an answer.
EMBEDDED = 16
# The probability of being right below which an answer shows more passages; larger for a follow-up, since what it refers
# to is a guess that the probability does not know of.
_SURE, _SURE_OF_FOLLOW_UP = 0.6, 0.75
# What the score of a passage gains if its page was cited before in the conversation.
_CITED = 0.6
# The longest text that is embedded, in characters; the model reads about as much.
_LONGEST_EMBEDDED = 1200


@dataclass(frozen=True, slots=True)
class Extract:
    """An answer made of passages."""

    #: Markdown, in which [n] counts the results from 1
    text: str
    #: how likely the answer is right, in [0, 1]
    score: float
    #: how likely the sources answer the question at all, in [0, 1]
    answerable: float
    #: the best block that is shown from each result, by its number
    best_blocks: dict[int, str]
    #: the results in the order of their best passages, without neighbours; those without a passage follow
    best_results: list[SearchResult]

    def shown_score(self, least: float) -> float:
        """Return the score; 0 if it is not shown, since the sources are less likely to answer than `least`."""
        return self.score if self.text and self.answerable >= least else 0.0


class Extractor:
    """Quotes the passages of retrieved chunks that answer a question.

    :param encoder: of the embedding model that compares question and passages
    :param weights: of the models that score; those that are shipped by default
    """

    def __init__(self, encoder: Encoder, weights: Models | None = None) -> None:
        self.encoder = encoder
        self._models = weights or models()

    def answer(self, question: str, results: Sequence[SearchResult], terms: Sequence[Term] = ()) -> str | None:
        """Return the best passages of results, each followed by [n]; n counts results from 1. None if there is none."""
        extract = self.extract(question, results, terms)
        return extract.text if extract else None

    def extract(
        self,
        question: str,
        results: Sequence[SearchResult],
        terms: Sequence[Term] = (),
        subject: Subject = NO_SUBJECT,
    ) -> Extract | None:
        """Return an answer with its score; None if no result has a passage.

        :param results: in which neighbours stand beside the chunk that they complete
        :param terms: of the question, with their weights; as `Searcher.terms` returns them
        :param subject: of the conversation that the question goes on
        """
        ranking = self.ranking(question, results, terms, subject=subject)
        taken = chosen(ranking.scored, ranking.asked)
        if not taken:
            return None
        about = likelihood_features(ranking, taken, results)
        is_long = self._models.right.probability(about) < (_SURE_OF_FOLLOW_UP if subject.words else _SURE)
        if is_long:
            taken = chosen(ranking.scored, ranking.asked, LONG)
        taken = led_by_best_page(taken, ranking.scored)
        return Extract(
            shown([one.passage for one in taken]),
            score=self._models.likelihood(about, is_long=is_long),
            answerable=self._models.answerable.probability(about),
            best_blocks=_best_blocks([one.passage for one in taken]),
            best_results=_in_order(ranking, results),
        )

    def ranking(
        self,
        question: str,
        results: Sequence[SearchResult],
        terms: Sequence[Term] = (),
        *,
        embedded: int | None = EMBEDDED,
        subject: Subject = NO_SUBJECT,
    ) -> Ranking:
        """Return the passages that are compared by meaning, best first.

        :param embedded: how many passages are compared by meaning; None to return all, compared by words only
        :param subject: as in `extract`
        """
        asked = Asked.of(question, subject.added_to(terms or plain_terms(question)))
        keeps_talk = asks_for_outcome(question)
        found = [described(asked, passage) for passage in passages(results) if keeps_talk or not is_talk(passage)]
        around = Surroundings.of(results, found)
        rows = [features(asked, one, around) for one in found]
        first = self._models.first
        bonus = [_CITED * subject.has(one.passage.result.url) for one in found]
        best = sorted(range(len(found)), key=lambda place: -first.score(rows[place]) - bonus[place])[:embedded]
        if embedded is None:
            full = [rows[place] for place in best]
            scores = [first.score(row) for row in full]
        else:
            cosines = self._cosines(question, subject, [found[place] for place in best])
            full = with_meaning([found[place] for place in best], [rows[place] for place in best], cosines)
            scores = [self._models.second.score(row) + bonus[place] for place, row in zip(best, full, strict=True)]
        order = sorted(range(len(best)), key=lambda place: -scores[place])
        return Ranking(
            asked,
            [_scored(scores[place], found[best[place]]) for place in order],
            [full[place] for place in order],
            [found[best[place]] for place in order],
        )

    def _cosines(self, question: str, subject: Subject, found: Sequence[Described]) -> list[float]:
        texts = [f"{one.passage.path}\n{one.passage.text}"[:_LONGEST_EMBEDDED] for one in found]
        about = [subject.text] if subject.words else []
        asked, *vectors = self.encoder.encode_queries([question, *about, *texts])
        if about:
            asked = mixed(asked, vectors.pop(0))
        return [float(asked @ vector) for vector in vectors]


def _scored(score: float, one: Described) -> Scored:
    return Scored(score, one.passage, one.found, one.tells)


def _in_order(ranking: Ranking, results: Sequence[SearchResult]) -> list[SearchResult]:
    first = {one.passage.result.chunk_id: one.passage.result for one in ranking.scored}
    return [*first.values(), *(one for one in results if one.chunk_id not in first and not one.is_neighbour)]


def _best_blocks(taken: Sequence[Passage]) -> dict[int, str]:
    """Return for each result the last prose block of its best passage, or else its last block."""
    found: dict[int, str] = {}
    for passage in taken:
        for block in sorted(passage.blocks, key=lambda block: is_code(block.text)):
            for number in block.numbers:
                found.setdefault(number, block.text)
    return found
