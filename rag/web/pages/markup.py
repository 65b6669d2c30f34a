"""Renders Markdown of answers and sources as safe HTML, with an answer's markers linked to its list of sources."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Collection, MutableMapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from rag.answer.answer import Answer
from rag.text.urls import is_web_url

__all__ = ["is_web_url", "render_answer", "render_draft", "render_text"]

_MARKER = re.compile(r"\[(\d{1,3})\]")
# Stand around a quote while Markdown is rendered; no stored text holds them, since they are removed first.
_BEGIN, _END = "\ue000", "\ue001"
_MARKED = re.compile(f"{_BEGIN}(.*?){_END}", re.DOTALL)
_TAG = re.compile(r"<(/?)([a-z0-9]+)[^>]*>")

MarkerOf = Callable[[str], list[Token]]


def render_answer(answer: Answer, *, prefix: str = "") -> str:
    """Return an answer as HTML: marker [n] links to source n, and other links are kept if they lead to a source.

    :param prefix: begins the ids of the answer's sources, where there are several answers on a page
    """
    known = {url for source in answer.sources for url in (source.url, source.url.partition("#")[0])}
    numbers = {str(source.n) for source in answer.sources}

    def marker(number: str) -> list[Token]:
        attributes: dict[str, str | int | float] = {
            "href": f"#{prefix}source-{number}",
            "class": "marker",
            "aria-label": f"Source {number}",
        }
        return [Token("link_open", "a", 1, attrs=attributes), _text(number), Token("link_close", "a", -1)]

    return _rendered(answer.answer, known, numbers, marker)


def render_draft(text: str) -> str:
    """Return the beginning of an answer as HTML; its sources are not known yet, so that nothing in it is a link."""

    def marker(number: str) -> list[Token]:
        attributes: dict[str, str | int | float] = {"class": "marker"}
        return [Token("span_open", "span", 1, attrs=attributes), _text(number), Token("span_close", "span", -1)]

    return _rendered(text, (), None, marker)


def render_text(text: str, *, quote: str = "") -> str:
    """Return the Markdown of a source as HTML without links.

    :param quote: words of the text that are marked, if they stand within one paragraph
    """
    clean = text.replace(_BEGIN, "").replace(_END, "")
    start = clean.find(quote) if quote else -1
    if start >= 0:
        clean = f"{clean[:start]}{_BEGIN}{quote}{_END}{clean[start + len(quote) :]}"
    marked = _MARKED.sub(_mark, _rendered(clean, (), (), _plain))
    return marked.replace(_BEGIN, "").replace(_END, "").strip()


def _mark(match: re.Match[str]) -> str:
    """Return a quote in a <mark>, or as it is if that would break the nesting of its tags."""
    opened: list[str] = []
    for closing, name in _TAG.findall(match[1]):
        if not closing:
            opened.append(name)
        elif not opened or opened.pop() != name:
            return match[1]
    is_inline = not opened and not re.search(r"<(?:p|li|ul|ol|pre|div|table|blockquote|h\d)\b", match[1])
    return f"<mark>{match[1]}</mark>" if is_inline else match[1]


def _plain(number: str) -> list[Token]:
    return [_text(f"[{number}]")]


def _rendered(text: str, known: Collection[str], numbers: Collection[str] | None, marker: MarkerOf) -> str:
    """Return Markdown as HTML.

    :param known: the URLs that may be links
    :param numbers: the markers that are replaced; all if None
    """
    tokens = _markdown.parse(text)
    for token in tokens:
        if token.type == "inline" and token.children is not None:
            token.children = _with_markers(_drop_links(token.children, known), numbers, marker)
        elif token.type in ("heading_open", "heading_close"):
            # The page's own headings are above the answer's.
            token.tag = f"h{min(6, int(token.tag[1]) + 3)}"
    rendered: str = _markdown.renderer.render(tokens, _markdown.options, {})
    return rendered


def _drop_links(tokens: Sequence[Token], known: Collection[str]) -> list[Token]:
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
            if token.type == "link_open":
                token.attrSet("rel", "noopener noreferrer")
            kept.append(token)
    return kept


def _with_markers(tokens: Sequence[Token], numbers: Collection[str] | None, marker: MarkerOf) -> list[Token]:
    replaced: list[Token] = []
    for token in tokens:
        if token.type != "text":
            replaced.append(token)
            continue
        start = 0
        for match in _MARKER.finditer(token.content):
            if numbers is None or match[1] in numbers:
                replaced += [_text(token.content[start : match.start()]), *marker(match[1])]
                start = match.end()
        replaced.append(_text(token.content[start:]))
    return replaced


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _highlighted(code: str, language: str, _attributes: str) -> str:
    """Return code as HTML with classes for its parts; the text stays as it is."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    # A quote that is marked in the code would not be seen by a lexer.
    if not language or _BEGIN in code or _END in code:
        return html.escape(code, quote=False)
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return html.escape(code, quote=False)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True, classprefix="hl-")))


def _focusable_code(
    renderer: RendererHTML, tokens: Sequence[Token], place: int, options: OptionsDict, _env: MutableMapping[str, Any]
) -> str:
    """Render code that the keyboard can scroll."""
    token = tokens[place]
    language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
    return f'<pre tabindex="0"><code>{_highlighted(token.content, language, "")}</code></pre>\n'


def _scrolled(
    renderer: RendererHTML, tokens: Sequence[Token], place: int, options: OptionsDict, _env: MutableMapping[str, Any]
) -> str:
    """Render the begin or the end of a table that the keyboard can scroll."""
    return '<div class="scroll" tabindex="0"><table>\n' if tokens[place].nesting > 0 else "</table></div>\n"


def _parser() -> MarkdownIt:
    # Raw HTML is escaped; only the links made here remain, and no images.
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False})
    parser.enable("table").disable(["image", "autolink"])
    for name in ("fence", "code_block"):
        parser.add_render_rule(name, _focusable_code)
    for name in ("table_open", "table_close"):
        parser.add_render_rule(name, _scrolled)
    return parser


_markdown = _parser()
