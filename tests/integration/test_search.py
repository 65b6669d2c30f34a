"""Search: exact BM25, both sides fused, one result a document."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.search import fuse
from rag.store import Candidate
from tests.servers.memory_source import MemorySource, page

PAGES = [
    page("wal", "max_wal_size limits how large the write-ahead log grows between checkpoints.", title="WAL"),
    page("vacuum", "Vacuum reclaims dead rows. Vacuum often. Autovacuum does it for you.", title="Vacuum"),
    page(
        "backup",
        "A backup of one database is written by pg_dump.\n\n## Restore\n\nRead it with pg_restore.",
        title="Backup",
    ),
    page("rows", "Rows and rows of tables that nobody reads, which say much about nothing.", title="Rows"),
]


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    empty_engine.ingest(MemorySource(PAGES))
    return empty_engine


def reference_bm25(texts: dict[str, list[str]], query: list[str], k1: float = 1.2, b: float = 0.75) -> dict[str, float]:
    """BM25 as Robertson and Zaragoza define it, with Lucene's idf."""
    mean = sum(map(len, texts.values())) / len(texts)
    scores: dict[str, float] = {}
    for name, terms in texts.items():
        counts = Counter(terms)
        score = 0.0
        for term in query:
            holding = sum(term in other for other in texts.values())
            idf = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            score += idf * counts[term] * (k1 + 1) / (counts[term] + k1 * (1 - b + b * len(terms) / mean))
        scores[name] = score
    return scores


def lexemes(engine: Engine, text: str) -> list[str]:
    with engine.database.connection() as connection:
        rows = connection.execute(
            "SELECT lexeme, cardinality(positions) FROM unnest(to_tsvector('english', %s))", [text]
        ).fetchall()
    return [lexeme for lexeme, repeats in rows for _ in range(repeats)]


def test_bm25_equals_the_reference(engine: Engine) -> None:
    question = "does vacuum reclaim rows, dead rows?"
    index = engine.store.active_index()
    assert index is not None
    embedding = engine.encoder(index.embedding_model).encode_query(question)
    found = engine.store.search(index, question=question, embedding=embedding, source=None, candidates=50)
    rows = engine.store.chunks_by_id(index, [candidate.id for candidate in found])
    texts = {row.node_id: lexemes(engine, f"{row.heading}\n" * 3 + row.text) for row in rows.values()}
    expected = reference_bm25(texts, lexemes(engine, question))
    assert {rows[one.id].node_id: one.bm25 for one in found} == pytest.approx(expected, abs=1e-9)


def test_bm25_stays_exact_after_edits_and_deletions(engine: Engine) -> None:
    engine.ingest(MemorySource([page("rows", "Short now.", title="Rows")]))
    test_bm25_equals_the_reference(engine)


def test_an_exact_identifier_is_found_by_its_words(engine: Engine) -> None:
    assert engine.search("max_wal_size")[0].url == "https://example.org/wal"


def test_a_paraphrase_is_found_by_its_meaning(engine: Engine) -> None:
    assert engine.search("how do I get disk space back after deleting records?")[0].url == "https://example.org/vacuum"


def test_a_document_comes_once(engine: Engine) -> None:
    urls = [result.document_id for result in engine.search("backup and restore of a database")]
    assert len(urls) == len(set(urls))


def test_a_source_can_be_searched_alone(engine: Engine) -> None:
    engine.ingest(MemorySource([page("x", "Vacuum cleaners for rows of shelves.", source="shop")], name="shop"))
    results = engine.search("vacuum rows", source="shop")
    assert {result.source for result in results} == {"shop"}
    with pytest.raises(ConfigurationError, match="there are: docs, shop"):
        engine.search("vacuum", source="nowhere")


@pytest.mark.parametrize(
    "question", ["'); DROP TABLE documents; --", "%(x)s {chunks}", "\x00", "the of and", "日本語", "a" * 5000]
)
def test_any_question_is_just_a_question(engine: Engine, question: str) -> None:
    if not question.strip("\x00"):
        question = f"{question}vacuum"
    assert engine.search(question)
    assert len(engine.store.document_hashes("docs")) == len(PAGES)


def test_an_empty_index_says_what_to_do(empty_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match=r"python -m flows\.ingest"):
        empty_engine.search("anything")


def test_a_chunk_that_both_sides_like_comes_first() -> None:
    candidates = [Candidate(1, "a", 0.9, 0.0, 0.1), Candidate(2, "b", 0.8, 8.0, 0.9), Candidate(3, "c", 0.1, 9.0, 1.0)]
    assert [ranked.candidate.id for ranked in fuse(candidates)] == [2, 3, 1]
    assert fuse([]) == []
