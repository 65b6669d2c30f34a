"""Embeddings remembered by model and content, so that text which only moved is not embedded again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.bridge.pydantic import PrivateAttr

from rag.embedding.encoder import Encoder
from rag.embedding.llamaindex import EncoderEmbedding
from rag.embedding.prices import price
from rag.store import Store

__all__ = ["CachedEmbedding"]

# One look-up in the cache for so many texts; LlamaIndex takes no more at once. The encoder cuts its own batches.
_BATCH = 2048


class CachedEmbedding(EncoderEmbedding):
    """An encoder as a LlamaIndex embedding, with a cache in Postgres in front of it.

    Each text is looked up by itself: one changed chunk costs one embedding.

    :param encoder: is asked for what the cache lacks; the cache keeps its vectors under its model's name
    :param readable: makes of a text what the model shall read of it
    """

    _store: Store = PrivateAttr()
    _readable: Callable[[str], str] = PrivateAttr()
    _embedded: int = PrivateAttr(default=0)
    _tokens: int = PrivateAttr(default=0)

    def __init__(self, encoder: Encoder, store: Store, *, readable: Callable[[str], str] = str) -> None:
        super().__init__(encoder, embed_batch_size=_BATCH)
        self._store = store
        self._readable = readable

    @property
    def embedded(self) -> int:
        """How many texts the encoder was asked for so far."""
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
            made = self.encoder.encode(list(missing.values()))
            self._embedded += len(made)
            if price(self.model_name) is not None:
                self._tokens += sum(self.encoder.count_tokens(text) for text in missing.values())
            new = dict(zip(missing, made, strict=True))
            self._store.cache_embeddings(self.model_name, new)
            known |= new
        return [known[content].tolist() for content in contents]
