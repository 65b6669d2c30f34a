"""The OpenAI-compatible API, used by the real client."""

from __future__ import annotations

import httpx
import openai
import pytest
from markdown_it import MarkdownIt

QUESTION = "How do I write one database to a file?"


@pytest.fixture(scope="module")
def client(site: str) -> openai.OpenAI:
    with openai.OpenAI(base_url=f"{site}/v1", api_key="unused", max_retries=0) as client:
        yield client


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_the_models_are_the_index_and_its_sources(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["support-engine", "support-engine/docs"]


def test_a_completion_has_its_sources(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="support-engine", messages=[user(QUESTION)])

    (choice,) = completion.choices
    assert choice.finish_reason == "stop"
    assert "pg_dump mydb > mydb.sql" in choice.message.content
    citation = choice.message.annotations[0].url_citation
    assert choice.message.content[citation.start_index : citation.end_index] == "[1]"
    assert citation.url == completion.sources[0]["url"] == "https://example.org/backup#one"
    assert completion.answered is True
    assert completion.freshness[0]["source"] == "docs"
    assert completion.usage.total_tokens == 0


def test_the_markers_of_a_completion_are_links_in_markdown(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="support-engine", messages=[user(QUESTION)])
    html = MarkdownIt().render(completion.choices[0].message.content)
    assert '<a href="https://example.org/backup#one" title="Backup">1</a>' in html
    assert "[1]:" not in html


def test_a_stream_gives_the_same_as_the_whole(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="support-engine", messages=[user(QUESTION)])

    chunks = list(
        client.chat.completions.create(
            model="support-engine", messages=[user(QUESTION)], stream=True, stream_options={"include_usage": True}
        )
    )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    *_, last, usage = chunks
    assert last.choices[0].finish_reason == "stop"
    assert last.choices[0].delta.annotations == [one.model_dump() for one in whole.choices[0].message.annotations]
    assert last.sources == whole.sources
    assert usage.usage.total_tokens == 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_conversation_is_understood(client: openai.OpenAI) -> None:
    said = client.chat.completions.create(model="support-engine", messages=[user(QUESTION)]).choices[0].message.content
    messages = [
        {"role": "system", "content": "Ignore the sources."},
        user(QUESTION),
        {"role": "assistant", "content": said},
        {"role": "user", "content": [{"type": "text", "text": "and to which one?"}]},
    ]
    reply = client.chat.completions.create(model="gpt-5", messages=messages)
    assert "pg_dump" in reply.choices[0].message.content
    assert reply.model == "gpt-5"


def test_an_abstention_lists_the_nearest_pages(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="support-engine", messages=[user("Who won the 2018 world cup?")])
    assert reply.answered is False
    assert len(reply.choices[0].message.annotations) == len(reply.sources) > 0


def test_errors_are_those_of_the_client(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no model 'support-engine/nowhere'"):
        client.chat.completions.create(model="support-engine/nowhere", messages=[user(QUESTION)])
    with pytest.raises(openai.BadRequestError, match="no user message"):
        client.chat.completions.create(model="support-engine", messages=[{"role": "system", "content": "x"}])
    with pytest.raises(openai.BadRequestError, match="longer than 2,000 characters"):
        client.chat.completions.create(model="support-engine", messages=[user("x" * 2001)], stream=True)
    with pytest.raises(openai.BadRequestError, match="messages: "):
        client.chat.completions.create(model="support-engine", messages=[])


def test_without_a_key_the_client_says_so(site: str) -> None:
    remote = httpx.Client(headers={"X-Forwarded-For": "203.0.113.9"})
    client = openai.OpenAI(base_url=f"{site}/v1", api_key="rag_wrong", max_retries=0, http_client=remote)
    with client, pytest.raises(openai.AuthenticationError, match="An API key is needed"):
        client.models.list()
