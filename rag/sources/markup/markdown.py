"""Read a Markdown file of a repository as plain Markdown, with the anchors that its host gives its headings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from html import unescape

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block import reference as reference_rule
from markdown_it.token import Token

from rag.sources.markup.anchors import Anchors, Slug, github
from rag.sources.markup.front_matter import split
from rag.sources.markup.generators import plain_markdown
from rag.sources.markup.inline import attributes, rewrite
from rag.sources.markup.placeholders import sub_before_last
from rag.text.anchors import anchored, escape_anchor
from rag.text.blocks import lines_with_code
from rag.text.lines import one_line

__all__ = ["Links", "Named", "Text", "read_markdown", "tidy"]

_CUSTOM_ID = re.compile(r"[ \t]*\{:?[ \t]*(?:\.[\w-]+[ \t]+)*#([\w.:-]+)[^{}]*\}[ \t]*$")
#: Classes that Pandoc gives a heading.
_CLASSES = re.compile(r"[ \t]*\{(?:-|(?:\.[A-Za-z][\w-]*[ \t]*)+)\}[ \t]*$")
_ID = re.compile(r"<[a-zA-Z][\w-]*\s[^<>]*?\b(?:id|name)\s*=\s*[\"']?([^\s\"'<>]+)")
_HTML_HEADING = re.compile(r"<h([1-6])\b[^<>]*>(.{0,2000}?)</h\1\s*>", re.DOTALL | re.IGNORECASE)
_HTML_BREAK = re.compile(
    r"</?(?:address|article|aside|blockquote|br|center|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|"
    r"header|hr|li|main|nav|ol|p|section|summary|table|tbody|tfoot|thead|tr|ul|video|h[1-6])\b[^<>]*>",
    re.IGNORECASE,
)
_HTML_TABLE = re.compile(r"<table\b[^<>]*>(.*?)</table>", re.DOTALL | re.IGNORECASE)
_HTML_ROW = re.compile(r"<tr\b[^<>]*>", re.IGNORECASE)
_HTML_CELL = re.compile(r"<t([dh])\b[^<>]*>(.*?)(?=</?t[dhr]\b|</?t(?:head|body|foot)\b|\Z)", re.DOTALL | re.IGNORECASE)
#: What a cell of a Markdown table cannot hold, and cells that span others.
_NOT_IN_CELL = re.compile(r"<(?:table|pre|ul|ol|dl|h[1-6]|blockquote|details)\b|\b(?:row|col)span\b|\0", re.IGNORECASE)
_HTML_SUMMARY = re.compile(r"<summary\b[^<>]*>(.{0,500}?)</summary\s*>", re.DOTALL | re.IGNORECASE)
_HTML_HIDDEN = re.compile(r"<(script|style|template)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    """The title, and the address if there is one, of something that a file refers to by name."""

    title: str
    address: str | None


class Links:
    """Resolves the links of a file. This base class knows no repository: it keeps absolute links only."""

    def page(self, target: str, anchors: Mapping[str, str]) -> str | None:
        """Return the address that a link leads to, or None to keep only its text.

        :param anchors: those of the file that contains the link
        """
        del anchors
        return target if target.lower().startswith(("http://", "https://")) else None

    def image(self, target: str) -> str | None:
        """Return the address of an image, or None to keep only its alternative text."""
        return target if target.lower().startswith(("http://", "https://")) else None

    def included(self, target: str) -> str | None:
        """Return the text of a file whose code the file includes, or None if there is none."""
        del target
        return None

    def named(self, kind: str, name: str, anchors: Mapping[str, str], labels: Mapping[str, str]) -> Named | None:
        """Return the page (`doc`), label (`ref`) or file (`download`) that a role of Sphinx names, None if unknown.

        :param anchors: those of the file that contains the role
        :param labels: the titles of its headings, by label
        """
        del kind, anchors
        return Named(labels[name.lower()], None) if name.lower() in labels else None


@dataclass(frozen=True, slots=True)
class Text:
    """A file as Markdown."""

    #: empty if the file names none
    title: str
    markdown: str
    tags: tuple[str, ...] = ()
    #: the names that links may use, and the anchor of each on the host's page
    anchors: Mapping[str, str] = field(default_factory=dict)
    #: the titles of headings, by their reStructuredText labels
    labels: Mapping[str, str] = field(default_factory=dict)


def read_markdown(source: str, *, links: Links | None = None, slug: Slug = github, mdx: bool = False) -> Text:
    """Read a .md or .mdx file; front matter and the syntax of generators are replaced by what a reader sees.

    :param links: resolves links; by default links that are not absolute are replaced by their text
    :param slug: the host's rule for the anchors of headings
    :param mdx: braces hold JavaScript
    """
    front, body = split(source.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff"))
    links = links or Links()
    page = _Page(plain_markdown(body, mdx=mdx, included=links.included), slug)
    lines = page.write(links)
    if front.description and front.description not in source[-len(body) :]:
        lines = [*lines[:1], "", front.description, *lines[1:]] if _is_title(lines) else [front.description, "", *lines]
    return Text(front.title or page.title, tidy(lines), front.tags, page.anchors)


def _is_title(lines: list[str]) -> bool:
    return bool(lines) and lines[0].startswith("# ")


def tidy(lines: list[str]) -> str:
    """Join lines, with at most one blank line between blocks; code keeps its blank lines."""
    kept: list[str] = []
    for line, is_code in lines_with_code(lines, nested=True):
        if is_code or line.strip():
            kept.append(line)
        elif kept and kept[-1].strip():
            kept.append("")
    while kept and not kept[-1].strip():
        kept.pop()
    return "\n".join(kept)


@dataclass(frozen=True, slots=True)
class _Heading:
    level: int
    text: str
    anchor: str

    @property
    def line(self) -> str:
        return anchored(f"{'#' * self.level} {self.text}", self.anchor) if self.text else ""


class _Page:
    """The blocks of a Markdown text, by the rules of CommonMark and GitHub's tables."""

    def __init__(self, text: str, slug: Slug) -> None:
        self._lines = text.split("\n")
        environment: dict[str, list[tuple[int, int]]] = {}
        self._tokens = _block_parser().parse(text, environment)
        references: Mapping[str, dict[str, str]] = environment.get("references", {})  # type: ignore[assignment]
        self._references = {label: unescape(target["href"]) for label, target in references.items()}
        self._definitions = environment.get("definitions", [])
        self._headings: dict[int, list[_Heading]] = {}
        #: the names that links may use, and the anchor of each on the page
        self.anchors: dict[str, str] = {}
        self._find_anchors(Anchors(slug))
        first = (heading for found in self._headings.values() for heading in found)
        self.title = next((heading.text for heading in first if heading.level == 1 and heading.text), "")

    def _find_anchors(self, anchors: Anchors) -> None:
        custom: dict[str, str] = {}
        for position, token in enumerate(self._tokens):
            if token.type == "heading_open":
                inline = self._tokens[position + 1]
                heading, name = _heading(int(token.tag[1]), inline.content, anchors)
                self._headings[position] = [heading]
                if name:
                    custom[name] = heading.anchor
            elif token.type == "html_block" and "<h" in token.content.lower():
                self._headings[position] = [
                    _heading(int(match[1]), one_line(match[2]), anchors)[0]
                    for match in _HTML_HEADING.finditer(token.content)
                ]
            if token.type in ("html_block", "inline") and "<" in token.content:
                custom.update((unescape(name), unescape(name)) for name in _ID.findall(token.content))
        own = {
            heading.anchor: heading.anchor for found in self._headings.values() for heading in found if heading.anchor
        }
        self.anchors = {**custom, **own}

    def write(self, links: Links) -> list[str]:
        """Return the lines, with all links rewritten and every heading in the form `# Title {#anchor}`."""
        lines: list[str | None] = [*self._lines]
        change = partial(
            rewrite,
            link=lambda target: links.page(target, self.anchors),
            image=links.image,
            references=self._references,
        )
        for position, token in enumerate(self._tokens):
            if not token.map:
                continue
            start, end = token.map
            if token.type == "heading_open":
                if token.level == 0:
                    _replace_lines(lines, start, end, self._headings[position][0].line)
                else:
                    _replace_lines(lines, start, end, _escaped(change("\n".join(self._lines[start:end]))))
            elif token.type == "tr_open":
                _replace_lines(lines, start, start + 1, _row(self._lines[start], change))
                if self._tokens[position - 1].type == "thead_open":
                    _replace_lines(lines, start + 1, start + 2, _row(self._lines[start + 1], str))
            elif token.type == "inline" and self._tokens[position - 1].type == "paragraph_open":
                _replace_lines(lines, start, end, _escaped(change("\n".join(self._lines[start:end]))))
            elif token.type == "html_block":
                if token.level == 0:
                    headings = iter(self._headings.get(position, ()))
                    _replace_lines(lines, start, end, _html(token.content, headings, change))
                else:
                    _replace_lines(lines, start, end, change("\n".join(self._lines[start:end])))
        for start, end in self._definitions:
            _replace_lines(lines, start, end, None)
        return "\n".join(line for line in lines if line is not None).strip("\n").split("\n")


def _replace_lines(lines: list[str | None], start: int, end: int, text: str | None) -> None:
    lines[start:end] = [text, *[None] * (end - start - 1)]


def _row(line: str, change: Callable[[str], str]) -> str:
    """Return the row of a table, with the bars at its ends that authors may leave out."""
    cells = re.split(r"(?<!\\)(\|)", line)
    row = "".join(cell if cell == "|" else change(cell) for cell in cells)
    bare = row.lstrip(" \t")
    return (
        row
        if bare.startswith("|") or "|" not in bare
        else f"{row[: len(row) - len(bare)]}| {bare.rstrip().removesuffix('|').rstrip()} |"
    )


def _escaped(text: str) -> str:
    """Return a block with an anchor mark of its author escaped; a mark counts on the first line only."""
    first, newline, rest = text.partition("\n")
    return f"{escape_anchor(first)}{newline}{rest}"


def _html(content: str, headings: Iterator[_Heading], change: Callable[[str], str]) -> str:
    """Return the text of an HTML block, its links and images as Markdown."""
    text = _HTML_HIDDEN.sub("", content)
    text = _HTML_HEADING.sub(lambda _: f"\n\n\0{line}\n\n" if (line := next(headings).line) else "", text)
    text = sub_before_last("</table>", _HTML_TABLE, _html_table, text)
    text = re.sub(r"<li\b[^<>]*>", "\n- ", text, flags=re.IGNORECASE)
    text = re.sub(r"</t[dh]\s*>\s*<t[dh]\b[^<>]*>", " | ", text, flags=re.IGNORECASE)
    text = _HTML_SUMMARY.sub(lambda match: f"\n\n**{match[1].strip()}**\n\n", text)
    text = _HTML_BREAK.sub("\n", text)
    paragraphs = (change(part) if "\0" not in part else part for part in re.split(r"(\0.*)", text))
    lines = (one_line(line) for line in "".join(paragraphs).replace("\0", "").split("\n"))
    return "\n".join(["", *lines, ""])


def _html_table(match: re.Match[str]) -> str:
    """Return a table as Markdown if each of its cells fits on a line."""
    if _NOT_IN_CELL.search(match[1]):
        return match[0]
    rows = [_HTML_CELL.findall(row) for row in _HTML_ROW.split(match[1])[1:]]
    width = max(map(len, rows), default=0)
    if width < 2 or len(rows) < 2:
        return match[0]
    lines = []
    for row in rows:
        cells = [one_line(_HTML_BREAK.sub(" ", text)).replace("|", "\\|") for _, text in row]
        lines.append(f"| {' | '.join([*cells, *[''] * (width - len(cells))])} |")
    if any(kind not in "hH" for kind, _ in rows[0]):
        lines.insert(0, "|" + "   |" * width)
    lines.insert(1, "|" + " --- |" * width)
    return "\n\n" + "\n".join(lines) + "\n\n"


def _heading(level: int, content: str, anchors: Anchors) -> tuple[_Heading, str]:
    """Return a heading, and the id that its author gave it, empty if none."""
    anchor = anchors.add(_heading_text(content))
    custom = _CUSTOM_ID.search(content)
    shown = content[: custom.start()] if custom else _CLASSES.sub("", content)
    text = one_line(_heading_text(shown, with_images=True))
    return _Heading(level, text, anchor), custom[1] if custom else ""


def _heading_text(content: str, *, with_images: bool = False) -> str:
    """Return the text of a heading without markup, as the host's page shows it."""
    return "".join(_texts(_inline_parser().parseInline(content)[0].children or [], with_images))


def _texts(tokens: list[Token], with_images: bool) -> Iterator[str]:
    for token in tokens:
        if token.type in ("text", "code_inline", "text_special"):
            yield token.content
        elif token.type in ("softbreak", "hardbreak"):
            yield " "
        elif token.type == "image" and with_images:
            yield token.content
        elif token.type == "html_inline" and token.content.startswith("<img") and with_images:
            yield unescape(attributes(token.content[4:]).get("alt", ""))


def _reference(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Read a reference definition, `[label]: target`, and note its lines; a footnote, `[^1]: text`, is text."""
    start = state.bMarks[start_line] + state.tShift[start_line]
    if state.src.startswith("[^", start) or not reference_rule(state, start_line, end_line, silent):
        return False
    if not silent:
        state.env.setdefault("definitions", []).append((start_line, state.line))
    return True


@lru_cache(1)
def _block_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": 100}).enable("table")
    parser.block.ruler.at("reference", _reference)
    # Inline tokens do not tell their position in the text, so inline text is rewritten by `inline.rewrite`.
    parser.core.ruler.disable(["inline"])
    return parser


@lru_cache(1)
def _inline_parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("strikethrough")
