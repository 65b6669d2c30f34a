"""Whatever is read takes time in proportion to its length, also text that was made to keep a reader busy.

Times are compared on one machine in one process: of two lengths, the second half the first. Only a text that takes long
enough to be measured is read by half as well, and the best of five runs counts.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Sequence
from functools import cache

import httpx
import numpy as np
import pytest
from llama_index.core.schema import Document
from numpy.typing import NDArray

from rag.answer import evidence
from rag.answer.question import asked
from rag.answer.written.grounding import GroundingChecker
from rag.evaluate.facts import judged
from rag.ingest.chunking import MarkdownChunker, without_addresses
from rag.llm.failures import is_too_long
from rag.search.results import SearchResult
from rag.sources.docs.fetching.fetch import Fetched
from rag.sources.docs.pages.page import NotHtmlError, read_page
from rag.sources.docs.site.robots import Robots
from rag.sources.docs.site.sitemap import SitemapError, list_pages
from rag.sources.github.markdown import clean, without_quotes_of
from rag.sources.markup import front_matter
from rag.sources.markup.markdown import read_markdown
from rag.sources.markup.notebook import read_notebook
from rag.text import anchors, blocks, citations, neighbours, sentences, words
from rag.trust.addresses import Known, addresses
from rag.trust.authorship import Voice
from rag.trust.injection import speaks_to_models
from rag.trust.secrets import masked
from rag.trust.urls import shown_in
from tests.growth import HOSTILE, hostile_text

pytestmark = pytest.mark.slow  # hundreds of hostile texts

Reader = Callable[[str], object]
#: Characters; parsers written in Python are slow enough to be measured on shorter texts.
_LENGTH = 40_000
_SHORT_LENGTH = 8_000
_SLOW_READERS = frozenset(
    {"read_markdown", "read_markdown, MDX", "chunks", "blocks"}
    | {"addresses", "evidence", "asked", "grounding in a source", "grounding of an answer"}
)
_SENTENCES = [("A. ", ""), ("1. ", ""), ("[1] ", ""), ("A. [1] ", ""), ("a\n", "")]
#: Readers for which only some texts are hostile; the others would take half a minute. "evidence" reads sources, too.
_HOSTILE_TO = {"grounding of an answer": _SENTENCES, "grounding in a source": _SENTENCES}
_MEASURABLE = 0.05
# The time of a reader may have a part that grows with the square of the length. If a text takes 2.35 times as long as its half,
# this part is three tenths of the time. Twice the text would take 2.6 times as long, and the test three times as long.
_LINEAR = 2.35


def _chunks(text: str) -> object:
    chunker = MarkdownChunker(lambda part: len(part) // 4, max_tokens=256)
    return chunker.get_nodes_from_documents([Document(text=text, metadata={"url": "u", "title": "t"})])


class _Encoder:
    """Gives each text the same vector."""

    model = "none"
    dimension = 2
    max_tokens = 256

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.full((len(texts), 2), 0.7, np.float32)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.encode([text])[0]
        return vector

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.encode(texts)

    def count_tokens(self, text: str) -> int:
        return len(text) // 4


class _Server:
    """Answers each request with one body."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def get(self, url: str, **_: object) -> Fetched:
        return Fetched(url, 200, httpx.Headers(), self._body)


def _found(text: str) -> SearchResult:
    stranger = ((0, Voice("ann", "none", "2024-05-01T10:00:00Z")),)
    return SearchResult(1, "c", "d", "https://example.org/", "T", "docs", "issue", "H", text, 1.0, voices=stranger)


def _page(text: str) -> object:
    try:
        return read_page(text.encode(), url="http://a.org/", charset="utf-8", robots="", link=lambda href, base: href)
    except NotHtmlError:
        return None


def _listed(name: str, body: str) -> object:
    try:
        return list(list_pages(f"http://a.org/{name}", _Server(body.encode())))  # type: ignore[arg-type]
    except SitemapError:
        return None


def _robots(text: str) -> object:
    rules = Robots(f"User-agent: *\nDisallow: /{text}\n{text}")
    return rules.allows("http://a.org/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), rules.delay


def _notebook(text: str) -> object:
    # Its Markdown cells are read by read_markdown.
    printed = {"output_type": "stream", "name": "stdout", "text": text}
    cells = [{"cell_type": "code", "source": text, "outputs": [printed]}]
    return read_notebook(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))


@cache
def _checker() -> GroundingChecker:
    return GroundingChecker(_Encoder(), [_found("Install it with pip. It takes a minute.")], "How?")


READERS: dict[str, Reader] = {
    "read_page": _page,
    "read_page, in a page": lambda text: _page(f"<html><body><main><h1>A</h1><p>{text}"),
    "read_notebook": _notebook,
    "front_matter": lambda text: (front_matter.split(f"---\n{text}\n---\n"), front_matter.split(text)),
    "sitemap": lambda text: _listed("sitemap.xml", f"<urlset><url><loc>{text}</loc></url></urlset>"),
    "llms.txt": lambda text: _listed("llms.txt", text),
    "robots": _robots,
    "clean": lambda text: clean(text, top=2),
    "without_quotes_of": lambda text: without_quotes_of(text, [text]),
    "speaks_to_models": speaks_to_models,
    "addresses": addresses,
    "evidence": lambda text: (
        evidence.evidence.__wrapped__(_found(text)),
        evidence.without_addresses(_found(text), Known()),
    ),
    "grounding of an answer": lambda text: _checker().check(text, [1]),
    "grounding in a source": lambda text: GroundingChecker(_Encoder(), [_found(text)], text).check("Install it [1]."),
    "facts": lambda text: judged(text, [["install it", text[:50]]], [text[:20]]),
    "asked": lambda text: asked.Asked.of(text, asked.plain_terms(text)).order,
    "words": lambda text: (words.words(text), words.stems(text)),
    "is_too_long": is_too_long,
    "read_markdown": read_markdown,
    "read_markdown, MDX": lambda text: read_markdown(text, mdx=True),
    "chunks": _chunks,
    "masked": masked,
    "shown_in": shown_in,
    "sentences": lambda text: (sentences.sentences(text, finer=True, lines=True), sentences.sentences(text)),
    "blocks": lambda text: list(blocks.blocks(text)),
    "anchors": lambda text: (anchors.escape_anchor(text), anchors.split_anchor(text)),
    "sanitized": citations.sanitized,
    "keep_known_links": lambda text: citations.keep_known_links(text, lambda url: False),
    "markers": lambda text: (citations.cited(text, [1]), citations.renumber(text, [1]), citations.escape_markers(text)),
    "best_quote": lambda text: citations.best_quote("install it", text),
    "text_fragment": lambda text: citations.text_fragment("https://example.org/", text),
    "without_addresses": without_addresses,
    "runs_on": lambda text: neighbours.runs_on(text, text),
}


def _seconds(reader: Reader, text: str) -> float:
    gc.disable()  # its work grows with the square of what a reader keeps
    try:
        started = time.process_time()
        reader(text)
        return time.process_time() - started
    finally:
        gc.enable()


def test_the_texts_of_a_page_take_no_longer_if_they_are_nested_deeply() -> None:
    texts = "a<b>x</b> " * 4_000
    flat, deep = (_seconds(_page, f"<html><body><main>{'<div>' * depth}{texts}") for depth in (10, 1_900))
    assert deep < 8 * flat


@pytest.mark.parametrize("name", READERS)
def test_half_the_text_takes_half_the_time(name: str) -> None:
    reader = READERS[name]
    length = _SHORT_LENGTH if name in _SLOW_READERS else _LENGTH
    for parts in _HOSTILE_TO.get(name, HOSTILE):
        # In quadratic time, the whole takes four times as long as the half. Most halves show that it is not measurable.
        if _seconds(reader, hostile_text(parts, length // 2)) < _MEASURABLE / 4:
            continue
        whole = _seconds(reader, hostile_text(parts, length))
        if whole < _MEASURABLE:
            continue
        ratios = [whole / _seconds(reader, hostile_text(parts, length // 2))]
        while len(ratios) < 5 and ratios[-1] >= _LINEAR:
            whole = _seconds(reader, hostile_text(parts, length))
            ratios.append(whole / _seconds(reader, hostile_text(parts, length // 2)))
        assert min(ratios) < _LINEAR, f"{name} of {parts!r} repeated to {length} characters"
