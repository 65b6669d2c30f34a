"""Rank: the candidates of a report, each followed to its root, with the probability that it is the same problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag.triage.candidates.corpus import Corpus, Report
from rag.triage.candidates.features import features
from rag.triage.history import History, Issue
from rag.triage.model.logit import Example, Model

__all__ = ["Ranked", "Ranker", "Scored"]


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate of a report, before the candidates are followed to their roots."""

    numbers: Sequence[int]
    example: Example


@dataclass(frozen=True, slots=True)
class Ranked:
    """An issue, and how likely it is the same problem."""

    number: int
    probability: float


class Ranker:
    """Compares reports with the issues opened before them.

    :param corpus: the issues, series of sub-tasks included
    """

    def __init__(self, corpus: Corpus, history: History) -> None:
        self.corpus = corpus
        self.history = history
        declared = sorted(
            (one.at, one.number, issue.number) for issue in corpus.issues for one in issue.declarations[-1:]
        )
        self._declared = declared

    def compared(self, asked: Issue, *, place: int | None = None) -> Scored:
        """Return the candidates of an issue with their features, by what was known when it was opened.

        :param place: of the issue in the corpus; None: it is not there
        """
        corpus, history = self.corpus, self.history
        if place is None:
            report = Report.of(asked.title, asked.body, corpus.boilerplate)
            vectors, upto = corpus.vectors_of(report), corpus.before(asked.opened)
        else:
            report, vectors, upto = corpus.reports[place], corpus.vectors(place), place
        found = corpus.candidates(report, vectors, upto)
        numbers = [corpus.issues[one].number for one in found.places]
        rows = features(corpus, history, report, asked, found, self._duplicates_at(asked.opened))
        same = np.array(
            [place is not None and history.is_confirmed(asked.number, number) for number in numbers], np.bool_
        )
        return Scored(numbers, Example(rows, same))

    def ranked(self, scored: Scored, model: Model, at: float) -> list[Ranked]:
        """Return the roots of candidates, the most likely first; a root has the probabilities of all its duplicates."""
        total: dict[int, float] = {}
        for number, probability in zip(scored.numbers, model.probabilities(scored.example.rows), strict=True):
            root = self.history.root(number, at)
            total[root] = total.get(root, 0.0) + float(probability)
        likely = sorted(total.items(), key=lambda one: (-one[1], one[0]))
        calibrated = model.calibration(np.array([one for _, one in likely]))
        return [Ranked(number, float(one)) for (number, _), one in zip(likely, calibrated, strict=True)]

    def _duplicates_at(self, at: float) -> dict[int, int]:
        counts: dict[int, int] = {}
        for when, number, _ in self._declared:
            if when >= at:
                break
            counts[number] = counts.get(number, 0) + 1
        return counts
