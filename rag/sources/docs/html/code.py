"""Code in HTML: its text, unchanged, and its language."""

from __future__ import annotations

import re
from functools import lru_cache

from lxml.etree import _Element as Element

from rag.sources.docs.html.boilerplate import Part, part_of
from rag.sources.docs.html.text import MAX_DEPTH

__all__ = ["language_of", "preformatted"]

# A table may stand between code and the element that names its language, with line numbers in its other column.
_WRAPPERS = frozenset({"div", "figure", "section", "td", "tr", "tbody", "table"})
_MAX_WRAPPERS = 6
_LANGUAGE_CLASS = re.compile(
    r"(?:^|\s)(?:language-|lang-|highlight-source-|highlight-|brush:\s*|sourceCode\s+)([\w+#.-]+)"
)
_NO_LANGUAGE = frozenset(
    {"default", "none", "text", "plaintext", "plain", "txt", "notranslate", "highlight", "output", "code"}
)
_ALIASES = {"python3": "python", "ipython3": "python", "shellsession": "console"}


def preformatted(element: Element) -> str:
    """Return code without line numbers and buttons, its line breaks as newlines."""
    pieces: list[str] = []
    _collect(element, pieces, 0)
    text = "".join(pieces).replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")
    lines = text.split("\n")
    while lines and not lines[0].strip():
        del lines[0]
    while lines and not lines[-1].strip():
        del lines[-1]
    return "\n".join(lines)


def _collect(element: Element, pieces: list[str], depth: int) -> None:
    if element.text:
        pieces.append(element.text)
    for child in element:
        if type(child.tag) is str:
            _collect_child(child, pieces, depth)
        if child.tail:
            pieces.append(child.tail)


def _collect_child(child: Element, pieces: list[str], depth: int) -> None:
    if child.tag == "br":
        pieces.append("\n")
    elif depth >= MAX_DEPTH:
        pieces.append("".join(child.itertext("*")))
    elif not (child.attrib and part_of(child) is Part.BOILERPLATE):
        start = len(pieces)
        _collect(child, pieces, depth + 1)
        if _is_line(child) and len(pieces) > start and not pieces[-1].endswith("\n"):
            has_newline = (child.tail or "").startswith(("\n", "\r"))
            if not has_newline and child.getnext() is not None:
                pieces.append("\n")


def _is_line(element: Element) -> bool:
    """Return whether an element inside code is a line of its own although no newline ends it."""
    if element.tag in ("div", "p", "li", "tr"):
        return True
    return element.tag == "span" and (
        "token-line" in (element.get("class") or "") or "display:block" in (element.get("style") or "").replace(" ", "")
    )


def language_of(element: Element) -> str:
    """Return the language of code, empty if nothing names it."""
    candidates = [element, *element.iter("code")]
    above = element.getparent()
    for _ in range(_MAX_WRAPPERS):
        if above is None or above.tag not in _WRAPPERS:
            break
        candidates.append(above)
        above = above.getparent()
    for candidate in candidates:
        named = candidate.get("data-lang") or candidate.get("data-language") or candidate.get("language")
        language = named or _language_class(candidate.get("class") or "")
        if language:
            language = language.lower()
            return "" if language in _NO_LANGUAGE else _ALIASES.get(language, language)
    return ""


@lru_cache(maxsize=1024)
def _language_class(classes: str) -> str:
    match = _LANGUAGE_CLASS.search(classes)
    return match[1] if match else ""
