"""A cache of embeddings by model and content: text that only moved is not embedded again."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.embedding.encoder import Encoder, ForwardingEncoder
from rag.embedding.workers import EmbeddingWorkers
from rag.errors import EmbeddingError
from rag.store.embeddings import Embeddings

__all__ = ["CachedEncoder"]

log = logging.getLogger(__name__)

# The texts of one cache look-up. The encoder makes its own batches.
_BATCH = 2048
# Fewer texts are embedded faster here than by workers.
_FEWEST_FOR_WORKERS = 200

# An interruption loses what is not kept yet, so vectors are kept about every two seconds; the first part is small,
# and the time that it takes tells how many texts the next may have.
_SECONDS = 2.0
_FIRST_PART, _SMALLEST_PART = 32, 16

Vectors = dict[bytes, NDArray[np.float32]]


class CachedEncoder(ForwardingEncoder):
    """An encoder with a cache in Postgres in front of `encode`.

    Each text has its own cache entry: one changed chunk costs one embedding.

    :param encoder: embeds the texts that the cache lacks; its model's name is part of the cache key
    :param readable: converts a text to the form that the model reads
    :param embedding_workers: processes that embed large batches; this process embeds the rest
    """

    def __init__(
        self,
        encoder: Encoder,
        cache: Embeddings,
        *,
        readable: Callable[[str], str] = str,
        embedding_workers: EmbeddingWorkers | None = None,
    ) -> None:
        super().__init__(encoder)
        self._cache = cache
        self._readable = readable
        self._workers = embedding_workers
        self._counting = threading.Lock()
        self._embedded = 0
        self._part = _FIRST_PART

    @property
    def embedded(self) -> int:
        """The number of texts embedded so far, here or by workers."""
        return self._embedded

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed the texts that the cache lacks: shape (len(texts), dimension), in the order of `texts`.

        The row of a text for which the model has no vector is NaN; it is not cached.

        :raises EmbeddingError: the model is not available; the vectors of earlier parts are cached
        """
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        parts = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
        return np.concatenate([self._encode_part(part) for part in parts])

    def _encode_part(self, texts: Sequence[str]) -> NDArray[np.float32]:
        texts = [self._readable(text) for text in texts]
        contents = [hashlib.sha256(text.encode()).digest() for text in texts]
        known = self._cache.cached(self.model, set(contents))
        missing = {content: text for content, text in zip(contents, texts, strict=True) if content not in known}
        if missing:
            known |= self._embed_missing(missing)
        return np.stack([known[content] for content in contents])

    def _embed_missing(self, texts: Mapping[bytes, str]) -> Vectors:
        """Embed and cache texts, which are keyed by the digests of their contents."""
        workers = self._workers
        vectors = self._embed_on_workers(workers, texts) if workers and len(texts) >= _FEWEST_FOR_WORKERS else {}
        left = {content: text for content, text in texts.items() if content not in vectors}
        with self._counting:
            self._embedded += len(vectors)
        # Texts of about the same length fill a batch best.
        contents = sorted(left, key=lambda content: len(left[content]))
        while contents:
            part, contents = contents[: self._part], contents[self._part :]
            started = time.monotonic()
            new = dict(zip(part, self._encoder.encode([left[content] for content in part]), strict=True))
            self._cache.keep(self.model, {key: vector for key, vector in new.items() if np.isfinite(vector[0])})
            seconds = max(time.monotonic() - started, 1e-3)
            self._part = min(max(int(len(part) * _SECONDS / seconds), _SMALLEST_PART), _BATCH)
            vectors |= new
            with self._counting:
                self._embedded += len(part)
        return vectors

    def _embed_on_workers(self, workers: EmbeddingWorkers, texts: Mapping[bytes, str]) -> Vectors:
        """Return the vectors of the texts that workers embedded. After their first failure they get no more work."""
        batch = self._cache.put_batch(self.model, list(texts.values()))
        try:
            workers.embed(batch, len(texts))
        except EmbeddingError as error:
            log.warning("%s This process embeds the remaining texts.", error)
            self._workers = None
        finally:
            self._cache.drop_batch(batch)
        return self._cache.cached(self.model, texts)
