"""The passages of a question's results, in the order in which they answer it."""

from __future__ import annotations

from dataclasses import dataclass

from rag.answer.extracts.compose import Scored
from rag.answer.extracts.features import Described
from rag.answer.question.asked import Asked

__all__ = ["Ranking"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The passages of a question's results, best first, with their features."""

    asked: Asked
    scored: list[Scored]
    features: list[dict[str, float]]
    described: list[Described]
