"""Attribute lists of kramdown, Python-Markdown and Pandoc: `{: .note }`, `{:toc}`, `{#id}`, which readers do not see.

A list on a line of its own belongs to the block beside it: a class that makes the block a note becomes a label.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rag.sources.names import names

__all__ = ["without_attributes"]

_VALUE = r"(?:[#.][\w:-]+|[\w-]+=(?:\"[^\"{}\n]*\"|'[^'{}\n]*'|[^\s{}\"']+))"
_KEY = (
    r"(?:[#.][A-Za-z][\w:-]*|(?:target|width|height|w|h|rel|class|style|id|loading|align|title|download|markdown|l|lang"
    r"|data-[\w-]+|alt|srcset|name)=(?:\"[^\"{}\n]*\"|'[^'{}\n]*'|[^\s{}\"']+))"
)
#: Behind a link, code, a bracket or bold text; kramdown's own mark may follow emphasis too.
_SPAN = re.compile(
    rf"(?:(?<=[)\]\0])|(?<=\*\*)|(?<=[*_])(?={{:)){{:?[ \t]*{_KEY}(?:[ \t]+(?:{_KEY}|[\w-]+(?:=[^\s{{}}]+)?))*[ \t]*}}"
)
#: A line of its own.
_LINE = re.compile(rf"^[ \t>]*(?:{{:[^{{}}\n]{{0,500}}}}|{{[ \t]*{_VALUE}(?:[ \t]+{_VALUE})*[ \t]*}})[ \t]*$")
_CLASS = re.compile(r"\.([\w-]+)")
_CONTENTS = re.compile(r"^[ \t]*(?:[-*+]|\d+[.)])[ \t]+\S[^\n]{0,80}$")
_EXTENSION = re.compile(r"^\{::?/?[\w-]*[^{}]*/?\}$")
#: Marks inside a line around text of which kramdown shows all, and the text that Pandoc gives a class.
_INLINE = re.compile(r"\{::?/?(?:nomarkdown|options)[^{}\n]{0,200}\}|\{:/\}")
_BRACKETED = re.compile(r"(?<![!\]\\])\[([^\[\]\n]{1,200})\]\{[.#][\w-][^{}\n]{0,200}\}")
_KINDS = names("note tip info warning caution danger important hint alert attention highlight new success error")


def without_attributes(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines without attribute lists."""
    held: list[str] = []  # the block above, which a list below it may change
    for line in lines:
        if "{" not in line:
            if not line.strip():
                yield from held
                held = []
            held.append(line)
        elif _LINE.match(line):
            _apply(held, line)
        elif not _EXTENSION.match(line.strip()):
            held.append(line if line.lstrip().startswith("#") else _without_marks(line))
    yield from held


def _without_marks(line: str) -> str:
    return _SPAN.sub("", _BRACKETED.sub(r"\1", _INLINE.sub("", line)))


def _apply(held: list[str], line: str) -> None:
    """Change the lines of a block as an attribute list below them says."""
    last = held[-1] if held else ""
    if re.search(r"\{:[ \t]*toc\b", line) and _CONTENTS.match(last):
        held.pop()  # the line that the table of contents replaces
        return
    label = next((kind for name in _CLASS.findall(line) if (kind := name.removesuffix("-title").lower()) in _KINDS), "")
    if not label:
        return
    start = 1 if held and not held[0].strip() else 0
    first = held[start] if start < len(held) else ""
    if not first.lstrip("> ").startswith("#") and not first.endswith(":**"):
        quoted = "> " if (first or line).lstrip().startswith(">") else ""
        # A list that stands above its block makes a label that is the first line of the block.
        held.insert(start, f"{quoted}**{label.capitalize()}:**")
