"""Features: the numbers by which a report and an earlier issue are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rag.triage.candidates.corpus import WAYS, Corpus, Found, Report
from rag.triage.history import History, Issue

__all__ = ["FEATURES", "RISING", "features"]

_DAY = 86_400.0
# The five rarest words of a report have about this in a large repository.
_RARE = 40

#: In the order of the columns. "relative" is to the best candidate, "own" to what the report scores against itself.
FEATURES = (
    *(f"{way}, own" for way in WAYS),
    *(f"{way}, relative" for way in WAYS),
    *(f"{way}, rank" for way in WAYS),
    "agreement",
    "shared names",
    "shared names, of theirs",
    "shared errors",
    "no names",
    "rare words",
    "log days apart",
    "same author",
    "is open",
    "log days since closing",
    "log days since last comment",
    "log comments",
    "log earlier duplicates",
    "length of the report",
    "length of the issue",
    "gap to the next",
    # To the rarest word that there can be: among few issues, no word is rare.
    "rare words, relative",
)


#: Which features may only speak for the same problem: the more alike, the likelier. The last place is the bias.
RISING = np.array(
    [name.split(", ")[0] in (*WAYS, "agreement", "shared names", "shared errors", "rare words") for name in FEATURES]
    + [False]
)


def features(
    corpus: Corpus, history: History, report: Report, asked: Issue, found: Found, duplicates: dict[int, int]
) -> NDArray[np.float64]:
    """Return the features of each candidate, shape (candidates, features).

    :param asked: the issue that the report is of; only its author and the time that it was opened at are read
    :param duplicates: how many duplicates each issue had at that time, by number
    """
    if not len(found.places):
        return np.zeros((0, len(FEATURES)))
    own = found.scores / np.maximum(found.itself, 1e-6)
    relative = found.scores / np.maximum(found.best, 1e-6)
    ranks = (-found.scores).argsort(0).argsort(0)
    upto = corpus.before(asked.opened)
    rarest = corpus.words.largest_idf(upto)
    rarity = {term: corpus.words.idf(term, upto) for term in report.both_terms}
    shared = [_shared(report, corpus.reports[place], rarity) for place in found.places]
    rows = [
        [
            *own[row],
            *relative[row],
            *(1 / (1 + ranks[row])),
            float((ranks[row] == 0).mean()),
            *shared[row],
            *_of_issue(asked, corpus.issues[place], duplicates),
            math.log1p(report.both_terms.total()),
            math.log1p(corpus.reports[place].both_terms.total()),
            _gap(relative, row),
            shared[row][-1] * _RARE / (5 * rarest),
        ]
        for row, place in enumerate(found.places)
    ]
    return np.array(rows, np.float64)


def _gap(relative: NDArray[np.floating], row: int) -> float:
    """Return by how much the candidate's mean relative score exceeds that of the best other one; at most 0 if none."""
    means = relative.mean(1)
    others = np.delete(means, row)
    return float(means[row] - others.max()) if len(others) else 0.0


def _shared(report: Report, other: Report, rarity: Mapping[str, float]) -> tuple[float, float, float, float, float]:
    both = report.names & other.names
    errors = report.errors & other.errors
    rare = sorted((rarity[term] for term in rarity.keys() & other.both_terms.keys()), reverse=True)
    return (
        len(both) / (len(report.names) + 1),
        len(both) / (len(other.names) + 1),
        min(len(errors), 3) / 3,
        float(not report.names),
        sum(rare[:5]) / _RARE,
    )


def _of_issue(asked: Issue, issue: Issue, duplicates: dict[int, int]) -> tuple[float, ...]:
    at = asked.opened
    is_open = issue.is_open(at)
    comments = issue.commented(at)
    last = issue.comments[comments - 1] if comments else issue.opened
    return (
        _log_days(at - issue.opened),
        float(asked.author == issue.author),
        float(is_open),
        0.0 if is_open or issue.closed is None else _log_days(at - issue.closed),
        _log_days(at - last),
        math.log1p(comments),
        math.log1p(duplicates.get(issue.number, 0)),
    )


def _log_days(seconds: float) -> float:
    return math.log1p(max(seconds, 0.0) / _DAY)
