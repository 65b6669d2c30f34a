"""What the engine needs of an embedding model, and how a setting becomes one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.embedding.local import LocalEncoder
from rag.embedding.remote import Endpoint, RemoteEncoder

__all__ = ["Encoder", "open_encoder"]


class Encoder(Protocol):
    """Turns texts into float32 vectors of unit length, and counts tokens as its model does.

    Every method may be called from several threads.
    """

    @property
    def model(self) -> str:
        """The setting that names the model, such as local/all-MiniLM-L6-v2."""

    @property
    def dimension(self) -> int:
        """The length of a vector."""

    @property
    def max_tokens(self) -> int:
        """How many tokens the model reads, marks of its own counted; the rest of a text is lost."""

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed one text: shape (dimension,)."""

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed a few short texts fast: shape (len(texts), dimension), in their order."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed many texts: shape (len(texts), dimension), in their order."""

    def count_tokens(self, text: str) -> int:
        """Count the tokens of the whole text, without the model's own marks."""

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return where each of those tokens starts and ends, in characters."""


def open_encoder(model: str, *, home: Path, api_key: str | None = None, base_url: str | None = None) -> Encoder:
    """Return the encoder that a setting names; nothing is loaded and nobody is asked yet.

    :param model: local/all-MiniLM-L6-v2, openai/NAME or ollama/NAME
    :param home: where the local model keeps its graph
    :param api_key: OpenAI's key, or that of the server at `base_url`
    :param base_url: a server that speaks OpenAI's API, such as http://localhost:8000/v1
    :raises ConfigurationError: there is no such model, or its key is missing
    """
    if model == LocalEncoder.model:
        return _local_encoder(home)
    return RemoteEncoder(Endpoint.of(model, api_key=api_key, base_url=base_url))


@cache
def _local_encoder(home: Path) -> LocalEncoder:
    """Return the one local encoder of this process: loading its model takes 0.7 s and 90 MB for each runtime."""
    return LocalEncoder(home)
