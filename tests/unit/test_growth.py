"""Whatever is read takes time in proportion to its length, also text that was made to keep a reader busy.

Times are compared on one machine in one process: of two lengths, the second twice the first. Only a text that takes
long enough to be measured is doubled, and the best of three runs counts.
"""

from __future__ import annotations

import gc
import string
import time
from collections.abc import Callable

import pytest
from llama_index.core.schema import Document

from rag.ingest.chunking import MarkdownChunker, without_addresses
from rag.sources.markup.markdown import read_markdown
from rag.text import anchors, blocks, citations, neighbours, sentences
from rag.trust.secrets import masked

pytestmark = pytest.mark.slow  # hundreds of hostile texts

Reader = Callable[[str], object]
#: Characters; parsers written in Python are slow enough to be measured on shorter texts.
_LENGTH = 60_000
_SHORT_LENGTH = 10_000
_SLOW_READERS = frozenset({"read_markdown", "read_markdown, MDX", "chunks", "blocks"})
_MEASURABLE = 0.1
_LINEAR = 2.6


def _chunks(text: str) -> object:
    chunker = MarkdownChunker(lambda part: len(part) // 4, max_tokens=256)
    return chunker.get_nodes_from_documents([Document(text=text, metadata={"url": "u", "title": "t"})])


READERS: dict[str, Reader] = {
    "read_markdown": read_markdown,
    "read_markdown, MDX": lambda text: read_markdown(text, mdx=True),
    "chunks": _chunks,
    "masked": masked,
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

REPEATED = [
    *string.punctuation, " ", "\n", "\t", "a", "é", "。", "ก", "\0", "\n \n", "word ", "word\n", "A. ", "x" * 50 + " ",
    "[[", "![", "](", "[a](", "[a]: b\n", "<a ", "<A b={", "<!--", "<!-- -->", "<A>", "<A>\n", "<a href=\"", "<img src=a ",
    "{%", "{{", "{% a", "{% a %}", "{{< a ", "{% tab %}\n", "{% highlight x %}\n", "{% raw %}", "{: .note }\n", "{::comment}",
    "{#a", "{#a}\n", "{/*", "- ", "> ", "1. ", "#\n", "# a {#a}\n", "```\n", "```{note}\n", ":::{code}\n", ":::{note}\n", "::: a\n",
    "!!! a\n", "/// note\n", "    x\n", "<div>\n", "<pre>", "<script>", "<h1>", "<summary>", "import {\n", "export const a = {\n",
    "a\n: b\n", "(a)=\n", "{ref}`a`", "{{#include a}}\n", "<<< a\n", "|-|\n", "| a |\n", "**a**\nb\n\n", "- a\n\n      b\n",
    "AKIA", "AKIA" + "A" * 16, "ghp_", "ghp_" + "a1" * 18, "eyJ", "eyJ.", "eyJa.eyJ", "sk-ant-", "xoxb-1-", "SG.a.", "token ",
    "password: ", "://a:b", "-----BEGIN PRIVATE KEY-----", "www.", "http://", "javascript:", "[1", "[1, ", "[1] ",
]  # fmt: skip
PAIRS = [
    ("[", "[a](b)"), ("![", "[a](b)"), ("<A>", "</A>"), ("<A>\n", "</A>\n"), ("`", "``"), ("{", "}"), ("- ", "a\n\n"),
    ("[a]: b\n", "[a] "), ("<!--", "-->"), ("import {\n", "}\n"), ("- a\n", "{:toc}\n"), ("a\n", "{: .note }\n"), ("(", ")"),
    ('{{< tabs items="a,b" >}}\n', "{{< tab >}}"), ("AKIA", "example" + "A" * 20), ("**", "a**"), ("a\n", ": b\n"),
]  # fmt: skip
HOSTILE = [*((part, "") for part in REPEATED), *PAIRS]


def _text(parts: tuple[str, str], length: int) -> str:
    return "".join(part * (length // len(part)) for part in parts if part)


def _seconds(reader: Reader, text: str) -> float:
    gc.disable()  # its work grows with the square of what a reader keeps
    try:
        started = time.process_time()
        reader(text)
        return time.process_time() - started
    finally:
        gc.enable()


@pytest.mark.parametrize("name", READERS)
def test_twice_the_text_takes_twice_the_time(name: str) -> None:
    reader = READERS[name]
    length = _SHORT_LENGTH if name in _SLOW_READERS else _LENGTH
    for parts in HOSTILE:
        if _seconds(reader, _text(parts, length)) < _MEASURABLE:
            continue
        ratios = []
        for _ in range(3):
            ratios.append(_seconds(reader, _text(parts, 2 * length)) / _seconds(reader, _text(parts, length)))
            if ratios[-1] < _LINEAR:
                break
        assert min(ratios) < _LINEAR, f"{name} of {parts!r} repeated to {length} characters"
