"""Maps: documents and chunks with their vectors, to lay out as a picture; and the latest map."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pgvector

from rag.store.chunks import Vector
from rag.store.index_info import IndexInfo
from rag.store.statements import Reads

__all__ = ["MapRow", "Maps"]


@dataclass(frozen=True, slots=True)
class MapRow:
    """A document or a chunk, to be shown as a point."""

    document_id: str
    url: str
    title: str
    source: str
    kind: str
    #: the first lines
    text: str
    vector: Vector


class Maps(Reads):
    """Reads what a map shows, and keeps the latest map."""

    def documents(self, index: IndexInfo, *, source: str | None, limit: int) -> list[MapRow]:
        """Return documents, each with the mean of the vectors of its chunks.

        :param source: only of this source
        :param limit: how many; where there are more, the same are chosen each time
        """
        return self._map_rows("documents_for_map", index, source, limit)

    def chunks(self, index: IndexInfo, *, source: str | None, limit: int) -> list[MapRow]:
        """Return chunks with their vectors; parameters are those of `documents`."""
        return self._map_rows("chunks_for_map", index, source, limit)

    def _map_rows(self, query: str, index: IndexInfo, source: str | None, limit: int) -> list[MapRow]:
        rows = self._rows(query, {"source": source, "limit": limit}, index)
        return [_map_row(*row) for row in rows]

    def counts(self, index: IndexInfo, *, source: str | None) -> tuple[int, int]:
        """Return the numbers of documents and of chunks."""
        [(documents, chunks)] = self._rows("counts_for_map", {"source": source}, index)
        return documents, chunks

    def keep(self, name: str, data: bytes) -> None:
        """Keep a map instead of the earlier one."""
        self._change("keep_map", {"name": name, "data": data})

    def kept(self, name: str, *, days: int) -> tuple[datetime, bytes] | None:
        """Return when a map was made, and its data; None if there is none of the last days."""
        self._change("expire_maps", {"days": days})
        rows = self._rows("kept_map", {"name": name, "days": days})
        return (rows[0][0], bytes(rows[0][1])) if rows else None


def _map_row(
    document_id: str, url: str, title: str, source: str, kind: str, text: str, embedding: pgvector.HalfVector
) -> MapRow:
    return MapRow(document_id, url, title, source, kind, text, embedding.to_numpy().astype(np.float32))
