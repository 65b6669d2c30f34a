"""The overhead of a search over its SQL: `python -m bench query`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pgvector
import psycopg
from pgvector.psycopg import register_vector

from bench.report import Table, percentiles
from bench.speed.corpus import questions
from bench.speed.filled import filled_engine
from bench.speed.scale import INDEX
from rag.engine import Engine
from rag.search.searcher import Searcher

CHUNKS = 20_000


def run(_options: argparse.Namespace) -> Iterator[Table]:
    """Yield one table, measured with a hundred questions of eight words."""
    table = Table(
        f"A search over {CHUNKS:,} chunks with ten results",
        ["operation", "p50 ms", "p99 ms", "relative to the SQL", "includes"],
    )
    with filled_engine(CHUNKS) as (engine, source):
        asked = questions(source, 100, 8)
        encoder = engine.encoders.of(INDEX.embedding_model)
        vectors = {text: encoder.encode_query(text) for text in asked}
        index = engine.store.indexes.active()
        assert index

        def stored(text: str) -> object:
            store = engine.store
            found = store.search.candidates(index, question=text, embedding=vectors[text], candidates=100)
            return store.chunks.by_id(index, [candidate.id for candidate in found[:10]])

        operations: list[tuple[str, Callable[[str], object], str]] = [
            ("hand-written SQL", _by_hand(engine, vectors), "candidates and ten texts; the vector is given"),
            ("Store", stored, "the same"),
            (
                "Searcher",
                Searcher(engine.store, index, KnownVectors(vectors)).search,
                "and fusion, duplicates, boosts",
            ),
            ("engine.search", partial(engine.search, top_k=10), "and embedding the question"),
            ("embedding alone", encoder.encode_query, "the vector of the question"),
            *_stock(engine, vectors),
        ]
        first = 0.0
        for name, work, includes in operations:
            p50, p99 = percentiles(work, asked)
            first = first or p50
            table.add(name, p50, p99, p50 / first, includes)
    yield table


class KnownVectors:
    """An encoder that returns precomputed vectors."""

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self._vectors = vectors

    def encode_query(self, text: str) -> np.ndarray:
        return self._vectors[text]


def _by_hand(engine: Engine, vectors: dict[str, np.ndarray]) -> Callable[[str], object]:
    store = engine.store
    statement = store.search._statement(INDEX, "best_words", "nearest")
    texts = store.chunks._statement(INDEX, "chunks_by_id")
    connection = psycopg.connect(engine.database.dsn, autocommit=True)
    register_vector(connection)
    connection.execute(engine.database.queries.compose("load_pgvector"))
    connection.execute(engine.database.queries.compose("configure_session"))

    def ask(text: str) -> object:
        values = {
            "index": INDEX.name, "question": text, "embedding": pgvector.HalfVector(vectors[text]), "source": None,
            "candidates": 100, "many": math.inf,
        }  # fmt: skip
        found = connection.execute(statement, values).fetchall()
        return connection.execute(texts, {"ids": [row[0] for row in found[:10]]}).fetchall()

    return ask


def _stock(engine: Engine, vectors: dict[str, np.ndarray]) -> Iterator[tuple[str, Callable[[str], object], str]]:
    from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode
    from llama_index.vector_stores.postgres import PGVectorStore

    url = f"postgresql+psycopg://postgres@/postgres?host={parse_qs(urlsplit(engine.database.dsn).query)['host'][0]}"
    stock = PGVectorStore(
        connection_string=url, async_connection_string=url, table_name=INDEX.name, embed_dim=INDEX.dimension,
        hybrid_search=True, use_halfvec=True, perform_setup=False,
    )  # fmt: skip

    def ask(mode: str, text: str) -> object:
        query = VectorStoreQuery(
            query_embedding=vectors[text].tolist(), query_str=text, similarity_top_k=10, sparse_top_k=10,
            mode=VectorStoreQueryMode(mode),
        )  # fmt: skip
        return stock.query(query)

    yield "PGVectorStore, default mode", partial(ask, "default"), "ten nearest chunks; the vector is given"
    yield (
        "PGVectorStore, hybrid mode",
        partial(ask, "hybrid"),
        "ten nearest chunks and ts_rank, not fused; all words must match",
    )
