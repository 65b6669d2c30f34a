"""LlamaIndex's own components read our tables, and our components fit LlamaIndex."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import QueryBundle
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode
from llama_index.vector_stores.postgres import PGVectorStore

from rag.embedding.llamaindex import LocalEmbedding
from rag.engine import Engine
from tests.servers.memory_source import MemorySource, page

PAGES = [
    page("backup", "Use `pg_dump` to write one database to a file.", title="Backup"),
    page("vacuum", "VACUUM reclaims the space of dead rows.", title="Vacuum"),
    page("ssl", "## Certificates {#certs}\n\nA hostssl line allows only encrypted connections.", title="SSL"),
]


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    return empty_engine


@pytest.fixture
def stock(engine: Engine, dsn: str) -> Iterator[PGVectorStore]:
    """An ordinary PGVectorStore on our table."""
    index = engine.store.indexes.active()
    assert index is not None
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    url = f"postgresql+psycopg://{parts['user']}@/{parts['dbname']}?host={quote(str(parts['host']))}"
    store = PGVectorStore(
        connection_string=url,
        async_connection_string=url,
        table_name=index.name,
        embed_dim=index.dimension,
        hybrid_search=True,
        perform_setup=False,
    )
    yield store
    asyncio.run(store.close())


def test_a_stock_vector_store_index_answers_from_our_table(stock: PGVectorStore, home: Path) -> None:
    index = VectorStoreIndex.from_vector_store(stock, embed_model=LocalEmbedding(home=home))
    found = index.as_retriever(similarity_top_k=2).retrieve("how do I save a database to a file?")
    assert found[0].node.get_content() == "Use `pg_dump` to write one database to a file."
    assert found[0].node.metadata["url"] == "https://example.org/backup"
    assert found[0].node.ref_doc_id == "docs:https://example.org/backup"


@pytest.mark.parametrize(
    "mode", [VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.HYBRID]
)
def test_every_stock_query_mode_works(stock: PGVectorStore, home: Path, mode: VectorStoreQueryMode) -> None:
    vector = LocalEmbedding(home=home).get_query_embedding("encrypted connections")
    result = stock.query(
        VectorStoreQuery(
            query_embedding=vector, query_str="encrypted connections", similarity_top_k=2, sparse_top_k=2, mode=mode
        )
    )
    assert "hostssl" in result.nodes[0].get_content()


def test_stock_metadata_filters_read_our_metadata(stock: PGVectorStore, home: Path) -> None:
    vector = LocalEmbedding(home=home).get_query_embedding("anything")
    filters = MetadataFilters(filters=[MetadataFilter(key="title", value="Vacuum")])
    result = stock.query(VectorStoreQuery(query_embedding=vector, similarity_top_k=5, filters=filters))
    assert [node.metadata["title"] for node in result.nodes] == ["Vacuum"]


def test_our_retriever_is_a_llamaindex_retriever(engine: Engine) -> None:
    found = engine.questions.retriever(top_k=2).retrieve(QueryBundle("which line allows only encrypted connections?"))
    assert found[0].node.metadata["url"] == "https://example.org/ssl#certs"
    assert 0 <= (found[0].score or 0) <= 1


def test_our_query_engine_is_a_llamaindex_query_engine(engine: Engine) -> None:
    response = engine.questions.query_engine().query("how do I write one database to a file?")
    assert "pg_dump" in str(response)
    assert response.source_nodes[0].node.metadata["url"] == "https://example.org/backup"
