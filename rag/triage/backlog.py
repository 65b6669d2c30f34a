"""The backlog: open issues that report one problem, and open issues that the documentation answers by now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.triage.commenting.read import answering_pages
from rag.triage.triage import Triage
from rag.triage.verdict import Verdict

__all__ = ["Answered", "Backlog", "Cluster", "backlog"]

# Without a calibration: a probability that is wrong less often than right.
_LIKELY = 0.5
# The least score of an answer that is listed. A reader judges it, so it is lower than that of a comment's.
_WORTH_READING = 0.6


@dataclass(frozen=True, slots=True)
class Cluster:
    """Open issues that report one problem, the oldest first."""

    issues: tuple[tuple[int, str, str], ...]
    #: the least probability by which one of them joined
    probability: float

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.triage --backlog --json` prints."""
        issues = [{"number": number, "title": title, "url": url} for number, title, url in self.issues]
        return {"issues": issues, "probability": round(self.probability, 4)}


@dataclass(frozen=True, slots=True)
class Answered:
    """An open issue, and the page that answers it by now."""

    number: int
    title: str
    url: str
    page: str
    #: how likely the answer is right, in [0, 1]
    score: float

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.triage --backlog --json` prints."""
        about = {"number": self.number, "title": self.title, "url": self.url}
        return {**about, "page": self.page, "score": round(self.score, 4)}


@dataclass(frozen=True, slots=True)
class Backlog:
    """What could be closed by hand; nothing is posted."""

    open: int
    clusters: Sequence[Cluster]
    #: the likeliest first
    answered: Sequence[Answered]

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.triage --backlog --json` prints."""
        return {
            "open": self.open,
            "clusters": [one.to_json() for one in self.clusters],
            "answered": [one.to_json() for one in self.answered],
        }


def backlog(
    engine: Engine, triage: Triage, *, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Backlog:
    """Look at every open issue of a source.

    :param progress: called with the number of issues done and of all
    """
    numbers = triage.numbers(since=0)
    threshold = triage.threshold or _LIKELY
    leader: dict[int, int] = {number: number for number in numbers}
    weakest: dict[int, float] = {}
    answered: list[Answered] = []
    for done, number in enumerate(numbers):
        verdict = triage.of_number(number)
        best = next((one for one in verdict.candidates if one.state == "open" and one.number in leader), None)
        if best and best.probability >= threshold:
            first = leader[best.number]
            leader[number] = first
            weakest[first] = min(weakest.get(first, 1.0), best.probability)
        answered += _answered(engine, verdict, triage.body(number))
        progress(done + 1, len(numbers))
    likeliest_first = sorted(answered, key=lambda one: -one.score)
    return Backlog(len(numbers), _clusters(triage, leader, weakest), likeliest_first)


def _answered(engine: Engine, verdict: Verdict, body: str) -> list[Answered]:
    """Return what answers an issue best; nothing if nothing does."""
    try:
        pages = list(answering_pages(engine, verdict, body))
    except ConfigurationError:
        return []  # a title that is not a question, such as an empty one
    page, score = max(pages, key=lambda one: one[1], default=(None, 0.0))
    if page is None or score < _WORTH_READING:
        return []
    return [Answered(verdict.number or 0, verdict.title, verdict.url or "", page.url, score)]


def _clusters(triage: Triage, leader: dict[int, int], weakest: dict[int, float]) -> list[Cluster]:
    members: dict[int, list[int]] = {}
    for number, first in leader.items():
        members.setdefault(first, []).append(number)
    issues = triage.ranker.history.issues
    found = [
        Cluster(tuple((one, issues[one].title, issues[one].url) for one in sorted(group)), weakest[first])
        for first, group in members.items()
        if len(group) > 1
    ]
    return sorted(found, key=lambda cluster: (-len(cluster.issues), -cluster.probability))
