"""Who embeds for an ingestion, if others do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

__all__ = ["Helpers"]


@dataclass(frozen=True, slots=True)
class Helpers:
    """Other processes that embed for this one, on other machines perhaps.

    :param embed: has so many texts, stored as a batch, embedded into the cache, and returns when that has ended; it
        raises EmbeddingError where nobody does it
    :param batches: how many batches they are given at once
    :param characters: how much text is one, about
    """

    embed: Callable[[UUID, int], None]
    batches: int
    characters: int
