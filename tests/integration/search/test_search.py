"""Search: exact BM25, fusion with dense scores, identifiers, filters, boosts and re-ranking."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from pgvector import HalfVector

from rag.embedding.pairs import open_pair_scorer
from rag.engine import Engine
from rag.errors import ConfigurationError
from rag.search.ranking import Ranked, reweighted
from rag.settings import Settings
from rag.sources import Removed
from rag.store.chunks import Chunks, FoundChunk
from rag.store.filters import Filters
from rag.store.index_info import IndexInfo
from rag.store.indexes import SourceSizes
from rag.store.resources import Resource
from rag.store.search import Search, filter_values
from tests.encoders import encoder_of
from tests.servers.memory_source import MemorySource, page
from tests.servers.openai import OpenAIServer
from tests.unit.embedding.model_folders import write_cross_encoder

MakeEngine = Callable[..., Engine]

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


@pytest.fixture(scope="module")
def engine(module_engine: MakeEngine) -> Engine:
    """An index of the pages, which no test changes."""
    return module_engine(MemorySource(PAGES))


@pytest.fixture
def own_engine(empty_engine: Engine) -> Engine:
    """An index of the pages, for a test that changes it."""
    empty_engine.syncs.ingest(MemorySource(PAGES))
    return empty_engine


def reference_bm25(texts: dict[str, list[str]], query: list[str], k1: float = 1.2, b: float = 0.75) -> dict[str, float]:
    """BM25 by the formula of Robertson and Zaragoza, with Lucene's idf."""
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
            "SELECT lexeme, cardinality(positions) FROM unnest(search_terms(%s))", [text]
        ).fetchall()
    return [lexeme for lexeme, repeats in rows for _ in range(repeats)]


def test_bm25_equals_the_reference(engine: Engine) -> None:
    question = "does vacuum reclaim rows, dead rows?"
    index = engine.store.indexes.active()
    assert index is not None
    embedding = engine.encoders.of(index.embedding_model).encode_query(question)
    found = engine.store.search.candidates(index, question=question, embedding=embedding, candidates=50)
    rows = engine.store.chunks.by_id(index, [candidate.id for candidate in found])
    texts = {row.node_id: lexemes(engine, f"{row.heading}\n" * 3 + row.text) for row in rows.values()}
    expected = reference_bm25(texts, lexemes(engine, question))
    assert {rows[one.id].node_id: one.bm25 for one in found} == pytest.approx(expected, abs=1e-9)


def test_a_term_that_is_defined_counts_as_much_as_a_heading(engine: Engine) -> None:
    defined = "`wal_sync` (`enum`)\nHow the log is forced out.\n\n**--soft**, **--mixed**\nKeeps the files."
    found = lexemes(engine, defined)
    assert [found.count(term) for term in ("=wal_sync", "=--soft", "=--mixed", "forc")] == [3, 3, 3, 1]
    found = lexemes(engine, "**Note:**\nUse `wal_sync` here.\n\n`wal_sync` is read once; see there.")
    assert [found.count(term) for term in ("=wal_sync", "note")] == [2, 1]


def test_bm25_stays_exact_after_edits_and_deletions(own_engine: Engine) -> None:
    own_engine.syncs.ingest(MemorySource([page("rows", "Short now.", title="Rows")]))
    test_bm25_equals_the_reference(own_engine)


def test_an_exact_identifier_is_found_by_its_words(engine: Engine) -> None:
    assert engine.search("max_wal_size")[0].url == "https://example.org/wal"


def test_a_paraphrase_is_found_by_its_meaning(engine: Engine) -> None:
    assert engine.search("how do I get disk space back after deleting records?")[0].url == "https://example.org/vacuum"


def test_a_document_is_found_once(engine: Engine) -> None:
    urls = [result.document_id for result in engine.search("backup and restore of a database")]
    assert len(urls) == len(set(urls))


def test_a_search_can_be_limited_to_a_source(own_engine: Engine) -> None:
    own_engine.syncs.ingest(
        MemorySource([page("x", "Vacuum cleaners for rows of shelves.", source="shop")], name="shop")
    )
    results = own_engine.search("vacuum rows", source="shop")
    assert {result.source for result in results} == {"shop"}
    with pytest.raises(ConfigurationError, match="there are: docs, shop"):
        own_engine.search("vacuum", source="nowhere")


@pytest.mark.parametrize(
    "question",
    ["'); DROP TABLE documents; --", "%(x)s {chunks}", "\x00", "the of and", "日本語", "a" * 5000, "a \ud800"],
)
def test_hostile_questions_are_searched_as_text(engine: Engine, question: str) -> None:
    if not question.strip("\x00"):
        question = f"{question}vacuum"
    assert engine.search(question)
    assert len(engine.store.documents.hashes("docs")) == len(PAGES)


def test_an_empty_index_says_what_to_do(empty_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match=r"python -m flows\.ingest"):
        empty_engine.search("anything")


@pytest.fixture(scope="module")
def identifiers(module_engine: MakeEngine) -> Engine:
    filler = [page(f"filler{n}", f"Nothing of note, number {n}, is said in this place.") for n in range(20)]
    pages = [
        page("exact", "The setting `max_wal_size` is looked at between two checkpoints of the server."),
        page("apart", "The size that a wal may have here is one gigabyte at max."),
        page("run", "Call `asyncio.run(main())` once, at the end of the program."),
        page("flag", "`docker build --no-cache` builds every layer again."),
        page("hyphen", "There is no-cache and other words in that header of a reply."),
        page("error", "error[E0308]: mismatched types, says the compiler."),
        page("version", "Since python3.11 and postgresql-15.4, v2.7.1 is no longer supported."),
        page("path", "Edit pg_hba.conf in /etc/postgresql/15/main, and read/write it as root."),
        page("scope", "A `std::collections::HashMap` has no order."),
        page("link", "It is [described elsewhere](https://example.org/zebra/quagga.html)."),
    ]
    return module_engine(MemorySource([*pages, *filler]))


def by_words(engine: Engine, question: str) -> list[str]:
    """The names of the pages with words of a question, by descending BM25."""
    index = engine.questions.active_index
    vector = np.zeros(index.dimension, np.float32)
    found = [
        one
        for one in engine.store.search.candidates(index, question=question, embedding=vector, candidates=50)
        if one.bm25
    ]
    return [one.document_id.rsplit("/", 1)[1] for one in sorted(found, key=lambda one: -one.bm25)]


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("max_wal_size", "exact"),
        ("max wal size between checkpoints", "exact"),
        ("MAX_WAL_SIZE?", "exact"),
        ("asyncio.run", "run"),
        ("asyncio run", "run"),
        ("asyncio.run()", "run"),
        ("what does asyncio do", "run"),
        ("--no-cache", "flag"),
        ("docker --no-cache", "flag"),
        ("E0308", "error"),
        ("error e0308", "error"),
        ("python 3.11", "version"),
        ("python3.11", "version"),
        ("postgresql 15.4", "version"),
        ("2.7.1", "version"),
        ("v2.7.1", "version"),
        ("pg_hba.conf", "path"),
        ("pg_hba", "path"),
        ("write as root", "path"),
        ("std::collections::HashMap", "scope"),
        ("std collections hashmap", "scope"),
    ],
)
def test_identifiers_are_found_whole_and_by_their_parts(identifiers: Engine, question: str, name: str) -> None:
    assert by_words(identifiers, question)[0] == name


def test_a_page_with_an_identifier_ranks_above_a_page_with_only_its_parts(identifiers: Engine) -> None:
    assert by_words(identifiers, "max_wal_size")[:2] == ["exact", "apart"]
    assert set(by_words(identifiers, "no-cache")) == {"flag", "hyphen"}
    assert next(result.document_id for result in identifiers.search("max_wal_size")).endswith("/exact")


def test_the_address_of_a_link_is_not_searched(identifiers: Engine) -> None:
    assert by_words(identifiers, "quagga zebra") == []


def test_bm25_equals_the_reference_over_identifiers(identifiers: Engine) -> None:
    index = identifiers.questions.active_index
    question = "does max_wal_size need asyncio.run or --no-cache?"
    vector = identifiers.encoders.of(index.embedding_model).encode_query(question)
    found = identifiers.store.search.candidates(index, question=question, embedding=vector, candidates=100)
    rows = identifiers.store.chunks.by_id(index, [one.id for one in found])
    texts = {row.node_id: lexemes(identifiers, f"{row.heading} " * 3 + row.text) for row in rows.values()}
    asked = lexemes(identifiers, question)
    words = reference_bm25(texts, [term for term in asked if term[0] != "="])
    whole = reference_bm25(texts, [term for term in asked if term[0] == "="])
    expected = {name: words[name] + whole[name] / 2 for name in texts}
    assert {rows[one.id].node_id: one.bm25 for one in found} == pytest.approx(expected, abs=1e-9)


@pytest.fixture
def crowded(empty_engine: Engine) -> Engine:
    """Pages of common words, each with a few rare words."""
    pages = []
    for number in range(150):
        words = ["server"] * (1 + number % 3) if number % 10 else []
        words += ["table"] * (number % 2) + [f"zebra{number % 7}", f"lion{number % 11}"] + ["filler"] * (number % 13)
        words += ["quagga"] * (number < 2)
        pages.append(page(f"{number:03}", " ".join(words), source="even" if number % 2 else "docs"))
    for source in ("docs", "even"):
        own = [one for one in pages if one.metadata["source"] == source]
        empty_engine.syncs.ingest(MemorySource(own, name=source))
    return empty_engine


def best_by_words(engine: Engine, question: str, source: str | None, **limits: float) -> dict[int, tuple[float, float]]:
    index = engine.questions.active_index
    vector = engine.encoders.of(index.embedding_model).encode_query(question)
    search = Search(engine.database, SourceSizes(engine.database), **limits)
    found = search.candidates(index, question=question, embedding=vector, filters=Filters(source=source), candidates=20)
    return {one.id: (round(one.bm25, 9), round(one.coverage, 9)) for one in found}


MANY_COMMON = [
    "zebra3 lion5 server",
    "does a server table have zebra1 and lion1, zebra2, lion2, zebra4 or lion4?",
    "quagga zebra1000 server",  # fewer chunks than requested contain the rare terms
    "quagga server table zebra3",
    "server",
    "server table",
    "zebra3",
    "nothing of it",
]


def best_scores(found: dict[int, tuple[float, float]]) -> list[float]:
    return sorted((score for score, _ in found.values()), reverse=True)[:20]


@pytest.mark.parametrize("state", ["written", "queued", "edited"])
def test_deferring_common_terms_changes_no_score(crowded: Engine, state: str) -> None:
    if state == "queued":
        crowded.store.postings.queue_all(crowded.questions.active_index)
    elif state == "edited":
        edited = [page("001", "zebra3 lion5 alone", source="even"), page("005", "server server", source="even")]
        crowded.syncs.ingest(MemorySource([*edited, Removed("even:https://example.org/003")], name="even"))
    for question, source in product(MANY_COMMON, (None, "even")):
        expected = best_by_words(crowded, question, source, many_entries=math.inf)

        for entries_a_chunk in (0.001, 1000):
            found = best_by_words(crowded, question, source, many_entries=0, entries_a_chunk=entries_a_chunk)

            # The last candidates may be any of several with equal scores, so only common ids are compared.
            assert best_scores(found) == best_scores(expected), (question, entries_a_chunk)
            assert {name: found[name] for name in found.keys() & expected} == {
                name: expected[name] for name in found.keys() & expected
            }, (question, entries_a_chunk)


THREADS = {
    1: ("issue", "open", ["Bug"], "2024-01-10T09:00:00Z"),
    2: ("issue", "closed", ["bug", "docs"], "2024-02-29T23:59:59Z"),
    3: ("pull", "merged", [], "2024-03-01T00:00:00Z"),
    4: ("discussion", "open", ["it's"], "2024-06-01T12:00:00Z"),
}


@pytest.fixture(scope="module")
def threads(module_engine: MakeEngine) -> Engine:
    documents = [page("guide", "The parser crashes on tabs.")]
    for number, (kind, state, labels, updated_at) in THREADS.items():
        document = page(str(number), f"The parser crashes on input {number}.", source="shop", kind=kind)
        document.metadata |= {"state": state, "labels": labels, "updated_at": updated_at}
        documents.append(document)
    engine = module_engine(MemorySource(documents[:1]), MemorySource(documents[1:], name="shop"))
    with engine.store.transaction() as transaction:
        transaction.resources.put("docs", Resource("https://example.org/guide", lastmod="2024-05-05"))
    return engine


def test_a_label_that_no_thread_has_is_an_error(threads: Engine) -> None:
    with pytest.raises(ConfigurationError, match=r"No thread has the label .*; there are: Bug, bug, docs, it's\."):
        threads.search("parser", filters=Filters(label="' OR true --"))


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        (Filters(), "1 2 3 4 guide"),
        (Filters(source="shop"), "1 2 3 4"),
        (Filters(kind="issue"), "1 2"),
        (Filters(kind="page"), "guide"),
        (Filters(label="bug"), "1 2"),
        (Filters(label="it's"), "4"),
        (Filters(state="open"), "1 4"),
        (Filters(state="merged"), "3"),
        (Filters(state="open", label="bug"), "1"),
        (Filters(source="docs", kind="issue"), ""),
        (Filters(since=date(2024, 2, 29)), "2 3 4 guide"),
        (Filters(until=date(2024, 2, 29)), "1 2"),
        (Filters(since=date(2024, 3, 1), until=date(2024, 5, 31)), "3 guide"),
        (Filters(until=date.max), "1 2 3 4 guide"),
    ],
)
def test_a_filter_narrows_the_results(threads: Engine, filters: Filters, left: str) -> None:
    found = threads.search("Why does the parser crash?", filters=filters)
    assert " ".join(sorted(result.document_id.rsplit("/", 1)[1] for result in found)) == left
    assert {result.document_id for result in threads.questions.searcher(filters).search("parser")} == {
        result.document_id for result in found
    }


@pytest.mark.parametrize("filters", [Filters(kind="issue"), Filters(source="shop", since=date(2024, 2, 1)), Filters(label="bug")])  # fmt: skip
def test_a_wide_filter_does_not_change_the_results(threads: Engine, filters: Filters) -> None:
    store, index = threads.store, threads.questions.active_index
    store.vectors.build(index)
    vector = threads.encoders.of(index.embedding_model).encode_query("crash")
    values = {"index": index.name, "question": "crash", "embedding": HalfVector(vector), "candidates": 100}
    values["many"] = math.inf
    values |= filter_values(filters)
    found = []
    for words, nearest in (("best_words_of_few", "nearest_of_few"), ("best_words_of_many", "nearest_of_many")):
        with store.search.connection(index, None) as connection:
            found.append(sorted(connection.execute(store.search._statement(index, words, nearest), values)))
    assert len(found[0]) > 1
    assert found[0] == found[1]


def test_a_filter_narrows_an_answer(threads: Engine) -> None:
    answer = threads.ask("Why does the parser crash?", filters=Filters(kind="pull"))
    assert [source.kind for source in answer.sources] == ["pull"]
    nodes = threads.questions.retriever(filters=Filters(state="merged")).retrieve("crash")
    assert [node.metadata["kind"] for node in nodes] == ["pull"]


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        (Filters(kind="isue"), "unknown kind 'isue'; choose from issue, pull"),
        (Filters(state="done"), "unknown state 'done'"),
        (
            Filters(since=date(2024, 2, 1), until=date(2024, 1, 1)),
            "since .2024-02-01. must not be after until .2024-01-01",
        ),
    ],
)
def test_an_impossible_filter_is_a_clear_error(threads: Engine, filters: Filters, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        threads.search("crash", filters=filters)


def test_duplicate_chunks_are_shown_once(empty_engine: Engine) -> None:
    text = "To keep the bees warm, close the lid of the hive in winter. "
    copies = [page(f"v{n}", text + "\n" * n, title="Bees") for n in range(40)]
    empty_engine.syncs.ingest(
        MemorySource([*copies, page("other", "Bees fly out of the hive in spring.", title="Bees")])
    )
    found = empty_engine.search("How do I keep the bees of a hive warm?", top_k=10)
    assert [result.title for result in found] == ["Bees", "Bees"]
    assert found[1].document_id.endswith("/other")
    assert [result.rank for result in found] == [1, 2]


def test_equal_chunks_are_ordered_by_kind_author_and_age(empty_engine: Engine) -> None:
    said = {
        "stale": ("issue", {"updated_at": "2015-01-01T00:00:00Z"}),
        "fresh": ("issue", {"updated_at": datetime.now(UTC).isoformat()}),
        "owner": ("issue", {"updated_at": datetime.now(UTC).isoformat(), "author_association": "owner"}),
        "guide": ("page", {}),
    }
    documents = []
    for number, (name, (kind, known)) in enumerate(said.items()):
        # The same words in another order: equal scores, but different texts.
        words = [
            "The lid of the hive is closed in winter.",
            "Snow lies on the roof.",
            "The bees sleep.",
            "Honey is kept.",
        ]
        document = page(name, " ".join(words[number:] + words[:number]), title="T", kind=kind)
        document.metadata |= known
        documents.append(document)
    empty_engine.syncs.ingest(MemorySource(documents))
    index = empty_engine.questions.active_index
    vector = np.full(index.dimension, 1, np.float32)
    found = empty_engine.store.search.candidates(index, question="lid hive winter", embedding=vector, candidates=50)
    rows = empty_engine.store.chunks.by_id(index, [one.id for one in found])
    equal = [Ranked(replace(one, cosine=0.0), 0.5) for one in found]
    order = [rows[one.candidate.id].document_id.rsplit("/", 1)[1] for one in reweighted(equal, rows, {})]
    assert set(order[:2]) == {"owner", "guide"}
    assert order[2:] == ["fresh", "stale"]
    assert next(one.score for one in reweighted(equal, rows, {})) == 0.5


def test_boosts_apply_to_pages_but_not_to_threads(empty_engine: Engine) -> None:
    kinds = {"brief": "page", "thread": "issue", "deep": "page"}
    empty_engine.syncs.ingest(MemorySource([page(name, f"Of {name} bees.", kind=kind) for name, kind in kinds.items()]))
    index = empty_engine.questions.active_index
    vector = np.full(index.dimension, 1, np.float32)
    found = empty_engine.store.search.candidates(index, question="bees", embedding=vector, candidates=9)
    rows = empty_engine.store.chunks.by_id(index, [one.id for one in found])
    by_name = {one.document_id.rsplit("/", 1)[1]: one for one in found}
    ranked = [Ranked(by_name[name], score) for name, score in (("brief", 0.9), ("thread", 0.8), ("deep", 0.7))]
    weighed = reweighted(ranked, rows, {by_name["deep"].document_id: 0.5})
    assert [one.candidate for one in weighed] == [by_name[name] for name in ("deep", "thread", "brief")]
    assert weighed[0].score == 0.9


def test_reading_the_neighbours_of_a_result_uses_an_index(empty_engine: Engine) -> None:
    sections = "\n\n".join(f"## Part {n}\n\n{f'Bees number {n} fly. ' * 40}" for n in range(5))
    empty_engine.syncs.ingest(MemorySource([page("bees", sections)]))
    searcher, index = empty_engine.questions.searcher(), empty_engine.questions.active_index
    third = next(one for one in searcher.search("bees", top_k=9, per_document=9) if one.ordinal == 2)
    assert sorted(one.ordinal for one in searcher.around([third], 1)) == [1, 3]
    assert sorted(one.ordinal for one in searcher.around([replace(third, ordinal=0)], 2)) == [1, 2]
    query = empty_engine.store.chunks._statement(index, "chunks_at")
    with empty_engine.database.connection() as connection:
        connection.execute("SET enable_seqscan = off")
        values = {"documents": [third.document_id], "ordinals": [1]}
        plan = connection.execute("EXPLAIN " + query.as_string(connection), values).fetchall()
        connection.execute("RESET enable_seqscan")
    assert "document_id_ordinal" in "\n".join(row[0] for row in plan)


def reranked(engine: Engine, **changes: object) -> Engine:
    values = {"RAG_HOME": engine.settings.home, "RAG_DATABASE_URL": engine.settings.database_url}
    return Engine.open(Settings(**{**values, **changes}), encoder=encoder_of(engine))


def test_a_language_model_can_only_reorder_results(engine: Engine) -> None:
    before = engine.search("vacuum rows")
    with OpenAIServer() as server:
        settings = {
            "RAG_RERANKER": "llm",
            "RAG_LLM": "openai/m",
            "OPENAI_API_KEY": server.key,
            "OPENAI_BASE_URL": server.url,
        }
        with reranked(engine, **settings) as other:
            for reply, order in [
                ("2, 1", [1, 0, 2, 3]),
                ("4", [3, 0, 1, 2]),
                ("Passages 99, 3 and 3. See https://evil.example/7", [2, 0, 1, 3]),
                ("Ignore the passages.", [0, 1, 2, 3]),
                ("", [0, 1, 2, 3]),
            ]:
                server.answer = reply
                after = other.search("vacuum rows")
                assert [result.url for result in after] == [before[place].url for place in order]
                assert [result.score for result in after] == [result.score for result in before]
                assert [result.rank for result in after] == [1, 2, 3, 4]
            server.answer = "3"
            assert [result.url for result in other.search("vacuum rows", top_k=1)] == [before[2].url]
            server.fail_next(400, message="It will not.")
            assert [result.url for result in other.search("vacuum rows")] == [result.url for result in before]


@pytest.mark.parametrize(("reranker", "says"), [("llm", "needs a language model"), ("cross-encoder/none", "needs sentence-transformers")])  # fmt: skip
def test_a_missing_reranker_is_a_clear_error(engine: Engine, reranker: str, says: str) -> None:
    with reranked(engine, RAG_RERANKER=reranker) as other, pytest.raises(ConfigurationError, match=says):
        other.search("vacuum rows")


def test_a_cross_encoder_in_a_folder_reorders_results(engine: Engine, tmp_path: Path) -> None:
    before = engine.search("vacuum rows")
    write_cross_encoder(tmp_path / "model")

    with reranked(engine, RAG_RERANKER=f"local:{tmp_path / 'model'}") as other:
        after = other.search("vacuum rows")

    scorer = open_pair_scorer(f"local:{tmp_path / 'model'}", engine.settings.home)
    scores = scorer.scores("vacuum rows", [f"{result.heading}\n{result.text}" for result in after])
    assert {result.url for result in after} == {result.url for result in before}
    assert list(scores) == sorted(scores, reverse=True)


def test_a_page_that_a_sync_replaces_during_a_search_is_found(own_engine: Engine) -> None:
    class Overtaken(Chunks):
        """Between the statement that finds chunks and the one that reads them, the page is written anew, once."""

        is_overtaken = False

        def by_id(self, index: IndexInfo, ids: Sequence[int]) -> dict[int, FoundChunk]:
            if not self.is_overtaken:
                self.is_overtaken = True
                own_engine.syncs.ingest(MemorySource([page("vacuum", "Vacuum reclaims dead rows, now in parallel.")]))
            return super().by_id(index, ids)

    own_engine.store.chunks = Overtaken(own_engine.database)

    [found, *_] = own_engine.search("vacuum reclaims dead rows")

    assert found.text.endswith("now in parallel.")
