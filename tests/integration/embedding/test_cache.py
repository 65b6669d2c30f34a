"""The cache of embeddings keeps what was embedded before an interruption."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rag.embedding.cache import CachedEncoder
from rag.errors import EmbeddingError
from rag.store.store import Store
from tests.encoders import RememberingEncoder

TEXTS = [f"Setting {number} is {number * 7} by default." for number in range(300)]


class Interrupted:
    """An encoder that fails from a call on."""

    def __init__(self, encoder: RememberingEncoder, *, calls: int) -> None:
        self._encoder = encoder
        self._left = calls

    def __getattr__(self, name: str) -> object:
        return getattr(self._encoder, name)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not self._left:
            raise EmbeddingError("The model is away.")
        self._left -= 1
        return self._encoder.encode(texts)


def test_an_interrupted_batch_goes_on_where_it_was(store: Store, encoder: RememberingEncoder) -> None:
    interrupted = CachedEncoder(Interrupted(encoder, calls=1), store.embeddings)  # type: ignore[arg-type]
    with pytest.raises(EmbeddingError, match="away"):
        interrupted.encode(TEXTS)
    assert 0 < interrupted.embedded < len(TEXTS)

    again = CachedEncoder(encoder, store.embeddings)  # type: ignore[arg-type]
    vectors = again.encode(TEXTS)

    assert again.embedded == len(TEXTS) - interrupted.embedded
    one = encoder.encode([TEXTS[250]])[0]
    assert np.dot(vectors[250], one) > 0.99
