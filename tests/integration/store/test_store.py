"""The store on a real Postgres."""

from __future__ import annotations

import numpy as np
import pytest

from rag.errors import DatabaseError
from rag.store.chunks import ChunkRow
from rag.store.documents import DocumentRow
from rag.store.github import GitHubThread
from rag.store.index_info import IndexInfo
from rag.store.resources import Resource
from rag.store.store import Store

INDEX = IndexInfo("minilm", "local/all-MiniLM-L6-v2", 4, "1")


def document(**changes: str) -> DocumentRow:
    values = {
        "id": "s:1",
        "source": "s",
        "kind": "page",
        "url": "http://x/1",
        "title": "T",
        "text": "body",
        "hash": "h",
    }
    return DocumentRow(**{**values, **changes}, metadata={})


def chunk(node_id: str, text: str) -> ChunkRow:
    return ChunkRow(node_id, 0, text, "T", "http://x/1", {"a": 1}, np.ones(4, np.float32))


@pytest.fixture
def indexed(store: Store) -> Store:
    store.sources.register("s", "docs")
    store.indexes.create(INDEX)
    with store.transaction() as transaction:
        transaction.documents.put([document()])
        transaction.chunks.add(INDEX, "s", [("s:1", chunk("a", "alpha beta beta")), ("s:1", chunk("b", "gamma"))])
    return store


def test_the_first_index_becomes_active(indexed: Store) -> None:
    indexed.indexes.create(IndexInfo("other", "openai/x", 4, "1"))
    assert indexed.indexes.active() == INDEX


def test_statistics_count_added_and_deleted_chunks(indexed: Store) -> None:
    with indexed.transaction() as transaction:
        transaction.chunks.delete(INDEX, "s", ["a"])
    size = indexed.indexes.size(INDEX)
    assert (size.documents, size.chunks) == (1, 1)


def vectors_indexes(store: Store) -> list[tuple[str, int]]:
    with store._database.connection() as connection:
        return connection.execute(
            "SELECT relname, option_value::integer FROM pg_class, pg_options_to_table(reloptions) WHERE option_name = 'm'"
        ).fetchall()


def test_a_vector_index_is_rebuilt_with_new_parameters_when_the_index_has_grown(indexed: Store) -> None:
    indexed.vectors.build(INDEX)
    assert vectors_indexes(indexed) == [("minilm_hnsw", 12)]
    with indexed._database.connection() as connection:
        connection.execute("UPDATE index_statistics SET chunks = 30000")
    indexed.vectors.build(INDEX)
    assert vectors_indexes(indexed) == [("minilm_hnsw", 24)]


def test_an_error_inside_a_transaction_leaves_nothing_behind(indexed: Store) -> None:
    with pytest.raises(DatabaseError, match="unique"), indexed.transaction() as transaction:
        transaction.documents.put([document(id="s:2")])
        transaction.sources.set_cursor("s", {"at": 2})
        transaction.chunks.add(INDEX, "s", [("s:2", chunk("a", "the same node id again"))])
    assert indexed.documents.hashes("s") == {"s:1": "h"}
    assert indexed.sources.cursor("s") == {}


def test_characters_that_postgres_cannot_store_are_dropped_from_text(indexed: Store) -> None:
    with indexed.transaction() as transaction:
        transaction.documents.put([document(id="s:3", text="nul \x00 and lone \ud800 surrogate", title="T")])
    assert "s:3" in indexed.documents.hashes("s")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a \x00 b", "a  b"),
        (r"a literal \u0000", r"a literal \u0000"),
        ("lone \ud800", "lone "),
        ("\x1b[31mred\r\n", "[31mred\n"),
        ("日本 🎉", "日本 🎉"),
    ],
)
def test_characters_that_postgres_cannot_store_are_dropped_from_json(indexed: Store, sent: str, kept: str) -> None:
    with indexed.transaction() as transaction:
        transaction.github.put_threads("s", [GitHubThread(1, "issue", {"body": sent, "labels": [sent]})])
    thread = indexed.github.thread("s", 1)
    assert thread is not None
    assert thread.data == {"body": kept, "labels": [kept]}


def test_a_stored_resource_is_read_unchanged(indexed: Store) -> None:
    page = Resource("http://x/1", '"etag"', None, ("http://x/2",), "s:1")
    with indexed.transaction() as transaction:
        transaction.resources.put("s", page)
    assert indexed.resources.known("s") == {"http://x/1": page}


def test_embeddings_are_found_by_model_and_content(store: Store) -> None:
    store.embeddings.keep("m", {b"1" * 32: np.arange(3, dtype=np.float32)})
    store.embeddings.keep("m", {b"1" * 32: np.zeros(3, np.float32)})
    assert store.embeddings.cached("other", [b"1" * 32]) == {}
    assert store.embeddings.cached("m", [b"1" * 32])[b"1" * 32].tolist() == [0, 1, 2]


def test_a_source_has_one_exclusive_lock(store: Store) -> None:
    with store.sources.locked("s") as first, store.sources.locked("s") as second:
        assert (first, second) == (True, False)
    with store.sources.locked("s") as again:
        assert again
