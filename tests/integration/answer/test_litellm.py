"""Answers through LiteLLM's proxy, an independent server with the OpenAI API.

The project does not require its hundred packages: install `litellm[proxy]` elsewhere, and set LITELLM to its command.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rag.answer.answer import Answer
from rag.engine import Engine
from rag.settings import Settings
from tests.servers.memory_source import MemorySource, page

pytestmark = pytest.mark.skipif("LITELLM" not in os.environ, reason="LITELLM is not set: there is no LiteLLM proxy")

QUESTION = "How do I write one database to a file?"
SENTENCE = "Use pg_dump to write one database to a file [1]."
CONFIG = f"""
model_list:
  - model_name: good
    litellm_params: {{model: openai/good, api_key: unused, mock_response: "{SENTENCE} The moon is made of cheese [1]."}}
  - model_name: limited
    litellm_params: {{model: openai/limited, api_key: unused, mock_response: litellm.RateLimitError}}
  - model_name: small
    litellm_params: {{model: openai/small, api_key: unused, mock_response: litellm.ContextWindowExceededError}}
  - model_name: broken
    litellm_params: {{model: openai/broken, api_key: unused, mock_response: litellm.InternalServerError}}
general_settings: {{master_key: sk-test}}
router_settings: {{num_retries: 0}}
"""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a proxy with models that are named after their replies."""
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "config.yaml").write_text(CONFIG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [os.environ["LITELLM"], "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            _wait(f"http://127.0.0.1:{port}/health/liveliness", folder / "log.txt")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(30)


def _wait(url: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=1).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    pytest.fail(log.read_text())


def asking(empty_engine: Engine, proxy: str, model: str, key: str = "sk-test") -> Engine:
    empty_engine.syncs.ingest(MemorySource([page("backup", "Use pg_dump to write one database to a file.")]))
    return Engine.open(
        Settings(
            RAG_HOME=empty_engine.settings.home,
            RAG_DATABASE_URL=empty_engine.settings.database_url,
            RAG_LLM=f"openai/{model}",
            OPENAI_API_KEY=key,
            OPENAI_BASE_URL=proxy,
        )
    )


def test_an_answer_is_streamed_and_checked(empty_engine: Engine, proxy: str) -> None:
    with asking(empty_engine, proxy, "good") as engine:
        *paragraphs, answer = engine.questions.ask_stream(QUESTION)
    assert isinstance(answer, Answer)
    assert answer.answer == "".join(map(str, paragraphs)).strip() == SENTENCE


@pytest.mark.parametrize(
    ("model", "sentence"),
    [("limited", "over its rate limit"), ("small", "context window"), ("broken", "HTTP 500"), ("unknown", "openai/unknown")],
)  # fmt: skip
def test_a_failure_is_one_sentence_beside_extracts(empty_engine: Engine, proxy: str, model: str, sentence: str) -> None:
    with asking(empty_engine, proxy, model) as engine:
        note = engine.ask(QUESTION).note
    assert sentence in str(note)
    assert "\n" not in str(note)


def test_a_wrong_key_is_one_sentence_beside_extracts(empty_engine: Engine, proxy: str) -> None:
    with asking(empty_engine, proxy, "good", "sk-wrong") as engine:
        note = engine.ask(QUESTION).note
    assert note
    assert "\n" not in note
