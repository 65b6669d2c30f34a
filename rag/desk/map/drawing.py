"""A drawing: the points, questions and regions of a map, in the unit square, free of any format."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.desk.map.regions import Region

__all__ = ["PALETTE", "Drawing", "Layout", "Point", "Question", "radius"]

#: Colours that differ by 12 (CIEDE2000) or more to people with any kind of colour vision; a further group repeats them.
PALETTE = ("#225599", "#ff5500", "#44aabb", "#993355", "#cc9977", "#aa00ff", "#665500", "#9988ff")


@dataclass(frozen=True, slots=True)
class Point:
    """A document, or a chunk."""

    url: str
    title: str
    source: str
    kind: str
    #: the first lines, as one
    text: str
    #: how many answers cite the document
    cites: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was asked, and how often."""

    text: str
    answered: bool
    times: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of the points, followed by those of the questions."""

    #: UMAP, t-SNE or PCA
    name: str
    #: in the unit square, shape (points + questions, 2)
    places: NDArray[np.float32]
    regions: Sequence[Region]
    #: of each point
    region_of: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything that a map shows."""

    #: documents or chunks
    unit: str
    points: Sequence[Point]
    #: how many there are, those that are not drawn included
    all_points: int
    questions: Sequence[Question]
    #: the days that citations and questions cover
    days: int
    layouts: Sequence[Layout]

    @property
    def sources(self) -> list[str]:
        """The sources of the points, those with the most first."""
        counts = Counter(point.source for point in self.points)
        return sorted(counts, key=lambda name: (-counts[name], name))

    @property
    def summary(self) -> str:
        """One line: what is drawn."""
        shown = (
            f"{len(self.points):,} of {self.all_points:,}"
            if self.all_points > len(self.points)
            else f"{self.all_points:,}"
        )
        unit = self.unit if self.all_points != 1 else self.unit.removesuffix("s")
        if not self.questions:
            return f"{shown} {unit}"
        unanswered = sum(not question.answered for question in self.questions)
        asked = "1 question" if len(self.questions) == 1 else f"{len(self.questions):,} questions"
        days = "1 day" if self.days == 1 else f"{self.days} days"
        return f"{shown} {unit}, {asked} of {days}, {unanswered:,} not answered"


def radius(cites: int, points: int) -> float:
    """Return the radius of a point in a picture of 1,000 units.

    :param points: how many are drawn; many are drawn smaller
    """
    smallest = min(4.0, max(1.6, 90 / math.sqrt(max(points, 1))))
    return min(smallest + 1.1 * math.sqrt(cites), 14.0)
