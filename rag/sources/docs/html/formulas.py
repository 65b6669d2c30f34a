"""Formulas as text: TeX where the page has it, else MathML and raised or lowered text in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

from lxml import etree
from lxml.etree import _Element as Element

from rag.sources.docs.html.elements import text_of
from rag.text.lines import one_line

__all__ = ["formula"]

_SIGNS = "-+\u2212–±"
#: operators with a blank on either side
_OPERATORS = "=<>≤≥≠≈+±→⇒∈\u223c≡\u222a∩×·\u2212⋅"
_SIMPLE = re.compile(r"^(?:[^\W_]+(?:\.\d+)?|.)$")
_INVISIBLE_OPERATORS = dict.fromkeys(map(ord, "\u2061\u2062\u2063\u2064\u200b"), None)
_MAX_DEPTH = 30
_FOR_SCREEN_READERS = frozenset({"katex-mathml", "MJX_Assistive_MathML"})


def formula(element: Element) -> str:
    """Return the formula that an element holds, TeX between dollar signs, empty if another element holds it too."""
    if element.tag == "script":
        return _script(element)
    if _has_script_beside(element):
        return ""
    tex = next(
        (note.text for note in element.iter("annotation") if "tex" in (note.get("encoding") or "").lower()), None
    )
    math = element if element.tag == "math" else next(element.iter("math"), None)
    tex = tex or (math.get("alttext") if math is not None else None)
    if tex and tex.strip():
        return f"${_unwrapped(one_line(tex))}$"
    if math is None:
        math = _parsed(element.get("data-mathml"))
    if math is not None:
        return one_line(_linear(math, 0))
    image = next(element.iter("img"), None)
    own = one_line(_visual(element))
    if not own and image is not None and image.get("alt"):
        return f"${_unwrapped(image.get('alt') or '')}$"
    return own or one_line(element.get("aria-label") or "")


def _unwrapped(tex: str) -> str:
    """Return TeX without the delimiters and the style that renderers put around it."""
    tex = tex.strip().removeprefix("$$").removesuffix("$$").strip()
    match = re.fullmatch(r"\{\\(?:display|text)style\s(.*)\}", tex, re.DOTALL)
    return match[1].strip() if match else tex


def _script(element: Element) -> str:
    kind = (element.get("type") or "").lower()
    text = (element.text or "").strip()
    if kind.startswith("math/mml"):
        math = _parsed(text)
        return one_line(_linear(math, 0)) if math is not None else ""
    mark = "$" if kind.startswith("math/tex") else ""
    return f"{mark}{one_line(text)}{mark}" if text else ""


def _has_script_beside(element: Element) -> bool:
    """Return whether the source of a formula that MathJax 2 has drawn follows in a script."""
    if element.tag == "math":
        return False
    following = islice(element.itersiblings(), 2)
    return any(near.tag == "script" and (near.get("type") or "").startswith("math/") for near in following)


def _parsed(markup: str | None) -> Element | None:
    if not markup:
        return None
    try:
        return etree.fromstring(markup, etree.HTMLParser()).find(".//math")
    except (etree.XMLSyntaxError, ValueError, AttributeError):
        return None


def _visual(element: Element, depth: int = 0) -> str:
    """Return the text that a renderer drew, without what is there for screen readers as well."""
    if depth > _MAX_DEPTH:
        return text_of(element)
    if (write := next(filter(None, map(_DRAWN.get, (element.get("class") or "").split())), None)) is not None:
        return write(element, depth)
    pieces = [element.text or ""]
    for child in element.iterchildren("*"):
        if _FOR_SCREEN_READERS.isdisjoint((child.get("class") or "").split()):
            pieces.append(_visual(child, depth + 1))
        pieces.append(child.tail or "")
    return "".join(pieces)


def _levels(element: Element, depth: int) -> list[str]:
    """Return the texts that KaTeX draws above each other, the lowest first."""
    column = next((inner for inner in element.iter("span") if inner.get("class") == "vlist"), None)
    texts = [] if column is None else [one_line(_visual(level, depth + 1)) for level in column]
    return [text for text in texts if text]


def _drawn_fraction(element: Element, depth: int) -> str:
    levels = _levels(element, depth)
    return _fraction(levels[::-1]) if len(levels) == 2 else " ".join(levels)


def _drawn_scripts(element: Element, depth: int) -> str:
    levels = _levels(element, depth)
    has_lower = next((True for inner in element.iter("span") if "vlist-t2" in (inner.get("class") or "")), False)
    marks = ("_", "^") if has_lower else ("^",)
    return "".join(f"{mark}{_group(level)}" for mark, level in zip(marks, levels, strict=False))


def _drawn_root(element: Element, depth: int) -> str:
    return _root([" ".join(_levels(element, depth))])


_DRAWN = {"mfrac": _drawn_fraction, "msupsub": _drawn_scripts, "sqrt": _drawn_root}


def _children(element: Element, depth: int) -> list[str]:
    return [
        _linear(child, depth + 1)
        for child in element
        if type(child.tag) is str and child.tag not in ("annotation", "annotation-xml", "mprescripts", "none")
    ]


def _group(text: str) -> str:
    return text if _SIMPLE.match(text) else f"({text})"


def _linear(element: Element, depth: int) -> str:
    """Return MathML as text in one line: (a + b)/2, x^2, √(x)."""
    if depth > _MAX_DEPTH:
        return text_of(element)
    tag = element.tag.rpartition(":")[2]
    if tag in ("mi", "mn", "mo", "mtext", "ms"):
        return _token(tag, element)
    if tag == "mspace":
        return " "
    if tag == "mphantom":
        return ""
    parts = _children(element, depth)
    if (write := _LAYOUT.get(tag)) is not None:
        return write(parts)
    if tag == "mfenced":
        separators = element.get("separators", ",").strip() or ""
        joint = f"{separators[0]} " if separators else ""
        return f"{element.get('open', '(')}{joint.join(parts)}{element.get('close', ')')}"
    return one_line((element.text or "") + "".join(parts)) if not parts else _joined(parts)


def _token(tag: str, element: Element) -> str:
    text = one_line(text_of(element)).translate(_INVISIBLE_OPERATORS)
    if tag == "mo" and element.get("stretchy") != "true" and (len(text) == 1 and text in _OPERATORS):
        return f" {text} "
    return f" {text} " if tag == "mtext" and text else text


def _joined(parts: list[str]) -> str:
    """Join the parts of a row; a blank keeps two words, or two numbers, from becoming one."""
    text = previous = ""
    for piece in parts:
        # At the start, or after another operator, it is a sign.
        part = piece.lstrip() if not text or text.endswith((" ", "(")) else piece
        part = part.rstrip() if len(part) == 2 and part != piece and part[0] in _SIGNS else part
        if previous[-1:].isalnum() and part[:1].isalnum():
            is_word = (len(part) > 1 and part.isalpha()) or (len(previous) > 1 and previous.isalpha())
            text += " " if is_word or (previous[-1].isdigit() and part[0].isdigit()) else ""
        text += part
        previous = part or previous
    return text.strip(" ")


def _fraction(parts: list[str]) -> str:
    return "/".join(_group(part.strip()) for part in parts[:2])


def _scripts(*marks: str) -> Callable[[list[str]], str]:
    def write(parts: list[str]) -> str:
        raised = zip(marks, parts[1:], strict=False)
        return (parts[0] if parts else "") + "".join(f"{mark}{_group(part.strip())}" for mark, part in raised if part)

    return write


def _root(parts: list[str]) -> str:
    return f"√{_group(''.join(parts).strip())}" if parts else ""


def _nth_root(parts: list[str]) -> str:
    return f"{_group(parts[0].strip())}^(1/{parts[1].strip()})" if len(parts) > 1 else _root(parts)


def _rows(parts: list[str]) -> str:
    return "[" + "; ".join(parts) + "]"


def _cells(parts: list[str]) -> str:
    return ", ".join(part.strip() for part in parts)


_LAYOUT: dict[str, Callable[[list[str]], str]] = {
    "mfrac": _fraction,
    "msup": _scripts("^"),
    "msub": _scripts("_"),
    "msubsup": _scripts("_", "^"),
    "mover": _scripts("^"),
    "munder": _scripts("_"),
    "munderover": _scripts("_", "^"),
    "mmultiscripts": _scripts("_", "^"),
    "msqrt": lambda parts: _root([_joined(parts)]),
    "mroot": _nth_root,
    "mtable": _rows,
    "mtr": _cells,
    "mlabeledtr": _cells,
}
