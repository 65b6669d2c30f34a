"""Admonitions, tabs and shortcodes that generators write as lines of their own, as Markdown.

The content of an admonition, a tab or a component may be indented; it is moved to the margin of its label.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.sources.markup.placeholders import CLOSING, OPENING, indentation
from rag.sources.names import names

__all__ = ["resolve_blocks"]

#: Where a generator puts a table of contents, and the mark between hugo-book's columns.
_NO_TEXT = re.compile(r"^[ \t]*(?:\[\[?_?toc_?\]?\]|@\[toc\]|<--->)[ \t]*$", re.IGNORECASE)
_SHORTCODE = re.compile(
    r"\{\{[<%](?!\s*(?:rel)?ref\b).{0,1000}?[>%]\}\}|^[ \t]*\{%(?!\s*(?:link|post_url)\b).*?%\}[ \t]*$|^[ \t]*-+8<-+.*$"
    r"|\{\{\s*#(?:include|rustdoc_include|shiftinclude|playground|playpen|title|template|quiz|exercise)\b[^{}]{0,1000}\}\}"
)
# PyMdown's blocks, `/// note | Title`, and tabs inside a container: VuePress's `@tab Title`, VitePress's `== Title`.
_SLASHES = re.compile(
    r"^(\s*)/{3,}[ \t]*(?:(details|admonition|tab|note|tip|info|warning|danger|caution|important|attention|hint|error|"
    r"success|example|abstract|bug|question|quote|caption|figure-caption|html|define)(?:[ \t]*\|[ \t]*(.*))?)?$"
)
_CONTAINER_TAB = re.compile(r"^(\s*)(?:@tab(?::\w+)?[ \t]+([^#\n]+)(?:#[\w-]+)?|==[ \t]+([^=\n]+))$")
_TABS = re.compile(r"\s*:{3,}[ \t]*(?:code-)?tabs\b")
# Containers that show nothing of their own.
_PLAIN = names(
    "code-group code-tabs tabs tab-set grid grids container v-pre raw steps cards card-grid file-tree div center"
)
_REFERENCE = re.compile(
    r"\{\{[<%]\s*(?:rel)?ref\s+(?:path=)?[\"']?([^\"'\s>%]{1,300})[\"']?[^>%]{0,100}[>%]\}\}|\{%\s*(?:link|post_url)\s+([^\s%]{1,300})\s*%\}"
)
_SITE = re.compile(r"\{\{-?\s*(?:site|page)\.[\w.]+\s*-?\}\}")
_DIRECTIVE = re.compile(r"^(\s*):{3,}\s*(?:\{?([\w-]+)\}?)?[ \t]*(?:\[(.*)\]|(.*?))(?:\{[^{}]*\})?\s*$")
#: Pandoc's and Quarto's, `::: {.callout-note title="Mind"}`.
_PANDOC = re.compile(r"^(\s*):{3,}[ \t]*\{([^{}]{0,400}[.=#][^{}]{0,400})\}[ \t]*:*[ \t]*$")
_PANDOC_TITLE = re.compile(r"\b(?:title|name)=([\"'])(.+?)\1")
_PANDOC_CLASS = re.compile(r"\.([\w-]+)")
_NOTES = names("note tip info warning caution danger important hint example")
_BANG = re.compile(r"^(\s*)(?:!!!|\?\?\?\+?)\s+([\w-]+)[^\"]*(?:\"(.*)\")?\s*$")
_TAB = re.compile(r"^(\s*)===[!+]?\s+\"(.+)\"\s*$")
#: A paragraph of docsify that is a tip or important.
_DOCSIFY = re.compile(r"^([?!])>[ \t]+(\S.*)$")
_ALERT = re.compile(r"^(\s*>[\s>]*)\[!(\w+)\][+-]?[ \t]*(.*)$")


def resolve_blocks(lines: Sequence[str], labels: Sequence[str]) -> Iterator[str]:
    """Yield the lines with labels written out and indented content moved to the margin of its label.

    :param lines: with the marker lines of components
    :param labels: those of the components, by number
    """
    shifts: list[_Shift] = []
    has_tabs = any(_TABS.match(line) for line in lines if line.lstrip().startswith(":::"))
    for raw in lines:
        width = indentation(raw)
        while shifts and shifts[-1].ends(raw, width):
            shifts.pop()
        if match := CLOSING.match(raw):
            while shifts and shifts.pop().is_indented:
                pass
            yield ""
            continue
        if shifts:
            shifts[-1].begin(raw, width)
        line = raw[min(_total(shifts), width) :]
        if match := OPENING.match(raw):
            label = labels[int(match[2])]
            shifts.append(_Shift(width, _total(shifts), is_indented=False, emphasis="**" if label == "**" else ""))
            if label and label != "**":
                yield from ("", textwrap.indent(label, line[: indentation(line)]), "")
            else:
                yield ""
            continue
        if match := _BANG.match(line) or _TAB.match(line):
            shifts.append(_Shift(width, _total(shifts), is_indented=True))
            yield from _block_label(match)
            continue
        if shifts and shifts[-1].emphasis and line.strip():
            line = f"{line[: indentation(line)]}**{line.strip()}**"
        if has_tabs and (match := _CONTAINER_TAB.match(line)):
            yield from ("", f"{match[1]}**{(match[2] or match[3]).strip()}**", "")
        else:
            yield _without_shortcodes(line)


def _total(shifts: list[_Shift]) -> int:
    return shifts[-1].total if shifts else 0


@dataclass(slots=True)
class _Shift:
    """An open block whose content may be indented: by four spaces, or as far as its first line."""

    margin: int
    #: how far the blocks around it move its content
    outer: int
    #: whether the end of the indentation ends the block; else a marker line does
    is_indented: bool
    emphasis: str = ""
    amount: int = 0
    is_begun: bool = False

    @property
    def total(self) -> int:
        return self.outer + self.amount

    def ends(self, line: str, width: int) -> bool:
        return self.is_indented and bool(line.strip()) and width <= self.margin

    def begin(self, line: str, width: int) -> None:
        if not self.is_begun and line.strip():
            self.is_begun = True
            self.amount = max(0, min(4, width - self.margin) if self.is_indented else width - self.margin)


def _block_label(match: re.Match[str]) -> tuple[str, ...]:
    margin = match[1]
    if match.re is _TAB:
        return (f"{margin}**{match[2]}**", "")
    title = match[3] if match[3] is not None else match[2].capitalize()
    return (f"{margin}**{title}:**",) if title else ("",)


def _pandoc_label(attributes: str) -> str:
    """Return the label of a box whose attributes Pandoc reads: its title, or the kind of note that its class names."""
    title = _PANDOC_TITLE.search(attributes)
    kinds = (name.removeprefix("callout-") for name in _PANDOC_CLASS.findall(attributes))
    kind = next((name for name in kinds if name in _NOTES), "")
    return f"**{title[2] if title else kind.capitalize()}:**" if title or kind else ""


def _without_shortcodes(line: str) -> str:
    """Return a line with directives and alerts as labels, references as their targets, and no shortcodes."""
    bare = line.lstrip()
    if bare.startswith(":::"):
        if match := _PANDOC.match(line):
            return f"{match[1]}{_pandoc_label(match[2])}"
        match = _DIRECTIVE.match(line)
        kind = (match[2] or "").lower() if match else ""
        title = (
            (match[3] or match[4] or (kind if kind not in _PLAIN else "").replace("-", " ").capitalize())
            if match
            else ""
        )
        return f"{match[1]}**{title.strip()}:**" if match and title.strip() else ""
    if bare.startswith("///") and (match := _SLASHES.match(line)):
        title = match[3] or ("" if match[2] in (None, "html", "define", "tab") else match[2].capitalize())
        return f"{match[1]}**{title}{'' if match[2] == 'tab' else ':'}**" if title else ""
    if match := _DOCSIFY.match(line):
        return f"**{'Tip' if match[1] == '?' else 'Important'}:** {match[2]}"
    if match := _ALERT.match(line):
        return f"{match[1]}**{match[3] or match[2].capitalize()}:**"
    if "{" in line:
        line = _REFERENCE.sub(lambda match: match[1] or match[2], line)
        return _SITE.sub("", _SHORTCODE.sub("", line))
    return "" if _SHORTCODE.match(line) or _NO_TEXT.match(line) else line
