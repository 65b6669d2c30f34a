"""A new index is built from the stored documents by a flow run, and the previous index can be used again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from flows.ingest import run_ingest
from flows.prefect.server import ServerProcess
from flows.reindex import main, reindex
from rag.store.postgres.database import Database
from rag.store.store import Store
from tests.flows.prefect_records import artifact, flow_run
from tests.servers.github import GitHubServer
from tests.servers.openai import OpenAIServer

Sources = Callable[..., None]
LOCAL, REMOTE = "local/all-MiniLM-L6-v2", "openai/some-model"


@pytest.fixture
def ingested(prefect_server: ServerProcess, sources: Sources) -> None:
    """Three issues in an index of the local model."""
    sources(issues="example/engine")
    asyncio.run(run_ingest(["issues"]))


@pytest.fixture
def remote_model(ingested: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """Configure another embedding model."""
    with OpenAIServer(dimension=16) as server:
        monkeypatch.setenv("RAG_EMBEDDING_MODEL", REMOTE)
        monkeypatch.setenv("OPENAI_API_KEY", server.key)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield server


def test_a_run_builds_an_index_for_the_configured_model_without_fetching(
    remote_model: OpenAIServer, github: GitHubServer, database: Database
) -> None:
    indexes = Store(database).indexes
    old = indexes.active()
    assert old
    fetched = len(github.requests)

    state = asyncio.run(reindex(return_state=True))

    new = indexes.active()
    assert state.is_completed()
    assert new
    assert (new.embedding_model, new.dimension) == (REMOTE, 16)
    # Two models may count the tokens of a text differently, and so cut it differently.
    assert indexes.size(new).documents == indexes.size(old).documents == 3
    assert len(remote_model.inputs()) > indexes.size(new).chunks, "a text more, for the dimension"
    assert len(github.requests) == fetched
    assert flow_run(state.state_details.flow_run_id).name == f"reindex · {new.name} is in use now"
    assert artifact("reindex").data == f"The active index is **{new.name}**: {REMOTE}, 16 dimensions."


def test_the_command_rolls_back_and_then_drops_the_other_index(
    remote_model: OpenAIServer, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    indexes = Store(database).indexes
    assert main([]) == 0
    new = indexes.active()
    assert new
    capsys.readouterr()

    assert main(["--roll-back"]) == 0

    old = indexes.active()
    assert old
    assert capsys.readouterr().out.splitlines() == [
        f"The active index is {old.name}: {LOCAL}, 384 dimensions.",
        f"Set RAG_EMBEDDING_MODEL={LOCAL} before the next ingest.",
    ]
    assert main(["--drop"]) == 0
    assert capsys.readouterr().out == f"dropped {new.name}\n"
    assert indexes.others() == []


def test_an_index_of_the_configured_model_is_not_built_again(
    ingested: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 2

    [line] = capsys.readouterr().err.splitlines()
    assert "nothing to build" in line


def test_a_failed_run_has_the_reason_and_keeps_the_index(
    remote_model: OpenAIServer, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    remote_model.fail_next(401, code="invalid_api_key")

    assert main([]) == 1

    assert "error: " in capsys.readouterr().err.splitlines()[-1]
    active = Store(database).indexes.active()
    assert active
    assert active.embedding_model == LOCAL
