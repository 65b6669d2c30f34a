"""Embeddings remembered by model and content, so that text which only moved is not embedded again."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping

import numpy as np
from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.bridge.pydantic import PrivateAttr
from numpy.typing import NDArray

from rag.embedding.encoder import Encoder
from rag.embedding.llamaindex import EncoderEmbedding
from rag.embedding.prices import price
from rag.embedding.workers import EmbeddingWorkers
from rag.errors import EmbeddingError
from rag.store.store import Store

__all__ = ["CachedEmbedding"]

log = logging.getLogger(__name__)

# One look-up in the cache for so many texts; LlamaIndex takes no more at once. The encoder cuts its own batches.
_BATCH = 2048
# Fewer texts than these are embedded sooner than somebody else is told of them.
_WORTH_HELP = 200

Vectors = dict[bytes, NDArray[np.float32]]


class CachedEmbedding(EncoderEmbedding):
    """An encoder as a LlamaIndex embedding, with a cache in Postgres in front of it.

    Each text is looked up by itself: one changed chunk costs one embedding.

    :param encoder: is asked for what the cache lacks; the cache keeps its vectors under its model's name
    :param readable: makes of a text what the model shall read of it
    :param embedding_workers: processes that embed large batches; this process embeds the rest
    """

    _store: Store = PrivateAttr()
    _readable: Callable[[str], str] = PrivateAttr()
    _workers: EmbeddingWorkers | None = PrivateAttr()
    _counting: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _embedded: int = PrivateAttr(default=0)
    _tokens: int = PrivateAttr(default=0)

    def __init__(
        self,
        encoder: Encoder,
        store: Store,
        *,
        readable: Callable[[str], str] = str,
        embedding_workers: EmbeddingWorkers | None = None,
    ) -> None:
        super().__init__(encoder, embed_batch_size=_BATCH)
        self._store = store
        self._readable = readable
        self._workers = embedding_workers

    @property
    def embedded(self) -> int:
        """How many texts were embedded so far, by this process and by embedding workers."""
        return self._embedded

    @property
    def tokens(self) -> int:
        """How many tokens a paid model was sent so far, estimated; a local one costs nothing and counts none."""
        return self._tokens

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        texts = [self._readable(text) for text in texts]
        contents = [hashlib.sha256(text.encode()).digest() for text in texts]
        known = self._store.cached_embeddings(self.model_name, set(contents))
        missing = {content: text for content, text in zip(contents, texts, strict=True) if content not in known}
        if missing:
            known |= self._made(missing)
        return [known[content].tolist() for content in contents]

    def _made(self, texts: Mapping[bytes, str]) -> Vectors:
        """Embed texts by their contents."""
        workers = self._workers
        made = self._made_by(workers, texts) if workers and len(texts) >= _WORTH_HELP else {}
        left = {content: text for content, text in texts.items() if content not in made}
        if left:
            new = dict(zip(left, self.encoder.encode(list(left.values())), strict=True))
            self._store.cache_embeddings(self.model_name, new)
            made |= new
        tokens = sum(map(self.encoder.count_tokens, texts.values())) if price(self.model_name) is not None else 0
        with self._counting:
            self._embedded += len(texts)
            self._tokens += tokens
        return made

    def _made_by(self, workers: EmbeddingWorkers, texts: Mapping[bytes, str]) -> Vectors:
        """Have the workers embed texts; return the vectors. After a failure the workers are not asked again."""
        batch = self._store.put_embedding_batch(self.model_name, list(texts.values()))
        try:
            workers.embed(batch, len(texts))
        except EmbeddingError as error:
            log.warning("%s What is left is embedded by this process.", error)
            self._workers = None
        finally:
            self._store.drop_embedding_batch(batch)
        return self._store.cached_embeddings(self.model_name, texts)
