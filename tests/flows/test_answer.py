from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from flows.answer import answer, answer_markdown
from flows.ingest import run_ingest
from flows.prefect.server import ServerProcess
from rag.answer.answer import Answer, Citation
from rag.engine import Engine
from rag.errors import ConfigurationError
from tests.encoders import RememberingEncoder
from tests.flows.prefect_records import artifact, flow_run, task_run
from tests.servers.github import GitHubServer
from tests.servers.openai import OpenAIServer

Sources = Callable[..., None]
QUESTION = "Can I run this on a laptop without Docker?"


@pytest.fixture
def ingested(prefect_server: ServerProcess, sources: Sources, encoder: RememberingEncoder) -> None:
    """An index of three issues; without a flow, for which Prefect and the local model would start once more."""
    sources(issues="example/engine")
    with Engine.open(encoder=encoder) as engine:
        engine.sync("issues")


def test_an_answer_is_shown_with_links_to_its_sources(ingested: None) -> None:
    found = asyncio.run(answer(QUESTION))

    shown = artifact("answer")
    assert found.answered
    assert shown.description == QUESTION
    assert shown.data == answer_markdown(found)
    assert f"](<{found.sources[0].url}>)" in shown.data


def test_a_run_is_named_after_its_question(ingested: None) -> None:
    state = asyncio.run(answer(QUESTION, return_state=True))

    assert flow_run(state.state_details.flow_run_id).name == f"answer: {QUESTION}"


def test_a_repeated_question_is_answered_from_the_cache(ingested: None) -> None:
    first = asyncio.run(answer(QUESTION))

    again = asyncio.run(answer(QUESTION, return_state=True))

    assert asyncio.run(again.aresult()) == first  # even the timings are equal: the answer is the cached answer
    assert task_run(again.state_details.flow_run_id, "ask").state.name == "Cached"


def test_an_answer_that_a_model_failed_to_write_is_not_cached(ingested: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with OpenAIServer() as server:
        monkeypatch.setenv("RAG_LLM", "openai/gpt-4o-mini")
        monkeypatch.setenv("OPENAI_API_KEY", server.key)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        server.answer = ""
        first = asyncio.run(answer(QUESTION))
        server.answer = "NO_ANSWER"
        second = asyncio.run(answer(QUESTION))
        third = asyncio.run(answer(QUESTION))

    assert "wrote nothing" in str(first.note)
    assert (second.note, second.answered) == (None, False)
    assert third == second
    assert len(server.requests) == 2


@pytest.mark.parametrize("other", [{"top_k": 3}, {"source": "issues"}])
def test_another_question_gets_another_answer(ingested: None, other: dict[str, object]) -> None:
    asyncio.run(answer(QUESTION))

    state = asyncio.run(answer(QUESTION, **other, return_state=True))

    assert task_run(state.state_details.flow_run_id, "ask").state.name == "Completed"


def test_an_ingest_with_changes_invalidates_cached_answers(ingested: None, github: GitHubServer) -> None:
    first = asyncio.run(answer(QUESTION))
    number = github.add_issue(QUESTION, "Yes: run it on any laptop without Docker by typing `make laptop`.")
    asyncio.run(run_ingest(["issues"]))

    second = asyncio.run(answer(QUESTION))

    assert second.timings != first.timings
    assert any(source.url.endswith(f"/{number}") for source in second.sources)


def test_an_ingest_without_changes_keeps_cached_answers(ingested: None) -> None:
    first = asyncio.run(answer(QUESTION))
    asyncio.run(run_ingest(["issues"]))

    assert asyncio.run(answer(QUESTION)) == first


def test_an_empty_index_is_an_error(prefect_server: ServerProcess, sources: Sources) -> None:
    sources(issues="example/engine")

    with pytest.raises(ConfigurationError, match="The index is empty"):
        asyncio.run(answer(QUESTION))


def test_the_state_of_an_index_changes_with_every_kind_of_change(ingested: None, github: GitHubServer) -> None:
    with Engine.open() as engine:

        def state() -> str:
            engine.sync("issues", full=True)
            return engine.questions.index_state()

        before = state()
        number = github.add_issue("New", "A new issue about windmills.")
        added = state()
        github.edit_issue(number, body="An edited issue about watermills.")
        edited = state()
        github.edit_issue(number, title="Only the title is another")
        renamed = state()
        nothing = state()
        github.delete_issue(number)
        removed = state()

    assert len({before, added, edited, renamed}) == 4
    assert nothing == renamed
    assert removed == before  # every document and chunk is unchanged, and so are the answers


def test_a_title_cannot_break_out_of_its_link() -> None:
    source = Citation(1, "https://example.org/a#b", "[x](evil) y", "docs", "page", 0.9, "a\nquote")

    shown = answer_markdown(Answer("q", True, "Yes. [1]", (source,), "local/m", "extractive"))

    assert r"1. [\[x\](evil) y](<https://example.org/a#b>) (docs, 90%)" in shown
    assert "   > a quote" in shown
