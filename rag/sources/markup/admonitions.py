"""Admonitions, tabs and shortcodes that generators write as lines of their own, as Markdown.

The content of an admonition, a tab or a component may be indented; it is moved to the margin of its label.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.sources.markup.placeholders import CLOSING, OPENING, indentation

__all__ = ["resolve_blocks"]

_SHORTCODE = re.compile(
    r"\{\{[<%](?!\s*(?:rel)?ref\b).{0,1000}?[>%]\}\}|^[ \t]*\{%(?!\s*link\b).*?%\}[ \t]*$|^[ \t]*-+8<-+.*$"
)
_REFERENCE = re.compile(
    r"\{\{[<%]\s*(?:rel)?ref\s+(?:path=)?[\"']?([^\"'\s>%]{1,300})[\"']?[^>%]{0,100}[>%]\}\}|\{%\s*link\s+([^\s%]{1,300})\s*%\}"
)
_SITE = re.compile(r"\{\{-?\s*(?:site|page)\.[\w.]+\s*-?\}\}")
_DIRECTIVE = re.compile(r"^(\s*):{3,}\s*(?:\{?([\w-]+)\}?)?[ \t]*(?:\[(.*)\]|(.*?))(?:\{[^{}]*\})?\s*$")
_BANG = re.compile(r"^(\s*)(?:!!!|\?\?\?\+?)\s+([\w-]+)[^\"]*(?:\"(.*)\")?\s*$")
_TAB = re.compile(r"^(\s*)===[!+]?\s+\"(.+)\"\s*$")
_ALERT = re.compile(r"^(\s*>[\s>]*)\[!(\w+)\][+-]?[ \t]*(.*)$")


def resolve_blocks(lines: Sequence[str], labels: Sequence[str]) -> Iterator[str]:
    """Yield the lines with labels written out and indented content moved to the margin of its label.

    :param lines: with the marker lines of components
    :param labels: those of the components, by number
    """
    shifts: list[_Shift] = []
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


def _without_shortcodes(line: str) -> str:
    """Return a line with directives and alerts as labels, references as their targets, and no shortcodes."""
    if line.lstrip().startswith(":::"):
        match = _DIRECTIVE.match(line)
        title = (match[3] or match[4] or (match[2] or "").replace("-", " ").capitalize()).strip() if match else ""
        return f"{match[1]}**{title}:**" if match and title else ""
    if match := _ALERT.match(line):
        return f"{match[1]}**{match[3] or match[2].capitalize()}:**"
    if "{" in line:
        line = _REFERENCE.sub(lambda match: match[1] or match[2], line)
        return _SITE.sub("", _SHORTCODE.sub("", line))
    return "" if _SHORTCODE.match(line) else line
