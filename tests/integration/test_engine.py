"""The engine: one active index, and a change of the embedding model without an interruption."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg import sql

from rag.engine import Engine
from rag.errors import ConfigurationError, EmbeddingError, SourceUnavailable
from rag.ingest.indexing import Indexing
from rag.ingest.opening import SourceOpener
from rag.ingest.sync import Syncs
from rag.settings import Settings
from rag.sources import Removed
from rag.store.index_info import IndexInfo, IndexTables
from tests.encoders import encoder_of
from tests.servers.memory_source import MemorySource, page
from tests.servers.openai import OpenAIServer
from tests.unit.embedding.model_folders import HIDDEN, write_model

PAGES = [page(name, f"All about {name}, and how to {name} well.") for name in ("backup", "vacuum", "replication")]


def engine_with(engine: Engine, **changes: str) -> Engine:
    settings = engine.settings
    values = {
        "RAG_HOME": settings.home,
        "RAG_DATABASE_URL": settings.database_url,
        "RAG_EMBEDDING_MODEL": settings.embedding_model,
    }
    return Engine.open(Settings(**{**values, **changes}), encoder=encoder_of(engine))


@contextmanager
def remote_model(
    engine: Engine, dimension: int = 16, model: str = "openai/some-model"
) -> Iterator[tuple[Engine, OpenAIServer]]:
    with (
        OpenAIServer(dimension=dimension) as server,
        engine_with(engine, RAG_EMBEDDING_MODEL=model, OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url) as other,
    ):
        yield other, server


def test_another_embedding_model_is_refused_before_anything_is_written(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    with (
        engine_with(empty_engine, RAG_EMBEDDING_MODEL="openai/text-embedding-3-small", OPENAI_API_KEY="k") as other,
        pytest.raises(ConfigurationError, match=r"Set it back, or build an index for it: python -m flows\.reindex"),
    ):
        other.syncs.ingest(MemorySource(PAGES))


def test_questions_are_embedded_by_the_model_of_the_index(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    with engine_with(empty_engine, RAG_EMBEDDING_MODEL="openai/text-embedding-3-small", OPENAI_API_KEY="k") as other:
        assert other.search("vacuum")[0].title == "vacuum"


def test_a_second_sync_of_a_busy_source_is_refused(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource([]))
    with empty_engine.store.sources.locked("docs"), pytest.raises(SourceUnavailable, match="Another sync of docs"):
        empty_engine.syncs.ingest(MemorySource(PAGES))


def test_the_error_of_a_failed_sync_is_kept_until_a_sync_succeeds(empty_engine: Engine) -> None:
    with pytest.raises(SourceUnavailable):
        empty_engine.syncs.ingest(MemorySource([SourceUnavailable("example.org does not answer.")]))
    assert empty_engine.operations.status()["sources"][0]["last_error"] == "example.org does not answer."
    empty_engine.syncs.ingest(MemorySource(PAGES))
    (source,) = empty_engine.operations.status()["sources"]
    assert source["last_error"] is None
    assert (source["documents"], source["chunks"]) == (3, 3)


def test_the_error_for_an_unknown_source_lists_the_configured_sources(empty_engine: Engine) -> None:
    Path(empty_engine.settings.sources_path).write_text('[[docs]]\nname = "manual"\nurl = "https://example.org/"')
    with pytest.raises(ConfigurationError, match="there are: manual"):
        empty_engine.sync("handbook")


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_refused(empty_engine: Engine, question: str) -> None:
    with pytest.raises(ConfigurationError, match="question is empty"):
        empty_engine.ask(question)


def test_reindexing_builds_a_second_index_without_fetching(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    with remote_model(empty_engine) as (other, _):
        new = other.indexing.reindex()
        assert (new.embedding_model, new.dimension) == ("openai/some-model", 16)
        assert other.store.indexes.size(new).chunks == len(PAGES)
        assert other.search("vacuum")[0].title == "vacuum"
        assert other.syncs.ingest(MemorySource(PAGES)).unchanged == len(PAGES)
        with pytest.raises(ConfigurationError, match="nothing to build"):
            other.indexing.reindex()


def test_rolling_back_applies_later_changes_to_the_previous_index(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    with remote_model(empty_engine) as (other, _):
        other.indexing.reindex()
        other.syncs.ingest(MemorySource([page("vacuum", "Vacuum is now called hoover.", title="vacuum")]))
        other.syncs.ingest(MemorySource([Removed("docs:https://example.org/backup")]))
        back = other.indexing.roll_back()
        assert back.embedding_model == "local/all-MiniLM-L6-v2"
    (hoover, *_) = empty_engine.search("what is hoover?")
    assert hoover.title == "vacuum"
    assert {result.title for result in empty_engine.search("backup")} == {"vacuum", "replication"}
    assert indexed_terms(empty_engine, back) == terms_of_chunks(empty_engine, back)


def test_rolling_back_after_dropping_the_other_indexes_is_an_error(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    with remote_model(empty_engine) as (other, _):
        new = other.indexing.reindex()
        assert [index.embedding_model for index in other.indexing.drop_others()] == ["local/all-MiniLM-L6-v2"]
        with pytest.raises(ConfigurationError, match="no index to roll back to"):
            other.indexing.roll_back()
        assert other.store.indexes.active() == new
        assert other.search("vacuum")[0].title == "vacuum"


def test_more_sources_than_connections_can_be_reindexed(empty_engine: Engine) -> None:
    for number in range(12):
        name = f"docs{number}"
        empty_engine.syncs.ingest(MemorySource([page("a", "Text of a page.", source=name)], name=name))
    with remote_model(empty_engine) as (other, _):
        with empty_engine.store.sources.locked("docs7"), pytest.raises(SourceUnavailable, match="A sync of docs7"):
            other.indexing.reindex()
        assert other.store.indexes.size(other.indexing.reindex()).chunks == 12


def test_a_sync_does_not_write_into_an_index_that_was_replaced_before_it_had_its_lock(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    with remote_model(empty_engine) as (other, _):

        class Overtaken(Indexing):
            def index_to_write(self) -> IndexInfo:
                index = super().index_to_write()
                if not self._store.indexes.others():
                    other.indexing.reindex()
                return index

        store, settings, encoders = empty_engine.store, empty_engine.settings, empty_engine.encoders
        overtaken = Overtaken(store, encoders, model=settings.embedding_model)
        syncs = Syncs(store, SourceOpener(settings, store), overtaken, encoders, log_days=90)
        with pytest.raises(ConfigurationError, match="The index holds vectors of openai/some-model"):
            syncs.ingest(MemorySource([page("late", "A late page.")]))
        assert "docs:https://example.org/late" not in store.documents.hashes("docs")


def test_a_source_that_is_added_during_a_reindex_waits_for_it(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    late = MemorySource([page("a", "A late page.", source="late")], name="late")
    tried = []

    def add(_done: int) -> None:
        with pytest.raises(SourceUnavailable):
            empty_engine.syncs.ingest(late)
        tried.append(late)

    with remote_model(empty_engine) as (other, _):
        other.indexing.reindex(progress=add)
        assert tried
        other.syncs.ingest(late)
        assert "late" in {result.source for result in other.search("A late page")}


def test_only_the_previous_index_is_kept(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    with remote_model(empty_engine) as (other, _):
        other.indexing.reindex()
    with remote_model(empty_engine, model="openai/third-model") as (third, _):
        third.indexing.reindex()
        assert [index.embedding_model for index, _ in third.store.indexes.others()] == ["openai/some-model"]


def indexed_terms(engine: Engine, index: IndexInfo) -> list[tuple[object, ...]]:
    """The terms in the postings and statistics of an index."""
    return rows_of(
        engine,
        index,
        "SELECT term, entry, sum(sign(p.chunks)), (SELECT sum(s.chunks) FROM index_statistics s WHERE index_name = {name}),"
        " (SELECT sum(s.terms) FROM index_statistics s WHERE index_name = {name})"
        " FROM {postings} p, unnest(entries) entry GROUP BY 1, 2 HAVING sum(sign(p.chunks)) > 0 ORDER BY 1, 2",
    )


def terms_of_chunks(engine: Engine, index: IndexInfo) -> list[tuple[object, ...]]:
    """The terms of its chunks, which the postings must contain."""
    return rows_of(
        engine,
        index,
        "SELECT hashtextextended(t.lexeme, 0), (c.id << 24) | (cardinality(t.positions) << 12)"
        " | (SELECT sum(cardinality(u.positions)) FROM unnest(c.text_search_tsv) u)::bigint, 1,"
        " (SELECT count(*) FROM {chunks}),"
        " (SELECT sum(cardinality(u.positions)) FROM {chunks} a, unnest(a.text_search_tsv) u)"
        " FROM {chunks} c, unnest(c.text_search_tsv) t ORDER BY 1, 2",
    )


def rows_of(engine: Engine, index: IndexInfo, query: str) -> list[tuple[object, ...]]:
    names = {**IndexTables(index).identifiers, "name": sql.Literal(index.name)}
    with engine.database.connection() as connection:
        return connection.execute(sql.SQL(query).format(**names)).fetchall()


def test_another_model_replaces_an_empty_index(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource([]))
    with remote_model(empty_engine) as (other, _):
        assert other.syncs.ingest(MemorySource(PAGES)).added == len(PAGES)
        assert other.search("vacuum")[0].title == "vacuum"


def test_vectors_too_long_for_an_hnsw_index_are_searched(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    with remote_model(empty_engine, dimension=3072) as (other, _):
        assert other.indexing.reindex().dimension == 3072
        assert {result.title for result in other.search("vacuum")} == {"backup", "vacuum", "replication"}


def test_after_a_failed_reindex_the_previous_index_answers(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    with remote_model(empty_engine) as (other, server):
        other.encoders.of("openai/some-model").dimension  # noqa: B018 - requested before the server fails
        server.fail_next(400, times=50)
        with pytest.raises(EmbeddingError):
            other.indexing.reindex()
        assert other.search("vacuum")[0].title == "vacuum"


def test_an_index_of_a_model_in_a_folder(empty_engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "Small-Model"
    write_model(folder)
    with engine_with(empty_engine, RAG_EMBEDDING_MODEL=f"local:{folder}") as other:
        other.syncs.ingest(MemorySource(PAGES))
        index = other.questions.active_index
        assert (index.name, index.dimension) == ("small_model", HIDDEN)
        assert index.embedding_model.startswith(f"local:{folder}#")
        assert other.search("vacuum")[0].title == "vacuum"


def test_another_model_in_the_same_folder_is_another_model(empty_engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    with engine_with(empty_engine, RAG_EMBEDDING_MODEL=f"local:{folder}") as other:
        other.syncs.ingest(MemorySource(PAGES))
    write_model(folder, pooling="cls_token")
    with engine_with(empty_engine, RAG_EMBEDDING_MODEL=f"local:{folder}") as other:
        with pytest.raises(ConfigurationError, match=r"The index holds vectors of local:.*flows\.reindex"):
            other.syncs.ingest(MemorySource(PAGES))
        with pytest.raises(ConfigurationError, match="have changed since the index was built"):
            other.search("vacuum")

        new = other.indexing.reindex()

        assert other.indexing.is_set(new)
        assert other.search("vacuum")[0].title == "vacuum"


def test_a_model_that_is_gone_does_not_prevent_a_roll_back(empty_engine: Engine, tmp_path: Path) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    folder = tmp_path / "model"
    write_model(folder)
    with engine_with(empty_engine, RAG_EMBEDDING_MODEL=f"local:{folder}") as other:
        other.indexing.reindex()
    shutil.rmtree(folder)
    with engine_with(empty_engine, RAG_EMBEDDING_MODEL=f"local:{folder}") as other:
        back = other.indexing.roll_back()

        assert back.embedding_model == "local/all-MiniLM-L6-v2"
        assert not other.indexing.is_set(back)
