"""An encoder for tests that embeds each text once in a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.embedding import Encoder, LocalEncoder, open_encoder
from rag.engine import Engine

Vectors = NDArray[np.float32]


def encoder_of(engine: Engine) -> Encoder:
    """Return the local model of an engine, for a second engine over its index: `Engine.open(…, encoder=…)`."""
    return engine.encoders.of("local/all-MiniLM-L6-v2")


class RememberingEncoder:
    """The local model with a memory: most tests index the same few texts, and embedding is most of their time."""

    def __init__(self, home: Path) -> None:
        # The encoder of this process, which flows and commands that a test runs use, too: a model takes a second to load.
        self._encoder = open_encoder(LocalEncoder.model, home=home)
        self._documents: dict[str, Vectors] = {}
        self._queries: dict[str, Vectors] = {}
        self.model = self._encoder.model
        self.dimension = self._encoder.dimension
        self.max_tokens = self._encoder.max_tokens
        self.count_tokens = self._encoder.count_tokens

    def encode(self, texts: Sequence[str]) -> Vectors:
        return _remembered(texts, self._documents, self._encoder.encode)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return _remembered(texts, self._queries, self._encoder.encode_queries)

    def encode_query(self, text: str) -> Vectors:
        return self.encode_queries([text])[0]


def _remembered(texts: Sequence[str], known: dict[str, Vectors], encode: Callable[[Sequence[str]], Vectors]) -> Vectors:
    new = list(dict.fromkeys(text for text in texts if text not in known))
    if new:
        known.update(zip(new, encode(new), strict=True))
    return np.stack([known[text] for text in texts]) if texts else encode(texts)
