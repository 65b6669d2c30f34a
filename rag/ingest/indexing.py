"""Which index is written, and how an index of another embedding model replaces it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import PurePath

from rag.embedding.cache import CachedEncoder
from rag.embedding.encoders import Encoders
from rag.embedding.models.named import ModelName, pinned_model
from rag.embedding.workers import EmbeddingWorkers
from rag.errors import ConfigurationError
from rag.ingest.chunking import CHUNKING, MarkdownChunker, without_addresses
from rag.ingest.pipeline import Ingestion
from rag.store.index_info import IndexInfo
from rag.store.locks import all_sources_locked
from rag.store.store import Store

__all__ = ["Indexing"]

# A chunk for a remote model is cut at this number of tokens: beyond it one vector has to stand for too many things.
_LONGEST_CHUNK = 512


class Indexing:
    """Opens indexes for writing.

    :param model: the embedding model of new indexes
    """

    def __init__(self, store: Store, encoders: Encoders, *, model: str) -> None:
        self._store = store
        self._encoders = encoders
        self._named = model

    def ingestion(self, index: IndexInfo, embedding_workers: EmbeddingWorkers | None = None) -> Ingestion:
        """Return the pipeline that cuts and embeds documents into an index."""
        encoder = self._encoders.of(index.embedding_model)
        chunker = MarkdownChunker(
            lambda text: encoder.count_tokens(without_addresses(text)),
            max_tokens=min(encoder.max_tokens, _LONGEST_CHUNK),
        )
        cached = CachedEncoder(
            encoder, self._store.embeddings, readable=without_addresses, embedding_workers=embedding_workers
        )
        return Ingestion(self._store, index, chunker, cached, embedding_workers=embedding_workers)

    def index_to_write(self) -> IndexInfo:
        """Return the active index, or create the first one.

        :raises ConfigurationError: the active index holds vectors of another model
        """
        indexes = self._store.indexes
        index = indexes.active()
        if index and index.embedding_model == self._model:
            return index
        if index and indexes.has_chunks(index):
            raise ConfigurationError(
                f"The index holds vectors of {index.embedding_model} ({index.dimension} dimensions) and "
                f"RAG_EMBEDDING_MODEL is {self._model}. Set it back, or build an index for it: python -m flows.reindex."
            )
        new = self._new_index()
        indexes.create(new)
        if index:
            indexes.switch(index, new)
            indexes.drop(index)
        return new

    def reindex(
        self, *, embedding_workers: EmbeddingWorkers | None = None, progress: Callable[[int], None] | None = None
    ) -> IndexInfo:
        """Build an index of RAG_EMBEDDING_MODEL beside the active one from the stored documents, then switch to it.

        Questions are answered from the old index until the switch; syncs wait. An interrupted run continues where it
        stopped. The old index is kept for `roll_back`.

        :param embedding_workers: other processes that embed texts
        :param progress: called after each batch with the number of documents done
        :raises ConfigurationError: there is nothing to index, or the active index is current
        """
        old = self.check_reindex()
        begun = [
            other
            for other, _ in self._store.indexes.others()
            if (other.embedding_model, other.chunking) == (self._model, CHUNKING)
        ]
        new = begun[0] if begun else self._new_index()
        self._fill_and_switch(old, new, embedding_workers, progress)
        return new

    def roll_back(
        self, *, embedding_workers: EmbeddingWorkers | None = None, progress: Callable[[int], None] | None = None
    ) -> IndexInfo:
        """Switch back to the index before the active one, after updating it with the stored documents.

        :param embedding_workers: other processes that embed texts
        :param progress: called after each batch with the number of documents done
        :raises ConfigurationError: there is none, or its model cannot be used
        """
        for other, was_active in self._store.indexes.others():
            if was_active:
                self._fill_and_switch(self._store.indexes.filled(), other, embedding_workers, progress)
                return other
        raise ConfigurationError("There is no index to roll back to: none was replaced, or it was dropped.")

    def drop_others(self) -> list[IndexInfo]:
        """Remove every index but the active one, and return the removed indexes."""
        others = [other for other, _ in self._store.indexes.others()]
        for other in others:
            self._store.indexes.drop(other)
        return others

    def check_reindex(self) -> IndexInfo:
        """Return the active index if there is reason to build another one.

        :raises ConfigurationError: there is nothing to index, or the active index is current
        """
        active = self._store.indexes.filled()
        if (active.embedding_model, active.chunking) == (self._model, CHUNKING):
            raise ConfigurationError(f"The index {active.name} is of {self._model} already; there is nothing to build.")
        return active

    def is_set(self, index: IndexInfo) -> bool:
        """Return whether the next sync would write an index: whether it is of RAG_EMBEDDING_MODEL."""
        try:
            return index.embedding_model == self._model
        except ConfigurationError:
            # The files of the model are gone, which may be why somebody rolled back.
            return False

    @cached_property
    def _model(self) -> str:
        """The embedding model as an index stores its name; only for this, its files must be there."""
        return pinned_model(self._named)

    def _new_index(self) -> IndexInfo:
        taken = {index.name for index in self._store.indexes.all()}
        name = next(name for name in _index_names(self._model) if name not in taken)
        return IndexInfo(name, self._model, self._encoders.of(self._model).dimension, CHUNKING)

    def _fill_and_switch(
        self,
        old: IndexInfo,
        new: IndexInfo,
        embedding_workers: EmbeddingWorkers | None,
        progress: Callable[[int], None] | None,
    ) -> None:
        was_active = dict(self._store.indexes.others()).get(new, False)
        self._store.indexes.create(new)
        with all_sources_locked(self._store.sources):
            if was_active:
                self._store.postings.queue_all(new)
            self.ingestion(new, embedding_workers).reindex(progress=progress)
            self._store.indexes.switch(old, new)


def _index_names(model: str) -> Iterator[str]:
    """Yield table names of a model: "local/all-MiniLM-L6-v2" gives "all_minilm_l6_v2", then "all_minilm_l6_v2_2"."""
    provider, _, name = model.partition("/")
    name = name if provider == "local" else model
    if named := ModelName.parse(model):
        name = PurePath(named.place).name
    stem = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40] or "model"
    yield stem
    yield from (f"{stem}_{number}" for number in itertools.count(2))
