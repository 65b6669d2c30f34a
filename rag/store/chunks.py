"""Chunks: what is cut from documents, embedded, searched and quoted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql
from psycopg.types.json import Json

from rag.store.index_info import IndexInfo, IndexTables
from rag.store.postgres.encoding import dump_json, storable
from rag.store.statements import Reads, Writes

__all__ = ["ChunkRow", "ChunkWrites", "Chunks", "FoundChunk", "Vector"]

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk to store; `metadata` goes into the `metadata_` column of LlamaIndex's PGVectorStore."""

    node_id: str
    ordinal: int
    text: str
    heading: str
    url: str
    metadata: dict[str, Any]
    embedding: Vector


@dataclass(frozen=True, slots=True)
class FoundChunk:
    """A chunk with the fields of its document that results show."""

    id: int
    node_id: str
    document_id: str
    ordinal: int
    url: str
    title: str
    source: str
    kind: str
    heading: str
    text: str
    anchors: list[tuple[int, str]]
    #: the document's metadata
    about: dict[str, Any]
    #: [offset, marks] of the passages whose author is not the author of the document
    passages: list[tuple[int, dict[str, str]]]
    #: "accepted" or "maintainer" if the chunk holds part of such an answer
    answer: str | None


class Chunks(Reads):
    """The chunks of an index."""

    def by_id(self, index: IndexInfo, ids: Sequence[int]) -> dict[int, FoundChunk]:
        """Return chunks by id; one that was deleted meanwhile is missing."""
        found = self._fetch(self._statement(index, "chunks_by_id"), {"ids": list(ids)})
        return {row[0]: FoundChunk(*row) for row in found}

    def at(self, index: IndexInfo, places: Iterable[tuple[str, int]]) -> list[FoundChunk]:
        """Return the chunks at (document id, ordinal) places; a place without a chunk is left out."""
        wanted = list(places)
        values = {"documents": [document for document, _ in wanted], "ordinals": [ordinal for _, ordinal in wanted]}
        return [FoundChunk(*row) for row in self._fetch(self._statement(index, "chunks_at"), values)]

    def _statement(self, index: IndexInfo, query: str) -> sql.Composed | sql.SQL:
        tables = {**IndexTables(index).identifiers, "found_chunk": self._queries.compose("found_chunk")}
        return self._queries.compose(query, tables)

    def near_duplicates(self, index: IndexInfo, ids: Sequence[int], *, distance: float) -> list[tuple[int, int]]:
        """Return the pairs of chunk ids whose vectors are closer than a cosine distance."""
        rows = self._rows("near_duplicates", {"ids": list(ids), "distance": distance}, index)
        return [(row[0], row[1]) for row in rows]

    def texts(self, index: IndexInfo, node_ids: Sequence[str]) -> dict[str, str]:
        """Return the heading paths and texts of chunks by node id."""
        return dict(self._rows("chunk_texts", {"node_ids": list(node_ids)}, index))

    def said_at(self, index: IndexInfo, node_ids: Sequence[str]) -> dict[str, str]:
        """Return when the latest part of each chunk was written (ISO 8601); chunks of undated documents are missing."""
        return dict(self._rows("said_at", {"node_ids": list(node_ids)}, index))


class ChunkWrites(Writes):
    """The chunks of an index, inside a transaction."""

    def ids(self, index: IndexInfo, documents: Iterable[str]) -> set[str]:
        """Return the node ids of the chunks of documents."""
        rows = self._run("chunk_ids", {"documents": list(documents)}, index).fetchall()
        return {row[0] for row in rows}

    def add(self, index: IndexInfo, source: str, chunks: Sequence[tuple[str, ChunkRow]]) -> None:
        """Write new chunks, each with its document's id, by binary COPY, and queue their terms."""
        if not chunks:
            return
        tables = IndexTables(index).identifiers
        with (
            self._connection.cursor() as cursor,
            cursor.copy(self._queries.compose("copy_chunks", tables)) as copy,
        ):
            # The wire format of these types is that of json and halfvec, so no adapter object is needed for each value.
            copy.set_types(["varchar", "text", "varchar", "bytea", "text", "text", "int4", "text", "text"])
            vectors = _packed([chunk.embedding for _, chunk in chunks])
            for (document_id, chunk), vector in zip(chunks, vectors, strict=True):
                copy.write_row(
                    (
                        storable(chunk.text),
                        dump_json(chunk.metadata),
                        chunk.node_id,
                        vector,
                        document_id,
                        source,
                        chunk.ordinal,
                        storable(chunk.heading),
                        chunk.url,
                    )
                )
        self._count("count_chunks", index, source, [chunk.node_id for _, chunk in chunks])

    def move(self, index: IndexInfo, chunks: Sequence[ChunkRow]) -> None:
        """Update ordinal, URL and metadata of chunks whose text is unchanged."""
        if chunks:
            rows = [
                {"node_id": chunk.node_id, "ordinal": chunk.ordinal, "url": chunk.url, "metadata": chunk.metadata}
                for chunk in chunks
            ]
            self._run("move_chunks", {"rows": Json(rows, dumps=dump_json)}, index)

    def delete(self, index: IndexInfo, source: str, node_ids: Sequence[str]) -> None:
        """Remove chunks and their terms."""
        if not node_ids:
            return
        self._count("discount_chunks", index, source, node_ids)
        self._run("delete_chunks", {"node_ids": list(node_ids)}, index)

    def _count(self, query: str, index: IndexInfo, source: str, node_ids: Sequence[str]) -> None:
        self._run(query, {"index": index.name, "source": source, "node_ids": list(node_ids)}, index)


def _packed(vectors: Sequence[Vector]) -> list[bytes]:
    """Return vectors in the binary COPY format of halfvec: dimension and zero as uint16, then the float16 values."""
    matrix = np.stack(vectors)
    header = matrix.shape[1].to_bytes(2, "big") + b"\0\0"
    packed, size = matrix.astype(">f2").tobytes(), 2 * matrix.shape[1]
    return [header + packed[start : start + size] for start in range(0, len(packed), size)]
