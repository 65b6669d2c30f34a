"""Code in HTML: its text, unchanged, and its language."""

from __future__ import annotations

import re
from functools import lru_cache

from lxml.etree import _Element as Element

from rag.sources.docs.html.boilerplate import is_left_out
from rag.sources.docs.html.elements import text_of
from rag.sources.docs.html.text import MAX_DEPTH
from rag.sources.names import names

__all__ = ["language_of", "preformatted", "unwrapped"]

# A table may stand between code and the element that names its language, with line numbers in its other column.
_WRAPPERS = frozenset({"div", "figure", "section", "td", "tr", "tbody", "table"})
_MAX_WRAPPERS = 6
_LANGUAGE_CLASS = re.compile(
    r"(?:^|\s)(?:language-|lang-|highlight-source-|highlight-|brush:\s*|sourceCode\s+(?:numberSource\s+)?|^highlight\s+(?=\w+$)|"
    r"^hljs\s+(?=\w+$)|syntaxhighlighter\s+(?:nogutter\s+)?)([\w+#.-]+)"
)
_LINE_CLASSES = names(
    "line token-line code-line codeline highlight-line hljs-line view-line ec-line grvsc-line crayon-line"
)
_LINE_STYLE = re.compile(r"display:\s*(?:block|flex|grid)")
_NO_CODE = frozenset({"button", "script", "style", "svg", "template"})
#: What is shown over code when the reader points at it.
_POPUP_CLASS = re.compile(r"(?:^|[\s_-])(?:popup|tooltiptext)(?:$|[\s_-])")
_SPACE = re.compile(r"[ \t\r\n]+")
_NO_LANGUAGE = frozenset(
    {"default", "none", "text", "plaintext", "plain", "txt", "notranslate", "highlight", "output", "code"}
)
#: languages that a class of their name marks
_LANGUAGES = names(
    "ruby rust python java javascript typescript bash shell sql xml html json yaml toml php perl cpp scala"
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


def unwrapped(element: Element) -> str:
    """Return code that is not in a pre, where only tags break lines and white space does not count."""
    for inner in element.iter("*"):
        inner.text = inner.text and _SPACE.sub(" ", inner.text)
        if inner is not element:
            inner.tail = inner.tail and _SPACE.sub(" ", inner.tail)
    pieces: list[str] = []
    _collect(element, pieces, 0)
    lines = ("".join(pieces).replace(" \n", "\n").replace("\n ", "\n")).strip(" \n").split("\n")
    return "\n".join(line.replace("\xa0", " ").rstrip() for line in lines if line.strip())


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
    elif not ((child.attrib or child.tag in _NO_CODE) and _is_beside_code(child)):
        start = len(pieces)
        _collect(child, pieces, depth + 1)
        if _is_line(child) and len(pieces) > start and not pieces[-1].endswith("\n"):
            following = child.getnext()
            has_newline = (child.tail or "").startswith(("\n", "\r")) or (
                following is not None and following.tag == "br" and not child.tail
            )
            if not has_newline and following is not None:
                pieces.append("\n")
        elif len(pieces) == start and not child.tail and _is_empty_line(child):
            pieces.append("\n")


def _is_beside_code(element: Element) -> bool:
    is_popup = element.get("role") == "tooltip" or _POPUP_CLASS.search(element.get("class") or "") is not None
    return is_popup or is_left_out(element) or _is_number(element)


def _is_number(cell: Element) -> bool:
    """Return whether a cell holds the number of the line of code beside it, as in SyntaxHighlighter 2."""
    return cell.tag == "td" and cell.get("class") == "number" and text_of(cell).strip().isdecimal()


def _is_line(element: Element) -> bool:
    """Return whether an element inside code is a line of its own although no newline ends it."""
    if element.tag in ("div", "p", "li", "tr"):
        return True
    if element.tag == "code":
        following = element.getnext()
        is_in_pre = (above := element.getparent()) is not None and above.tag == "pre"
        return is_in_pre and following is not None and following.tag == "code" and not element.tail
    return element.tag == "span" and (
        "data-line" in element.attrib
        or not _LINE_CLASSES.isdisjoint((element.get("class") or "").split())
        or _LINE_STYLE.search(element.get("style") or "") is not None
    )


def _is_empty_line(element: Element) -> bool:
    """Return whether an element that is marked as a line stands for an empty one: the next line follows it at once."""
    following = element.getnext()
    if following is None or following.tag != element.tag:
        return False
    return all(not _LINE_CLASSES.isdisjoint((line.get("class") or "").split()) for line in (element, following))


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
    if match:
        return match[1]
    return next((name for name in classes.split() if name in _LANGUAGES), "")
