"""Renders an answer's Markdown as safe HTML, with its markers linked to the list of sources."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from rag.answer.answer import Answer
from rag.text.urls import is_web_url

__all__ = ["is_web_url", "render_answer"]

_MARKER = re.compile(r"\[(\d{1,3})\]")
# Raw HTML is escaped; only the links made here remain, and no images.
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable(["image", "autolink"])


def render_answer(answer: Answer) -> str:
    """Return an answer as HTML: marker [n] links to source n, and other links are kept if they lead to a source."""
    known = {url for source in answer.sources for url in (source.url, source.url.partition("#")[0])}
    numbers = {source.n for source in answer.sources}
    tokens = _markdown.parse(answer.answer)
    for token in tokens:
        if token.type == "inline" and token.children is not None:
            token.children = _link_markers(_drop_links(token.children, known), numbers)
    html: str = _markdown.renderer.render(tokens, _markdown.options, {})
    return html


def _drop_links(tokens: Sequence[Token], known: set[str]) -> list[Token]:
    kept: list[Token] = []
    dropped = 0
    for token in tokens:
        if token.type == "link_open" and (
            str(token.attrGet("href")) not in known or not is_web_url(str(token.attrGet("href")))
        ):
            dropped += 1
        elif token.type == "link_close" and dropped:
            dropped -= 1
        else:
            kept.append(token)
    return kept


def _link_markers(tokens: Sequence[Token], numbers: set[int]) -> list[Token]:
    linked: list[Token] = []
    for token in tokens:
        if token.type != "text":
            linked.append(token)
            continue
        start = 0
        for match in _MARKER.finditer(token.content):
            if int(match[1]) in numbers:
                linked += [_text(token.content[start : match.start()]), *_marker(match[1])]
                start = match.end()
        linked.append(_text(token.content[start:]))
    return linked


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _marker(number: str) -> list[Token]:
    attributes: dict[str, str | int | float] = {"href": f"#source-{number}", "class": "marker"}
    return [Token("link_open", "a", 1, attrs=attributes), _text(number), Token("link_close", "a", -1)]
