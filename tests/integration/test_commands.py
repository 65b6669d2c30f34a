"""The interface of the commands for scripts: only JSON on stdout, one-line errors, exit codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from rag import ask, evaluate, status
from rag.engine import Engine
from rag.terminal import Screen
from tests.servers.memory_source import MemorySource, page

Command = Callable[[list[str]], int]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(empty_engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment of a user with the index of the engine."""
    url = empty_engine.settings.database_url
    assert url is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_HOME", str(empty_engine.settings.home))
    monkeypatch.setenv("RAG_DATABASE_URL", url.get_secret_value())


@pytest.fixture
def indexed(empty_engine: Engine, environment: None) -> None:
    pages = [
        page("backup", "Use pg_dump to write one database to a file."),
        page("vacuum", "VACUUM reclaims dead rows."),
    ]
    empty_engine.syncs.ingest(MemorySource(pages))


def output(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("indexed")
def test_ask_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask.main(["how do I write one database to a file?", "--json"]) == 0
    answer = output(capsys)
    made = ["question", "answered", "answer", "sources", "model", "timings"]
    assert list(answer) == [*made, "score", "thread", "freshness"]
    assert list(answer["sources"][0]) == ["n", "url", "title", "source", "kind", "score", "quote"]
    assert answer["model"] == {"embedding": "local/all-MiniLM-L6-v2", "llm": "extractive"}
    assert answer["timings"].keys() == {"retrieve", "answer", "total"}


@pytest.mark.usefixtures("indexed")
def test_search_only_lists_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask.main(["vacuum", "--search-only", "--json", "--top-k", "1"]) == 0
    found = output(capsys)
    assert list(found) == ["question", "results", "timings"]
    assert list(found["results"][0]) == ["rank", "url", "title", "source", "kind", "score", "text"]
    assert found["results"][0]["url"] == "https://example.org/vacuum"


@pytest.mark.usefixtures("indexed")
def test_ask_prints_the_answer_and_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask.main(["how do I write one database to a file?"]) == 0
    shown = capsys.readouterr().out
    assert "Use pg_dump to write one database to a file. [1]" in shown
    assert "https://example.org/backup" in shown
    assert "These are extracts" in shown


@pytest.mark.usefixtures("indexed")
def test_a_chat_continues_after_an_empty_question(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\nand what reclaims dead rows?\n"))
    assert ask.main(["--chat", "how do I write one database to a file?"]) == 0
    shown = capsys.readouterr().out
    assert "pg_dump" in shown
    assert "VACUUM reclaims" in shown


@pytest.mark.usefixtures("indexed")
def test_a_chat_reads_a_question_whose_bytes_are_not_utf_8(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = io.TextIOWrapper(io.BytesIO(b"what reclaims dead rows? \xe9\n"), "utf-8", errors="surrogateescape")
    monkeypatch.setattr("sys.stdin", piped)
    assert ask.main(["--chat"]) == 0
    assert "VACUUM reclaims" in capsys.readouterr().out


@pytest.mark.usefixtures("indexed")
def test_a_chat_marks_an_error_as_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("what reclaims dead rows?\n"))
    assert ask.main(["--chat", "--label", "bug"]) == 0
    assert capsys.readouterr() == ("", "error: No thread has the label 'bug'; there are: none.\n")


@pytest.mark.usefixtures("indexed")
def test_a_terminal_gets_results_wrapped_at_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO(), width=30, force_terminal=True, color_system=None, _environ={})
    monkeypatch.setattr("rag.ask.screen", lambda: Screen(console))
    assert ask.main(["one database to a file", "--search-only", "--top-k", "1"]) == 0
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert lines[-2:] == ["     Use pg_dump to write one", "     database to a file."]
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize("arguments", [["how do I write one database to a file?"], ["-h"]])
@pytest.mark.parametrize("lines_read", [0, 1])
def test_a_closed_stdout_ends_the_command_without_a_message(arguments: list[str], lines_read: int) -> None:
    command = [sys.executable, "-m", "rag.ask", *arguments]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    ) as run:
        assert run.stdout
        assert run.stderr
        for _ in range(lines_read):
            run.stdout.readline()
        run.stdout.close()
        said = run.stderr.read()
    assert (said, run.returncode) == (b"", 0)


@pytest.mark.usefixtures("environment")
def test_incompatible_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask.main(["--chat", "--json"]) == 2
    assert capsys.readouterr().err == "error: --chat cannot be combined with --json or --search-only.\n"


def test_a_missing_question_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask.main([]) == 2
    assert "A question is missing" in capsys.readouterr().err


@pytest.mark.usefixtures("indexed")
def test_status_shows_every_section_and_no_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert status.main(["--json"]) == 0
    shown = output(capsys)
    assert list(shown) == ["database", "index", "sources", "answers", "settings"]
    assert list(shown["index"]) == ["name", "embedding_model", "dimension", "documents", "chunks", "bytes"]
    assert list(shown["sources"][0]) == ["name", "kind", "documents", "chunks", "last_success", "last_error", "cursor"]
    assert "sk-secret" not in json.dumps(shown)
    assert status.main([]) == 0
    assert "2 documents, 2 chunks" in capsys.readouterr().out


@pytest.mark.usefixtures("indexed")
def test_evaluation_matches_gold_by_url_page_or_last_part(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    queries = tmp_path / "queries.jsonl"
    rows = [
        {"id": "1", "query": "write one database to a file", "gold": ["https://example.org/backup"]},
        {"id": "2", "query": "reclaim dead rows", "gold": ["vacuum#anywhere"]},
        {"id": "3", "query": "reclaim dead rows", "gold": ["https://example.org/elsewhere"]},
        {"id": "4", "query": "nobody knows", "gold": []},
    ]
    queries.write_text("\n".join(map(json.dumps, rows)))
    assert evaluate.main([str(queries), "--json"]) == 0
    measured = output(capsys)
    assert list(measured) == ["queries", "k", "ndcg", "mrr", "recall", "latency_ms"]
    assert (measured["queries"], measured["ndcg"], measured["mrr"], measured["recall"]) == (3, 0.6667, 0.6667, 0.6667)
    assert measured["latency_ms"].keys() == {"p50", "p95"}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("command", "arguments", "sentence"),
    [
        (ask.main, ["anything"], "error: The index is empty. Fill it with: python -m flows.ingest\n"),
        (ask.main, [" "], "error: The question is empty.\n"),
        (ask.main, ["x", "--source", "none"], "error: No source called 'none' has been ingested; there are: none.\n"),
        (
            evaluate.main,
            ["missing.jsonl"],
            "error: missing.jsonl cannot be read: No such file or directory.\n",
        ),
    ],
)
def test_bad_input_prints_one_line_and_exits_with_2(
    command: Command, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(arguments) == 2
    assert capsys.readouterr() == ("", sentence)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--top-k", "0"], "argument --top-k: '0' is not a number from 1 to 1000"),
        (["x", "--since", "soon"], "argument --since: 'soon' is not a date (YYYY-MM-DD)"),
        (["x", "--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_bad_arguments_print_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        ask.main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"error: {message} (see python -m rag.ask -h)\n"


def test_an_unreachable_database_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAG_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/rag")
    assert ask.main(["anything"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: Postgres cannot be reached")
    assert "Is the server running" not in said
    assert said.count("\n") == 1
    assert "secret" not in said


@pytest.mark.parametrize("arguments", [["vacuum", "--search-only"], ["what reclaims dead rows?"]])
def test_a_search_or_an_extractive_answer_imports_no_heavy_packages(
    arguments: list[str], empty_engine: Engine, indexed: None
) -> None:
    code = (
        f"import sys; from rag.ask import main; main({[*arguments, '--json']!r})\n"
        "heavy = {'llama_index', 'openai', 'openvino', 'onnx', 'prefect', 'httpx', 'tenacity'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (run.returncode, run.stderr) == (0, "")
