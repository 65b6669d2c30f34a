"""Anchors: the mark `{#fragment key="value"}` at the end of a line, which sources write and the chunker reads.

The syntax is the heading attribute of Pandoc and kramdown. A mark counts at the end of a heading, or of the first line
of another block outside fenced code. The chunks below it link to `url#fragment` and carry its attributes.

    >>> anchored("## Install", "install")
    '## Install {#install}'
    >>> split_anchor('## Comment by ann {#c-1 author="ann"}')
    ('## Comment by ann', Anchor(fragment='c-1', attributes=(('author', 'ann'),)))
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Anchor", "anchored", "escape_anchor", "split_anchor"]

_MARK = re.compile(r"""\{#(?P<fragment>[^\s{}]+)(?P<attributes>(?:[ \t]+[\w-]+="[^"{}]*")*)[ \t]*+\}[ \t]*+$""")
_ATTRIBUTE = re.compile(r"""([\w-]+)="([^"]*)\"""")
# Wider than the mark itself, so that text which a later version of the grammar reads as a mark is escaped as well.
_LIKE_A_MARK = re.compile(r"\{#(?=[^\s{}][^{}]*+\}[ \t]*+$)", re.MULTILINE)
_NOT_IN_VALUES = re.compile(r'["{}\n]')


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in a page that a link can name, and the attributes of the text below it."""

    fragment: str
    attributes: tuple[tuple[str, str], ...] = ()


def anchored(line: str, fragment: str | None, attributes: Mapping[str, str] | None = None) -> str:
    """Return a line with a mark at its end; without a fragment, the line as it is.

    Quotes and braces are left out of the attributes' values: the grammar has no escape for them.
    """
    if not fragment:
        return line
    pairs = (f' {key}="{_NOT_IN_VALUES.sub("", value)}"' for key, value in (attributes or {}).items())
    return f"{line} {{#{fragment}{''.join(pairs)}}}"


def split_anchor(line: str) -> tuple[str, Anchor | None]:
    """Return a line without the mark at its end and the space before it, and the anchor, if it has one."""
    start = line.rfind("{#")
    match = _MARK.match(line, start) if start >= 0 else None
    if match is None:
        return line, None
    anchor = Anchor(match["fragment"], tuple(_ATTRIBUTE.findall(match["attributes"])))
    return line[:start].rstrip(" \t"), anchor


def escape_anchor(text: str) -> str:
    """Return text that somebody else wrote with a backslash in whatever could be read as a mark, on any line."""
    return _LIKE_A_MARK.sub(r"{\\#", text) if "{#" in text else text
