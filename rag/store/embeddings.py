"""Cached embeddings by model and content, and batches of texts that other processes embed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID, uuid4

import numpy as np
import pgvector

from rag.store.chunks import Vector
from rag.store.statements import Reads

__all__ = ["Embeddings"]


class Embeddings(Reads):
    """The cache of embeddings."""

    def cached(self, model: str, contents: Iterable[bytes]) -> dict[bytes, Vector]:
        """Return the cached embeddings of `model` for these contents (SHA-256 digests)."""
        rows = self._rows("cached_embeddings", {"model": model, "contents": list(contents)})
        if unnoted := [content for content, _, is_unnoted in rows if is_unnoted]:
            with self._database.connection() as connection:
                values = {"model": model, "contents": unnoted}
                connection.execute(self._queries.compose("note_use_of_embeddings"), values)
        return {bytes(content): embedding.to_numpy().astype(np.float32) for content, embedding, _ in rows}

    def expire(self, *, days: int) -> int:
        """Remove the embeddings not used for this number of days; return their number."""
        with self._database.connection() as connection:
            return connection.execute(self._queries.compose("expire_embeddings"), {"days": days}).rowcount

    def keep(self, model: str, embeddings: Mapping[bytes, Vector]) -> None:
        """Cache embeddings by model and content (SHA-256 digest)."""
        with self._database.connection() as connection, connection.transaction():
            connection.execute(self._queries.compose("stage_embeddings"))
            with connection.cursor() as cursor, cursor.copy(self._queries.compose("copy_embeddings")) as copy:
                copy.set_types(["bytea", "halfvec"])
                for content, embedding in embeddings.items():
                    copy.write_row((content, pgvector.HalfVector(embedding)))
            connection.execute(self._queries.compose("merge_embeddings"), {"model": model})

    def put_batch(self, model: str, texts: Sequence[str]) -> UUID:
        """Store texts for another process to embed with `model`; return the id of the batch."""
        batch = uuid4()
        with self._database.connection() as connection:
            values = {"id": batch, "model": model, "texts": list(texts)}
            connection.execute(self._queries.compose("put_embedding_batch"), values)
        return batch

    def batch(self, batch: UUID) -> tuple[str, list[str]] | None:
        """Return the model and the texts of a batch; None if the batch is no longer wanted."""
        rows = self._rows("embedding_batch", {"id": batch})
        return (rows[0][0], rows[0][1]) if rows else None

    def drop_batch(self, batch: UUID) -> None:
        """Remove a batch."""
        with self._database.connection() as connection:
            connection.execute(self._queries.compose("drop_embedding_batch"), {"id": batch})
