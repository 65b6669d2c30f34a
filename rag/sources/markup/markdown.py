"""Make plain Markdown of a file as it lies in a repository, with the anchors that its host gives headings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from html import unescape

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block import reference as reference_rule
from markdown_it.token import Token

from rag.sources.markup.anchors import Anchors, Slug, github
from rag.sources.markup.front_matter import split
from rag.sources.markup.generators import FENCE, plain_markdown
from rag.sources.markup.inline import attributes, rewrite

__all__ = ["Links", "Named", "Text", "read_markdown", "tidy", "with_code"]

_CUSTOM_ID = re.compile(r"[ \t]*\{:?[ \t]*#([\w.:-]+)[^{}]*\}[ \t]*$")
#: What the chunker would take for an anchor of ours.
_ANCHOR = re.compile(r"\{#(?=[^\s{}]+[^{}]*\}[ \t]*$)")
_PLACE = re.compile(r"<[a-zA-Z][\w-]*\s[^<>]*?\b(?:id|name)\s*=\s*[\"']?([^\s\"'<>]+)")
_HTML_HEADING = re.compile(r"<h([1-6])\b[^<>]*>(.{0,2000}?)</h\1\s*>", re.DOTALL | re.IGNORECASE)
_HTML_BREAK = re.compile(
    r"</?(?:address|article|aside|blockquote|br|center|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|"
    r"header|hr|li|main|nav|ol|p|section|summary|table|tbody|tfoot|thead|tr|ul|video|h[1-6])\b[^<>]*>",
    re.IGNORECASE,
)
_HTML_SUMMARY = re.compile(r"<summary\b[^<>]*>(.{0,500}?)</summary\s*>", re.DOTALL | re.IGNORECASE)
_HTML_HIDDEN = re.compile(r"<(script|style|template)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    """What a name leads to: the title there, and its address if there is one."""

    title: str
    address: str | None


class Links:
    """Says where the links of a file lead to; this one knows of no repository, and keeps those that lead out of it."""

    def page(self, target: str, anchors: Mapping[str, str]) -> str | None:
        """Return the address that a link leads to, or None if only its text is worth keeping.

        :param anchors: those of the file that the link stands in
        """
        del anchors
        return target if target.lower().startswith(("http://", "https://")) else None

    def image(self, target: str) -> str | None:
        """Return the address of an image, or None if only its description is worth keeping."""
        return target if target.lower().startswith(("http://", "https://")) else None

    def included(self, target: str) -> str | None:
        """Return the text of a file that another takes code from, or None if there is none."""
        del target
        return None

    def named(self, kind: str, name: str, anchors: Mapping[str, str], labels: Mapping[str, str]) -> Named | None:
        """Return what a role of Sphinx names: a page (`doc`), a label (`ref`) or a file (`download`).

        :param anchors: those of the file that the role stands in
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
    #: the anchors that a link may name, and the one to be found on the host's page
    anchors: Mapping[str, str] = field(default_factory=dict)
    #: the headings that labels of reStructuredText stand before
    labels: Mapping[str, str] = field(default_factory=dict)


def read_markdown(source: str, *, links: Links | None = None, slug: Slug = github, mdx: bool = False) -> Text:
    """Read a .md or .mdx file: front matter and a generator's syntax make way for what a reader sees.

    :param links: says where links lead to; by default those that are not absolute leave their text
    :param slug: the rule by which the host makes anchors of headings
    :param mdx: braces hold JavaScript
    """
    front, body = split(source.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff"))
    page = _Page(plain_markdown(body, mdx=mdx), slug)
    lines = page.written(links or Links())
    if front.description and front.description not in source[-len(body) :]:
        lines = [*lines[:1], "", front.description, *lines[1:]] if _is_title(lines) else [front.description, "", *lines]
    return Text(front.title or page.title, tidy(lines), front.tags, page.anchors)


def _is_title(lines: list[str]) -> bool:
    return bool(lines) and lines[0].startswith("# ")


def tidy(lines: list[str]) -> str:
    """Join lines, with one blank line between two blocks; code keeps its own."""
    kept: list[str] = []
    for line, is_code in with_code(lines):
        if is_code or line.strip():
            kept.append(line)
        elif kept and kept[-1].strip():
            kept.append("")
    while kept and not kept[-1].strip():
        kept.pop()
    return "\n".join(kept)


def with_code(lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it is of a fenced block of code, its fences among it."""
    fence = ""
    for line in lines:
        if fence:
            yield line, True
            bare = line.strip(" \t>")
            if bare.startswith(fence) and not bare.strip(fence[0]):
                fence = ""
        else:
            opening = FENCE.match(line)
            fence = opening["fence"] if opening else ""
            yield line, bool(fence)


@dataclass(frozen=True, slots=True)
class _Heading:
    level: int
    text: str
    anchor: str

    @property
    def line(self) -> str:
        return f"{'#' * self.level} {self.text}{f' {{#{self.anchor}}}' if self.anchor else ''}" if self.text else ""


class _Page:
    """The blocks of a Markdown text, as CommonMark and GitHub's tables have them."""

    def __init__(self, text: str, slug: Slug) -> None:
        self._lines = text.split("\n")
        environment: dict[str, list[tuple[int, int]]] = {}
        self._tokens = _block_parser().parse(text, environment)
        references: Mapping[str, dict[str, str]] = environment.get("references", {})  # type: ignore[assignment]
        self._references = {label: unescape(said["href"]) for label, said in references.items()}
        self._definitions = environment.get("definitions", [])
        self._headings: dict[int, list[_Heading]] = {}
        #: what a link may name: the anchor on the page
        self.anchors: dict[str, str] = {}
        self._name_places(Anchors(slug))
        first = (heading for found in self._headings.values() for heading in found)
        self.title = next((heading.text for heading in first if heading.level == 1 and heading.text), "")

    def _name_places(self, anchors: Anchors) -> None:
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
                    _heading(int(match[1]), " ".join(match[2].split()), anchors)[0]
                    for match in _HTML_HEADING.finditer(token.content)
                ]
            elif token.type in ("html_block", "inline"):
                pass
            if token.type in ("html_block", "inline") and "<" in token.content:
                custom.update((unescape(name), unescape(name)) for name in _PLACE.findall(token.content))
        own = {
            heading.anchor: heading.anchor for found in self._headings.values() for heading in found if heading.anchor
        }
        self.anchors = {**custom, **own}

    def written(self, links: Links) -> list[str]:
        """Return the lines with all links rewritten, and headings in one form, `# Title {#anchor}`."""
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
                    _put(lines, start, end, self._headings[position][0].line)
                else:
                    _put(lines, start, end, _guarded(change("\n".join(self._lines[start:end]))))
            elif token.type == "tr_open":
                cells = re.split(r"(?<!\\)(\|)", self._lines[start])
                _put(lines, start, start + 1, "".join(cell if cell == "|" else change(cell) for cell in cells))
            elif token.type == "inline" and self._tokens[position - 1].type == "paragraph_open":
                _put(lines, start, end, _guarded(change("\n".join(self._lines[start:end]))))
            elif token.type == "html_block":
                if token.level == 0:
                    headings = iter(self._headings.get(position, ()))
                    _put(lines, start, end, _html(token.content, headings, change))
                else:
                    _put(lines, start, end, change("\n".join(self._lines[start:end])))
        for start, end in self._definitions:
            _put(lines, start, end, None)
        return "\n".join(line for line in lines if line is not None).strip("\n").split("\n")


def _put(lines: list[str | None], start: int, end: int, text: str | None) -> None:
    lines[start:end] = [text, *[None] * (end - start - 1)]


def _guarded(text: str) -> str:
    """Keep text from being taken for an anchor: only a block's first line can hold one."""
    first, joint, rest = text.partition("\n")
    return f"{_ANCHOR.sub(lambda _: chr(92) + '{#', first)}{joint}{rest}" if "{#" in first else text


def _html(content: str, headings: Iterator[_Heading], change: Callable[[str], str]) -> str:
    """Return the text of a block of HTML, its links and images as Markdown."""
    text = _HTML_HIDDEN.sub("", content)
    text = _HTML_HEADING.sub(lambda _: f"\n\n\0{line}\n\n" if (line := next(headings).line) else "", text)
    text = re.sub(r"<li\b[^<>]*>", "\n- ", text, flags=re.IGNORECASE)
    text = re.sub(r"</t[dh]\s*>\s*<t[dh]\b[^<>]*>", " | ", text, flags=re.IGNORECASE)
    text = _HTML_SUMMARY.sub(lambda match: f"\n\n**{match[1].strip()}**\n\n", text)
    text = _HTML_BREAK.sub("\n", text)
    paragraphs = (change(part) if "\0" not in part else part for part in re.split(r"(\0.*)", text))
    lines = (" ".join(line.split()) for line in "".join(paragraphs).replace("\0", "").split("\n"))
    return "\n".join(["", *lines, ""])


def _heading(level: int, content: str, anchors: Anchors) -> tuple[_Heading, str]:
    """Return a heading, and the id that its author gave it, if any."""
    anchor = anchors.add(_heading_text(content))
    custom = _CUSTOM_ID.search(content)
    shown = content[: custom.start()] if custom else content
    text = " ".join(_heading_text(shown, with_images=True).split())
    return _Heading(level, text, anchor), custom[1] if custom else ""


def _heading_text(content: str, *, with_images: bool = False) -> str:
    """Return a heading's text without marks, as the host's page shows it."""
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
    """Find `[label]: target`, remember its lines, and leave footnotes, `[^1]: text`, to the text."""
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
    # Inline text is rewritten where it stands, which tokens do not tell.
    parser.core.ruler.disable(["inline"])
    return parser


@lru_cache(1)
def _inline_parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("strikethrough")
