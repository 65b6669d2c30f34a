"""Postgres is found or started, and the first process migrates it once."""

# ruff: noqa: RUF001 - other scripts are the point
from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil
import psycopg
import pytest

from rag.errors import DatabaseError
from rag.store.index_info import IndexInfo
from rag.store.postgres.database import Database
from rag.store.postgres.embedded import embedded_dsn, stop_embedded
from rag.store.postgres.migrations import migrate
from rag.store.postgres.queries import Queries, sql_folder
from rag.store.store import Store
from tests.growth import HOSTILE, hostile_text

FIXTURES = Path(__file__).parents[2] / "fixtures" / "sql"
QUERIES = Queries(sql_folder() / "queries")
VECTOR = np.array([1, 0, 0.5], np.float32)


def test_processes_that_start_together_migrate_once(empty_dsn: str) -> None:
    code = f"from rag.store.postgres.database import Database; Database({empty_dsn!r}, embedded=True).close()"
    starters = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)]
    errors = [starter.communicate()[1] for starter in starters]
    assert [starter.returncode for starter in starters] == [0] * 4, errors
    with psycopg.connect(empty_dsn) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM migrations ORDER BY name")]
    assert names == sorted(path.stem for path in (sql_folder() / "migrations").glob("*.sql"))


def test_processes_that_start_together_share_the_embedded_server() -> None:
    with tempfile.TemporaryDirectory(prefix="rag-") as folder:
        home = Path(folder) / "home"
        code = (
            "from pathlib import Path; from rag.store.postgres.database import Database\n"
            f"with Database.open(url=None, home=Path({str(home)!r})) as database: print(database.version()['pgvector'])"
        )
        starters = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        said = [starter.communicate() for starter in starters]
        assert [starter.returncode for starter in starters] == [0] * 4, said
        assert len({out for out, _ in said}) == 1
        with psycopg.connect(embedded_dsn(home)) as connection:
            assert connection.execute("SHOW max_wal_size").fetchone() == ("2GB",)
        assert stop_embedded(home)
        assert not stop_embedded(home)


def test_a_failing_migration_leaves_nothing_behind(empty_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE one (id int);")
    (tmp_path / "0002_two.sql").write_text("CREATE TABLE two (id int); SELECT 1 / 0;")
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        with pytest.raises(DatabaseError, match="division by zero"):
            migrate(connection, tmp_path, QUERIES)
        assert connection.execute("SELECT to_regclass('one'), to_regclass('two')").fetchone() == ("one", None)
        (tmp_path / "0002_two.sql").write_text("CREATE TABLE two (id int);")
        assert migrate(connection, tmp_path, QUERIES) == ["0002_two"]


def test_an_edited_applied_migration_is_an_error(empty_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE one (id int);")
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        migrate(connection, tmp_path, QUERIES)
        (tmp_path / "0001_one.sql").write_text("CREATE TABLE one (id bigint);")
        with pytest.raises(DatabaseError, match=r"0001_one\.sql was edited"):
            migrate(connection, tmp_path, QUERIES)


def test_an_index_of_an_earlier_version_is_migrated(empty_dsn: str, tmp_path: Path) -> None:
    for name in ("0001_documents_and_indexes", "0002_parallel_threads_and_sitemap_dates"):
        shutil.copy(sql_folder() / "migrations" / f"{name}.sql", tmp_path)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        migrate(connection, tmp_path, QUERIES)
        connection.execute((FIXTURES / "index_before_0003.sql").read_bytes())
    with Database(empty_dsn, embedded=False) as database:
        store = Store(database)
        index = store.indexes.active()
        assert index
        vector = VECTOR
        found = store.search.candidates(index, question="row 77 of vacuum", embedding=vector, candidates=600)
        best = max(found, key=lambda one: one.bm25)
        assert len(found) == 500
        assert "row 77." in store.chunks.by_id(index, [best.id])[best.id].text
        assert store.embeddings.cached(index.embedding_model, [b"\0"])[b"\0"].tolist() == vector.tolist()
        with store.transaction() as transaction:
            transaction.chunks.delete(index, "docs", ["docs:1#77"])
        store.postings.compact(index, "docs", thorough=True)
        store.vectors.build(index)
        found = store.search.candidates(index, question="77", embedding=vector, candidates=600)
        assert {one.bm25 for one in found} == {0.0}


def test_migrating_an_earlier_index_adds_identifiers_to_its_terms(empty_dsn: str, tmp_path: Path) -> None:
    """A migration makes the same postings as a compaction."""
    for name in ("0001_documents_and_indexes", "0002_parallel_threads_and_sitemap_dates"):
        shutil.copy(sql_folder() / "migrations" / f"{name}.sql", tmp_path)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        migrate(connection, tmp_path, QUERIES)
        connection.execute((FIXTURES / "index_before_0003.sql").read_bytes())
        connection.execute("UPDATE data_old SET text = 'set max_wal_size or asyncio.run' WHERE node_id = 'docs:1#7'")
    with Database(empty_dsn, embedded=False) as database:
        store = Store(database)
        index = store.indexes.active()
        assert index

        def found() -> dict[int, float]:
            search = store.search.candidates(
                index, question="max wal size, asyncio run", embedding=VECTOR, candidates=600
            )
            return {one.id: one.bm25 for one in search if one.bm25}

        migrated = found()
        assert len(migrated) == 1
        store.postings.queue_all(index)
        assert found() == pytest.approx(migrated)
        store.postings.compact(index, "docs", thorough=True)
        assert found() == pytest.approx(migrated)


def test_migrating_an_earlier_index_makes_terms_of_any_script(empty_dsn: str, tmp_path: Path) -> None:
    for path in sorted((sql_folder() / "migrations").glob("000?_*.sql"))[:2]:
        shutil.copy(path, tmp_path)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        migrate(connection, tmp_path, QUERIES)
        connection.execute((FIXTURES / "index_before_0003.sql").read_bytes())
        connection.execute("UPDATE data_old SET text = '組み込みデータベースを停止' WHERE node_id = 'docs:1#7'")
    with Database(empty_dsn, embedded=False) as database:
        store = Store(database)
        index = store.indexes.active()
        assert index
        migrated = best_by_words(store, index, "停止")
        assert "データベース" in migrated[1]
        store.postings.queue_all(index)
        store.postings.compact(index, "docs", thorough=True)
        assert best_by_words(store, index, "停止") == migrated


def best_by_words(store: Store, index: IndexInfo, question: str) -> tuple[float, str]:
    """The BM25 score and the text of the best chunk."""
    found = store.search.candidates(index, question=question, embedding=VECTOR, candidates=600)
    best = max(found, key=lambda one: one.bm25)
    return round(best.bm25, 4), store.chunks.by_id(index, [best.id])[best.id].text


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("停止する", {"停止", "止す", "する"}),
        ("停 止", {"停", "止"}),
        ("如何停止 the database", {"如何", "何停", "停止", "databas"}),
        ("중지하려면", {"중지", "지하", "하려", "려면"}),
        ("базы данных", {"баз", "дан"}),
        ("βάσεις", {"βασ"}),
        ("البيانات", {"بيان"}),
        ("ｆｕｌｌ WIDTH", {"full", "width"}),
        ("Gömülü", {"gömülü"}),
        ("a" * 300 + " x", {"a" * 200, "a" * 100, "x"}),
    ],
)  # fmt: skip
def test_terms_are_words_of_any_script_and_of_limited_length(database: Database, text: str, terms: set[str]) -> None:
    with database.connection() as connection:
        found = connection.execute("SELECT tsvector_to_array(search_terms(%s))", [text]).fetchone()
    assert set(found[0]) == terms


@pytest.mark.parametrize("text", ["停止" * 200_000, "x_" * 500_000, "".join(map(chr, range(0x4E00, 0x9FFF))) * 20])
def test_any_text_has_terms_that_can_be_stored(database: Database, text: str) -> None:
    with database.connection() as connection:
        assert connection.execute("SELECT length(search_terms(%s)) > 0", [text]).fetchone() == (True,)


def test_the_error_for_an_unreachable_server_is_one_line_without_the_password() -> None:
    with pytest.raises(DatabaseError, match="Check RAG_DATABASE_URL") as error:
        Database.open(url="postgresql://me:secret@127.0.0.1:1/none", home=Path("unused"))
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_the_error_for_an_invalid_url_is_one_line_without_the_password() -> None:
    with pytest.raises(DatabaseError, match="not a valid postgresql:// URL") as error:
        Database.open(url="postgresql+psycopg://me:secret@127.0.0.1/none", home=Path("unused"))
    assert "secret" not in str(error.value)


def test_connections_are_pooled(database: Database) -> None:
    with database.connection() as one, database.connection() as other:
        assert one is not other
    with database.connection() as again:
        assert again is one


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        ("-- name: a\n-- What.\nSELECT 1;\n-- name: a\n-- What.\nSELECT 2;", "two queries called a"),
        ("-- name: a\nSELECT 1;", "needs a line of description"),
        ("-- name: a\n-- What.\n", "and a statement"),
    ],
)
def test_duplicate_or_undescribed_queries_are_refused(tmp_path: Path, blocks: str, problem: str) -> None:
    (tmp_path / "q.sql").write_text(blocks)
    with pytest.raises(ValueError, match=problem):
        Queries(tmp_path)


@pytest.mark.slow
def test_the_terms_of_hostile_text_take_linear_time(database: Database) -> None:
    with database.connection() as connection:
        backend = psutil.Process(connection.info.backend_pid)

        def seconds(text: str) -> float:
            before = backend.cpu_times().user
            connection.execute("SELECT search_terms(%s)", [text])
            return backend.cpu_times().user - before

        # Postgres looks for the end of each comment in all of the text; the length of a chunk is the limit there.
        for parts in set(HOSTILE) - {("<!--", ""), ("\0", "")}:
            short, long = hostile_text(parts, 8_000), hostile_text(parts, 32_000)
            # Four times the text: eight times is between linear and quadratic.
            assert any(seconds(long) < 8 * max(seconds(short), 0.05) for _ in range(3)), parts
