"""The MCP server, used by the official client over HTTP and stdio, in the protocols of 2025 and 2026."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import jsonschema
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from rag.engine import Engine
from rag.mcp.budget import tokens
from tests.integration.conftest import OpenEngine
from tests.processes import ROOT
from tests.servers.web import served

QUESTION = "How do I write one database to a file?"
TOOLS = {"search", "fetch", "ask", "similar", "verify", "sources", "report_problem"}
BACKUP = "docs:https://example.org/backup"

# As OpenAI publishes them for ChatGPT's connectors.
CHATGPT_SEARCH = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "title", "url"],
                "properties": {name: {"type": "string"} for name in ("id", "title", "url")},
            },
        }
    },
}
CHATGPT_FETCH = {
    "type": "object",
    "required": ["id", "title", "text", "url"],
    "properties": {
        **{name: {"type": "string"} for name in ("id", "title", "text", "url")},
        "metadata": {"type": ["object", "null"]},
    },
    "additionalProperties": False,
}


def with_client(url: str, use: Callable[[Client], Awaitable[Any]], *, mode: str = "auto") -> Any:
    """Connect to a server, and return what `use` returns."""

    async def run() -> Any:
        async with Client(url, mode=mode) as client:
            return await use(client)

    return anyio.run(run)


def call(site: str, tool: str, arguments: dict[str, Any], **options: Any) -> Any:
    async def use(client: Client) -> Any:
        return await client.call_tool(tool, arguments, **options)

    return with_client(f"{site}/mcp", use)


def reply(site: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a tool's reply, which its text repeats."""
    result = call(site, tool, arguments)
    assert not result.is_error, result.content
    (text,) = result.content
    assert json.loads(text.text) == result.structured_content
    return result.structured_content


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_each_tool_is_described(site: str, mode: str) -> None:
    async def use(client: Client) -> Any:
        return client.protocol_version, client.instructions, (await client.list_tools()).tools

    version, instructions, tools = with_client(f"{site}/mcp", use, mode=mode)

    assert version.startswith("2025" if mode == "legacy" else "2026")
    assert "`ask`" in instructions
    assert {tool.name for tool in tools} == TOOLS
    for tool in tools:
        assert tool.description
        assert tool.output_schema["type"] == "object"
        assert tool.annotations.read_only_hint is (tool.name != "report_problem")
        assert tool.annotations.open_world_hint is False
        assert tool.annotations.idempotent_hint is (tool.name != "report_problem")


def test_search_and_fetch_have_the_shapes_of_chatgpt(site: str) -> None:
    found = reply(site, "search", {"query": "write one database"})
    document = reply(site, "fetch", {"id": found["results"][0]["id"]})

    jsonschema.validate(found, CHATGPT_SEARCH)
    jsonschema.validate(document, CHATGPT_FETCH)
    assert document["id"] == BACKUP
    assert "pg_dump mydb > mydb.sql" in document["text"]


@pytest.mark.parametrize("name", ["query", "question", "q"])
def test_models_may_name_the_query_otherwise(site: str, name: str) -> None:
    assert reply(site, "search", {name: "vacuum"})["results"]
    assert reply(site, "ask", {name: QUESTION})["answered"]


def test_an_answer_has_quotes_and_freshness(site: str, site_engine: Engine) -> None:
    answer = reply(site, "ask", {"question": QUESTION})

    assert answer["answered"]
    assert answer["sources"][0]["quote"] in "Use pg_dump to write one database to a file:"
    assert answer["freshness"][0]["source"] == "docs"
    follow_up = reply(site, "ask", {"question": "and to which one?", "thread": answer["thread"]})
    assert follow_up["thread"] == answer["thread"]
    with site_engine.database.connection() as connection:
        rows = connection.execute("SELECT asker FROM answers WHERE thread = %s", [answer["thread"]]).fetchall()
    assert rows == [("agent",), ("agent",)]


def test_an_answer_arrives_paragraph_by_paragraph(site: str) -> None:
    heard: list[str | None] = []

    async def on_progress(_progress: float, _total: float | None, message: str | None) -> None:
        heard.append(message)

    call(site, "ask", {"question": QUESTION}, progress_callback=on_progress)
    assert any("pg_dump" in (message or "") for message in heard)


def test_similar_takes_a_document_or_a_text(site: str) -> None:
    by_id = reply(site, "similar", {"id": BACKUP})["results"]
    by_text = reply(site, "similar", {"title": "dead rows", "body": "Their space is lost."})["results"]
    assert BACKUP not in {result["id"] for result in by_id}
    assert by_text[0]["title"] == "Vacuum"


def test_verify_and_sources(site: str) -> None:
    verdict = reply(site, "verify", {"text": "VACUUM reclaims the space of dead rows. It cures hay fever in 30 days."})
    assert [sentence["supported"] for sentence in verdict["sentences"]] == [True, False]
    assert [source["name"] for source in reply(site, "sources", {})["sources"]] == ["docs"]


def test_a_reported_problem_becomes_a_query_of_an_evaluation(site: str, site_engine: Engine) -> None:
    reply(site, "report_problem", {"url": "https://example.org/vacuum", "problem": "How often does it run?"})
    report = site_engine.answer_log.problems()[-1]
    assert (report.url, report.problem) == ("https://example.org/vacuum", "How often does it run?")


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("fetch", {"id": "docs:nothing"}, "There is no document with this id or URL in the index."),
        ("search", {"query": "x", "source": "nowhere"}, "No source called 'nowhere' has been ingested"),
        ("search", {"query": " "}, "The question is empty."),
        ("search", {}, "query"),
        ("search", {"query": "x", "kind": "poem"}, "'issue', 'pull', 'discussion', 'page' or 'file'"),
        ("ask", {"question": "x", "thread": "y"}, "thread must be the id of a thread."),
        ("similar", {}, "Give the id or URL of a document, or a title and a body."),
        ("search", {"text": "vacuum"}, "query: is missing."),
        (
            "search",
            {"query": "x", "limit": "many", "since": "soon"},
            "since: 'soon' is not a date (YYYY-MM-DD); limit: 'many'",
        ),
        ("ask", {"question": "x" * 3000}, "question: must have at most 2,000 characters."),
        ("report_problem", {"url": "https://example.org/no", "problem": "x"}, "There is no document with this id"),
    ],
)
def test_errors_are_sentences_for_the_model(site: str, tool: str, arguments: dict[str, Any], said: str) -> None:
    result = call(site, tool, arguments)
    assert result.is_error
    assert said in result.content[0].text


def test_a_document_is_a_resource(site: str) -> None:
    async def use(client: Client) -> Any:
        (template,) = (await client.list_resource_templates()).resource_templates
        read = await client.read_resource("doc://docs/https://example.org/backup")
        with pytest.raises(MCPError, match="There is no document"):
            await client.read_resource("doc://docs/../../etc/passwd")
        return template, read.contents[0]

    template, content = with_client(f"{site}/mcp", use)
    assert template.uri_template == "doc://{source}/{+path}"
    assert content.mime_type == "text/markdown"
    assert "pg_dump mydb > mydb.sql" in content.text


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search", {"query": "database rows pages"}),
        ("fetch", {"id": BACKUP}),
        ("ask", {"question": QUESTION}),
        ("similar", {"id": BACKUP}),
        ("verify", {"text": "VACUUM reclaims the space of dead rows. " * 50}),
    ],
)
def test_a_reply_stays_within_its_budget(site: str, tool: str, arguments: dict[str, Any]) -> None:
    result = call(site, tool, {**arguments, "token_budget": 500})
    assert not result.is_error
    assert tokens(result.content[0].text) <= 500


def test_a_key_limits_the_tools(site: str, site_engine: Engine) -> None:
    """A client that is not of this machine may use the tools that its key names."""
    headers = {
        "Authorization": f"Bearer {site_engine.api_keys.add('agent', ['search'])}",
        "X-Forwarded-For": "203.0.113.9",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
    }

    def called(tool: str, arguments: dict[str, Any]) -> str:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        return httpx.post(f"{site}/mcp", json=body, headers=headers, timeout=30).text

    assert "pg_dump" in called("search", {"query": QUESTION})
    assert "This needs an API key with the scope ask." in called("ask", {"question": QUESTION})


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_what_the_server_refuses_before_a_tool_is_a_sentence_too(open_engine: OpenEngine, mode: str) -> None:
    async def use(client: Client) -> Any:
        return await client.list_tools()

    with (
        served(open_engine(), host="0.0.0.0") as address,
        pytest.RaisesGroup(  # without a key
            pytest.RaisesExc(MCPError, match="An API key with the scope ask or search is needed"),
            flatten_subgroups=True,
        ),
    ):
        with_client(f"{address}/mcp", use, mode=mode)


def test_over_stdio_nothing_but_the_protocol_is_written(site_engine: Engine, tmp_path: Path) -> None:
    """The handbook's command works in another folder; anything but messages on stdout would fail the client."""
    [block] = re.findall(r"```json\n(.*?)```", (ROOT / "docs/mcp.md").read_text(), re.DOTALL)
    server = json.loads(block.replace("/path/to/support-engine", str(ROOT)))["mcpServers"]["docs"]
    index = {"RAG_HOME": str(site_engine.settings.home), "RAG_DATABASE_URL": site_engine.database.dsn}
    command = StdioServerParameters(
        command=server["command"],
        args=[*server["args"], "--debug"],
        env={**os.environ, **index, **server["env"]},
        cwd=tmp_path,
    )

    async def use(mode: str) -> Any:
        async with Client(stdio_client(command), mode=mode) as client:
            tools = await client.list_tools()
            found = await client.call_tool("search", {"query": "vacuum"})
            return {tool.name for tool in tools.tools}, found.structured_content["results"][0]["title"]

    for mode in ("auto", "legacy"):
        assert anyio.run(use, mode) == (TOOLS, "Vacuum")
