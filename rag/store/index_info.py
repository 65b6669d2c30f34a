"""An index, and the names of its tables."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

__all__ = ["IndexInfo", "IndexTables"]


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """An index: one table of chunks with one embedding model and dimension."""

    name: str
    embedding_model: str
    dimension: int
    chunking: str


class IndexTables:
    """The identifiers of an index's tables, ready for `Queries.compose`."""

    def __init__(self, index: IndexInfo) -> None:
        self.chunks = f"data_{index.name}"
        self.postings = f"{index.name}_postings"
        self.fresh = f"{index.name}_fresh"
        self.hnsw = f"{index.name}_hnsw"
        self.identifiers: dict[str, sql.Composable] = {
            "chunks": sql.Identifier(self.chunks),
            "postings": sql.Identifier(self.postings),
            "fresh": sql.Identifier(self.fresh),
            "hnsw": sql.Identifier(self.hnsw),
            "dimension": sql.Literal(index.dimension),
        }
