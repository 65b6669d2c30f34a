"""The interface of other processes that embed texts for this one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

__all__ = ["EmbeddingWorkers"]


@dataclass(frozen=True, slots=True)
class EmbeddingWorkers:
    """Other processes, possibly on other machines, that embed batches of texts into the shared cache.

    :param embed: called with the id of a stored batch and its number of texts; returns when the batch is in the cache,
        and raises EmbeddingError if no process embeds it
    :param batches: the number of batches that are handed out at the same time
    :param characters: the approximate size of a batch
    """

    embed: Callable[[UUID, int], None]
    batches: int
    characters: int
