"""A document that cannot be cut, embedded or stored is one failed document, and the rest of its source goes on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from uuid import uuid4

import numpy as np
import pytest
from llama_index.core.schema import BaseNode, TransformComponent

from rag.embedding import LocalEncoder
from rag.embedding.cache import CachedEncoder
from rag.errors import EmbeddingError
from rag.ingest.chunking import MarkdownChunker
from rag.ingest.pipeline import Ingestion
from rag.sources import Changed, Checkpoint, Removed
from rag.store.index_info import IndexInfo
from rag.store.resources import Resource
from rag.store.store import Store, Transaction
from tests.encoders import RememberingEncoder
from tests.servers.memory_source import MemorySource, page

INDEX = IndexInfo("minilm", LocalEncoder.model, LocalEncoder.dimension, "1")
POISON = "docs:https://example.org/poison"
# Postgres compresses a text before it finds it too long for a key.
LONG_NOISE = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
NAMES = ("a", "b", "poison", "c", "d")

#: A trigger that refuses what concerns one document, for each table that a document is written to and each way of writing.
_REFUSED = {
    "documents": "{row}.id = '{id}'",
    "data_minilm": "{row}.document_id = '{id}'",
    "minilm_fresh": "EXISTS (SELECT FROM data_minilm c WHERE c.id = {row}.chunk AND c.document_id = '{id}')",
    "minilm_postings": "EXISTS (SELECT FROM data_minilm c WHERE c.document_id = '{id}'"
    " AND c.id = ANY(SELECT e >> 24 FROM unnest({row}.entries) e))",
    "pages": "{row}.url = 'https://example.org/poison'",
    "answers": "{row}.question = 'about poison'",
}


@pytest.fixture
def make(store: Store, encoder: RememberingEncoder) -> Callable[..., Ingestion]:
    store.sources.register("docs", "docs")
    store.indexes.create(INDEX)

    def make(chunker: TransformComponent | None = None, embeds: object = encoder) -> Ingestion:
        cutting = chunker or MarkdownChunker(encoder.count_tokens, max_tokens=encoder.max_tokens - 2)
        return Ingestion(store, INDEX, cutting, CachedEncoder(embeds, store.embeddings))  # type: ignore[arg-type]

    return make


def pages(version: str) -> list[Changed]:
    return [Changed(page(name, f"## Part\n\nAbout {name}, {version}."), _remembering(name, version)) for name in NAMES]


def _remembering(name: str, version: str) -> Callable[[Transaction], None]:
    url = f"https://example.org/{name}"
    return lambda transaction: transaction.resources.put("docs", Resource(url, version, None, (), f"docs:{url}"))


def refuse(store: Store, table: str, way: str) -> None:
    condition = _REFUSED[table].format(row="OLD" if way == "DELETE" else "NEW", id=POISON)
    with store._database.connection() as connection:
        connection.execute(
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {condition} THEN RAISE EXCEPTION 'no poison here'; END IF;"
            f" RETURN {'OLD' if way == 'DELETE' else 'NEW'}; END $$"
        )
        connection.execute(f"CREATE TRIGGER refuse BEFORE {way} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()")


def _answer_about(store: Store, name: str) -> None:
    """Log an answer that cites the document."""
    with store._database.connection() as connection:
        answer = uuid4()
        connection.execute(
            "INSERT INTO answers (id, question, asked, answered, answer, sources, embedding_model, llm, timings, thread)"
            " VALUES (%s, %s, '', true, '', '[]', '', '', '{}', %s)",
            [answer, f"about {name}", answer],
        )
        connection.execute(
            "INSERT INTO answer_chunks SELECT %s, 1, node_id, document_id, sha256(text::bytea) FROM data_minilm"
            " WHERE document_id = %s",
            [answer, f"docs:https://example.org/{name}"],
        )


@pytest.mark.parametrize(
    ("table", "way"),
    [
        ("documents", "INSERT"),
        ("documents", "UPDATE"),
        ("documents", "DELETE"),
        ("data_minilm", "INSERT"),
        ("data_minilm", "UPDATE"),
        ("data_minilm", "DELETE"),
        ("minilm_fresh", "INSERT"),
        ("minilm_postings", "INSERT"),
        ("pages", "INSERT"),
        ("pages", "UPDATE"),
        ("answers", "UPDATE"),
    ],
)
def test_a_document_that_any_statement_refuses_fails_alone(
    make: Callable[..., Ingestion], store: Store, table: str, way: str
) -> None:
    ingestion = make()
    if way != "INSERT":
        ingestion.sync(MemorySource(pages("one")))
        for name in NAMES:
            _answer_about(store, name)
    refuse(store, table, way)
    if (table, way) == ("data_minilm", "UPDATE"):
        # The chunk keeps its text, and its URL changes.
        second = [Changed(page(name, f"## Part\n\nAbout {name}, one.")) for name in NAMES]
        for change in second:
            change.document.metadata["tag"] = "new"
    elif way == "DELETE" and table == "documents":
        second = [Removed(f"docs:https://example.org/{name}") for name in NAMES]
    else:
        second = pages("two")

    report = ingestion.sync(MemorySource([*second, page("last", "After the poison.")]))

    assert [failure.url.rpartition("/")[2].partition("#")[0] for failure in report.errors] == ["poison"]
    assert report.state == "failed"
    assert report.added + report.updated + report.deleted >= len(NAMES)
    assert "docs:https://example.org/last" in store.documents.hashes("docs")


def test_a_document_whose_address_cannot_be_stored_fails_alone(make: Callable[..., Ingestion], store: Store) -> None:
    odd = [page(name, "Text.") for name in ("control\x01", "nul\0", "surrogate\udcff", LONG_NOISE)]

    report = make().sync(MemorySource([page("a", "First."), *odd, page("b", "Second.")]))

    assert (report.added, report.failed, len(report.errors)) == (2, 4, 4)
    json.dumps([one.url for one in report.errors], ensure_ascii=False).encode()  # what is reported can be printed


def test_a_document_that_cannot_be_cut_fails_alone(make: Callable[..., Ingestion], encoder: RememberingEncoder) -> None:
    class Fragile(MarkdownChunker):
        def _parse_nodes(self, nodes: Sequence[BaseNode], *rest: object, **options: object) -> list[BaseNode]:
            if any("poison" in node.get_content() for node in nodes):
                raise RecursionError("too deep")
            return super()._parse_nodes(nodes, *rest, **options)  # type: ignore[arg-type]

    report = make(Fragile(encoder.count_tokens, max_tokens=64)).sync(MemorySource(pages("one")))

    assert [(one.url, one.error) for one in report.errors] == [
        ("https://example.org/poison", "It cannot be cut into chunks: too deep")
    ]
    assert report.added == 4


class Choosy:
    """An encoder that refuses some texts, and counts how often it is asked."""

    def __init__(self, encoder: RememberingEncoder, refuses: Callable[[str], bool]) -> None:
        self._encoder = encoder
        self._refuses = refuses
        self.model, self.dimension = encoder.model, encoder.dimension
        self.max_tokens, self.count_tokens = encoder.max_tokens, encoder.count_tokens

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if any(map(self._refuses, texts)):
            raise EmbeddingError("the server answered 400: input refused")
        return self._encoder.encode(texts)

    encode_queries = encode

    def encode_query(self, text: str) -> np.ndarray:
        return self.encode([text])[0]


def test_a_text_that_the_model_refuses_fails_its_document_alone(
    make: Callable[..., Ingestion], encoder: RememberingEncoder
) -> None:
    ingestion = make(embeds=Choosy(encoder, lambda text: "poison" in text))

    report = ingestion.sync(MemorySource(pages("one")))

    assert [(one.url, one.error) for one in report.errors] == [
        ("https://example.org/poison", "the server answered 400: input refused")
    ]
    assert report.added == 4


def test_a_model_that_refuses_everything_fails_the_sync(
    make: Callable[..., Ingestion], encoder: RememberingEncoder
) -> None:
    ingestion = make(embeds=Choosy(encoder, lambda _text: True))

    with pytest.raises(EmbeddingError, match="input refused"):
        ingestion.sync(MemorySource(pages("one")))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_vector_without_a_direction_fails_its_document_alone(
    make: Callable[..., Ingestion], encoder: RememberingEncoder, store: Store, value: float
) -> None:
    class Broken(Choosy):
        def encode(self, texts: Sequence[str]) -> np.ndarray:
            vectors = self._encoder.encode(texts).copy()
            for row, text in enumerate(texts):
                if "poison" in text:
                    vectors[row] = value
            return vectors

    report = make(embeds=Broken(encoder, lambda _: False)).sync(MemorySource(pages("one")))

    assert [one.url for one in report.errors] == ["https://example.org/poison"]
    assert report.added == 4
    assert len(store.documents.hashes("docs")) == 4


def test_state_that_is_refused_is_named_if_the_source_can_go_on_without_it(
    make: Callable[..., Ingestion], store: Store
) -> None:
    too_long = f"https://example.org/{LONG_NOISE}"

    def remember(transaction: Transaction) -> None:
        transaction.resources.put("docs", Resource(too_long, "1", None, (), None))

    report = make().sync(MemorySource([Checkpoint(remember, about=too_long), page("a", "After it.")]))

    assert [one.url for one in report.errors] == [too_long]
    assert report.added == 1
