"""No secret of the settings, the sources or a question reaches what Prefect, Postgres or a terminal keeps or shows."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from flows.answer import answer
from flows.ingest import run_ingest
from flows.prefect.server import ServerProcess
from rag import status
from rag.ask import main as ask
from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.flows.prefect_records import flow_run

Sources = Callable[..., None]

#: In the address of a repository, of a model and of the database.
CANARY = "c4n4ryXq9Zt7"
#: In a question.
TOKEN = "ghp_" + "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fG2hJ4"


def _records(home: Path) -> Iterator[str]:
    """Every row of Prefect's database, and every file beside it."""
    for path in home.rglob("*"):
        if path.suffix == ".db":
            with sqlite3.connect(path) as connection:
                yield from connection.iterdump()
            connection.close()
        elif path.is_file() and not path.name.startswith("prefect.db"):
            yield path.read_text(errors="replace")


def _rows(dsn: str) -> Iterator[str]:
    with psycopg.connect(dsn) as connection:
        tables = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        for table in tables:
            yield from (row for (row,) in connection.execute(f'SELECT t::text FROM "{table}" t'))


@pytest.fixture
def configured(
    prefect_server: ServerProcess,
    sources: Sources,
    settings_in_environment: Path,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    sources(issues="example/engine")
    with settings_in_environment.open("a") as file:
        file.write(f'[[repository]]\nname = "handbook"\nurl = "http://x:{CANARY}@127.0.0.1:1/o/r.git"\n')
        file.write(f'[[docs]]\nname = "docs"\nurl = "http://x:{CANARY}@127.0.0.1:1/docs;jsessionid={CANARY}/"\n')
    # The embedded server trusts its own user, whatever the password.
    host = psycopg.conninfo.conninfo_to_dict(dsn)
    url = f"postgresql://postgres:{CANARY}@/{host['dbname']}?host={host['host']}&sslpassword={CANARY}"
    monkeypatch.setenv("RAG_DATABASE_URL", url)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://x:{CANARY}@127.0.0.1:1/v1?api-key={CANARY}")
    return dsn


def test_no_secret_is_kept_or_shown(
    configured: str,
    settings_in_environment: Path,
    short_retries: None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG, "rag")
    reports = asyncio.run(run_ingest(["issues", "handbook", "docs"]))
    state = asyncio.run(answer(f"Is {TOKEN} still valid on a laptop?", return_state=True))
    assert status.main([]) == 0
    assert status.main(["--json"]) == 0
    assert ask([f"Is {TOKEN} still valid on a laptop?", "--json"]) == 0

    run = flow_run(state.state_details.flow_run_id)
    kept = [
        *_records(Path(os.environ["PREFECT_HOME"])),
        *_rows(configured),
        *map(str, reports),
        *(str(report.to_json()) for report in reports),
        caplog.text,
        *capfd.readouterr(),
        run.name,
        str(run.parameters),
    ]
    assert [report.state for report in reports] == ["completed", "failed", "failed"]
    assert [text for text in kept if CANARY in text or TOKEN in text] == []
    assert "********" in run.name
    assert "********" in run.parameters["question"]


@pytest.mark.parametrize(
    "command",
    [
        "rag.status --json",
        "rag.ask --search-only backup",
        "rag.evaluate queries.jsonl",
        "rag.insights",
        "rag.map --out map.html",
        "rag.triage 5 --source issues",
        "rag.remove handbook",
        f"rag.move --to postgresql://x:{CANARY}@127.0.0.1:1/x",
        "flows.reindex",
        "flows.evaluate queries.jsonl",
    ],
)
def test_no_command_shows_a_secret(
    command: str, configured: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "queries.jsonl").write_text('{"id": "1", "query": "backup", "gold": ["a"]}\n')
    caplog.set_level(logging.DEBUG)
    module, *arguments = command.split()
    if module == "rag.remove":  # else there is nothing to remove
        with Database(configured, embedded=True) as database:
            Store(database).sources.register("handbook", "repository")
    code = importlib.import_module(module).main(arguments)
    said = [*capfd.readouterr(), caplog.text]
    assert code in (0, 1, 2)
    assert any(said), "it says something"
    assert [text for text in said if CANARY in text] == []


def test_results_are_json_for_their_owner_only(configured: str) -> None:
    storage = Path(os.environ["PREFECT_HOME"]) / "storage"
    of_other_tests = set(storage.glob("*"))

    asyncio.run(run_ingest(["issues"]))
    asyncio.run(answer("Can I run this on a laptop?"))

    results = [path for path in storage.iterdir() if path.is_file() and path not in of_other_tests]
    assert results
    assert {path.stat().st_mode & 0o077 for path in results} == {0}
    assert all('"type": "json"' in path.read_text() or '"type":"json"' in path.read_text() for path in results)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RAG_DATABASE_URL", f"postgresql://app:{CANARY}@{CANARY}@127.0.0.1:1/app"),
        ("RAG_DATABASE_URL", f"postgresql://app:{CANARY}%zz@127.0.0.1:1/app"),
        ("RAG_DATABASE_URL", f"postgresql://app:{CANARY}/{CANARY}@127.0.0.1:1/app"),
        ("RAG_DATABASE_URL", f"postgres:/app:{CANARY}@127.0.0.1:1/app"),
        ("RAG_DATABASE_URL", f"host=127.0.0.1 port=1 passwort={CANARY}"),
        ("RAG_DATABASE_URL", f"host=127.0.0.1 port=1 password={CANARY}"),
        ("OPENAI_BASE_URL", f"https://app:{CANARY}@{CANARY}@127.0.0.1:1/app"),
        ("RAG_GITHUB_API_URL", f"https://app:{CANARY}#{CANARY}@127.0.0.1:1/app"),
    ],
)
def test_a_mistyped_address_is_one_line_without_its_password(
    monkeypatch: pytest.MonkeyPatch, home: Path, capsys: pytest.CaptureFixture[str], name: str, value: str, dsn: str
) -> None:
    monkeypatch.setenv("RAG_HOME", str(home))
    monkeypatch.setenv("RAG_DATABASE_URL", dsn)
    monkeypatch.setenv(name, value)

    assert status.main([]) != 0

    said = capsys.readouterr().err
    assert CANARY not in said
    assert said.count("\n") == 1
