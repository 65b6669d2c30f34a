"""The page and its JSON, over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys

import httpx
import pytest
from bs4 import BeautifulSoup

from rag.engine import Engine
from tests.integration.conftest import OpenEngine
from tests.servers.memory_source import MemorySource
from tests.servers.memory_source import page as page_of
from tests.servers.openai import OpenAIServer
from tests.servers.web import served

QUESTION = "How do I write one database to a file?"


def get(address: str, **parameters: str) -> tuple[int, BeautifulSoup]:
    response = httpx.get(address, params=parameters, timeout=60)
    return response.status_code, BeautifulSoup(response.text, "lxml")


def test_the_start_page_has_a_search_box(address: str) -> None:
    status, page = get(address)
    assert status == 200
    assert page.select_one("label[for=q]") is not None
    assert page.select_one("article") is None
    assert page.select_one("select[name=version]") is None  # neither versions nor threads are in the index
    assert page.select_one("select[name=state]") is None


def test_a_monitor_may_ask_for_the_head_only(address: str) -> None:
    for path in ("/", "/healthz"):
        response = httpx.head(address + path)
        assert (response.status_code, response.content) == (200, b"")


def test_an_answer_shows_its_code_its_markers_and_its_sources(address: str) -> None:
    _, page = get(address, q=QUESTION)
    assert "pg_dump mydb > mydb.sql" in page.select_one("article pre").get_text()
    marker = page.select_one("article a.marker")
    source = page.select_one(marker["href"])
    assert source.select_one("a")["href"].startswith("https://example.org/backup#one:~:text=")
    assert source.select_one("blockquote").get_text() in "Use pg_dump to write one database to a file:"
    assert "quoted from the sources" in page.get_text()


def test_a_question_that_the_sources_do_not_answer_is_marked(address: str) -> None:
    status, page = get(address, q="Who won the 2018 football world cup?")
    assert status == 200
    assert "do not answer" in page.select_one("article.abstention").get_text()
    assert page.select_one(".feedback span").get_text() == "Is this right?"
    assert page.select_one("h3").get_text() == "Nearest pages"


def test_hostile_questions_and_sources_are_escaped(address: str) -> None:
    question = '"><script>alert(1)</script> what does the hostile page say'
    _, page = get(address, q=question)
    assert [script["src"] for script in page.select("script")] == ["/static/events.js", "/static/page.js"]
    assert page.select("article img") == []
    assert page.select_one("#q")["value"] == question
    assert "<b>Hostile</b> page" in page.get_text()


def test_the_headers_forbid_inline_scripts_and_framing(address: str) -> None:
    headers = httpx.get(address).headers
    assert "default-src 'none'; script-src 'self';" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_a_follow_up_names_the_previous_answer(address: str) -> None:
    _, page = get(address, q=QUESTION)
    after = page.select_one("input[name=after]")["value"]
    _, page = get(address, q="and to which one?", after=after)
    assert "pg_dump" in page.select_one("article.answer").get_text()


def test_the_earlier_turns_of_a_conversation_stay_visible(address: str) -> None:
    _, page = get(address, q=QUESTION)
    _, page = get(address, q="and what reclaims dead rows?", after=page.select_one("input[name=after]")["value"])
    assert [heading.get_text() for heading in page.select("h2")] == [QUESTION, "and what reclaims dead rows?"]
    targets = [marker["href"] for marker in page.select("article a.marker")]
    assert len(set(targets)) == len(targets)  # each answer has its own sources
    assert all(page.select_one(target) for target in targets)


def test_the_page_honours_every_filter_and_keeps_it(address: str) -> None:
    filters = {"source": "docs", "kind": "page", "until": "2020-01-01"}
    _, page = get(address, q=QUESTION, **filters)
    assert page.select_one("article.abstention")  # the pages are undated
    assert page.select_one("select[name=kind] option[selected]").get_text() == "page"
    kept = {field["name"]: field["value"] for field in page.select("form.follow-up input[type=hidden]")}
    assert kept.items() >= filters.items()


def test_a_version_can_be_chosen_where_the_sources_have_versions(empty_engine: Engine) -> None:
    for version in ("9", "10"):
        manual = page_of("dump", f"Use `dump{version}` to write one database to a file.", source=f"v{version}")
        manual.metadata.update(url=f"https://example.org/{version}/dump", versions=[version], product="manual")
        empty_engine.syncs.ingest(MemorySource([manual], name=f"v{version}"))
    with served(empty_engine) as address:
        _, start = get(address)
        _, chosen = get(address, q=QUESTION, version="9")
    assert [option.get_text() for option in start.select("select[name=version] option")] == ["newest", "10", "9"]
    assert chosen.select_one("select[name=version] option[selected]").get_text() == "9"
    assert "dump9" in chosen.select_one("article.answer").get_text()
    assert chosen.select_one("form.follow-up input[name=version]")["value"] == "9"


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"since": "soon"}, "since must be a date (YYYY-MM-DD)."),
        ({"kind": "poem"}, "unknown kind 'poem'"),
        ({"label": "none-has-it"}, "No thread has the label 'none-has-it'; there are: none."),
    ],
)
def test_a_wrong_filter_is_one_sentence(address: str, parameters: dict[str, str], sentence: str) -> None:
    status, page = get(address, q=QUESTION, **parameters)
    assert status == 400
    assert sentence in page.select_one("[role=alert]").get_text()


def test_an_unknown_address_has_a_page_with_style_language_and_heading(address: str) -> None:
    status, page = get(f"{address}/nowhere")
    assert status == 404
    assert page.html["lang"] == "en"
    assert page.select_one("link[href='/static/page.css']")
    assert page.select_one("h1")


def test_a_source_without_a_web_address_opens_on_this_site(empty_engine: Engine) -> None:
    text = "Use pg_restore to read an archive back into a database."
    file = page_of("restore", text)
    file.metadata["url"] = "file:///srv/docs/restore.md"
    empty_engine.syncs.ingest(MemorySource([file]))
    with served(empty_engine) as address:
        _, page = get(address, q="How do I read an archive back into a database?")
        link = page.select_one(".sources a")["href"]
        document = BeautifulSoup(httpx.get(address + link).text, "lxml")
    assert text in document.select_one("article").get_text()


@pytest.mark.slow  # imports the client of the language model, which tries again before it gives up
def test_readers_get_extracts_where_the_language_model_is_away(open_engine: OpenEngine) -> None:
    away = {"RAG_LLM": "openai/any", "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    with served(open_engine(**away)) as address:
        response = httpx.get(address, params={"q": QUESTION}, timeout=60)
    page = BeautifulSoup(response.text, "lxml")
    assert response.status_code == 200
    assert "pg_dump mydb" in page.select_one("article pre").get_text()
    assert "does not answer at the moment" in page.select_one("article .note").get_text()
    assert "RAG_" not in page.select_one("main").get_text()


def test_readers_of_a_stream_see_no_setting(open_engine: OpenEngine) -> None:
    with OpenAIServer() as model:
        refused = {"RAG_LLM": "openai/any", "OPENAI_API_KEY": "wrong", "OPENAI_BASE_URL": model.url}
        with served(open_engine(**refused)) as address:
            stream = httpx.get(f"{address}/stream", params={"q": QUESTION}, timeout=60).text
            told = httpx.get(f"{address}/api/ask", params={"q": QUESTION}, timeout=60).json()["note"]
    assert "does not answer at the moment" in stream
    assert "OPENAI_API_KEY" not in stream
    assert "OPENAI_API_KEY" in told  # programs and their operators learn the reason


def test_an_answer_is_streamed_as_html(address: str) -> None:
    with httpx.stream("GET", f"{address}/stream", params={"q": QUESTION}) as response:
        events = [event.split("\n") for event in response.read().decode().strip().split("\n\n")]
    assert [event[0] for event in events] == ["event: html", "event: answer"]
    assert "<pre" in json.loads(events[0][1].removeprefix("data: "))["html"]
    answer = json.loads(events[1][1].removeprefix("data: "))
    assert BeautifulSoup(answer["turn"], "lxml").select_one("article a.marker")
    assert answer["sources"][0]["address"].startswith("https://example.org/backup")


@pytest.mark.parametrize("after", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_a_follow_up_to_an_unknown_answer_is_a_bad_request(address: str, after: str) -> None:
    assert httpx.get(f"{address}/api/ask", params={"q": QUESTION, "after": after}).status_code == 400


def test_an_answer_can_be_streamed(address: str) -> None:
    with httpx.stream("GET", f"{address}/api/ask/stream", params={"q": QUESTION}) as response:
        events = [event.split("\n") for event in response.read().decode().strip().split("\n\n")]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert [event[0] for event in events] == ["event: text", "event: answer"]
    answer = json.loads(events[-1][1].removeprefix("data: "))
    assert json.loads(events[0][1].removeprefix("data: "))["text"].strip() == answer["answer"]


def test_the_json_has_the_keys_of_the_command(address: str) -> None:
    answer = httpx.get(f"{address}/api/ask", params={"q": QUESTION}).json()
    assert answer.keys() == {
        *("question", "answered", "answer", "sources", "model", "timings"),
        *("id", "score", "thread", "freshness"),
    }
    assert answer["sources"][0].keys() == {"n", "url", "title", "source", "kind", "score", "quote"}
    found = httpx.get(f"{address}/api/search", params={"q": "vacuum", "top_k": "1"}).json()
    assert [result["title"] for result in found["results"]] == ["Vacuum"]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"q": " "}, "The question is empty."),
        ({"q": "x" * 2001}, "The question is longer than 2,000 characters."),
        ({"q": "x", "top_k": "-1"}, "top_k must be a number from 1 to 100."),
        ({"q": "x", "source": "nowhere"}, "No source called 'nowhere' has been ingested; there are: docs."),
    ],
)
def test_the_error_for_a_bad_request_is_one_sentence(address: str, parameters: dict[str, str], sentence: str) -> None:
    response = httpx.get(f"{address}/api/search", params=parameters)
    assert (response.status_code, response.json()) == (400, {"error": sentence})


def test_an_empty_index_says_what_to_do(empty_address: str) -> None:
    _, start = get(empty_address)
    assert "python -m flows.ingest" in start.select_one(".empty").get_text()
    status, page = get(empty_address, q=QUESTION)
    assert status == 400
    assert "python -m flows.ingest" in page.select_one(".error").get_text()


def test_the_health_check_answers(address: str) -> None:
    assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}


def test_the_error_for_a_taken_port_is_one_line(address: str) -> None:
    port = address.rpartition(":")[2]
    run = subprocess.run([sys.executable, "-m", "rag.web", "--port", port], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr == f"error: Cannot listen on 127.0.0.1:{port}: Address already in use. Try another --port.\n"


def test_the_error_for_a_host_of_another_machine_names_the_option() -> None:
    command = [sys.executable, "-m", "rag.web", "--host", "192.0.2.1"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("error: Cannot listen on 192.0.2.1:8000: ")
    assert run.stderr.endswith(". Try another --host.\n")


def test_a_page_without_the_database_asks_it_once(empty_engine: Engine, address: str) -> None:
    """Where Postgres is away, each attempt takes ten seconds."""
    with empty_engine.database.connection() as connection:
        connection.execute("ALTER TABLE documents RENAME TO elsewhere")
    try:
        response = httpx.get(f"{address}/document", params={"url": "https://example.org/backup"}, timeout=60)
    finally:
        with empty_engine.database.connection() as connection:
            connection.execute("ALTER TABLE elsewhere RENAME TO documents")
    page = BeautifulSoup(response.text, "lxml")
    assert response.status_code == 503
    assert "The database does not answer now." in page.text
    assert page.select_one("select[name=source]") is None
