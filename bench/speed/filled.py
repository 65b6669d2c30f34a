"""Engines over a temporary database, empty or filled with synthetic chunks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from bench.paths import CACHE
from bench.speed.corpus import SHARES, Base, base, synthetic
from bench.speed.scale import INDEX, put
from rag.embedding import Encoder
from rag.engine import Engine
from rag.settings import Settings
from rag.store.postgres.embedded import stop_embedded

__all__ = ["empty_engine", "filled_engine"]


@contextmanager
def empty_engine(encoder: Encoder | None = None) -> Iterator[Engine]:
    """Yield an engine over a new embedded Postgres, which is deleted afterwards.

    :param encoder: embeds instead of the local model
    """
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        home = Path(folder)
        (home / "sources.toml").write_text("")
        values: dict[str, Any] = {"RAG_HOME": home, "RAG_SOURCES": home / "sources.toml", "RAG_LLM": "extractive"}
        if encoder:
            values |= {"RAG_EMBEDDING_MODEL": encoder.model, "OPENAI_API_KEY": "none"}
        settings = Settings(_env_file=None, **values)
        try:
            with Engine.open(settings, encoder=encoder) as engine:
                yield engine
        finally:
            stop_embedded(home)


@contextmanager
def filled_engine(chunks: int) -> Iterator[tuple[Engine, Base]]:
    """Yield an engine over `chunks` synthetic chunks, and the real chunks that they were made from."""
    with empty_engine() as engine:
        store = engine.store
        source = base(CACHE / "corpus")
        for name in SHARES:
            store.sources.register(name, "docs")
        store.indexes.create(INDEX)
        made = synthetic(source, chunks)
        number = 0
        while part := list(islice(made, 400)):
            for name in SHARES:
                put(store, name, number, [chunk for chunk in part if chunk.source == name])
                number += len(part)
        for name in SHARES:
            store.postings.compact(INDEX, name, thorough=True)
        store.vectors.build(INDEX)
        with engine.database.connection() as connection:
            connection.execute("VACUUM ANALYZE")
        yield engine, source
