"""/api/v1 over HTTP."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from rag.engine import Engine

#: an id that no answer has
NO_ANSWER = "00000000-0000-4000-8000-000000000000"
QUESTION = "How do I write one database to a file?"


@pytest.fixture(scope="module")
def api(site: str) -> Any:
    with httpx.Client(base_url=f"{site}/api/v1", timeout=30) as client:
        yield client


def test_an_answer_says_how_fresh_and_how_likely_it_is(api: httpx.Client) -> None:
    answer = api.post("/ask", json={"question": QUESTION}).json()

    assert answer["answered"]
    assert "pg_dump mydb > mydb.sql" in answer["answer"]
    assert 0 < answer["score"] <= 1
    assert answer["thread"] == answer["id"]
    assert [fresh["source"] for fresh in answer["freshness"]] == ["docs"]
    assert answer["freshness"][0]["last_success"]
    assert answer["sources"][0]["quote"] in "Use pg_dump to write one database to a file:"


@pytest.mark.parametrize("name", ["q", "query"])
def test_the_question_may_have_another_name(api: httpx.Client, name: str) -> None:
    assert api.post("/ask", json={name: QUESTION}).json()["question"] == QUESTION


def test_an_answer_is_streamed_to_those_who_accept_events(api: httpx.Client) -> None:
    with api.stream("POST", "/ask", json={"question": QUESTION}, headers={"Accept": "text/event-stream"}) as response:
        events = [event.split("\n") for event in response.read().decode().strip().split("\n\n")]

    assert response.headers["content-type"].startswith("text/event-stream")
    assert [event[0] for event in events] == ["event: text", "event: answer"]
    assert json.loads(events[-1][1].removeprefix("data: "))["answered"]


def test_a_question_that_cannot_be_asked_is_no_stream(api: httpx.Client) -> None:
    response = api.post("/ask", json={"question": " "}, headers={"Accept": "text/event-stream"})
    assert (response.status_code, response.json()) == (400, {"error": "The question is empty."})


def test_a_thread_groups_follow_ups(api: httpx.Client, site_engine: Engine) -> None:
    first = api.post("/ask", json={"question": QUESTION}).json()

    second = api.post("/ask", json={"question": "and to which one?", "thread": first["thread"]}).json()

    assert "pg_dump" in second["answer"]
    assert second["thread"] == first["thread"] != second["id"]
    turns = site_engine.answer_log.thread(UUID(first["thread"]))
    assert [turn.question for turn in turns] == [QUESTION, "and to which one?"]


def test_a_follow_up_to_an_answer_joins_its_thread(api: httpx.Client) -> None:
    first = api.post("/ask", json={"question": QUESTION}).json()
    second = api.post("/ask", json={"question": "and to which one?", "after": first["id"]}).json()
    assert second["thread"] == first["thread"]


def test_a_search_has_pages(api: httpx.Client) -> None:
    both = api.get("/search", params={"q": "database space", "limit": 2}).json()["results"]
    second = api.post("/search", json={"query": "database space", "limit": 1, "offset": 1}).json()["results"]

    assert [result["rank"] for result in both] == [1, 2]
    assert second == both[1:]
    assert both[0].keys() >= {"id", "url", "title", "source", "kind", "score", "heading", "text"}


@pytest.mark.parametrize(("mode", "finds"), [("dense", True), ("hybrid", True), ("keyword", False)])
def test_a_search_ranks_by_words_or_by_meaning(api: httpx.Client, mode: str, finds: bool) -> None:
    # No word of the question is in the index.
    found = api.get("/search", params={"q": "saving tables onto disk", "mode": mode}).json()["results"]
    assert bool(found) is finds


def test_a_search_honours_filters(api: httpx.Client) -> None:
    assert api.get("/search", params={"q": "vacuum", "kind": "issue"}).json()["results"] == []
    assert api.get("/search", params={"q": "vacuum", "source": "nowhere"}).status_code == 400


@pytest.mark.parametrize(
    "place",
    [
        {"url": "https://example.org/vacuum"},
        {"url": "https://example.org/vacuum#part"},
        {"id": "docs:https://example.org/vacuum"},
    ],
)
def test_similar_documents_leave_out_the_document_itself(api: httpx.Client, place: dict[str, str]) -> None:
    found = api.get("/similar", params=place).json()["results"]
    assert [result["rank"] for result in found] == list(range(1, len(found) + 1))
    assert found
    assert "https://example.org/vacuum" not in {result["url"] for result in found}


def test_documents_similar_to_a_text_are_found(api: httpx.Client) -> None:
    found = api.get("/similar", params={"title": "dead rows", "body": "Their space is not reclaimed."}).json()
    assert found["results"][0]["title"] == "Vacuum"


def test_verify_tells_which_sentences_the_sources_hold(api: httpx.Client) -> None:
    text = "VACUUM reclaims the space of dead rows. It also cures hay fever in 30 days."

    verdict = api.post("/verify", json={"text": text}).json()

    assert [sentence["supported"] for sentence in verdict["sentences"]] == [True, False]
    assert (verdict["supported"], verdict["total"]) == (1, 2)
    assert verdict["sentences"][0]["quote"] in "VACUUM reclaims the space of dead rows."
    assert verdict["sentences"][0]["url"] == "https://example.org/vacuum"
    assert verdict["sentences"][1]["quote"] is None


def test_verify_counts_only_the_given_sources(api: httpx.Client) -> None:
    text = "VACUUM reclaims the space of dead rows."
    for url, held in (("https://example.org/vacuum", 1), ("https://example.org/backup", 0)):
        assert api.post("/verify", json={"text": text, "sources": [url]}).json()["supported"] == held
    assert api.post("/verify", json={"text": text, "sources": ["https://example.org/no"]}).status_code == 404


def test_a_document_is_read_whole_and_in_chunks(api: httpx.Client) -> None:
    document = api.get("/documents", params={"url": "https://example.org/backup#one"}).json()

    assert document["id"] == "docs:https://example.org/backup"
    assert document["markdown"].startswith("## One database\n")
    assert [chunk["url"] for chunk in document["chunks"]] == ["https://example.org/backup#one"]
    assert document["chunks"][0].keys() == {"heading", "text", "url"}


def test_sources_tell_their_last_success(api: httpx.Client) -> None:
    (source,) = api.get("/sources").json()["sources"]
    assert (source["name"], source["documents"]) == ("docs", 3)
    assert source["last_success"]


def test_feedback_is_kept_with_the_answer(api: httpx.Client) -> None:
    answer = api.post("/ask", json={"question": QUESTION}).json()["id"]
    said = {"thumb": "down", "comment": "Says nothing of roles.", "better_page": "https://example.org/roles"}

    assert api.post("/feedback", json={"id": answer, **said}).json() == {"id": answer, **said}

    logged = api.get(f"/answers/{answer}").json()
    assert {name: logged[name] for name in said} == said
    assert logged["question"] == QUESTION
    assert logged["stale_at"] is None


def test_a_comment_leaves_the_thumb(api: httpx.Client) -> None:
    answer = api.post("/ask", json={"question": QUESTION}).json()["id"]
    api.post("/feedback", json={"id": answer, "thumb": "down", "better_page": "https://example.org/roles"})

    api.post("/feedback", json={"id": answer, "comment": "Says nothing of roles."})

    logged = api.get(f"/answers/{answer}").json()
    assert (logged["thumb"], logged["better_page"]) == ("down", "https://example.org/roles")
    assert logged["comment"] == "Says nothing of roles."


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("POST", "/ask", {}, 400, "question: is missing."),
        ("POST", "/ask", {"question": "x" * 2001}, 400, "question: must have at most 2,000 characters."),
        ("POST", "/ask", {"question": "x", "thread": "y"}, 400, "thread must be the id of a thread."),
        ("POST", "/ask", {"question": "x", "after": NO_ANSWER}, 400, "The previous answer was not logged or"),
        ("GET", "/search", None, 400, "q, the text to search for, is missing."),
        ("GET", "/search?q=x&mode=psychic", None, 400, "mode: must be 'dense', 'keyword' or 'hybrid'."),
        ("GET", "/search?q=x&since=2024-02-30", None, 400, "since: '2024-02-30' is not a date (YYYY-MM-DD)."),
        ("GET", "/search?q=x&limit=many", None, 400, "limit: 'many' is not a whole number."),
        ("GET", "/search?q=x&limit=0", None, 400, "limit: must be at least 1."),
        ("GET", "/answers/x", None, 400, "id: 'x' is not an id."),
        ("POST", "/ask", [], 400, "The body must be an object."),
        ("POST", "/ask", {"question": 5}, 400, "question: must be a text."),
        ("POST", "/ask", {"question": "x", "top_k": "x" * 900}, 400, f"top_k: '{'x' * 59}… is not a whole number."),
        ("POST", "/verify", {"text": "x", "sources": "y"}, 400, "sources: must be a list."),
        ("GET", "/search?q=x&since=2024-02-03&until=2024-01-01", None, 400, "since (2024-02-03) must not be after"),
        ("GET", "/similar", None, 400, "Give the id or URL of a document, or a title and a body."),
        ("GET", "/similar?url=https://example.org/no", None, 404, "There is no document with this id or URL"),
        ("GET", "/documents?url=no", None, 404, "There is no document with this id or URL in the index."),
        ("GET", f"/answers/{NO_ANSWER}", None, 404, "This answer does not exist or has expired."),
        ("POST", "/feedback", {"id": NO_ANSWER, "thumb": "up"}, 404, "This answer does not exist"),
        ("POST", "/feedback", {"id": NO_ANSWER}, 400, "Send a thumb, a comment or a page"),
        ("POST", "/feedback", {"id": NO_ANSWER, "better_page": "http://["}, 400, "The page that answers must be"),
        ("GET", "/nothing", None, 404, "Not found; /openapi.json lists the endpoints."),
        ("DELETE", "/ask", None, 405, "Method Not Allowed."),
    ],
)
def test_an_error_is_one_sentence(
    api: httpx.Client, method: str, path: str, body: Any, status: int, sentence: str
) -> None:
    response = api.request(method, path, json=body)
    assert response.status_code == status
    assert response.json()["error"].startswith(sentence)
    assert response.json().keys() == {"error"}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"question": 1e999}']
)
def test_a_body_that_is_no_request_is_a_bad_request(api: httpx.Client, content: bytes) -> None:
    response = api.post("/ask", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"].endswith(".")


HOSTILE = {
    "NUL": "\0",
    "a NUL in a word": "a\0b",
    "a lone surrogate": "\ud800",
    "no character": "\U0010ffff",
    "a long word": "x" * 2000,
    "a longer word": "é" * 2000,
    "emojis": "🙂" * 600,
    "SQL": "' OR 1=1 --",
    "an escape": "%00",
    "blanks": "\n\r\t",
    "a terminal's command": "\x1b[2J",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_makes_the_server_fail(api: httpx.Client, site: str, text: str) -> None:
    # httpx cannot send a lone surrogate in a query string; JSON can.
    query = text.encode("utf-8", "replace").decode()
    asked = json.dumps({"question": text, "source": text[:100], "thread": text[:50]})
    posts = {
        "/ask": asked,
        "/search": json.dumps({"query": text, "label": text[:100]}),
        "/verify": json.dumps({"text": text, "sources": [text]}),
        "/feedback": json.dumps({"id": NO_ANSWER, "comment": text, "better_page": text}),
    }
    responses = [
        *(api.post(path, content=body, headers={"Content-Type": "application/json"}) for path, body in posts.items()),
        api.get("/search", params={"q": query}),
        api.get("/search", params={"q": "vacuum", "label": query, "source": query}),
        api.get("/similar", params={"title": query, "body": query}),
        api.get("/documents", params={"url": query}),
        httpx.get(f"{site}/api/search", params={"q": query, "label": query, "top_k": query}),
        httpx.get(f"{site}/api/ask", params={"q": "vacuum", "source": query}),
        httpx.get(site, params={"q": query, "source": query, "after": query}),
    ]
    assert [response.status_code for response in responses if response.status_code >= 500] == []
