"""The time from documents to a searchable index: `python -m bench ingest`.

The documents are Python's language reference and the docstrings of the standard library, so nothing is fetched. The embedder
alone embeds the chunks that ingestion made. For comparison, LlamaIndex's IngestionPipeline with SentenceSplitter fills a
hybrid PGVectorStore, with the same model and encoder.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics
from urllib.parse import parse_qs, urlsplit

from llama_index.core.schema import Document

from bench.report import Table, memory_mb, seconds
from bench.speed.filled import empty_engine
from rag.engine import Engine
from rag.ingest.chunking import without_addresses
from rag.sources import Change, Changed


class Documentation:
    """Python's documentation as a source."""

    name, kind, requests = "python", "docs", 0

    def changes(self, *, full: bool) -> Iterator[Change]:
        """Yield each document."""
        del full
        for title, text in documents():
            url = f"https://docs.python.org/3/{title}"
            about = {"url": url, "title": title, "source": self.name, "kind": "page"}
            yield Changed(Document(id_=f"python:{url}", text=text, metadata=about))


@cache
def documents() -> list[tuple[str, str]]:
    """Return the titles and texts of the documents."""
    return [*topics.items(), *_docstrings()]


def _docstrings() -> Iterator[tuple[str, str]]:
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if {"site-packages", "test", "tests", "idlelib"}.isdisjoint(path.relative_to(library).parts):
            try:
                tree = ast.parse(path.read_text(encoding="utf-8"))
            except (SyntaxError, ValueError):
                continue
            kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
            found = [
                f"## {getattr(node, 'name', path.stem)}\n\n{text}"
                for node in ast.walk(tree)
                if isinstance(node, kinds) and (text := ast.get_docstring(node))
            ]
            if found:
                yield ".".join(path.relative_to(library).with_suffix("").parts), "\n\n".join(found)


def run(_options: argparse.Namespace) -> Iterator[Table]:
    """Yield one table."""
    table = Table(
        "Ingesting Python's documentation",
        ["method", "documents", "chunks", "seconds", "chunks/s", "relative to the embedder", "peak MB"],
    )
    documents()
    with empty_engine() as engine:
        report = engine.syncs.ingest(Documentation())
        index = engine.store.indexes.active()
        assert index
        with engine.database.connection() as connection:
            rows = connection.execute(f"SELECT heading, text FROM data_{index.name}").fetchall()
        texts = [without_addresses(f"{heading}\n\n{text}") for heading, text in rows]
        encoder = engine.encoders.of(index.embedding_model)
        alone = seconds(lambda: encoder.encode(texts))
        again = seconds(lambda: engine.syncs.ingest(Documentation()))
    rate = len(texts) / alone
    whole = report.chunks_added / report.seconds
    table.add("the embedder alone", None, len(texts), alone, rate, 1.0, None)
    table.add("ingestion", report.seen, report.chunks_added, report.seconds, whole, whole / rate, memory_mb())
    table.add("again, nothing changed", report.seen, 0, again, None, None, None)
    with empty_engine() as engine:
        chunks, taken = _stock(engine)
        table.add(
            "LlamaIndex's pipeline and PGVectorStore",
            report.seen,
            chunks,
            taken,
            chunks / taken,
            chunks / taken / rate,
            memory_mb(),
        )
    yield table


def _stock(engine: Engine) -> tuple[int, float]:
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.vector_stores.postgres import PGVectorStore

    from rag.embedding.llamaindex import LocalEmbedding

    url = f"postgresql+psycopg://postgres@/postgres?host={parse_qs(urlsplit(engine.database.dsn).query)['host'][0]}"
    store = PGVectorStore(
        connection_string=url, async_connection_string=url, table_name="stock", embed_dim=384, hybrid_search=True,
        hnsw_kwargs={"hnsw_m": 16, "hnsw_ef_construction": 64, "hnsw_dist_method": "vector_cosine_ops"},
    )  # fmt: skip
    embedding = LocalEmbedding(home=engine.settings.home)
    encoder = engine.encoders.of(embedding.model_name)
    splitter = SentenceSplitter(
        chunk_size=250, chunk_overlap=0, include_metadata=False, tokenizer=lambda text: [0] * encoder.count_tokens(text)
    )
    pipeline = IngestionPipeline(transformations=[splitter, embedding], vector_store=store, disable_cache=True)
    made = [
        Document(id_=hashlib.sha256(title.encode()).hexdigest(), text=text, metadata={"title": title})
        for title, text in documents()
    ]
    nodes: list[object] = []
    taken = seconds(lambda: nodes.extend(pipeline.run(documents=made)))
    return len(nodes), taken
