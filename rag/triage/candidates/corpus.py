"""The issues of a source, cleaned, as vectors and as words: candidates are found among those opened before one."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.text.reports import clean_body, clean_title, error_lines, identifiers, repeated_lines
from rag.triage.candidates.lexical import Lexical, terms
from rag.triage.history import Issue

__all__ = ["WAYS", "Corpus", "Found", "Report"]

Vectors = NDArray[np.float32]
#: Embeds texts: shape (len(texts), dimension), unit length.
Encode = Callable[[Sequence[str]], Vectors]

#: The ways in which two reports are compared: by vectors and by words, of the title, of the body and of both.
WAYS = ("title vector", "body vector", "both vectors", "crossed vectors", "title words", "both words", "title in both")
# How many candidates each way adds.
_EACH = 15
# In characters: the beginning of a body says what it is about; the rest costs time, and its words count all the same.
_EMBEDDED = 500
_SERIES = 4


@dataclass(frozen=True, slots=True)
class Report:
    """An issue without what all issues of its repository have."""

    title: str
    body: str
    title_terms: Counter[str]
    both_terms: Counter[str]
    names: frozenset[str]
    errors: frozenset[str]

    @classmethod
    def of(cls, title: str, body: str, boilerplate: frozenset[str]) -> Report:
        """Clean a title and a body."""
        title, body = clean_title(title), clean_body(body, boilerplate)
        text = f"{title}\n{body}"
        title_terms = terms(title)
        return cls(
            title,
            body,
            title_terms,
            title_terms + terms(body),
            frozenset(identifiers(text)),
            frozenset(error_lines(text)),
        )


@dataclass(frozen=True, slots=True)
class Found:
    """The candidates for one report: places in the corpus, and how each compares, by the ways of `WAYS`."""

    places: NDArray[np.intp]
    #: shape (candidates, ways)
    scores: Vectors
    #: the largest score of each way among the candidates, and what the report would score against itself
    best: Vectors
    itself: Vectors


class Corpus:
    """The issues of a source, in the order in which they were opened.

    :param encode: embeds the titles and bodies
    :param templates: the texts of the repository's issue templates
    """

    def __init__(self, issues: Sequence[Issue], encode: Encode, templates: Sequence[str] = ()) -> None:
        self.issues = sorted(issues, key=lambda issue: (issue.opened, issue.number))
        self.boilerplate = repeated_lines((issue.body for issue in self.issues), templates)
        self.reports = [Report.of(issue.title, issue.body, self.boilerplate) for issue in self.issues]
        self._encode = encode
        self._opened = [issue.opened for issue in self.issues]
        self._titles = encode([report.title for report in self.reports])
        self._bodies = self._embedded_bodies(self.reports, self._titles)
        self._both = _unit(self._titles + self._bodies)
        self._title_words = Lexical([report.title_terms for report in self.reports])
        self.words = Lexical([report.both_terms for report in self.reports])
        self._series = [
            _series_keys(issue.author, report.title) for issue, report in zip(self.issues, self.reports, strict=True)
        ]
        self._in_series: dict[str, list[int]] = {}
        for place, keys in enumerate(self._series):
            for key in keys:
                self._in_series.setdefault(key, []).append(place)

    def __len__(self) -> int:
        return len(self.issues)

    def place(self, number: int) -> int | None:
        """Return the place of an issue; None if it is not there."""
        return next((place for place, issue in enumerate(self.issues) if issue.number == number), None)

    def before(self, at: float) -> int:
        """Return how many issues were opened before a time."""
        return bisect_left(self._opened, at)

    def is_sub_task(self, author: str, title: str, upto: int) -> bool:
        """Return whether an author has opened several issues before whose titles differ in one word only."""
        keys = _series_keys(author, clean_title(title))
        return any(bisect_left(self._in_series.get(key, ()), upto) >= _SERIES - 1 for key in keys)

    def vectors(self, place: int) -> tuple[Vectors, Vectors]:
        """Return the vectors of the title and the body of an issue of the corpus."""
        return self._titles[place], self._bodies[place]

    def vectors_of(self, report: Report) -> tuple[Vectors, Vectors]:
        """Return the vectors of the title and the body of any report."""
        title = self._encode([report.title])
        return title[0], self._embedded_bodies([report], title)[0]

    def candidates(self, report: Report, vectors: tuple[Vectors, Vectors], upto: int) -> Found:
        """Return the issues among the first `upto` that are most like a report, found in every way."""
        title, body = vectors
        scores = np.stack(
            [
                self._titles[:upto] @ title,
                self._bodies[:upto] @ body,
                self._both[:upto] @ _unit(title + body),
                np.maximum(self._titles[:upto] @ body, self._bodies[:upto] @ title),
                self._title_words.scores(report.title_terms, upto),
                self.words.scores(report.both_terms, upto),
                self.words.scores(report.title_terms, upto),
            ],
            axis=1,
        )
        chosen: set[int] = set()
        for way in range(len(WAYS)):
            most = min(_EACH, upto)
            chosen.update(np.argpartition(-scores[:, way], most - 1)[:most].tolist() if most else ())
        places = np.array(sorted(chosen), np.intp)
        itself = np.array([1, 1, 1, 1, *self._own_scores(report, upto)], np.float32)
        best = scores[places].max(0) if len(places) else np.zeros(len(WAYS), np.float32)
        return Found(places, scores[places], best, itself)

    def _own_scores(self, report: Report, upto: int) -> tuple[float, float, float]:
        """Return about what a report scores by words against itself."""

        def total(lexical: Lexical, query: Counter[str]) -> float:
            return sum(lexical.idf(term, upto) * min(count, 3) for term, count in query.items()) or 1.0

        return (
            total(self._title_words, report.title_terms),
            total(self.words, report.both_terms),
            total(self.words, report.title_terms),
        )

    def _embedded_bodies(self, reports: Sequence[Report], titles: Vectors) -> Vectors:
        """Return the vectors of bodies; an empty body is as its title."""
        filled = [place for place, report in enumerate(reports) if report.body]
        vectors = np.array(titles)
        if filled:
            vectors[filled] = self._encode([reports[place].body[:_EMBEDDED] for place in filled])
        return vectors


def _unit(vectors: Vectors) -> Vectors:
    lengths: Vectors = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
    return vectors / lengths


def _series_keys(author: str, title: str) -> list[str]:
    words = title.lower().split()
    if not 4 <= len(words) <= 20:
        return []
    return [f"{author}\0{' '.join([*words[:place], '*', *words[place + 1 :]])}" for place in range(len(words))]
