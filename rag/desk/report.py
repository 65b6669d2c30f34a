"""The report of insights: what people and agents asked, what the docs lack, and what became of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from rag.store.insights import CitationCount, CitedDocument, UncitedDocument

__all__ = ["Asked", "Gap", "Page", "Report", "Stale", "Topic", "Week"]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the index, or one that a reader names."""

    url: str
    title: str


@dataclass(frozen=True, slots=True)
class Topic:
    """Questions that ask for the same."""

    label: str
    #: the question that is nearest to the centre of them all
    example: str
    #: how often it was asked, and in how many wordings
    times: int
    wordings: int
    #: how many of the answers abstained, and the mean score of the others
    abstained: int
    score: float | None
    down: int
    #: how often it was asked in each week of the report, oldest first
    weeks: tuple[int, ...]
    last_asked: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Questions that the docs do not answer, or not well."""

    label: str
    example: str
    times: int
    #: how many answers abstained, were given with a low score, and have a thumb down; an answer may be of two kinds
    abstained: int
    low_score: int
    down: int
    last_asked: datetime
    #: how many who asked have no right answer, each counting half as much for each 30 days since
    rank: float
    #: the page that was cited most, or is nearest; None: there was none
    nearest: Page | None
    #: the page that readers say would have answered
    better_page: str | None
    #: an outline of what is missing, in Markdown
    draft: str
    #: a row for rag.evaluate: its gold is the better page, or null until somebody fills it in
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Week:
    """What was asked in a week."""

    #: its Monday
    begins: date
    questions: int
    abstained: int
    low_score: int
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What people, or agents, asked."""

    questions: int
    answered: int
    abstained: int
    low_score: int
    up: int
    down: int
    topics: tuple[Topic, ...]
    #: how many topics there are, those not listed included
    all_topics: int
    gaps: tuple[Gap, ...]
    all_gaps: int
    weeks: tuple[Week, ...]


@dataclass(frozen=True, slots=True)
class Stale:
    """An answer whose sources have changed since."""

    id: str
    question: str
    asker: str
    asked_at: datetime
    stale_at: datetime
    thread: str
    #: opens the chat thread in which it was asked; None if it was asked elsewhere
    link: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a maintainer learns from the answer log of some days."""

    days: int
    people: Asked
    agents: Asked
    cited: Sequence[CitedDocument]
    never_cited: Sequence[UncitedDocument]
    citation_counts: Sequence[CitationCount]
    stale: Sequence[Stale]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for rag.evaluate for each gap."""
        return [gap.row for gap in (*self.people.gaps, *self.agents.gaps)]

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `rag.insights --json` prints."""
        pages = {
            "cited": [asdict(page) for page in self.cited],
            "never_cited": [asdict(page) for page in self.never_cited],
            "counts": [asdict(count) for count in self.citation_counts],
        }
        said = {
            "days": self.days,
            "people": asdict(self.people),
            "agents": asdict(self.agents),
            "pages": pages,
            "stale": [asdict(answer) for answer in self.stale],
        }
        dated: dict[str, Any] = _dated(said)
        return dated


def _dated(value: object) -> Any:  # noqa: ANN401 - JSON
    """Return a value with its dates as ISO 8601, and its numbers rounded."""
    match value:
        case dict():
            return {name: _dated(part) for name, part in value.items()}
        case list() | tuple():
            return [_dated(part) for part in value]
        case date():
            return value.isoformat()
        case float():
            return round(value, 4)
        case _:
            return value
