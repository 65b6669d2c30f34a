"""The service layer: what its callers rely on, below HTTP."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rag.engine import Engine
from rag.errors import ConfigurationError, DatabaseError
from rag.evaluate.threads import queries_from_down_votes
from rag.service import Missing, Service
from rag.store.filters import Filters
from tests.servers.memory_source import MemorySource
from tests.servers.web import PAGES


def test_questions_of_agents_are_counted_apart(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    service = Service(empty_engine)

    service.ask("What does VACUUM do?")
    service.ask("What does autovacuum do?", by="agent")
    list(service.ask_stream(service.request("What reclaims space?", by="agent")))

    counts = empty_engine.answer_log.counts()
    assert (counts.logged, counts.by_agents) == (3, 2)


def test_a_reported_problem_is_a_row_of_an_evaluation(empty_engine: Engine) -> None:
    empty_engine.syncs.ingest(MemorySource(PAGES))
    Service(empty_engine).report_problem("https://example.org/vacuum#part", "How often does it run?", by="agent")
    (query,) = queries_from_down_votes(empty_engine.answer_log)
    assert (query.text, query.gold) == ("How often does it run?", ("https://example.org/vacuum",))


def test_the_turns_of_a_thread_end_with_the_answer_that_is_followed_up(site_engine: Engine) -> None:
    service = Service(site_engine)
    first = service.ask("What does VACUUM do?")
    service.ask("and Autovacuum?", thread=first.thread)

    request = service.request("and what else?", after=first.answer.id)

    assert [turn.question for turn in request.history] == ["What does VACUUM do?"]
    assert str(request.asked.thread) == first.thread


def test_without_a_log_an_answer_has_no_thread(site_engine: Engine) -> None:
    site_engine.answer_log.is_enabled = False
    try:
        reply = Service(site_engine).ask("What does VACUUM do?")
    finally:
        site_engine.answer_log.is_enabled = True
    assert (reply.thread, reply.answer.id) == (None, None)


def test_what_is_missing_is_told_from_what_is_wrong(site_engine: Engine) -> None:
    service = Service(site_engine)
    with pytest.raises(Missing):
        service.document("https://example.org/no")
    with pytest.raises(ConfigurationError, match="limit must be at least 1"):
        service.search("x", limit=0)
    with pytest.raises(ConfigurationError, match="No source called 'no'"):
        service.verify("VACUUM runs.", filters=Filters(source="no"))


def test_a_document_can_be_read_from_a_place_on(site_engine: Engine) -> None:
    reading = Service(site_engine).document("https://example.org/backup#one")
    assert reading.markdown[reading.start :].startswith("## One database")
    assert "{#one}" not in reading.markdown


def test_a_database_that_is_away_is_one_calm_sentence(empty_engine: Engine) -> None:
    service = Service(empty_engine)
    with empty_engine.database.connection() as connection:
        connection.execute("ALTER TABLE documents RENAME TO elsewhere")
    try:
        with pytest.raises(DatabaseError) as error:
            service.document("https://example.org/backup")
    finally:
        with empty_engine.database.connection() as connection:
            connection.execute("ALTER TABLE elsewhere RENAME TO documents")
    assert str(error.value) == "The database does not answer now. Try again in a moment."


def test_a_question_on_the_command_line_imports_no_server() -> None:
    """What `python -m rag.ask` imports for an extractive answer; each of these would cost it a second."""
    code = (
        "import sys, rag.ask, rag.service.asking, rag.answer.questions\n"
        "print({'fastapi', 'starlette', 'mcp', 'llama_index', 'uvicorn'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert loaded.strip() == "set()"
